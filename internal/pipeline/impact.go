package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/kubecheck"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/internal/policy/selection"
	"github.com/contain-platform/contain/internal/render"
	"github.com/contain-platform/contain/internal/source"
	"github.com/contain-platform/contain/internal/transform"
)

// Impact is what a rule would refuse if it denied in every cluster.
type Impact struct {
	Rule string
	// Clusters that were judged, by name.
	Clusters []ClusterImpact
	// Platform is how many findings are about the description and no cluster.
	Platform int
	// Findings of the rule, located and grouped; what a waiver lets pass is among
	// them as information.
	Findings []diag.Finding
}

// ClusterImpact is the impact on one cluster.
type ClusterImpact struct {
	Cluster string `json:"cluster"`
	Now     string `json:"now"` // what the rule comes to today
	Refused int    `json:"refused"`
	Waived  int    `json:"waived"`
	// Unjudged is set for a rule over objects where nothing brings policies to the
	// cluster: Gatekeeper is off there.
	Unjudged bool `json:"unjudged,omitempty"`
}

// Refused counts what would be refused, and in how many clusters.
func (i *Impact) Refused() (findings, clusters int) {
	findings = i.Platform
	for _, c := range i.Clusters {
		findings += c.Refused
		if c.Refused > 0 {
			clusters++
		}
	}
	return findings, clusters
}

// UnknownRule is the id of no rule.
type UnknownRule struct{ ID, Hint string }

func (u UnknownRule) Error() string {
	s := fmt.Sprintf("there is no rule %q", u.ID)
	if u.Hint != "" {
		s += "; " + u.Hint
	}
	return s
}

// ImpactOf judges the platform's objects, or its description, as if one rule
// denied everywhere: its parameters are those of each cluster, and what it
// leaves out and what is waived stay so. Nothing else about the platform
// changes, and other rules do not matter. The Result is failed when the
// platform cannot be rendered; the errors are UnknownRule and those of Run.
func ImpactOf(ctx context.Context, in Input, id string) (*Result, *Impact, error) {
	r := &Result{}
	loc, names, rules, err := r.rules(in)
	if err != nil || loc == nil {
		return r, nil, err
	}
	at := slices.IndexFunc(rules, func(x Rule) bool { return x.ID == id })
	if at < 0 {
		return r, nil, UnknownRule{id, model.Known(id, ids(rules))}
	}
	for _, c := range names {
		if err := deny(loc.src, r.Platform, c, id); err != nil {
			return r, nil, err
		}
	}
	gov, _ := govern(r.Platform, loc.sources) // what is wrong with waivers is no matter here
	workers := renderers(loc.src, len(names))
	if r.rendered(ctx, loc, names, workers) {
		return r, nil, ctx.Err()
	}
	gov.rendered(r.Clusters)
	found, err := gov.impact(ctx, r, rules[at].of, workers[0], loc)
	if err != nil {
		return r, nil, err
	}
	// Where a policy cannot be asked there is no verdict to report.
	if r.stop(loc, broken(found)) {
		return r, nil, nil
	}
	judged := &Result{}
	judged.stop(loc, refused(found, id))
	return r, impact(rules[at], names, judged.Findings, found), nil
}

// deny makes a rule deny in a cluster, for the catalog and in the decoded model.
func deny(src *source.Source, p *model.Platform, cluster, id string) error {
	c := p.Clusters[cluster]
	at := []string{"clusters", cluster, "policies", "rules", id}
	var err error
	if said(id, p.Policies, p.Environments[c.Environment].Policies, c.Policies) {
		err = src.Give(selection.Deny, append(at, "enforcement")...)
	} else {
		// As a rule is of which nothing else is said (schema.#Policies).
		err = src.Give(map[string]any{
			"enforcement": selection.Deny, "parameters": map[string]any{},
			"except": map[string]any{"namespaces": []string{}, "teams": []string{}},
		}, at...)
	}
	rules := map[string]model.PolicyRule{}
	for k, v := range c.Policies.Rules {
		rules[k] = v
	}
	own := rules[id]
	own.Enforcement = selection.Deny
	rules[id] = own
	c.Policies.Rules = rules
	p.Clusters[cluster] = c
	return err
}

// said tells whether a layer says something of a rule.
func said(id string, layers ...model.Policies) bool {
	return slices.ContainsFunc(layers, func(l model.Policies) bool { _, ok := l.Rules[id]; return ok })
}

// rendered makes the objects of clusters, patched, and tells whether an error
// stopped that.
func (r *Result) rendered(ctx context.Context, loc *locator, names []string, workers []render.Renderer) bool {
	var found []diag.Finding
	r.Platform.Units, found = render.Units(ctx, names, workers)
	if r.stop(loc, found) {
		return true
	}
	r.Clusters, found = r.objects(ctx, names, workers)
	loc.clusters = r.Clusters
	if r.stop(loc, found) {
		return true
	}
	r.Clusters, found = transform.Apply(r.Clusters)
	loc.clusters = r.Clusters
	return r.stop(loc, found) || ctx.Err() != nil
}

// impact judges by the stage that the rule belongs to.
func (g *governance) impact(ctx context.Context, r *Result, one rule.Rule, renderer render.Renderer, loc *locator) ([]diag.Finding, error) {
	if one.Input == rule.Object {
		return review(ctx, r.Platform, r.Clusters, g, renderer, loc)
	}
	found := append(model.Check(r.Platform), kubecheck.Check(r.Platform, r.Clusters)...)
	whole, err := reviewWhole(ctx, []rule.Rule{one}, r.Platform, r.Clusters, g.parameters)
	return g.judge(append(found, whole...)), err
}

// broken are the errors about policies themselves.
func broken(found []diag.Finding) []diag.Finding {
	return slices.DeleteFunc(slices.Clone(found), func(f diag.Finding) bool {
		return f.Severity != diag.Error || !strings.HasPrefix(f.ID, "policy/")
	})
}

// impact counts the findings of a rule by cluster, and those of none.
func impact(r Rule, names []string, of, all []diag.Finding) *Impact {
	out := &Impact{Rule: r.ID, Findings: of}
	for _, n := range names {
		c := ClusterImpact{Cluster: n, Now: r.Clusters[n]}
		for _, f := range diag.Ungroup(of) {
			switch {
			case f.Cluster != n:
			case f.Waiver != nil:
				c.Waived++
			default:
				c.Refused++
			}
		}
		c.Unjudged = r.Input == rule.Object && slices.ContainsFunc(all, func(f diag.Finding) bool {
			return f.ID == "policy/none" && f.Cluster == n
		})
		out.Clusters = append(out.Clusters, c)
	}
	for _, f := range of {
		if f.Cluster == "" && f.Waiver == nil {
			out.Platform++
		}
	}
	return out
}
