package pipeline

import (
	"context"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/render"
)

// reviewer judges clusters by the policies that their own artifacts bring to
// Gatekeeper.
type reviewer struct {
	p        *model.Platform
	clusters []render.Cluster
	loc      *locator
	gov      *governance
	compiler policy.Compiler
	opts     policy.Options
	// renderer makes a unit again; see unwaived.
	renderer render.Renderer
	strict   map[string][]*object.Object
}

// review judges every object of each cluster.
func review(ctx context.Context, p *model.Platform, clusters []render.Cluster, gov *governance, renderer render.Renderer, loc *locator) ([]diag.Finding, error) {
	r := &reviewer{p: p, clusters: clusters, loc: loc, gov: gov, renderer: renderer, strict: map[string][]*object.Object{}}
	r.opts.DuplicatesKnown = true // by kubecheck
	r.opts.Locate = func(template string, module int) (diag.Position, bool) {
		return loc.rego(p, template, module)
	}
	var out []diag.Finding
	for _, c := range clusters {
		found, err := r.cluster(ctx, c)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func (r *reviewer) cluster(ctx context.Context, c render.Cluster) ([]diag.Finding, error) {
	var all []*object.Object
	units := map[*object.Object]string{}
	for _, u := range c.Units {
		for _, o := range u.Objects {
			units[o] = u.Name
			all = append(all, o)
		}
	}
	policies := policy.Select(all)
	var out []diag.Finding
	if len(policies.Constraints) == 0 {
		out = append(out, diag.Finding{
			ID: "policy/none", Severity: diag.Warning, Cluster: c.Name, Path: model.Path("platform", "clusters", c.Name),
			Message: "no policy judges the cluster's objects, here or in the cluster",
			Hint:    "gatekeeper is off, or every rule is",
		})
	}
	set, found := r.compiler.Compile(policies, r.opts)
	for _, f := range found {
		f.Cluster, f.Unit = c.Name, unitOf(c, f.Object)
		f.Positions = append(f.Positions, r.loc.brought(c, f)...)
		out = append(out, f)
	}
	if diag.HasErrors(found) {
		return out, nil
	}
	if r.gov.book.Any(c.Name) {
		found, err := r.waived(ctx, c, set, all, units)
		return append(out, found...), err
	}
	vs, err := set.Review(ctx, all, all)
	for _, v := range vs {
		out = append(out, finding(v, c.Name, units))
	}
	return out, err
}

func finding(v policy.Violation, cluster string, units map[*object.Object]string) diag.Finding {
	f := v.Finding()
	f.Cluster, f.Unit = cluster, units[v.Object]
	return f
}

func unitOf(c render.Cluster, name string) string {
	for _, u := range c.Units {
		for _, o := range u.Objects {
			if o.String() == name {
				return u.Name
			}
		}
	}
	return ""
}
