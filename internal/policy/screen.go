package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers"
	regoschema "github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego/schema"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/reviews"
	"github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	"github.com/open-policy-agent/frameworks/constraint/pkg/regorewriter"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// screen is a template's Rego as one prepared query. It answers one question:
// can Gatekeeper find a violation here? Gatekeeper's driver prepares its query
// anew for every object and converts the object once for each template; that is
// where its time goes, and nearly all of its answers are no.
//
// The modules are parsed, rewritten and compiled as the driver does
// (frameworks/constraint, pkg/client/drivers/rego/compilers.go), and the query
// is the rule that its hook module asks for, so a screen that finds nothing
// means a driver that finds nothing. The property test holds it to that.
//
// topdown is used without package rego, whose bookkeeping for one evaluation
// costs more than most rules.
type screen struct {
	compiler *ast.Compiler
	query    ast.Body
	// referential is set when the rule looks into data.inventory.
	referential bool
	// source is what a program makes of the modules; nil when it cannot.
	source *source
	// row and col are where the rule named violation stands.
	row, col int
}

// Names under which the driver keeps a template's modules.
const (
	templatePackage = "template"
	libPrefix       = "libs"
)

// hookQuery asks of a violation what the driver's hook module does
// (pkg/client/drivers/rego/rego.go), so that types which do not fit the hook do
// not fit here.
const hookQuery = `data.template.violation[r]; details := object.get(r, "details", {}); msg := r.msg`

// hookProblem says that hookQuery does not compile: it is about the template's
// violation rule, whatever OPA says about the hook.
func hookProblem(rule *ast.Module) []problem {
	p := problem{id: FindingRego, msg: "violation must be a set of objects that have msg, a string, and may have details, an object"}
	p.row, p.col = violationPlace(rule)
	return []problem{p}
}

func violationPlace(rule *ast.Module) (row, col int) {
	for _, r := range rule.Rules {
		if r.Head.Name == "violation" && r.Location != nil {
			return r.Location.Row, r.Location.Col
		}
	}
	return 0, 0
}

// problem is something wrong with a template's Rego.
type problem struct {
	id       string
	msg      string
	module   int // 0 is the rule, 1 and up are libraries
	row, col int // 0 when the problem has no place of its own
}

func regoSource(t *templates.ConstraintTemplate) (*regoschema.Source, error) {
	for _, c := range t.Spec.Targets[0].Code {
		if c.Engine == regoschema.Name {
			return regoschema.GetSource(c)
		}
	}
	return nil, errors.New("has no Rego")
}

func compileScreen(src *regoschema.Source) (*screen, []problem) {
	version := ast.RegoV0
	if src.Version == "v1" {
		version = ast.RegoV1
	}
	var modules []*ast.Module
	var problems []problem
	for i, text := range append([]string{src.Rego}, src.Libs...) {
		// The name is the number, so that locations lead back to the module.
		m, err := ast.ParseModuleWithOpts(moduleName(i), text, ast.ParserOptions{RegoVersion: version})
		switch {
		case err != nil:
			problems = append(problems, problemsOf(i, err)...)
		case m == nil:
			problems = append(problems, problem{id: FindingRego, msg: "the module is empty", module: i})
		default:
			modules = append(modules, m)
			problems = append(problems, refusedCalls(i, m)...)
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	texts := append([]string{src.Rego}, src.Libs...)
	compiler, source, problems := compileModules(modules, texts)
	if len(problems) > 0 {
		return nil, problems
	}
	body, err := ast.ParseBodyWithOpts(hookQuery, ast.ParserOptions{RegoVersion: ast.RegoV0})
	if err != nil {
		return nil, problemsOf(0, err)
	}
	query, err := compiler.QueryCompiler().Compile(body)
	if err != nil {
		return nil, hookProblem(modules[0])
	}
	s := &screen{compiler: compiler, query: query, referential: readsInventory(compiler), source: source}
	s.row, s.col = violationPlace(modules[0])
	return s, nil
}

// readsInventory finds any use of data that is not one of the template's own
// modules.
func readsInventory(c *ast.Compiler) bool {
	found := false
	for _, m := range c.Modules {
		ast.WalkRefs(m, func(r ast.Ref) bool {
			if !found && r[0].Equal(ast.DefaultRootDocument) {
				found = len(r) == 1 || !r[1].Equal(ast.StringTerm(templatePackage)) && !r[1].Equal(ast.StringTerm(libPrefix))
			}
			return found
		})
	}
	return found
}

// compileModules moves the modules to the driver's packages, as
// parseConstraintTemplateTarget does, and compiles them.
func compileModules(modules []*ast.Module, texts []string) (*ast.Compiler, *source, []problem) {
	rr, err := regorewriter.New(regorewriter.NewPackagePrefixer(libPrefix), []string{"data.lib"}, []string{"data.inventory"})
	if err != nil {
		return nil, nil, problemsOf(0, err)
	}
	rule := modules[0]
	rule.Package.Path = ast.Ref{ast.VarTerm("data"), ast.StringTerm(templatePackage)}
	if !slices.ContainsFunc(rule.Rules, func(r *ast.Rule) bool { return r.Head.Name == "violation" }) {
		l := rule.Package.Location
		return nil, nil, []problem{{FindingRego, "there is no rule named violation", 0, l.Row, l.Col}}
	}
	rr.AddEntryPointModule(moduleName(0), rule)
	for i, m := range modules[1:] {
		if err := rr.AddLib(moduleName(i+1), m); err != nil {
			return nil, nil, problemsOf(i+1, err)
		}
	}
	// Where a reference leaves the template the rewriter does not say.
	if problems := foreignRefs(modules); len(problems) > 0 {
		return nil, nil, problems
	}
	if _, err := rr.Rewrite(); err != nil {
		return nil, nil, problemsOf(0, err)
	}
	pristine := make([]*ast.Module, len(modules))
	for i, m := range modules {
		pristine[i] = m.Copy()
	}
	source := programSource(pristine, texts)
	byName := map[string]*ast.Module{}
	for i, m := range modules {
		byName[moduleName(i)] = m
	}
	compiler := ast.NewCompiler().WithCapabilities(capabilities()).WithEnablePrintStatements(false)
	if compiler.Compile(byName); compiler.Failed() {
		return nil, nil, problemsOf(0, compiler.Errors)
	}
	return compiler, source, nil
}

// outcome is what a screen saw.
type outcome struct {
	hit bool
	// err is an error of evaluation, which Gatekeeper reports as a violation.
	err error
	// late and large are set when the budget of time or memory ran out.
	late, large bool
}

// eval asks whether the template may find a violation of one Constraint.
// review is the admission review as the driver would pass it.
func (s *screen) eval(g *guard, data *loaded, review, parameters *ast.Term) outcome {
	input := ast.NewTerm(ast.NewObject(
		[2]*ast.Term{ast.InternedTerm("review"), review},
		[2]*ast.Term{ast.InternedTerm("parameters"), parameters},
	))
	return run(g, topdown.NewQuery(s.query).WithCompiler(s.compiler), data, input)
}

// run evaluates a query to its end. Time is not read: no policy may ask for it.
func run(g *guard, q *topdown.Query, data *loaded, input *ast.Term) outcome {
	var saw outcome
	g.begin()
	defer g.end()
	saw.err = q.
		WithStore(data.store).
		WithTransaction(data.txn).
		WithInput(input).
		WithCancel(g).
		WithMetrics(metrics.NoOp()).
		WithTime(time.Unix(0, 1)).
		Iter(context.Background(), func(topdown.QueryResult) error {
			saw.hit = true
			return nil
		})
	if saw.err != nil {
		saw.hit = true
		saw.late, saw.large = g.why()
	}
	return saw
}

// screenDriver stands in for the Rego driver in a client of the framework. It
// compiles nothing, and keeps what the client passes on: Constraints with the
// defaults of the template's schema.
type screenDriver struct {
	defaulted map[string]*ast.Term // parameters by Constraint name
}

var _ drivers.Driver = (*screenDriver)(nil)

func (d *screenDriver) Name() string { return regoschema.Name }

func (d *screenDriver) AddConstraint(_ context.Context, c *unstructured.Unstructured) error {
	params, _, err := unstructured.NestedFieldNoCopy(c.Object, "spec", "parameters")
	if err != nil {
		return err
	}
	if params == nil {
		params = map[string]any{}
	}
	v, err := ast.InterfaceToValue(params)
	if err != nil {
		return err
	}
	d.defaulted[c.GetName()] = ast.NewTerm(v)
	return nil
}

func (d *screenDriver) AddTemplate(context.Context, *templates.ConstraintTemplate) error { return nil }

func (d *screenDriver) RemoveTemplate(context.Context, *templates.ConstraintTemplate) error {
	return nil
}

func (d *screenDriver) RemoveConstraint(context.Context, *unstructured.Unstructured) error {
	return nil
}

func (d *screenDriver) AddData(context.Context, string, storage.Path, any) error { return nil }

func (d *screenDriver) RemoveData(context.Context, string, storage.Path) error { return nil }

func (d *screenDriver) Query(context.Context, string, []*unstructured.Unstructured, any, ...reviews.ReviewOpt) (*drivers.QueryResponse, error) {
	return nil, errors.New("the screen is not asked for verdicts")
}

func (d *screenDriver) Dump(context.Context) (string, error) { return "", nil }

func (d *screenDriver) GetDescriptionForStat(name string) (string, error) {
	return "", fmt.Errorf("no stat is named %s", name)
}
