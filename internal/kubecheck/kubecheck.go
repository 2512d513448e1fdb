// Package kubecheck judges the objects of a cluster together: what refers to
// what, who owns what, and whether Flux can ever get through the graph. It
// reads plain objects and makes none.
//
// Findings name cluster, unit, object and field; the pipeline finds the line.
package kubecheck

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/render"
)

// Check judges each cluster. Objects that clusters share are judged once for
// what they are alone.
func Check(p *model.Platform, clusters []render.Cluster) []diag.Finding {
	var out []diag.Finding
	severities := Severities()
	m := memo{}
	for _, c := range clusters {
		w := newWorld(p, c.Units)
		version := p.Clusters[c.Name].Kubernetes.Version
		fs := graph(c.Units)
		fs = append(fs, w.fluxGraph()...)
		fs = append(fs, w.lockdown(m)...)
		fs = append(fs, w.waits()...)
		fs = append(fs, w.crdOrder()...)
		fs = append(fs, w.bootstrap()...)
		fs = append(fs, m.alone(c.Units)...)
		fs = append(fs, w.ownCRDs(m.lifecycle(c.Units, minorOf(version)))...)
		fs = append(fs, w.chartRanges(minorOf(version), version)...)
		fs = append(fs, empty(c.Units)...)
		fs = append(fs, owners(c.Units)...)
		fs = append(fs, w.references(m)...)
		fs = append(fs, order(c.Units)...)
		fs = append(fs, m.airGap(p, c.Name, c.Units)...)
		for _, f := range fs {
			f.Cluster, f.Severity = c.Name, severities[f.ID]
			out = append(out, f)
		}
	}
	return out
}

// memo keeps what is known of an object, whichever cluster holds it.
type memo map[*object.Object]*verdict

type verdict struct {
	alone     []diag.Finding         // by the object alone
	lifecycle map[int][]diag.Finding // by the minor version of Kubernetes
	refs      []ref
	outward   func() []outward // asked for in air-gapped clusters alone
}

func (m memo) of(o *object.Object) *verdict {
	v := m[o]
	if v == nil {
		v = &verdict{lifecycle: map[int][]diag.Finding{}, refs: refsOf(o), outward: sync.OnceValue(func() []outward { return outwardOf(o) })}
		v.alone = append(v.alone, structureOf(o)...)
		v.alone = append(v.alone, metadataOf(o)...)
		v.alone = append(v.alone, plaintextOf(o)...)
		v.alone = append(v.alone, times(o)...)
		m[o] = v
	}
	return v
}

func (m memo) alone(units []render.Unit) []diag.Finding {
	return each(units, func(o *object.Object) []diag.Finding { return m.of(o).alone })
}

func (m memo) lifecycle(units []render.Unit, minor int) []diag.Finding {
	return each(units, func(o *object.Object) []diag.Finding {
		v := m.of(o)
		fs, ok := v.lifecycle[minor]
		if !ok {
			fs = lifecycleOf(o, minor)
			v.lifecycle[minor] = fs
		}
		return fs
	})
}

// each collects findings about single objects.
func each(units []render.Unit, judge func(*object.Object) []diag.Finding) []diag.Finding {
	var out []diag.Finding
	for _, u := range units {
		for _, o := range u.Objects {
			for _, f := range judge(o) {
				f.Unit, f.Object = u.Name, o.String()
				out = append(out, f)
			}
		}
	}
	return out
}

// empty finds units without objects, which kustomize refuses to build.
func empty(units []render.Unit) []diag.Finding {
	var out []diag.Finding
	for _, u := range units {
		if len(u.Objects) == 0 {
			out = append(out, diag.Finding{ID: IDEmptyUnit, Unit: u.Name,
				Message: fmt.Sprintf("unit %s has no objects", u.Name),
				Hint:    "its #component makes none; enabled: false leaves the unit out",
			})
		}
	}
	return out
}

// owners finds objects that two units would both apply: Flux would let each
// undo the other.
func owners(units []render.Unit) []diag.Finding {
	var out []diag.Finding
	first := map[object.ID]string{}
	for _, u := range units {
		for _, o := range u.Objects {
			k := o.Key()
			if other, ok := first[k]; ok {
				out = append(out, diag.Finding{
					ID: IDDuplicate, Unit: u.Name, Object: o.String(),
					Message: fmt.Sprintf("the object is in unit %s already", other),
				})
				continue
			}
			first[k] = u.Name
		}
	}
	return out
}

// graph checks dependsOn between units: targets exist and there is no cycle.
// One cycle makes Flux hold back everything on it for good
// (kustomize-controller#1712).
func graph(units []render.Unit) []diag.Finding {
	var out []diag.Finding
	byName := map[string]*render.Unit{}
	for i := range units {
		byName[units[i].Name] = &units[i]
	}
	for _, u := range units {
		for i, d := range u.DependsOn {
			if byName[d] == nil {
				out = append(out, diag.Finding{
					ID: IDDependency, Unit: u.Name, Path: fmt.Sprintf("dependsOn[%d]", i),
					Message: fmt.Sprintf("unit %s depends on unit %q, which the cluster does not have", u.Name, d),
				})
			}
		}
	}
	const (
		unseen = iota
		open
		done
	)
	state := map[string]int{}
	var stack []string
	var visit func(name string)
	visit = func(name string) {
		state[name] = open
		stack = append(stack, name)
		for i, d := range byName[name].DependsOn {
			if byName[d] == nil {
				continue
			}
			switch state[d] {
			case unseen:
				visit(d)
			case open:
				cycle := append(slices.Clone(stack[slices.Index(stack, d):]), d)
				out = append(out, diag.Finding{
					ID: IDCycle, Unit: name, Path: fmt.Sprintf("dependsOn[%d]", i),
					Message: "units depend on each other in a cycle: " + strings.Join(cycle, " -> "),
				})
			}
		}
		stack = stack[:len(stack)-1]
		state[name] = done
	}
	for _, u := range units { // sorted by name, for determinism
		if state[u.Name] == unseen {
			visit(u.Name)
		}
	}
	return out
}
