// Package render makes every unit's objects from its inputs, each distinct
// pair of template and inputs once.
//
// Invariants: a template reads nothing but its inputs, so the memo is exact;
// objects that two clusters share are the same pointers, so later stages can
// judge and encode them once; the result does not depend on the number of
// workers.
//
// Charts are reconciled in the cluster today. Rendering them at build would be
// another Renderer beside the one for CUE templates.
package render

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
)

// Renderer makes units and objects. It is used by one goroutine at a time.
type Renderer interface {
	// Units makes the units of one cluster, sorted by name.
	Units(cluster string) ([]model.Unit, []diag.Finding)
	// Render makes the objects of one template from JSON inputs.
	Render(template string, in []byte) ([]*object.Object, []diag.Finding)
}

// Cluster is one cluster's rendered units, in the order of the model.
type Cluster struct {
	Name  string
	Units []Unit
}

// Unit is a unit of the model and its objects.
type Unit struct {
	model.Unit
	Objects []*object.Object
}

// job is one distinct rendering.
type job struct {
	template string
	in       string
}

type result struct {
	objects  []*object.Object
	findings []diag.Finding
}

// Units makes the units of the named clusters, in their order. Each of the
// renderers works in a goroutine of its own.
func Units(ctx context.Context, clusters []string, renderers []Renderer) (map[string][]model.Unit, []diag.Finding) {
	units := make([][]model.Unit, len(clusters))
	found := make([][]diag.Finding, len(clusters))
	share(ctx, len(clusters), renderers, func(r Renderer, i int) {
		units[i], found[i] = r.Units(clusters[i])
	})
	out := make(map[string][]model.Unit, len(clusters))
	var findings []diag.Finding
	for i, c := range clusters {
		out[c] = units[i]
		findings = append(findings, found[i]...)
	}
	return out, findings
}

// Render renders the units of the named clusters, in their order, as Units
// does.
func Render(ctx context.Context, p *model.Platform, clusters []string, renderers []Renderer) ([]Cluster, []diag.Finding) {
	var jobs []job
	index := map[job]int{}
	for _, c := range clusters {
		for _, u := range p.Units[c] {
			j := job{u.Template, string(u.In)}
			if _, ok := index[j]; !ok {
				index[j] = len(jobs)
				jobs = append(jobs, j)
			}
		}
	}
	results := make([]result, len(jobs))
	share(ctx, len(jobs), renderers, func(r Renderer, i int) {
		results[i].objects, results[i].findings = r.Render(jobs[i].template, []byte(jobs[i].in))
	})

	var out []Cluster
	var findings []diag.Finding
	for _, c := range clusters {
		rc := Cluster{Name: c}
		for _, u := range p.Units[c] {
			res := results[index[job{u.Template, string(u.In)}]]
			for _, f := range res.findings {
				f.Cluster, f.Unit = c, u.Name
				findings = append(findings, f)
			}
			rc.Units = append(rc.Units, Unit{Unit: u, Objects: res.objects})
		}
		out = append(out, rc)
	}
	return out, findings
}

// share deals n pieces of work to the renderers, each piece to one of them. A
// panic in one of them comes out here, where the caller can recover from it.
func share(ctx context.Context, n int, renderers []Renderer, work func(r Renderer, i int)) {
	var next atomic.Int64
	var g sync.WaitGroup
	panics := make(chan any, len(renderers))
	for _, r := range renderers {
		g.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics <- p
				}
			}()
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				work(r, i)
			}
		})
	}
	g.Wait()
	select {
	case p := <-panics:
		panic(p)
	default:
	}
}
