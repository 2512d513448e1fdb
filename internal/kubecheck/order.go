package kubecheck

import (
	"fmt"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/render"
)

// order finds units that Flux can never finish: one with an object in a
// Namespace that another unit brings, when that unit waits for this one. Without
// the wait Flux tries again until the Namespace is there.
func order(units []render.Unit) []diag.Finding {
	brings := map[string]string{} // Namespace -> unit
	dependsOn := map[string][]string{}
	for _, u := range units {
		dependsOn[u.Name] = u.DependsOn
		for _, o := range u.Objects {
			if o.Group == "" && o.Kind == "Namespace" {
				brings[o.Name] = u.Name
			}
		}
	}
	var out []diag.Finding
	for _, u := range units {
		said := map[string]bool{}
		for _, o := range u.Objects {
			by, ok := brings[o.Namespace]
			if !ok || by == u.Name || said[o.Namespace] || !reaches(dependsOn, by, u.Name) {
				continue
			}
			said[o.Namespace] = true
			out = append(out, diag.Finding{
				ID: IDOrder, Unit: u.Name, Object: o.String(), Path: "metadata.namespace",
				Message: fmt.Sprintf("namespace %q comes with unit %s, which waits for unit %s", o.Namespace, by, u.Name),
				Hint:    fmt.Sprintf("move the object to a unit that depends on %s", by),
			})
		}
	}
	return out
}

// reaches tells whether a unit waits for another, through any number of units
// between. Cycles are graph's business and end here.
func reaches(dependsOn map[string][]string, from, to string) bool {
	seen := map[string]bool{}
	var visit func(string) bool
	visit = func(unit string) bool {
		for _, d := range dependsOn[unit] {
			if d == to {
				return true
			}
			if !seen[d] {
				seen[d] = true
				if visit(d) {
					return true
				}
			}
		}
		return false
	}
	return visit(from)
}
