// Package platform judges a whole cluster, or the whole platform, by rules that
// read the model instead of one object: what no admission controller sees.
//
// A rule is Rego whose set violation holds {"msg", "details"}. It is asked
// about
//
//	input.platform    the description, as the user said it, with defaults
//	input.cluster     of a rule over a cluster: its description, and its name
//	input.objects     of a rule over a cluster: [{"unit", "object"}, …], of the
//	                  kinds that the rule's match names, in the order of units
//	input.clusters    of a rule over the platform: the descriptions by name
//	input.parameters  as the platform, environment and cluster refine them
//
// and details are {"path", "unit", "object", "cluster", "also"}, all of them
// optional; see violation.
//
// Invariants:
//   - A rule is given exactly the parts of the input that its Rego can refer
//     to, so that what it was given is all that its verdict depends on, and
//     clusters that agree in that share one evaluation.
//   - A rule that does not compile, refers to what is not there, panics, runs
//     past its budget or gives a malformed result is a finding at its Rego.
//     Such a finding is an error, and never has the rule's own id: whoever turns
//     a rule down to a warning must not turn that down.
//   - Rules cannot reach the network, the clock, the environment or chance.
//   - Findings depend on the content of rules and input alone, in any order and
//     with any number of workers.
package platform

import (
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// Input is one platform.
type Input struct {
	// Description is the platform as JSON, clusters and all.
	Description []byte
	// Clusters are those that are judged, each described under "clusters".
	Clusters []Cluster
	// Parameters gives the parameters of a rule on a cluster, on the platform
	// itself when cluster is "", and whether the rule is on there at all. Nil
	// takes the rules' own defaults everywhere. It is called by one goroutine.
	Parameters func(r rule.Rule, cluster string) (map[string]any, bool)
}

// Cluster is what one cluster is given.
type Cluster struct {
	Name  string
	Units []Unit
}

// Unit is one unit's objects. Clusters may share them.
type Unit struct {
	Name    string
	Objects []*object.Object
}

// Options of Compile. The zero value is of use.
type Options struct {
	// Budget is the time that one rule may take over one cluster or platform;
	// 0 is policy.DefaultBudget.
	Budget time.Duration
}

// Set is a number of compiled rules. It is safe for concurrent use.
type Set struct {
	rules  []*compiled
	budget time.Duration
}

// Compile takes the rules over clusters and the platform out of rules. The
// findings, all errors, say what is wrong with their Rego, at its place; the Set
// then holds those that are sound.
func Compile(rules []rule.Rule, opts Options) (*Set, []diag.Finding) {
	s := &Set{budget: opts.Budget}
	if s.budget == 0 {
		s.budget = policy.DefaultBudget
	}
	var asked []rule.Rule
	for _, r := range rules {
		// A check of contain's own is Go, and has no Rego.
		if r.Input != rule.Object && r.Module.Rego != "" {
			asked = append(asked, r)
		}
	}
	ready := make([]*compiled, len(asked))
	found := make([][]diag.Finding, len(asked))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, r := range asked {
		g.Go(func() error {
			ready[i], found[i] = compile(r)
			return nil
		})
	}
	_ = g.Wait()
	var findings []diag.Finding
	for i := range asked {
		findings = append(findings, found[i]...)
		if len(found[i]) == 0 {
			s.rules = append(s.rules, ready[i])
		}
	}
	return s, diag.Group(findings)
}
