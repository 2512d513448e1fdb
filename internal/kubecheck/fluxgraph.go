package kubecheck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// fluxGraph checks dependsOn between Kustomizations and HelmReleases that units
// bring, and what Kustomizations and HelmReleases refer to in other namespaces.
// The Kustomizations of the units themselves are graph's business.
func (w *world) fluxGraph() []diag.Finding {
	var out []diag.Finding
	edges := map[object.ID][]edge{}
	for _, u := range w.units {
		for _, o := range u.Objects {
			if !depends(o) {
				continue
			}
			for _, f := range w.dependencies(o, u.Component == syncComponent, edges) {
				f.Unit, f.Object = u.Name, o.String()
				out = append(out, f)
			}
		}
	}
	return append(out, w.cycles(edges)...)
}

func depends(o *object.Object) bool {
	return o.Group == kustomize && o.Kind == "Kustomization" || o.Group == helm && o.Kind == "HelmRelease"
}

// edge is one entry of dependsOn.
type edge struct {
	to    object.ID
	field string
}

// dependencies checks each entry of an object's dependsOn and keeps those that
// lead somewhere.
func (w *world) dependencies(o *object.Object, sync bool, edges map[object.ID][]edge) []diag.Finding {
	var out []diag.Finding
	for i, d := range structs(o.Tree(), "spec", "dependsOn") {
		name := str(d, "name")
		to := object.ID{Group: o.Group, Kind: o.Kind, Namespace: first(str(d, "namespace"), o.Namespace), Name: name}
		field := fmt.Sprintf("spec.dependsOn[%d].name", i)
		at, ok := w.objects[to]
		switch {
		case name == "":
		case ok:
			edges[o.Key()] = append(edges[o.Key()], edge{to, field})
			if f, ok := otherSource(o, at.object, field); ok {
				out = append(out, f)
			}
		case sync:
			// graph has said so of the unit.
		case w.has(otherKind(to)):
			out = append(out, diag.Finding{ID: IDDependencyKind, Path: field,
				Message: fmt.Sprintf("a %s depends on %ss alone, and %s is a %s", o.Kind, o.Kind, name, otherKind(to).Kind),
				Hint:    "wait for the Kustomization that applies it, or move the dependency to an object of its kind",
			})
		case !w.writes(to.Namespace):
			out = append(out, diag.Finding{ID: IDDependency, Path: field,
				Message: fmt.Sprintf("%s depends on %s, which does not exist in the cluster", o.ID, to),
				Hint:    w.meant(to),
			})
		}
	}
	return out
}

func otherKind(id object.ID) object.ID {
	if id.Group == helm {
		id.Group, id.Kind = kustomize, "Kustomization"
	} else {
		id.Group, id.Kind = helm, "HelmRelease"
	}
	return id
}

// otherSource finds a Kustomization that depends on one of another source: Flux
// waits for the same revision only within a source (kustomize-controller#521).
func otherSource(o, on *object.Object, field string) (diag.Finding, bool) {
	if o.Group != kustomize {
		return diag.Finding{}, false
	}
	a, b := sourceOf(o), sourceOf(on)
	if a == b || a.Name == "" || b.Name == "" {
		return diag.Finding{}, false
	}
	return diag.Finding{ID: IDSourceDependency, Path: field,
		Message: fmt.Sprintf("%s comes from %s, what it depends on from %s: Flux waits for Ready there, not for the same change", o.Name, a, b),
	}, true
}

func sourceOf(o *object.Object) object.ID {
	t := o.Tree()
	return object.ID{
		Group: source, Kind: str(t, "spec", "sourceRef", "kind"), Name: str(t, "spec", "sourceRef", "name"),
		Namespace: first(str(t, "spec", "sourceRef", "namespace"), o.Namespace),
	}
}

// cycles finds circles in the graph of Flux objects. One through units alone
// is graph's, which names the user's line.
func (w *world) cycles(edges map[object.ID][]edge) []diag.Finding {
	const (
		unseen = iota
		open
		done
	)
	var out []diag.Finding
	state := map[object.ID]int{}
	var stack []object.ID
	var visit func(id object.ID)
	visit = func(id object.ID) {
		state[id] = open
		stack = append(stack, id)
		for _, e := range edges[id] {
			switch state[e.to] {
			case unseen:
				visit(e.to)
			case open:
				cycle := append(slices.Clone(stack[slices.Index(stack, e.to):]), e.to)
				if f, ok := w.cycle(cycle, id, e.field); ok {
					out = append(out, f)
				}
			}
		}
		stack = stack[:len(stack)-1]
		state[id] = done
	}
	for _, u := range w.units { // in order, for determinism
		for _, o := range u.Objects {
			if depends(o) && state[o.Key()] == unseen {
				visit(o.Key())
			}
		}
	}
	return out
}

func (w *world) cycle(cycle []object.ID, last object.ID, field string) (diag.Finding, bool) {
	names := make([]string, len(cycle))
	units := true
	for i, id := range cycle {
		names[i] = id.Namespace + "/" + id.Name
		units = units && w.objects[id].unit.Component == syncComponent
	}
	at := w.objects[last]
	return diag.Finding{ID: IDCycle, Unit: at.unit.Name, Object: at.object.String(), Path: field,
		Message: fmt.Sprintf("%ss depend on each other in a cycle: %s", last.Kind, strings.Join(names, " -> ")),
		Hint:    "Flux applies none of them, and no longer reacts to changes of their source",
	}, !units
}

// lockdown finds references of Flux objects into other namespaces, which the
// controllers refuse when Flux is told so.
func (w *world) lockdown(m memo) []diag.Finding {
	locked := w.lockedControllers()
	if len(locked) == 0 {
		return nil
	}
	var out []diag.Finding
	for _, u := range w.units {
		for _, o := range u.Objects {
			if !locked[o.Group] {
				continue
			}
			for _, r := range m.of(o).refs {
				if !r.tenant || r.namespace == o.Namespace {
					continue
				}
				out = append(out, diag.Finding{ID: IDCrossNamespace, Unit: u.Name, Object: o.String(), Path: r.field,
					Message: fmt.Sprintf("%s %s/%s is in another namespace, which Flux refuses in this cluster", r.kind, r.namespace, r.name),
					Hint:    "bring the source in the same namespace; components: flux: values: lockdown is what refuses",
				})
			}
		}
	}
	return out
}

// lockedControllers are the groups whose controllers run with
// --no-cross-namespace-refs=true, by the values of the chart flux2.
func (w *world) lockedControllers() map[string]bool {
	out := map[string]bool{}
	for _, r := range w.releases {
		if r.chart != "flux2" {
			continue
		}
		for value, group := range map[string]string{
			"kustomizeController": kustomize, "helmController": helm, "notificationController": notification,
		} {
			c, _ := r.values()[value].(map[string]any)
			container, _ := c["container"].(map[string]any)
			if slices.Contains(texts(container["additionalArgs"]), "--no-cross-namespace-refs=true") {
				out[group] = true
			}
		}
	}
	return out
}
