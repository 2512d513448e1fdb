// Package policy gives the verdict of Gatekeeper's admission webhook at compile
// time: ConstraintTemplates (Rego, and CEL by K8sNativeValidation) and
// Constraints are compiled once into a Set, and a Set reviews objects.
//
// Invariants:
//   - Every violation comes out of Gatekeeper's own constraint framework client
//     with Gatekeeper's own drivers and target. What runs before it, the match
//     and the screen, only proves that there is nothing to report.
//   - Policies see an object as the webhook would on CREATE: the Namespace
//     object beside it, the label kubernetes.io/metadata.name set, applied by
//     Flux's kustomize-controller. Defaults that the API server would fill in
//     elsewhere are not there.
//   - A policy that cannot be compiled, panics, or runs past its budget is a
//     finding; nothing of it passes silently. Policies cannot reach the network,
//     the clock, the environment or chance.
//   - Results depend on the content of policies and objects alone, in any order
//     and with any number of workers.
package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/open-policy-agent/opa/v1/ast"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// DefaultBudget is the time that one policy may take over one object, and
// DefaultMemory what policies may have in use, in bytes.
const (
	DefaultBudget = 5 * time.Second
	DefaultMemory = 1 << 30
)

// Ids of the findings about policies themselves.
const (
	FindingTemplate   = "policy/template"   // a ConstraintTemplate that Gatekeeper refuses
	FindingConstraint = "policy/constraint" // a Constraint that its template or Gatekeeper refuses
	FindingRego       = "policy/rego"       // Rego that does not parse or compile
	FindingCEL        = "policy/cel"        // CEL that does not compile
	FindingBuiltin    = "policy/builtin"    // Rego that calls a built-in which reaches out
	FindingConfig     = "policy/config"     // a Config or a SyncSet that Gatekeeper refuses or does not heed
	FindingSync       = "policy/sync"       // a template that wants in the inventory what nothing syncs
	FindingMutator    = "policy/mutator"    // a mutator that Gatekeeper refuses, or that does not settle
	FindingExpansion  = "policy/expansion"  // an ExpansionTemplate that Gatekeeper refuses or cannot apply
)

// Options of Compile. The zero value is of use.
type Options struct {
	// Locate gives the place of the first character of a template's Rego: module
	// 0 is the rule, 1 and up its libraries in the template's order. Nil, and a
	// false result, mean that the Rego stands in no file of the user's; findings
	// then name line and column in their message.
	Locate func(template string, module int) (diag.Position, bool)
	// Budget is the time that one policy may take over one object;
	// 0 is DefaultBudget.
	Budget time.Duration
	// DuplicatesKnown is set by a caller that reports objects of one name itself.
	DuplicatesKnown bool
	// Memory is how much a review's policies may have in use, in bytes; 0 is
	// DefaultMemory. What passes it ends the policy that has run longest then.
	Memory uint64
}

// Set is a number of policies, ready to review. It is safe for concurrent use.
type Set struct {
	// Those that have Constraints, by template name; referential are those that
	// look into the inventory.
	policies, referential []*policy

	// program is policies compiled together, as far as that can be; parameters
	// are those of its units.
	program    *program
	parameters *ast.Term

	scope    *scope
	mutation *mutationWebhook // nil when there are no mutators
	expander *expander        // nil when there are no ExpansionTemplates
	empty    *loaded          // the inventory of policies that do not look into it
	budget   time.Duration
	memory   uint64
	memo     sync.Map // memoKey to []Violation without Object, but for a mutator's
}

// Compiler compiles Sets and shares between them whatever is equal: clusters
// that have the same policies get the same Set, and sets that differ in
// Constraints alone share the compiled templates. The zero value is ready; it
// is safe for concurrent use.
type Compiler struct {
	sets      sync.Map // fingerprint to func() compiled
	templates sync.Map // fingerprint to func() *template
	programs  sync.Map // fingerprint to func() *program
}

type fingerprint [sha256.Size]byte

type compiled struct {
	set      *Set
	findings []diag.Finding
}

// Compile is the Compile of a Compiler that is used once.
func Compile(p Policies, opts Options) (*Set, []diag.Finding) {
	return new(Compiler).Compile(p, opts)
}

// Compile makes a Set of policies. The findings say what is wrong with them;
// Object is the policy. With errors among them the Set holds the policies that
// are sound, so that a caller can report everything at once; it must not be
// taken for a verdict. Options must be the same in every call that is given the
// same policies.
func (c *Compiler) Compile(p Policies, opts Options) (*Set, []diag.Finding) {
	p = p.sorted()
	if opts.Budget == 0 {
		opts.Budget = DefaultBudget
	}
	if opts.Memory == 0 {
		opts.Memory = DefaultMemory
	}
	once, _ := c.sets.LoadOrStore(p.fingerprint(), sync.OnceValue(func() compiled {
		return c.compile(p, opts)
	}))
	r := once.(func() compiled)()
	return r.set, slices.Clone(r.findings)
}

func (c *Compiler) compile(p Policies, opts Options) compiled {
	// Gatekeeper's packages log by a logger of the process, which complains on
	// stderr when nobody sets it. What they have to say is in their errors.
	log.SetLogger(logr.Discard())
	var findings []diag.Finding
	templates, twice, duplicates := distinct(p.Templates)
	byKind, orphans := assign(templates, p.Constraints, twice)
	findings = append(findings, orphans...)
	if !opts.DuplicatesKnown {
		findings = append(findings, duplicates...)
	}

	results := make([]compiledPolicy, len(templates))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, t := range templates {
		g.Go(func() error {
			results[i] = c.policy(t, byKind[t.Name], opts)
			return nil
		})
	}
	_ = g.Wait()

	s := &Set{budget: opts.Budget, memory: opts.Memory}
	take := func(found []diag.Finding) { findings = append(findings, found...) }
	var found []diag.Finding
	s.scope, found = compileScope(p.Config, p.SyncSets)
	take(found)
	s.mutation, found = compileMutators(p.Mutators)
	take(found)
	s.expander, found = compileExpansions(p.Expansions, s.mutation)
	take(found)
	s.empty = &loaded{}
	var err error
	if s.empty.store, s.empty.txn, err = newStore(map[string]any{}); err != nil {
		take([]diag.Finding{{ID: FindingTemplate, Message: plain(err)}})
	}
	for _, r := range results {
		take(r.findings)
		if r.policy == nil {
			continue
		}
		take(s.scope.unsynced(r.policy.template))
		switch {
		case len(r.policy.constraints) == 0:
		case r.policy.referential():
			s.referential = append(s.referential, r.policy)
		default:
			s.policies = append(s.policies, r.policy)
		}
	}
	byName := func(a, b *policy) int { return strings.Compare(a.name, b.name) }
	slices.SortFunc(s.policies, byName)
	slices.SortFunc(s.referential, byName)
	s.program, s.parameters = c.program(s.policies)
	return compiled{s, diag.Group(findings)}
}

// distinct are the templates whose name no other has. Of the others the API
// server would keep one, whose Constraints may be meant for another: what could
// be said about them is left out.
func distinct(templates []*object.Object) (out []*object.Object, twice map[string]bool, findings []diag.Finding) {
	count := map[string]int{}
	for _, t := range templates {
		if count[t.Name]++; count[t.Name] == 2 {
			findings = append(findings, templateFinding(t, FindingTemplate, "there are two ConstraintTemplates of this name"))
		}
	}
	twice = map[string]bool{}
	for _, t := range templates {
		if twice[t.Name] = count[t.Name] > 1; !twice[t.Name] {
			out = append(out, t)
		}
	}
	return out, twice, findings
}

// assign gives each Constraint to its template, whose name is the Constraint's
// kind in lower case (frameworks/constraint, Client.AddTemplate).
func assign(templates, constraints []*object.Object, twice map[string]bool) (map[string][]*object.Object, []diag.Finding) {
	var findings []diag.Finding
	known := map[string]bool{}
	for _, t := range templates {
		known[t.Name] = true
	}
	byTemplate := map[string][]*object.Object{}
	for _, o := range constraints {
		name := strings.ToLower(o.Kind)
		if twice[name] {
			continue
		}
		if !known[name] {
			findings = append(findings, diag.Finding{
				ID:      FindingConstraint,
				Message: fmt.Sprintf("there is no ConstraintTemplate for %s", o.Kind),
				Object:  o.String(),
				Path:    "kind",
			})
			continue
		}
		byTemplate[name] = append(byTemplate[name], o)
	}
	return byTemplate, findings
}

type compiledPolicy struct {
	policy   *policy
	findings []diag.Finding
}

// policy compiles one template, or takes what was compiled before, and adds
// its Constraints.
func (c *Compiler) policy(o *object.Object, constraints []*object.Object, opts Options) compiledPolicy {
	key := hashObjects([]*object.Object{o})
	once, _ := c.templates.LoadOrStore(key, sync.OnceValue(func() *template {
		t := compileTemplate(o, opts)
		t.fingerprint = key
		return t
	}))
	t := once.(func() *template)()
	if len(t.findings) > 0 {
		return compiledPolicy{findings: t.findings}
	}
	p, findings := newPolicy(context.Background(), t, constraints)
	return compiledPolicy{p, findings}
}

// program compiles policies together, or takes what was compiled before:
// parameters are no part of a program.
func (c *Compiler) program(policies []*policy) (*program, *ast.Term) {
	h := sha256.New()
	var parameters [][2]*ast.Term
	for _, p := range policies {
		fmt.Fprintln(h, p.fingerprint, len(p.constraints))
		for i, c := range p.constraints {
			if c.parameters != nil {
				parameters = append(parameters, [2]*ast.Term{ast.StringTerm(unitKey{p.fingerprint, i}.name()), c.parameters})
			}
		}
	}
	var key fingerprint
	h.Sum(key[:0])
	once, _ := c.programs.LoadOrStore(key, sync.OnceValue(func() *program { return compileProgram(policies) }))
	return once.(func() *program)(), ast.NewTerm(ast.NewObject(parameters...))
}

// hashObjects is a fingerprint of lists of objects; where one list ends counts.
func hashObjects(lists ...[]*object.Object) fingerprint {
	h := sha256.New()
	for _, l := range lists {
		fmt.Fprintf(h, "%d\n", len(l))
		for _, o := range l {
			fmt.Fprintf(h, "%d\n", len(o.JSON))
			h.Write(o.JSON)
		}
	}
	var f fingerprint
	h.Sum(f[:0])
	return f
}

func templateFinding(o *object.Object, id, msg string) diag.Finding {
	return diag.Finding{ID: id, Message: msg, Object: o.String()}
}
