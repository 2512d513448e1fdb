package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/open-policy-agent/gatekeeper/v3/pkg/controller/config/process"
	"github.com/open-policy-agent/opa/v1/ast"
	"golang.org/x/sync/errgroup"

	"github.com/contain-platform/contain/internal/object"
)

func isNamespace(o *object.Object) bool { return o.Kind == "Namespace" && o.Group == "" }

// memoKey is all that a verdict depends on within a Set: of policies that do
// not look into the inventory, inventory is zero.
type memoKey struct{ object, namespace, inventory fingerprint }

// job is one distinct object in one distinct namespace, before some of the
// Set's policies.
type job struct {
	key        memoKey
	object     *object.Object
	namespace  namespaceView
	policies   []*policy
	excluded   bool       // from validation; the mutating webhook may see it still
	inventory  *inventory // of policies that look into it
	violations []Violation
}

// Review gives the violations of the objects, sorted by object, rule,
// Constraint and path. cluster is all that the cluster holds, objs included:
// Namespaces and the inventory are taken from it. Each distinct object is
// judged once in the Set's life with each distinct Namespace and, by policies
// that look into it, inventory. An object whose Namespace is neither in cluster
// nor in every cluster is rejected by Constraints that select namespaces by
// label, as in admission. The only error is ctx's.
//
// Mutators that cannot change an object or do not settle are violations whose
// Object is the mutator.
func (s *Set) Review(ctx context.Context, objs, cluster []*object.Object) ([]Violation, error) {
	keys, jobs := s.plan(objs, cluster)
	if err := s.work(ctx, jobs); err != nil {
		return nil, err
	}
	var out []Violation
	failed := stuck{}
	for i, o := range objs {
		for _, k := range keys[i] {
			known, _ := s.memo.Load(k)
			for _, v := range known.([]Violation) {
				if v.Object != nil {
					at := stuckKey{v.Object, v.Message}
					failed[at] = append(failed[at], o)
					continue
				}
				v.Object = o
				out = append(out, v)
			}
		}
	}
	out = append(out, failed.violations()...)
	slices.SortStableFunc(out, compareViolations) // for determinism
	return out, nil
}

// worker is one goroutine of a review.
type worker struct {
	set       *Set
	guard     guard
	values    valueReader
	envelopes map[envelopeKey][][2]*ast.Term
}

// work does the jobs, as many at a time as there are processors.
func (s *Set) work(ctx context.Context, jobs []*job) error {
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	var guards []*guard
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		w := &worker{set: s, envelopes: map[envelopeKey][][2]*ast.Term{}}
		guards = append(guards, &w.guard)
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
				j.violations = w.judge(j)
				s.memo.Store(j.key, j.violations)
			}
		})
	}
	if len(guards) == 0 {
		return nil
	}
	done := make(chan struct{})
	defer close(done)
	go watch(guards, s.budget, s.memory, done)
	return g.Wait()
}

// plan finds what this Set has not judged yet.
func (s *Set) plan(objs, cluster []*object.Object) ([][]memoKey, []*job) {
	keys := make([][]memoKey, len(objs))
	views := s.namespacesIn(cluster)
	var inv *inventory
	if len(s.referential) > 0 {
		inv = s.takeInventory(cluster, views)
	}
	var jobs []*job
	planned := map[memoKey]bool{}
	for i, o := range objs {
		excluded := s.scope.excludes(process.Webhook, o)
		if excluded && s.mutation == nil {
			continue
		}
		ns := views.of(o)
		k := memoKey{object: sha256.Sum256(o.JSON), namespace: ns.key}
		add := func(k memoKey, policies []*policy, inv *inventory) {
			keys[i] = append(keys[i], k)
			if _, known := s.memo.Load(k); known || planned[k] {
				return
			}
			planned[k] = true
			jobs = append(jobs, &job{key: k, object: o, namespace: ns, policies: policies, excluded: excluded, inventory: inv})
		}
		add(k, s.policies, nil)
		if inv != nil && !excluded {
			k.inventory = inv.key
			add(k, s.referential, inv)
		}
	}
	return keys, jobs
}

// judge reviews one object, and what it will make, against the job's policies.
func (w *worker) judge(j *job) []Violation {
	var all []*admission
	var err error
	if j.excluded {
		_, err = w.set.admitted(j.object, j.namespace.typed)
	} else {
		all, err = w.admit(j.object, j.namespace)
	}
	var mutating *mutationFailure
	var expanding *expansionFailure
	switch {
	case (errors.As(err, &mutating) || errors.As(err, &expanding)) && j.inventory != nil:
		return nil // said once, by the policies without inventory
	case mutating != nil:
		return []Violation{{Rule: FindingMutator, Action: Deny, Failed: true, Object: mutating.mutator, Message: mutating.message}}
	case expanding != nil:
		return []Violation{{Rule: FindingExpansion, Action: Deny, Failed: true, Message: expanding.Error()}}
	}
	if j.excluded {
		return nil
	}
	var out []Violation
	for _, p := range j.policies {
		if err != nil {
			out = append(out, p.failure(plain(err), nil))
			continue
		}
		for _, a := range all {
			if p.onCreate() && p.about(a.request.Kind.Group, a.request.Kind.Kind) {
				out = append(out, w.one(j, p, a)...)
			}
		}
	}
	return out
}

// stuck gathers the objects that a mutator fails on, so that each failure is
// one violation, however many objects it is about.
type stuck map[stuckKey][]*object.Object

type stuckKey struct {
	mutator *object.Object
	message string
}

func (st stuck) violations() []Violation {
	var out []Violation
	for k, objs := range st {
		first := slices.MinFunc(objs, object.Compare)
		k.message += fmt.Sprintf(" (%s", first)
		if n := len(objs) - 1; n > 0 {
			k.message += fmt.Sprintf(" and %d more", n)
		}
		out = append(out, Violation{Rule: FindingMutator, Action: Deny, Failed: true, Object: k.mutator, Message: k.message + ")"})
	}
	return out
}
