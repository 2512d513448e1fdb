package platform

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"golang.org/x/sync/errgroup"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// Review asks every rule about every cluster, or about the platform, and gives
// what they found, grouped and sorted. Severity follows the rule's own
// enforcement: deny is an error, warn a warning, dryrun information. The error
// is ctx's, or says that the description is no JSON.
func (s *Set) Review(ctx context.Context, in Input) ([]diag.Finding, error) {
	if len(s.rules) == 0 {
		return nil, ctx.Err()
	}
	p, err := newPlan(withDefaults(in))
	if err != nil {
		return nil, err
	}
	for _, c := range s.rules {
		if err := p.rule(c); err != nil {
			return nil, err
		}
	}
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(p.jobs)) {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(p.jobs) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				j := p.jobs[i]
				j.found = j.rule.ask(&j.input, s.budget)
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []diag.Finding
	for _, q := range p.questions {
		for _, f := range q.job.found {
			if q.cluster != "" {
				f.Cluster = q.cluster
			}
			out = append(out, f)
		}
	}
	return diag.Group(out), nil
}

func withDefaults(in Input) Input {
	if in.Parameters == nil {
		in.Parameters = func(r rule.Rule, _ string) (map[string]any, bool) { return r.Defaults(), true }
	}
	return in
}

// job is one distinct input of one rule; its findings name no cluster unless
// the rule is over the platform.
type job struct {
	rule  *compiled
	input input
	found []diag.Finding
}

// question is a rule asked about a cluster, or about the platform.
type question struct {
	cluster string
	job     *job
}

// plan finds out what is to be evaluated.
type plan struct {
	Input
	described *description
	store     *store
	jobs      []*job
	questions []question
}

func newPlan(in Input) (*plan, error) {
	d, err := newDescription(in.Description)
	if err != nil {
		return nil, fmt.Errorf("the platform's description: %w", err)
	}
	return &plan{Input: in, described: d, store: newStore()}, nil
}

// rule plans the questions of one rule.
func (p *plan) rule(c *compiled) error {
	shared := input{parts: map[string]ast.Value{}}
	h := sha256.New()
	if r := c.reads.below("platform"); r != nil {
		v, err := r.pick(p.described.whole)
		if err != nil {
			return err
		}
		if err := shared.add(h, "platform", v); err != nil {
			return err
		}
	}
	h.Sum(shared.key[:0])
	known := map[fingerprint]*job{}
	clusters := p.Clusters
	if c.rule.Input == rule.Platform {
		clusters = []Cluster{{}}
	}
	for _, cluster := range clusters {
		parameters, on := p.Parameters(c.rule, cluster.Name)
		if !on {
			continue
		}
		in, err := p.input(c, cluster, parameters, shared)
		if err != nil {
			return err
		}
		j := known[in.key]
		if j == nil {
			j = &job{rule: c, input: in}
			known[in.key] = j
			p.jobs = append(p.jobs, j)
		}
		p.questions = append(p.questions, question{cluster.Name, j})
	}
	return nil
}

// input is what a rule reads about one cluster, or about the platform when the
// cluster has no name, beside what all its inputs share.
func (p *plan) input(c *compiled, cluster Cluster, parameters map[string]any, shared input) (input, error) {
	in := input{parts: maps.Clone(shared.parts)}
	h := sha256.New()
	h.Write(shared.key[:])
	if c.reads.reads("parameters") {
		if parameters == nil {
			parameters = map[string]any{}
		}
		if err := in.add(h, "parameters", parameters); err != nil {
			return in, err
		}
	}
	if r := c.reads.below("cluster"); r != nil && c.rule.Input == rule.Cluster {
		v, err := p.described.cluster(cluster.Name, r)
		if err != nil {
			return in, err
		}
		if err := in.add(h, "cluster", v); err != nil {
			return in, err
		}
	}
	if r := c.reads.below("clusters"); r != nil && c.rule.Input == rule.Platform {
		v, err := p.described.all(r)
		if err != nil {
			return in, err
		}
		if err := in.add(h, "clusters", v); err != nil {
			return in, err
		}
	}
	if c.objects() {
		items, err := p.items(c, cluster)
		if err != nil {
			return in, err
		}
		in.addItems(h, items)
	}
	h.Sum(in.key[:0])
	return in, nil
}

// items are the objects of a cluster that a rule's match names.
func (p *plan) items(c *compiled, cluster Cluster) ([]item, error) {
	var out []item
	for _, u := range cluster.Units {
		for _, o := range u.Objects {
			k := c.kinds.of(o)
			if k == nil {
				continue
			}
			e, err := p.store.get(o, k)
			if err != nil {
				return nil, err
			}
			out = append(out, item{u.Name, o, e})
		}
	}
	return out, nil
}

// ask evaluates the rule. What panics below it, ours or a library's, is a
// finding.
func (c *compiled) ask(in *input, budget time.Duration) (found []diag.Finding) {
	broken := func(p diag.Position, format string, args ...any) []diag.Finding {
		return []diag.Finding{at(p, policy.FindingRego, c.rule.ID+" "+fmt.Sprintf(format, args...))}
	}
	defer func() {
		if r := recover(); r != nil {
			found = broken(c.place, "panicked: %v", r)
		}
	}()
	v, err := in.value(c.objects())
	if err != nil {
		return broken(c.place, "cannot be asked: %v", err)
	}
	cancel := topdown.NewCancel()
	timer := time.AfterFunc(budget, cancel.Cancel)
	defer timer.Stop()
	var result ast.Value
	err = topdown.NewQuery(c.query).
		WithCompiler(c.compiler).
		WithStore(c.store).
		WithTransaction(c.txn).
		WithInput(ast.NewTerm(v)).
		WithCancel(cancel).
		// A built-in that fails is not the same as nothing to report.
		WithStrictBuiltinErrors(true).
		Iter(context.Background(), func(r topdown.QueryResult) error {
			if t := r[ast.Var("result")]; t != nil {
				result = t.Value
			}
			return nil
		})
	switch {
	case err != nil && cancel.Cancelled():
		return broken(c.place, "did not end within %v", budget)
	case err != nil:
		msg, place := c.failure(err)
		return broken(place, "failed: %s", msg)
	}
	found, problem := c.findings(result, in)
	if problem != "" {
		return broken(c.place, "%s", problem)
	}
	return found
}
