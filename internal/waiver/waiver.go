// Package waiver decides which findings the platform's waivers let pass, and
// whether the waivers themselves will do.
//
// Invariants:
//   - A waiver lets pass what it matches in every field that it gives; one that
//     asks for something of an object lets nothing pass that is not about one.
//   - What is no finding of a rule, or of a fixed one, no waiver lets pass:
//     what is wrong with CUE, with policies and with waivers is not a matter of
//     policy.
//   - A day comes from the input and from nowhere else.
package waiver

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
)

// Rule is what a waiver can be of.
type Rule struct {
	ID string
	// Admission is set when Gatekeeper has the rule too, so that its Constraint
	// must let pass what the waiver lets pass.
	Admission bool
	// Source is set when a source of the platform's brings the rule with its
	// Constraints, which are not changed.
	Source bool
	// Fixed rules cannot be waived.
	Fixed bool
}

// Book holds a platform's waivers and counts what they let pass. It is safe for
// concurrent use.
type Book struct {
	p       *model.Platform
	rules   map[string]Rule
	waivers []waiver // by name
	workers []diag.InEffect

	mu   sync.Mutex
	used map[string]int
}

type waiver struct {
	name string
	model.PolicyWaiver
	admission bool // of a rule that Gatekeeper has
}

// Open reads the platform's waivers. The findings, all errors but none about
// anything but waivers, say which of them will not do.
func Open(p *model.Platform, rules []Rule) (*Book, []diag.Finding) {
	b := &Book{p: p, rules: map[string]Rule{}, used: map[string]int{}}
	for _, r := range rules {
		b.rules[r.ID] = r
	}
	for _, name := range slices.Sorted(maps.Keys(p.Policies.Waivers)) {
		w := waiver{name: name, PolicyWaiver: p.Policies.Waivers[name]}
		for _, r := range rules {
			w.admission = w.admission || r.Admission && Match(w.Rule, r.ID)
		}
		b.waivers = append(b.waivers, w)
	}
	return b, b.check()
}

// Subject is what a finding is about, beside its rule and cluster. The zero
// value is the description itself.
type Subject struct {
	Kind, Namespace, Name string
	Labels                map[string]string
}

// Of is an object as a subject. A Namespace is in itself, as Gatekeeper's match
// has it.
func Of(o *object.Object) Subject {
	s := Subject{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Labels: o.Labels()}
	if o.Kind == "Namespace" && o.Group == "" {
		s.Namespace = o.Name
	}
	return s
}

// Named is a subject of which only the short form of its name is known,
// "Deployment payments/api".
func Named(name string) Subject {
	kind, rest, _ := strings.Cut(name, " ")
	ns, n, ok := strings.Cut(rest, "/")
	if !ok {
		ns, n = "", rest
	}
	if kind == "Namespace" {
		ns = n
	}
	return Subject{Kind: kind, Namespace: ns, Name: n}
}

// Any tells whether a waiver holds in a cluster for a rule that Gatekeeper has.
func (b *Book) Any(cluster string) bool {
	return slices.ContainsFunc(b.waivers, func(w waiver) bool { return w.admission && matchAny(w.Clusters, cluster) })
}

// Find gives the waiver that lets a rule's finding about a subject of a cluster
// pass, the first by name, or nil. Every waiver that would is counted as used.
func (b *Book) Find(rule, cluster string, s Subject) *diag.Waiver {
	if r, ok := b.rules[rule]; !ok || r.Fixed {
		return nil
	}
	var out *diag.Waiver
	for _, w := range b.waivers {
		if !w.matches(rule, cluster, s) {
			continue
		}
		b.count(w.name)
		if out == nil {
			out = &diag.Waiver{Name: w.name, Owner: w.Owner, Reason: w.Reason, Expires: w.Expires}
		}
	}
	return out
}

// Apply is Find for findings: one that a waiver lets pass becomes information.
func (b *Book) Apply(found []diag.Finding, subject func(diag.Finding) Subject) []diag.Finding {
	if len(b.waivers) == 0 {
		return found
	}
	out := slices.Clone(found)
	for i, f := range out {
		if w := b.Find(f.ID, f.Cluster, subject(f)); w != nil {
			out[i].Severity, out[i].Waiver = diag.Info, w
		}
	}
	return out
}

func (b *Book) count(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used[name]++
}

func (w waiver) matches(rule, cluster string, s Subject) bool {
	if !Match(w.Rule, rule) || !matchAny(w.Clusters, cluster) {
		return false
	}
	for k, v := range w.Labels {
		if have, ok := s.Labels[k]; !ok || have != v {
			return false
		}
	}
	return among(w.Namespaces, s.Namespace) && among(w.kinds(), s.Kind) && among(w.Names, s.Name)
}

// made are the kinds that the controllers of others make. They are waived with
// those; catalog/policies compiles waivers alike.
var made = map[string][]string{
	"CronJob":               {"Job", "Pod"},
	"DaemonSet":             {"Pod"},
	"Deployment":            {"ReplicaSet", "Pod"},
	"Job":                   {"Pod"},
	"ReplicaSet":            {"Pod"},
	"ReplicationController": {"Pod"},
	"StatefulSet":           {"Pod"},
}

func (w waiver) kinds() []string {
	out := slices.Clone(w.Kinds)
	for _, k := range w.Kinds {
		out = append(out, made[k]...)
	}
	return out
}

// among tells whether a field matches one of the patterns, if any are given.
func among(patterns []string, s string) bool {
	return len(patterns) == 0 || s != "" && matchAny(patterns, s)
}

func matchAny(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return Match(p, s) })
}

// Match tells whether a text matches a pattern, in which "*" stands for any
// text, none included.
func Match(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	rest, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return len(rest) >= len(last) && strings.HasSuffix(rest, last)
}
