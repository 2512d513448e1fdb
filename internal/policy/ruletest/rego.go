package ruletest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/contain-platform/contain/internal/diag"
)

// network are the built-ins that reach it.
var network = []string{"http.send", "net.lookup_ip_addr"}

// test runs the Rego tests of the tree, by rule. Those that fail run once more
// with a trace, which costs too much for all of them.
func (t *tree) test(ctx context.Context, modules map[string]*ast.Module) (map[string][]Result, []diag.Finding, error) {
	first, _, err := runTests(ctx, modules, "", false)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		return nil, t.rego(".", err), nil
	}
	out := map[string][]Result{}
	var again []string
	for _, r := range first {
		if r.Fail {
			again = append(again, regexp.QuoteMeta(r.Package+"."+r.Name))
		}
	}
	traces := map[string]*tester.Result{}
	var compiler *ast.Compiler
	if len(again) > 0 {
		var second []*tester.Result
		second, compiler, err = runTests(ctx, modules, "^("+strings.Join(again, "|")+")$", true)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range second {
			traces[r.Package+"."+r.Name] = r
		}
	}
	for _, r := range first {
		id := idOf(r.Location.File)
		out[id] = append(out[id], t.result(ctx, r, traces[r.Package+"."+r.Name], compiler))
	}
	for _, rs := range out {
		slices.SortStableFunc(rs, func(a, b Result) int { return strings.Compare(a.Position.File, b.Position.File) })
	}
	return out, nil, nil
}

func runTests(ctx context.Context, modules map[string]*ast.Module, filter string, trace bool) ([]*tester.Result, *ast.Compiler, error) {
	caps := ast.CapabilitiesForThisVersion()
	caps.Builtins = slices.DeleteFunc(caps.Builtins, func(b *ast.Builtin) bool { return slices.Contains(network, b.Name) })
	copies := make(map[string]*ast.Module, len(modules))
	for f, m := range modules {
		copies[f] = m.Copy() // the compiler rewrites them
	}
	compiler := ast.NewCompiler().WithCapabilities(caps).WithEnablePrintStatements(true)
	ch, err := tester.NewRunner().
		SetCompiler(compiler).
		SetStore(inmem.New()).
		SetModules(copies).
		CapturePrintOutput(true).
		RaiseBuiltinErrors(true).
		EnableTracing(trace).
		SetParallel(1).
		Filter(filter).
		RunTests(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	var out []*tester.Result
	for r := range ch {
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b *tester.Result) int { return a.Location.Compare(b.Location) }) // for determinism
	return out, compiler, ctx.Err()
}

// result is a test's. traced is the same test run with a trace by compiler, nil
// when it did not fail.
func (t *tree) result(ctx context.Context, r, traced *tester.Result, compiler *ast.Compiler) Result {
	out := Result{Name: r.Name, Status: Pass, Position: t.at(r.Location.File, r.Location.Row, r.Location.Col)}
	switch {
	case r.Skip:
		out.Status = Skip
	case r.Error != nil:
		out.Status, out.Message = Fail, strings.Join(strings.Fields(r.Error.Error()), " ")
		var e *topdown.Error
		if errors.As(r.Error, &e) && e.Location != nil {
			out.Message = strings.Join(strings.Fields(e.Message), " ")
			out.Position = t.at(e.Location.File, e.Location.Row, e.Location.Col)
		}
	case r.Fail:
		out.Status, out.Message = Fail, "the test fails"
	}
	if e := failing(traced); e != nil {
		out.Message = "this does not hold"
		out.Position = t.at(e.Location.File, e.Location.Row, e.Location.Col)
		out.Detail = values(ctx, e, compiler)
	}
	if printed := strings.TrimSpace(string(r.Output)); printed != "" && out.Status == Fail {
		out.Detail = strings.TrimPrefix(out.Detail+"\nprinted: "+printed, "\n")
	}
	return out
}

// failing is the expression that made a test fail, as opa test --var-values
// finds it: the last one that failed, the one inside rather than every itself.
func failing(r *tester.Result) *topdown.Event {
	if r == nil {
		return nil
	}
	for _, e := range slices.Backward(r.Trace) {
		if e.Op != topdown.FailOp || e.Location == nil || e.QueryID == 0 {
			continue
		}
		if x, ok := e.Node.(*ast.Expr); ok {
			if _, every := x.Terms.(*ast.Every); every {
				continue
			}
		}
		return e
	}
	return nil
}

// values is the expression of an event as it is written, with what its sides
// are: of two sets, what each has that the other has not.
func values(ctx context.Context, e *topdown.Event, compiler *ast.Compiler) string {
	text := strings.TrimSpace(string(e.Location.Text))
	x, ok := e.Node.(*ast.Expr)
	if !ok || len(x.Operands()) != 2 {
		return text
	}
	a, b := valueOf(ctx, e, x, x.Operand(0), compiler), valueOf(ctx, e, x, x.Operand(1), compiler)
	if a == nil || b == nil {
		return text
	}
	left, right := sides(text)
	s, isSet := a.(ast.Set)
	t, areSets := b.(ast.Set)
	if !isSet || !areSets {
		for _, side := range [][2]string{{left, a.String()}, {right, b.String()}} {
			if side[0] != side[1] {
				text += fmt.Sprintf("\n%s is %s", side[0], side[1])
			}
		}
		return text
	}
	lines := []string{text}
	for _, side := range []struct {
		name string
		only ast.Set
	}{{left, s.Diff(t)}, {right, t.Diff(s)}} {
		side.only.Sorted().Foreach(func(v *ast.Term) {
			lines = append(lines, fmt.Sprintf("only in %s: %s", side.name, v))
		})
	}
	return strings.Join(lines, "\n")
}

// valueOf is what an operand of x came to; nil when that cannot be told. The
// event knows local variables; a reference to a document is asked again, with
// what x puts in place of others.
func valueOf(ctx context.Context, e *topdown.Event, x *ast.Expr, operand *ast.Term, compiler *ast.Compiler) ast.Value {
	plug := func(t *ast.Term) *ast.Term {
		if name, ok := t.Value.(ast.Var); ok && e.Locals != nil {
			if value := e.Locals.Get(name); value != nil {
				return ast.NewTerm(value)
			}
		}
		out, err := ast.Transform(ast.NewGenericTransformer(func(v any) (any, error) {
			if name, ok := v.(ast.Var); ok && e.Locals != nil {
				if value := e.Locals.Get(name); value != nil {
					return value, nil
				}
			}
			return v, nil
		}), t.Copy())
		if plugged, ok := out.(*ast.Term); ok && err == nil {
			return plugged
		}
		return t
	}
	const result = ast.Var("result__")
	ask := ast.Equality.Expr(ast.NewTerm(result), plug(operand))
	for _, w := range x.With {
		ask.With = append(ask.With, &ast.With{Target: w.Target.Copy(), Value: plug(w.Value), Location: w.Location})
	}
	// The compiler has resolved x already; compiling it again would rename result.
	body := ast.NewBody(ask)
	store := inmem.New()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil
	}
	defer store.Abort(ctx, txn)
	var out ast.Value
	err = topdown.NewQuery(body).WithCompiler(compiler).WithStore(store).WithTransaction(txn).Iter(ctx, func(r topdown.QueryResult) error {
		for name, v := range r {
			if name == result {
				out = v.Value
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return out
}

// comparison is an operator between two sides.
var comparison = regexp.MustCompile(` (==|!=|<=|>=|<|>|in) `)

// sides are what a comparison has on its left and on its right, in the words of
// its author.
func sides(text string) (left, right string) {
	ok := false
	if at := comparison.FindStringIndex(text); at != nil {
		left, right, ok = text[:at[0]], text[at[1]:], true
	}
	right, _, _ = strings.Cut(right, " with ")
	left, right = strings.TrimSpace(left), strings.TrimSpace(right)
	if !ok || strings.Contains(left+right, "\n") || len(left)+len(right) > 80 {
		return "the left side", "the right side"
	}
	return left, right
}
