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

	"golang.org/x/sync/errgroup"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
)

// Renderer makes the objects of one template from JSON inputs. It is used by
// one goroutine at a time.
type Renderer interface {
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

// Render renders the units of the named clusters, in their order. Each of the
// renderers works in a goroutine of its own.
func Render(ctx context.Context, p *model.Platform, clusters []string, renderers []Renderer) ([]Cluster, []diag.Finding) {
	var jobs []job
	results := map[job]*result{}
	for _, c := range clusters {
		for _, u := range p.Units[c] {
			j := job{u.Template, string(u.In)}
			if results[j] == nil {
				results[j] = &result{}
				jobs = append(jobs, j)
			}
		}
	}

	var mu sync.Mutex
	next := 0
	take := func() (job, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == len(jobs) || ctx.Err() != nil {
			return job{}, false
		}
		next++
		return jobs[next-1], true
	}
	var g errgroup.Group
	for _, r := range renderers {
		g.Go(func() error {
			for j, ok := take(); ok; j, ok = take() {
				res := results[j] // each job has one taker
				res.objects, res.findings = r.Render(j.template, []byte(j.in))
			}
			return nil
		})
	}
	_ = g.Wait() // the workers return no error

	var out []Cluster
	var findings []diag.Finding
	for _, c := range clusters {
		rc := Cluster{Name: c}
		for _, u := range p.Units[c] {
			res := results[job{u.Template, string(u.In)}]
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
