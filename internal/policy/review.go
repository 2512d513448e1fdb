package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/open-policy-agent/frameworks/constraint/pkg/client/reviews"
	"github.com/open-policy-agent/frameworks/constraint/pkg/types"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/match"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"
	"golang.org/x/sync/errgroup"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// namespacesIn are the Namespaces among objects, by name.
func namespacesIn(objs []*object.Object) map[string]*object.Object {
	m := map[string]*object.Object{}
	for _, o := range objs {
		if isNamespace(o) {
			m[o.Name] = o
		}
	}
	return m
}

func isNamespace(o *object.Object) bool { return o.Kind == "Namespace" && o.Group == "" }

// memoKey is all that a verdict depends on within a Set.
type memoKey struct{ object, namespace fingerprint }

// job is one distinct object in one distinct namespace.
type job struct {
	key        memoKey
	object     *object.Object
	namespace  namespaceView
	violations []Violation
}

// Review gives the violations of the objects, sorted by object, rule,
// Constraint and path. cluster is all that the cluster holds: Namespaces are
// found in it. Each distinct object is judged once in the Set's life, with the
// Namespace that it is in. An object whose Namespace is neither in cluster nor
// in every cluster is rejected by Constraints that select namespaces by label,
// as in admission. The only error is ctx's.
func (s *Set) Review(ctx context.Context, objs, cluster []*object.Object) ([]Violation, error) {
	keys, jobs := s.plan(objs, namespacesIn(cluster))
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(jobs) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				j := jobs[i]
				j.violations = s.judge(j.object, j.namespace)
				s.memo.Store(j.key, j.violations)
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []Violation
	for i, o := range objs {
		known, _ := s.memo.Load(keys[i])
		for _, v := range known.([]Violation) {
			v.Object = o
			out = append(out, v)
		}
	}
	slices.SortStableFunc(out, compareViolations) // for determinism
	return out, nil
}

// plan finds the objects that this Set has not judged yet.
func (s *Set) plan(objs []*object.Object, namespaces map[string]*object.Object) ([]memoKey, []*job) {
	keys := make([]memoKey, len(objs))
	var jobs []*job
	planned := map[memoKey]bool{}
	type seen struct {
		view namespaceView
		key  fingerprint
	}
	views := map[string]seen{}
	for i, o := range objs {
		var ns seen
		// The webhook takes a Namespace for an object outside namespaces.
		if o.Namespace != "" && !isNamespace(o) {
			var ok bool
			if ns, ok = views[o.Namespace]; !ok {
				found := namespaces[o.Namespace]
				ns.view = viewNamespace(o.Namespace, found)
				if found != nil {
					ns.key = sha256.Sum256(found.JSON)
				}
				views[o.Namespace] = ns
			}
		}
		keys[i] = memoKey{sha256.Sum256(o.JSON), ns.key}
		if _, known := s.memo.Load(keys[i]); known || planned[keys[i]] {
			continue
		}
		planned[keys[i]] = true
		jobs = append(jobs, &job{key: keys[i], object: o, namespace: ns.view})
	}
	return keys, jobs
}

// judge reviews one object against every policy.
func (s *Set) judge(o *object.Object, ns namespaceView) []Violation {
	var out []Violation
	a, err := admit(o, ns)
	for _, p := range s.policies {
		switch {
		case err != nil:
			out = append(out, p.failure(oneLine(err.Error()), nil))
		case p.onCreate():
			out = append(out, s.one(p, a)...)
		}
	}
	return out
}

// one reviews one object against one policy. What panics below it, ours or a
// library's, is a violation of that policy.
func (s *Set) one(p *policy, a *admission) (out []Violation) {
	defer func() {
		if r := recover(); r != nil {
			out = []Violation{p.failure(fmt.Sprintf("the policy panicked: %v", r), nil)}
		}
	}()
	saw := s.look(p, a)
	switch {
	case saw.late:
		return []Violation{p.failure(s.tooLong(), runtimePlace(p.name, saw.err, p.locate))}
	case !saw.hit:
		return nil
	}
	out = s.ask(p, a)
	if saw.err != nil {
		for i := range out {
			out[i].Failed = true
			out[i].Positions = runtimePlace(p.name, saw.err, p.locate)
		}
	}
	return out
}

// look tells whether there may be something to report.
func (s *Set) look(p *policy, a *admission) outcome {
	var all outcome
	for _, c := range p.constraints {
		if c.match != nil {
			matched, err := match.Matches(c.match, &a.matchable)
			if err == nil && !matched {
				continue
			}
			if err != nil {
				all.hit = true
				continue
			}
		}
		if p.screen == nil {
			return outcome{hit: true}
		}
		review, err := a.screenInput()
		if err != nil {
			return outcome{hit: true}
		}
		saw := p.screen.eval(context.Background(), review, c.parameters, s.budget)
		if saw.late {
			return saw
		}
		all.hit = all.hit || saw.hit
		if all.err == nil {
			all.err = saw.err
		}
	}
	return all
}

// ask gets Gatekeeper's verdict.
func (s *Set) ask(p *policy, a *admission) []Violation {
	c, err := p.judge()
	if err != nil {
		return []Violation{p.failure(oneLine(err.Error()), nil)}
	}
	// The budget is for evaluation; a screen that was in time leaves no doubt
	// that this is, but CEL had no screen.
	ctx, cancel := context.WithTimeout(context.Background(), s.budget)
	defer cancel()
	opts := []reviews.ReviewOpt{}
	if len(p.enforcementPoints()) == 1 {
		opts = append(opts, reviews.EnforcementPoint(util.WebhookEnforcementPoint))
	}
	if a.namespaceMap != nil {
		opts = append(opts, reviews.Namespace(a.namespaceMap))
	}
	responses, err := c.Review(ctx, a.augmented(), opts...)
	if ctx.Err() != nil {
		return []Violation{p.failure(s.tooLong(), nil)}
	}
	if err != nil {
		return []Violation{p.failure(oneLine(err.Error()), nil)}
	}
	var out []Violation
	if r := responses.ByTarget[target.Name]; r != nil {
		for _, result := range r.Results {
			if v, ok := p.violation(result); ok {
				out = append(out, v)
			}
		}
	}
	return out
}

// violation translates a result; ok is false when no scoped action is for
// admission.
func (p *policy) violation(r *types.Result) (v Violation, ok bool) {
	action := r.EnforcementAction
	if action == string(util.Scoped) {
		action = strictest(r.ScopedEnforcementActions)
	}
	if action == "" {
		return v, false
	}
	v = Violation{
		Rule:           p.rule,
		ConstraintKind: r.Constraint.GetKind(),
		ConstraintName: r.Constraint.GetName(),
		Action:         action,
		Message:        r.Msg,
	}
	if id := r.Constraint.GetAnnotations()[ruleAnnotation]; id != "" && p.rule == p.name {
		v.Rule = id
	}
	if details, _ := r.Metadata["details"].(map[string]any); len(details) > 0 {
		v.Details = details
		if path, _ := details["path"].(string); path != "" {
			if _, err := ParsePath(path); err == nil {
				v.Path = path
			}
		}
	}
	return v, true
}

func strictest(actions []string) string {
	for _, a := range []string{Deny, Warn, Dryrun} {
		if slices.Contains(actions, a) {
			return a
		}
	}
	return ""
}

// failure is the violation of a policy that gave no verdict.
func (p *policy) failure(msg string, at []diag.Position) Violation {
	c := p.constraints[0].object
	return Violation{
		Rule:           p.rule,
		ConstraintKind: c.GetKind(),
		ConstraintName: c.GetName(),
		Action:         Deny,
		Message:        msg,
		Failed:         true,
		Positions:      at,
	}
}

func (s *Set) tooLong() string { return fmt.Sprintf("the policy did not end within %v", s.budget) }
