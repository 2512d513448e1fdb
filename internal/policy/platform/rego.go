package platform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// compiled is one rule, ready to be asked.
type compiled struct {
	rule     rule.Rule
	compiler *ast.Compiler
	query    ast.Body
	store    storage.Store
	// txn is a read of a store that is never written.
	txn   storage.Transaction
	reads reads
	kinds kinds
	place diag.Position // of the set violation
}

// fields are the parts of the input.
func fields(in rule.Input) []string {
	if in == rule.Cluster {
		return []string{"cluster", "objects", "parameters", "platform"}
	}
	return []string{"clusters", "parameters", "platform"}
}

// compile never panics: a library that does so over a user's text is a finding
// about that text. Each rule has a compiler of its own, so that one that is
// wrong takes no other along.
func compile(r rule.Rule) (c *compiled, found []diag.Finding) {
	defer func() {
		if p := recover(); p != nil {
			found = []diag.Finding{at(start(r), policy.FindingRego, fmt.Sprintf("compiling the rule panicked: %v", p))}
		}
	}()
	modules := map[string]*ast.Module{}
	for _, m := range append([]rule.Module{r.Module}, r.Libs...) {
		parsed, err := ast.ParseModuleWithOpts(m.File, m.Rego, ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err == nil && parsed == nil {
			err = errors.New("the module is empty")
		}
		if err != nil {
			found = append(found, problems(r, err)...)
			continue
		}
		modules[m.File] = parsed
		found = append(found, problems(r, policy.RefusedCalls(parsed))...)
	}
	if len(found) > 0 {
		return nil, found
	}
	pkg := modules[r.Module.File].Package
	compiler := ast.NewCompiler().WithEnablePrintStatements(false).WithCapabilities(capabilities())
	if compiler.Compile(modules); compiler.Failed() {
		return nil, problems(r, compiler.Errors)
	}
	violation := pkg.Path.Append(ast.StringTerm("violation"))
	defined := compiler.GetRulesExact(violation)
	if len(defined) == 0 {
		return nil, []diag.Finding{at(position(pkg.Location), policy.FindingRego, "there is no rule named violation")}
	}
	kinds, err := kindsOf(r.Match)
	if err != nil {
		return nil, problems(r, err)
	}
	c = &compiled{
		rule: r, compiler: compiler, kinds: kinds, place: position(defined[0].Location),
		query: ast.NewBody(ast.Equality.Expr(ast.VarTerm("result"), ast.NewTerm(violation))),
	}
	if found = c.references(); len(found) > 0 {
		return nil, found
	}
	body, err := compiler.QueryCompiler().Compile(c.query)
	if err != nil {
		return nil, problems(r, err)
	}
	c.query, c.store = body, inmem.New()
	if c.txn, err = c.store.NewTransaction(context.Background()); err != nil {
		return nil, problems(r, err)
	}
	return c, nil
}

// capabilities are OPA's without the built-ins that no rule may use: naming one
// without calling it, as "with f as http.send" does, is refused by this.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return policy.Refusal(b.Name) != "" })
	return c
}

// objects tells whether the rule is given objects.
func (c *compiled) objects() bool { return c.rule.Input == rule.Cluster && c.reads.reads("objects") }

// references learns what the rule can read, and finds references to what no
// rule is given: undefined, they would let everything pass.
func (c *compiled) references() []diag.Finding {
	var found []diag.Finding
	known := fields(c.rule.Input)
	for _, m := range c.compiler.Modules {
		visit := func(ref ast.Ref) {
			switch {
			case ref[0].Equal(ast.InputRootDocument):
				steps := constant(ref[1:])
				if len(steps) > 0 && !slices.Contains(known, steps[0]) {
					found = append(found, at(position(ref[0].Location), policy.FindingRego, fmt.Sprintf(
						"input.%s is not there: a rule over the %s is given input.%s", steps[0], c.rule.Input, strings.Join(known, ", input."))))
				}
				c.reads.add(steps)
			case ref[0].Equal(ast.DefaultRootDocument):
				if prefix := ref.ConstantPrefix(); len(c.compiler.GetRules(prefix)) == 0 {
					found = append(found, at(position(ref[0].Location), policy.FindingRego, fmt.Sprintf(
						"%s is not there: a rule reads input, its own package and data.lib", prefix)))
				}
			}
		}
		for _, r := range m.Rules {
			walkRefs(r, visit)
		}
	}
	if c.objects() && len(c.kinds) == 0 {
		found = append(found, at(start(c.rule), policy.FindingRego, "the rule reads input.objects, and custom.match names no kinds"))
	}
	return found
}

// walkRefs visits every reference, those inside others too.
func walkRefs(x any, visit func(ast.Ref)) {
	ast.WalkTerms(x, func(t *ast.Term) bool {
		switch v := t.Value.(type) {
		case ast.Ref:
			if len(v) == 0 {
				return true
			}
			if v[0].Location == nil {
				v[0].Location = t.Location
			}
			visit(v)
			for _, step := range v[1:] {
				walkRefs(step, visit)
			}
			if _, ok := v[0].Value.(ast.Var); !ok {
				walkRefs(v[0], visit)
			}
			return true
		case ast.Var:
			if t.Equal(ast.InputRootDocument) || t.Equal(ast.DefaultRootDocument) {
				visit(ast.Ref{t})
			}
		}
		return false
	})
}

// constant are the steps of a reference up to the first that is no constant.
func constant(steps []*ast.Term) []string {
	var out []string
	for _, s := range steps {
		name, ok := s.Value.(ast.String)
		if !ok {
			break
		}
		out = append(out, string(name))
	}
	return out
}

// problems takes an error of OPA apart.
func problems(r rule.Rule, err error) []diag.Finding {
	var list ast.Errors
	if !errors.As(err, &list) {
		return []diag.Finding{at(start(r), policy.FindingRego, oneLine(err.Error()))}
	}
	var out []diag.Finding
	for _, e := range list {
		id, place := policy.FindingRego, start(r)
		if e.Code == policy.FindingBuiltin {
			id = e.Code
		}
		if e.Location != nil {
			place = position(e.Location)
		}
		f := at(place, id, oneLine(e.Message))
		// The parser says the same thing twice, the second time in full.
		if n := len(out); n > 0 && out[n-1].Positions[0] == place && strings.HasPrefix(f.Message, out[n-1].Message) {
			out[n-1] = f
			continue
		}
		out = append(out, f)
	}
	return out
}

// failure is what an error of evaluation says, and where it came up, or else
// where the rule says what a violation is: OPA does not tell where it was
// stopped.
func (c *compiled) failure(err error) (string, diag.Position) {
	var e *topdown.Error
	if !errors.As(err, &e) {
		return oneLine(err.Error()), c.place
	}
	if e.Location == nil || e.Location.File == "" {
		return oneLine(e.Message), c.place
	}
	return oneLine(e.Message), position(e.Location)
}

func at(p diag.Position, id, msg string) diag.Finding {
	return diag.Finding{ID: id, Message: msg, Positions: []diag.Position{p}}
}

func start(r rule.Rule) diag.Position {
	return diag.Position{File: r.Module.File, Line: 1, Column: 1}
}

func position(l *ast.Location) diag.Position {
	if l == nil {
		return diag.Position{}
	}
	return diag.Position{File: l.File, Line: l.Row, Column: l.Col}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
