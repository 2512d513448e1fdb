package pipeline

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/internal/policy/selection"
	"github.com/contain-platform/contain/internal/waiver"
	"github.com/contain-platform/contain/policies"
)

// Rule is a rule in a list of them.
type Rule struct {
	ID       string     `json:"id"`
	Title    string     `json:"title,omitempty"`
	Profile  string     `json:"profile,omitempty"` // the least that has it; "" for rules of the platform's own
	Severity string     `json:"severity,omitempty"`
	Input    rule.Input `json:"input"`
	Source   string     `json:"source"` // "library", "source" of policies, or "own"
	Fixed    bool       `json:"fixed,omitempty"`
	// Enforcement is what the rule says of itself.
	Enforcement string `json:"enforcement"`
	// Clusters has what the rule comes to in each; nil without a platform.
	Clusters map[string]string `json:"clusters,omitempty"`
	// Waivers are those that name the rule, sorted.
	Waivers []string `json:"waivers,omitempty"`

	of rule.Rule
}

// Library lists the library's rules, by id.
func Library() ([]Rule, error) {
	library, err := rule.Load(policies.FS)
	if err != nil {
		return nil, err
	}
	var out []Rule
	for _, r := range library {
		out = append(out, Rule{
			ID: r.ID, Title: r.Title, Profile: r.Profile, Severity: r.Severity, Input: r.Input,
			Source: "library", Fixed: r.Fixed, Enforcement: r.Enforcement, of: r,
		})
	}
	return out, nil
}

// Rules lists the rules that a platform has, by id: the library's, with what
// they come to in the clusters that in selects, and its own. The Result has the
// findings, and is failed when the platform cannot be read.
func Rules(ctx context.Context, in Input) (*Result, []Rule, error) {
	r := &Result{}
	_, _, rules, err := r.rules(in)
	return r, rules, cmp.Or(err, ctx.Err())
}

// rules describes a platform, and lists its rules in the clusters that in
// selects. The locator is nil when a finding stopped it.
func (r *Result) rules(in Input) (loc *locator, clusters []string, rules []Rule, err error) {
	src, loc, err := r.describe(in)
	if err != nil || src == nil {
		return nil, nil, nil, err
	}
	clusters, found := selected(r.Platform, in.Clusters)
	if r.stop(loc, found) {
		return nil, nil, nil, nil
	}
	rules, err = rulesOf(r.Platform, clusters, loc.sources)
	return loc, clusters, rules, err
}

// rulesOf are the rules of a platform in some of its clusters.
func rulesOf(p *model.Platform, clusters []string, s *sources) ([]Rule, error) {
	rules, err := Library()
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(p.Policies.Rules)) {
		if p.Policies.Rules[id].Template != nil {
			own := rule.Rule{ID: id, Enforcement: selection.Deny, Profile: rule.Profiles()[0], Input: rule.Object}
			rules = append(rules, Rule{ID: id, Input: rule.Object, Source: "own", Enforcement: own.Enforcement, of: own})
		}
	}
	for _, r := range s.rules {
		rules = append(rules, Rule{
			ID: r.ID, Title: r.Title, Profile: r.Profile, Severity: r.Severity, Input: r.Input,
			Source: "source", Fixed: r.Fixed, Enforcement: r.Enforcement, of: r,
		})
	}
	for i := range rules {
		r := &rules[i]
		r.Clusters = map[string]string{}
		for _, c := range clusters {
			r.Clusters[c] = selection.Off
			if s.holds(p, r.ID, c) {
				r.Clusters[c] = selection.Of(p, c, r.of).Enforcement
			}
		}
		for _, name := range slices.Sorted(maps.Keys(p.Policies.Waivers)) {
			w := p.Policies.Waivers[name]
			if waiver.Match(w.Rule, r.ID) && holds(w, clusters) {
				r.Waivers = append(r.Waivers, name)
			}
		}
	}
	slices.SortFunc(rules, func(a, b Rule) int { return cmp.Compare(a.ID, b.ID) })
	return rules, nil
}

// holds tells whether a waiver holds in one of the clusters.
func holds(w model.PolicyWaiver, clusters []string) bool {
	for _, pattern := range w.Clusters {
		for _, c := range clusters {
			if waiver.Match(pattern, c) {
				return true
			}
		}
	}
	return false
}

// ids are the ids of rules, sorted as they are.
func ids(rules []Rule) []string {
	var out []string
	for _, r := range rules {
		out = append(out, r.ID)
	}
	return out
}

// refused are findings of one rule.
func refused(found []diag.Finding, id string) []diag.Finding {
	return slices.DeleteFunc(slices.Clone(found), func(f diag.Finding) bool { return f.ID != id })
}
