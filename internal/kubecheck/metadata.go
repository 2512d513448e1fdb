package kubecheck

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/render"
)

// What Kubernetes takes (kubernetes.io/docs/concepts/overview/working-with-objects,
// "Object Names and IDs" and "Labels and Selectors"): DNS subdomains of 253
// characters, DNS labels of 63, label values, and keys with or without prefix.
var (
	subdomainText = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	labelText     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	valueText     = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
)

func isSubdomain(s string) bool { return len(s) <= 253 && subdomainText.MatchString(s) }

func isKey(s string) bool {
	prefix, name, ok := strings.Cut(s, "/")
	if !ok {
		return s != "" && valueText.MatchString(s)
	}
	return isSubdomain(strings.ToLower(prefix)) && name != "" && valueText.MatchString(name)
}

// isName: names of RBAC objects are parts of a URL's path, all others DNS
// subdomains.
func isName(o *object.Object) bool {
	if o.Group == rbac {
		return o.Name != "." && o.Name != ".." && !strings.ContainsAny(o.Name, "/%")
	}
	return isSubdomain(o.Name)
}

// metadata finds names, labels and annotations that the API server takes of no
// kind of object.
// An object that is refused keeps its whole unit from becoming ready.
func metadata(units []render.Unit) []diag.Finding {
	var out []diag.Finding
	seen := map[*object.Object]bool{}
	for _, u := range units {
		for _, o := range u.Objects {
			if seen[o] {
				continue
			}
			seen[o] = true
			for _, f := range metadataOf(o) {
				f.ID, f.Unit, f.Object = "objects/metadata", u.Name, o.String()
				out = append(out, f)
			}
		}
	}
	return out
}

func metadataOf(o *object.Object) []diag.Finding {
	var out []diag.Finding
	add := func(path, format string, args ...any) {
		out = append(out, diag.Finding{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	if !isName(o) {
		add("metadata.name", "%q is not a name that Kubernetes takes", o.Name)
	}
	if o.Namespace != "" && !labelText.MatchString(o.Namespace) {
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
			case !isKey(k):
				add(at, "%q is not a key that Kubernetes takes", k)
			case !isString:
				add(at, "%s %q must be a string", strings.TrimSuffix(field, "s"), k)
			case field == "labels" && !valueText.MatchString(value):
				add(at, "%q is not a label that Kubernetes takes", value)
			}
		}
	}
	return out
}
