package pipeline

import (
	"context"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/render"
)

// review judges every object of each cluster by the policies that the same
// cluster's artifact brings to Gatekeeper.
func review(ctx context.Context, p *model.Platform, clusters []render.Cluster, loc *locator) ([]diag.Finding, error) {
	var out []diag.Finding
	compiler := &policy.Compiler{}
	opts := policy.Options{Locate: func(template string, module int) (diag.Position, bool) {
		return loc.rego(p, clusters, template, module)
	}}
	for _, c := range clusters {
		var all []*object.Object
		units := map[*object.Object]string{}
		for _, u := range c.Units {
			for _, o := range u.Objects {
				units[o] = u.Name
				all = append(all, o)
			}
		}
		policies := policy.Select(all)
		if len(policies.Constraints) == 0 {
			out = append(out, diag.Finding{
				ID: "policy/none", Severity: diag.Warning, Cluster: c.Name, Path: model.Path("platform", "clusters", c.Name),
				Message: "no policy judges the cluster's objects, here or in the cluster",
				Hint:    "gatekeeper is off, or every rule is",
			})
		}
		set, found := compiler.Compile(policies, opts)
		for _, f := range found {
			f.Cluster, f.Unit = c.Name, unitOf(c, f.Object)
			out = append(out, f)
		}
		if diag.HasErrors(found) {
			continue
		}
		vs, err := set.Review(ctx, all, all)
		if err != nil {
			return nil, err
		}
		for _, v := range vs {
			f := v.Finding()
			f.Cluster, f.Unit = c.Name, units[v.Object]
			out = append(out, f)
		}
	}
	return out, nil
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

// rego places the Rego of a rule that the platform brings.
func (l *locator) rego(p *model.Platform, clusters []render.Cluster, template string, module int) (diag.Position, bool) {
	for _, c := range clusters {
		for _, u := range c.Units {
			for _, o := range u.Objects {
				if o.Kind != "ConstraintTemplate" || o.Name != template || p.Policies.Rules[o.Field].Template == nil || module != 0 {
					continue
				}
				return l.lines().Text(model.Path("platform", "policies", "rules", o.Field, "template", "rego"))
			}
		}
	}
	return diag.Position{}, false
}
