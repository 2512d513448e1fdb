// Package transform applies the platform's kustomize patches, in memory and
// through kustomize itself, so that a patch means what it means to Flux.
//
// Invariants: a unit without patches passes untouched, the same pointers; a
// patch that matches nothing in its component is an error, since it is a typo;
// patches never move an object into another unit; equal units with equal
// patches are patched once and share the result.
package transform

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/render"
)

// Apply patches each cluster's components, patch by patch in the order of
// their names. A component's patches see the objects of all of its units.
// Findings have the path of the patch in the unit's inputs, "patches.name".
func Apply(clusters []render.Cluster) ([]render.Cluster, []diag.Finding) {
	var findings []diag.Finding
	memo := map[string]*patched{}
	out := make([]render.Cluster, len(clusters))
	for i, c := range clusters {
		out[i] = render.Cluster{Name: c.Name, Units: slices.Clone(c.Units)}
		matched := map[[2]string]bool{} // by component and patch
		first := map[[2]string]string{} // the unit that a finding names
		for j := range out[i].Units {
			u := &out[i].Units[j]
			if len(u.Patches) == 0 {
				continue
			}
			p := patchUnit(u, memo)
			u.Objects = p.objects
			for name, ok := range p.matched {
				k := [2]string{u.Component, name}
				matched[k] = matched[k] || ok
				if first[k] == "" {
					first[k] = u.Name
				}
			}
			for _, f := range p.findings {
				f.Cluster, f.Unit = c.Name, u.Name
				findings = append(findings, f)
			}
		}
		for k, ok := range matched {
			if !ok {
				findings = append(findings, diag.Finding{
					ID: "transform/no-match", Cluster: c.Name, Unit: first[k], Path: patchPath(k[1]),
					Message: fmt.Sprintf("patch %q matches no object of %s", k[1], k[0]),
					Hint:    "contain render shows what there is to patch",
				})
			}
		}
	}
	return out, findings
}

// patched is the outcome for one distinct unit.
type patched struct {
	objects  []*object.Object
	matched  map[string]bool
	findings []diag.Finding
}

func patchUnit(u *render.Unit, memo map[string]*patched) *patched {
	patches, _ := json.Marshal(u.Patches) // plain strings
	key := u.Template + "\x00" + string(u.In) + "\x00" + string(patches)
	if p := memo[key]; p != nil {
		return p
	}
	p := &patched{objects: u.Objects, matched: map[string]bool{}}
	memo[key] = p
	for _, name := range slices.Sorted(maps.Keys(u.Patches)) {
		m, err := newMatcher(u.Patches[name])
		if err == nil {
			p.matched[name] = slices.ContainsFunc(p.objects, m.matches)
			if p.matched[name] {
				p.objects, err = kustomize(p.objects, u.Patches[name])
			}
		}
		if err != nil {
			p.matched[name] = true // one finding is enough
			p.findings = append(p.findings, diag.Finding{
				ID: "transform/patch", Path: patchPath(name),
				Message: fmt.Sprintf("patch %q cannot be applied: %s", name, cause(err)),
			})
		}
	}
	return p
}

func patchPath(name string) string { return model.Path("patches", name) }
