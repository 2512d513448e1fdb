package kubecheck

import "github.com/contain-platform/contain/internal/diag"

// Ids of the findings. Each has its page in policies/, which says the same
// severity: people re-level and waive by these names.
const (
	IDStructure  = "objects/structure"
	IDMetadata   = "objects/metadata"
	IDDuplicate  = "objects/duplicate"
	IDNamespace  = "objects/namespace"
	IDReference  = "objects/reference"
	IDSecret     = "objects/secret"
	IDAirGap     = "objects/air-gap"
	IDEmptyUnit  = "flux/empty-unit"
	IDDependency = "flux/dependency"
	IDCycle      = "flux/cycle"
	IDOrder      = "flux/namespace-order"

	IDAPIRemoved    = "api/removed"
	IDAPIDeprecated = "api/deprecated"
	IDAPITooNew     = "api/too-new"
	IDAPIUnknown    = "api/unknown"

	IDPlaintext = "secrets/plaintext"
)

// Severities gives each id with the severity that its findings have, whatever
// a platform makes of it later.
func Severities() map[string]diag.Severity {
	return map[string]diag.Severity{
		IDStructure: diag.Error, IDMetadata: diag.Error, IDDuplicate: diag.Error,
		IDNamespace: diag.Error, IDReference: diag.Error, IDSecret: diag.Error,
		IDAirGap: diag.Warning,

		IDEmptyUnit: diag.Error, IDDependency: diag.Error, IDCycle: diag.Error, IDOrder: diag.Error,

		IDAPIRemoved: diag.Error, IDAPIDeprecated: diag.Warning, IDAPITooNew: diag.Error,
		IDAPIUnknown: diag.Error,
		IDPlaintext:  diag.Error,
	}
}
