// Package selection says which rules hold in a cluster, and how strictly: the
// profile, what the platform, the environment and the cluster say, and the day
// from which a rule denies, brought down to one enforcement and one set of
// parameters.
//
// Rules over an object are selected a second time by catalog.#Units, in CUE,
// since what a cluster's Gatekeeper gets is made there; a test compares the two.
package selection

import (
	"slices"

	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// What a rule comes to. The first three are Gatekeeper's enforcementActions.
const (
	Deny   = "deny"
	Warn   = "warn"
	Dryrun = "dryrun"
	Off    = "off"
)

// DefaultProfile holds where no layer names one; catalog.#Platform says the
// same.
const DefaultProfile = "restricted"

// Effective is what a rule comes to in one cluster.
type Effective struct {
	Enforcement string // Deny, Warn, Dryrun or Off
	// Parameters are complete: the rule's defaults, what its profile asks for,
	// and what the layers say, each replacing a value of the one before. They
	// are shared and must not be changed.
	Parameters map[string]any
	// Namespaces that the rule leaves out, those of excepted teams included,
	// sorted.
	Except []string
}

// On tells whether the rule is to be asked at all.
func (e Effective) On() bool { return e.Enforcement != Off }

// Of selects one rule for a cluster of the platform; for cluster "" by what the
// platform says of all of them. A fixed rule is as its directory says.
func Of(p *model.Platform, cluster string, r rule.Rule) Effective {
	if r.Fixed {
		return Effective{Enforcement: r.Enforcement, Parameters: r.Defaults()}
	}
	layers := []model.Policies{p.Policies}
	if c, ok := p.Clusters[cluster]; ok {
		layers = append(layers, p.Environments[c.Environment].Policies, c.Policies)
	}
	profile := DefaultProfile
	for _, l := range layers {
		if l.Profile != "" {
			profile = l.Profile
		}
	}
	base, has := ofProfile(r, profile)
	said := merge(layers, r.ID)
	e := Effective{
		Enforcement: enforcement(said, base.Enforcement, has, p.Policies.Date),
		Parameters:  r.Defaults(),
		Except:      excepted(p, said),
	}
	for _, over := range []map[string]any{base.Parameters, said.Parameters} {
		for k, v := range over {
			e.Parameters[k] = v
		}
	}
	return e
}

// ofProfile is the rule as a profile has it, and whether the profile has it.
func ofProfile(r rule.Rule, profile string) (rule.Refinement, bool) {
	all := rule.Profiles()
	level := slices.Index(all, profile)
	out := rule.Refinement{Enforcement: r.Enforcement}
	for _, name := range all[:level+1] { // the last that says something
		if s, ok := r.Stricter[name]; ok {
			out.Parameters = s.Parameters
			out.Enforcement = r.Enforcement
			if s.Enforcement != "" {
				out.Enforcement = s.Enforcement
			}
		}
	}
	return out, slices.Index(all, r.Profile) <= level
}

// enforcement is what holds on the day. What a layer says beats the profile,
// and denyFrom is something said.
func enforcement(said model.PolicyRule, base string, has bool, date string) string {
	switch {
	case said.DenyFrom != "" && said.Enforcement != Off:
		if date >= said.DenyFrom {
			return Deny
		}
		if said.Enforcement == "" {
			return Warn
		}
		return said.Enforcement
	case said.Enforcement != "":
		return said.Enforcement
	case has:
		return base
	}
	return Off
}

// merge lays the layers over each other as catalog/merge does: of a scalar or a
// list the last that is said, of parameters each by itself.
func merge(layers []model.Policies, id string) model.PolicyRule {
	var out model.PolicyRule
	for _, l := range layers {
		r, ok := l.Rules[id]
		if !ok {
			continue
		}
		if r.Enforcement != "" {
			out.Enforcement = r.Enforcement
		}
		if r.DenyFrom != "" {
			out.DenyFrom = r.DenyFrom
		}
		if r.Except.Namespaces != nil {
			out.Except.Namespaces = r.Except.Namespaces
		}
		if r.Except.Teams != nil {
			out.Except.Teams = r.Except.Teams
		}
		out.Parameters = overlay(out.Parameters, r.Parameters)
	}
	return out
}

// overlay merges structs and replaces everything else.
func overlay(lo, hi map[string]any) map[string]any {
	out := make(map[string]any, len(lo)+len(hi))
	for k, v := range lo {
		out[k] = v
	}
	for k, v := range hi {
		below, isStruct := out[k].(map[string]any)
		if above, ok := v.(map[string]any); ok && isStruct {
			v = overlay(below, above)
		}
		out[k] = v
	}
	return out
}

func excepted(p *model.Platform, said model.PolicyRule) []string {
	out := slices.Clone(said.Except.Namespaces)
	for _, t := range said.Except.Teams {
		for ns := range p.Teams[t].Namespaces {
			out = append(out, ns)
		}
	}
	slices.Sort(out) // for determinism
	return slices.Compact(out)
}
