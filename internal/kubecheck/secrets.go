package kubecheck

import (
	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/render"
)

// plaintext finds Secrets that carry values: an artifact is signed, not
// encrypted, and whoever may pull it could read them. The finding says where
// they are, not what they are.
func plaintext(units []render.Unit) []diag.Finding {
	var out []diag.Finding
	for _, u := range units {
		for _, o := range u.Objects {
			if o.Group != "" || o.Kind != "Secret" {
				continue
			}
			for _, field := range []string{"data", "stringData"} {
				if values, ok := o.Tree()[field].(map[string]any); ok && len(values) > 0 {
					out = append(out, diag.Finding{
						ID: "objects/secret", Unit: u.Name, Object: o.String(), Path: field,
						Message: "the values of the Secret would be in the artifact, in plain text",
						Hint:    "keep them in the platform's secret store and bring an ExternalSecret",
					})
				}
			}
		}
	}
	return out
}
