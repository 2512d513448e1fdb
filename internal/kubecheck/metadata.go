package kubecheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// isName: names of RBAC objects are parts of a URL's path, all others DNS
// subdomains.
func isName(o *object.Object) bool {
	if o.Group == rbac {
		return len(content.IsPathSegmentName(o.Name)) == 0
	}
	return len(validation.IsDNS1123Subdomain(o.Name)) == 0
}

// metadataOf finds names, labels and annotations that the API server takes of no
// kind of object.
// An object that is refused keeps its whole unit from becoming ready.
func metadataOf(o *object.Object) []diag.Finding {
	var out []diag.Finding
	add := func(path, format string, args ...any) {
		out = append(out, diag.Finding{ID: IDMetadata, Path: path, Message: fmt.Sprintf(format, args...)})
	}
	if !isName(o) {
		add("metadata.name", "%q is not a name that Kubernetes takes", o.Name)
	}
	if o.Namespace != "" && len(validation.IsDNS1123Label(o.Namespace)) > 0 {
		add("metadata.namespace", "%q is not a name that Kubernetes takes", o.Namespace)
	}
	m, _ := o.Tree()["metadata"].(map[string]any)
	for _, field := range []string{"labels", "annotations"} {
		values, ok := m[field].(map[string]any)
		if m[field] != nil && !ok {
			add("metadata."+field, "%s must be a map of strings", field)
		}
		for _, k := range slices.Sorted(maps.Keys(values)) { // for determinism
			at := fmt.Sprintf("metadata.%s[%q]", field, k)
			value, isString := values[k].(string)
			switch {
			case len(validation.IsQualifiedName(strings.ToLower(k))) > 0:
				add(at, "%q is not a key that Kubernetes takes", k)
			case !isString:
				add(at, "%s %q must be a string", strings.TrimSuffix(field, "s"), k)
			case field == "labels" && len(validation.IsValidLabelValue(value)) > 0:
				if hides(k, value) {
					add(at, "the value is not one that Kubernetes takes for a label")
					continue
				}
				add(at, "%q is not a label that Kubernetes takes", value)
			}
		}
	}
	return out
}
