package selection

import (
	"slices"
	"sync"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// Selector selects the rules that are judged at build alone, each once for a
// cluster. It is safe for concurrent use.
type Selector struct {
	p     *model.Platform
	rules map[string]rule.Rule
	memo  sync.Map // key to Effective
}

type key struct{ cluster, id string }

// NewSelector is over those of the rules that have another input than one
// object; Gatekeeper's take their enforcement from their Constraints.
func NewSelector(p *model.Platform, rules []rule.Rule) *Selector {
	s := &Selector{p: p, rules: map[string]rule.Rule{}}
	for _, r := range rules {
		if r.Input != rule.Object {
			s.rules[r.ID] = r
		}
	}
	return s
}

// Of is what a rule comes to in a cluster, or with cluster "" for the platform;
// ok is false when no rule judged at build has that id.
func (s *Selector) Of(cluster, id string) (e Effective, ok bool) {
	r, ok := s.rules[id]
	if !ok {
		return e, false
	}
	if known, ok := s.memo.Load(key{cluster, id}); ok {
		return known.(Effective), true
	}
	e = Of(s.p, cluster, r)
	s.memo.Store(key{cluster, id}, e)
	return e, true
}

// Level gives findings the severity of what their rule comes to in their
// cluster, and drops those of rules that are off or leave the namespace out.
// namespace says where the object of a finding is, "" for none. Findings of no
// rule, of fixed ones, and information, which only lists, stay as they are.
func (s *Selector) Level(found []diag.Finding, namespace func(diag.Finding) string) []diag.Finding {
	out := found[:0:0]
	for _, f := range found {
		e, ok := s.Of(f.Cluster, f.ID)
		if !ok || s.rules[f.ID].Fixed {
			out = append(out, f)
			continue
		}
		if !e.On() || len(e.Except) > 0 && slices.Contains(e.Except, namespace(f)) {
			continue
		}
		if f.Severity != diag.Info {
			f.Severity = severity(e.Enforcement)
		}
		out = append(out, f)
	}
	return out
}

func severity(enforcement string) diag.Severity {
	switch enforcement {
	case Warn:
		return diag.Warning
	case Dryrun:
		return diag.Info
	}
	return diag.Error
}
