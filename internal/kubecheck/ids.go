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
	IDAPIUnserved   = "api/unserved"
	IDChartRange    = "api/chart-range"

	IDPlaintext = "secrets/plaintext"

	IDDependencyKind   = "flux/dependency-kind"
	IDSourceDependency = "flux/source-dependency"
	IDTimeout          = "flux/timeout"
	IDInterval         = "flux/interval"
	IDHealthChecks     = "flux/health-checks"
	IDCrossNamespace   = "flux/cross-namespace"
	IDCRDOrder         = "flux/crd-order"

	IDDeadlock   = "bootstrap/deadlock"
	IDFailClosed = "bootstrap/fail-closed"
	IDMutation   = "bootstrap/mutation"
)

// Severities gives each id with the severity that its findings have, whatever
// a platform makes of it later.
func Severities() map[string]diag.Severity {
	return map[string]diag.Severity{
		IDStructure: diag.Error, IDMetadata: diag.Error, IDDuplicate: diag.Error,
		IDNamespace: diag.Error, IDReference: diag.Error, IDSecret: diag.Error,
		IDAirGap: diag.Error,

		IDEmptyUnit: diag.Error, IDDependency: diag.Error, IDCycle: diag.Error, IDOrder: diag.Error,
		IDDependencyKind: diag.Error, IDSourceDependency: diag.Warning, IDTimeout: diag.Error,
		IDInterval: diag.Warning, IDHealthChecks: diag.Warning, IDCrossNamespace: diag.Error,
		IDCRDOrder: diag.Error,

		IDAPIRemoved: diag.Error, IDAPIDeprecated: diag.Warning, IDAPITooNew: diag.Error,
		IDAPIUnknown: diag.Error, IDAPIUnserved: diag.Error, IDChartRange: diag.Error,

		IDPlaintext: diag.Error,

		IDDeadlock: diag.Error, IDFailClosed: diag.Warning, IDMutation: diag.Warning,
	}
}
