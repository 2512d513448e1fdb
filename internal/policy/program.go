package policy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// A program is the Rego of many templates compiled together, so that what their
// libraries find out about an object is found out once: the virtual documents
// of a library are the same for every rule when its text is, and when it reads
// input.review alone.
//
// Each Constraint of a template has a copy of its rule, in which
// input.parameters is input.parameters.<copy>; that is the only difference to
// a screen. Rules whose use of input or data is not seen through stay out of
// the program and keep their screen.
type program struct {
	compiler *ast.Compiler
	units    map[unitKey]ast.Body
}

// unitKey is a template and the number of its Constraint.
type unitKey struct {
	template   fingerprint
	constraint int
}

func (k unitKey) name() string { return fmt.Sprintf("u%x_%d", k.template[:8], k.constraint) }

// source is a template's modules as they go into a program.
type source struct {
	rule *ast.Module
	libs []library
}

// library is a package of a template's libraries.
type library struct {
	path    ast.Ref // data.libs.lib.<name>
	hash    string  // of its text and of what it refers to
	modules []*ast.Module
}

// programSource makes a source of modules that were parsed and rewritten, but
// not compiled. It is nil when some use of input or data is not plain.
func programSource(modules []*ast.Module, texts []string) *source {
	s := &source{rule: modules[0]}
	byPath := map[string]int{}
	for _, m := range modules[1:] {
		path := m.Package.Path.String()
		i, ok := byPath[path]
		if !ok {
			i = len(s.libs)
			byPath[path] = i
			s.libs = append(s.libs, library{path: m.Package.Path})
		}
		s.libs[i].modules = append(s.libs[i].modules, m)
	}
	for i, a := range s.libs {
		for k, b := range s.libs {
			if i != k && b.path.HasPrefix(a.path) {
				return nil // a reference to the one may reach into the other
			}
		}
	}
	plain := func(fields ...string) func(field, _ *ast.Term) bool {
		return func(field, _ *ast.Term) bool {
			return slices.ContainsFunc(fields, func(f string) bool { return field.Equal(ast.InternedTerm(f)) })
		}
	}
	known := func(r ast.Ref) bool { return s.lib(r) != nil }
	if !uses(s.rule, plain("review", "parameters"), known) {
		return nil
	}
	for _, l := range s.libs {
		for _, m := range l.modules {
			if !uses(m, plain("review"), known) {
				return nil
			}
		}
	}
	if !s.hash(modules, texts) {
		return nil
	}
	return s
}

// uses tells whether every mention of input in a module leads to a field that
// input allows, given the step after it or nil, and every mention of data to
// what data allows. The mentions that it sees through are references and
// object.get with a constant path.
func uses(m *ast.Module, input func(field, next *ast.Term) bool, data func(ast.Ref) bool) bool {
	ok := true
	var v *ast.GenericVisitor
	visit := func(terms []*ast.Term) {
		for _, t := range terms {
			v.Walk(t)
		}
	}
	get := func(terms []*ast.Term) bool {
		path := inputPath(terms)
		if path == nil {
			return false
		}
		ok = ok && input(path.Elem(0), elem(path, 1))
		visit(terms[2:])
		return true
	}
	v = ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case ast.Call:
			return get(x) || !ok
		case *ast.Expr:
			if terms, isCall := x.Terms.([]*ast.Term); isCall && get(terms) {
				for _, w := range x.With {
					v.Walk(w)
				}
				return true
			}
		case ast.Var:
			ok = ok && x != "input" && x != "data"
		case ast.Ref:
			switch {
			case x[0].Equal(ast.InputRootDocument):
				ok = ok && len(x) > 1 && input(x[1], step(x, 2))
			case x[0].Equal(ast.DefaultRootDocument):
				ok = ok && data(x)
			case len(x) > 1 && x[0].Equal(ast.VarTerm("rego")) && x[1].Equal(ast.StringTerm("metadata")):
				ok = false // it tells where the rule stands
			default:
				v.Walk(x[0])
			}
			visit(x[1:])
			return true
		}
		return !ok
	})
	for _, imp := range m.Imports {
		if r, isRef := imp.Path.Value.(ast.Ref); isRef && r[0].Equal(ast.DefaultRootDocument) {
			ok = ok && data(r)
		}
	}
	for _, r := range m.Rules {
		v.Walk(r)
	}
	return ok
}

// inputPath is the path of object.get(input, [...], default); nil for any other
// call and for a path that does not begin with a string.
func inputPath(terms []*ast.Term) *ast.Array {
	if len(terms) < 4 || terms[0].String() != ast.ObjectGet.Name {
		return nil
	}
	if !terms[1].Equal(ast.InputRootDocument) && !terms[1].Equal(ast.NewTerm(ast.InputRootRef)) {
		return nil
	}
	path, ok := terms[2].Value.(*ast.Array)
	if !ok || path.Len() == 0 {
		return nil
	}
	if _, ok := path.Elem(0).Value.(ast.String); !ok {
		return nil
	}
	return path
}

// step is a term of a reference; nil beyond its end.
func step(r ast.Ref, i int) *ast.Term {
	if i < len(r) {
		return r[i]
	}
	return nil
}

// elem is an element of an array; nil beyond its end.
func elem(a *ast.Array, i int) *ast.Term {
	if i < a.Len() {
		return a.Elem(i)
	}
	return nil
}

// lib is the library that a reference leads into.
func (s *source) lib(r ast.Ref) *library {
	for i := range s.libs {
		if r.HasPrefix(s.libs[i].path) {
			return &s.libs[i]
		}
	}
	return nil
}

// hash names each library by its text and by those that it refers to. Libraries
// that refer to each other in a circle have no such name.
func (s *source) hash(modules []*ast.Module, texts []string) bool {
	text := map[*ast.Module]string{}
	for i, m := range modules {
		text[m] = fmt.Sprintf("%v\n%d\n%s", m.RegoVersionSpan(), len(texts[i]), texts[i])
	}
	for range s.libs {
		for i := range s.libs {
			l := &s.libs[i]
			h := sha256.New()
			fmt.Fprintln(h, l.path)
			ready := true
			for _, m := range l.modules {
				fmt.Fprintln(h, text[m])
				for _, other := range s.refersTo(m) {
					if other != l {
						ready = ready && other.hash != ""
						fmt.Fprintln(h, other.path, other.hash)
					}
				}
			}
			if l.hash == "" && ready {
				l.hash = fmt.Sprintf("h%x", h.Sum(nil)[:16])
			}
		}
	}
	return !slices.ContainsFunc(s.libs, func(l library) bool { return l.hash == "" })
}

// refersTo are the libraries that a module refers to, in their order.
func (s *source) refersTo(m *ast.Module) []*library {
	found := map[string]bool{}
	see := func(r ast.Ref) bool {
		if l := s.lib(r); l != nil {
			found[l.path.String()] = true
		}
		return false
	}
	for _, imp := range m.Imports {
		if r, ok := imp.Path.Value.(ast.Ref); ok {
			see(r)
		}
	}
	for _, r := range m.Rules {
		ast.WalkRefs(r, see)
	}
	var out []*library
	for i := range s.libs {
		if found[s.libs[i].path.String()] {
			out = append(out, &s.libs[i])
		}
	}
	return out
}

// place copies a module to another package and rewrites its references.
func (s *source) place(m *ast.Module, path ast.Ref, unit string) (*ast.Module, error) {
	parameters, at := ast.MustParseRef("input.parameters"), ast.StringTerm(unit)
	m = m.Copy()
	m.Comments, m.Annotations = nil, nil
	rewrite := func(r ast.Ref) (ast.Value, error) {
		switch l := s.lib(r); {
		case l != nil:
			return l.moved().Concat(r[len(l.path):]), nil
		case unit != "" && r.HasPrefix(parameters):
			return ast.Ref{r[0], r[1], at}.Concat(r[2:]), nil
		}
		return r, nil
	}
	for _, imp := range m.Imports {
		if r, ok := imp.Path.Value.(ast.Ref); ok {
			moved, err := rewrite(r)
			if err != nil {
				return nil, err
			}
			imp.Path = ast.NewTerm(moved).SetLocation(imp.Path.Location)
		}
	}
	for _, r := range m.Rules {
		if err := rewriteRefs(r, rewrite); err != nil {
			return nil, err
		}
		if unit != "" {
			rewriteGets(r, at)
		}
	}
	m.Package.Path = path
	// What is wrong here would let violations pass, so it is looked at again.
	own := func(field, next *ast.Term) bool {
		return !field.Equal(ast.InternedTerm("parameters")) || next != nil && next.Equal(at)
	}
	moved := func(r ast.Ref) bool {
		return slices.ContainsFunc(s.libs, func(l library) bool { return r.HasPrefix(l.moved()) })
	}
	if !uses(m, own, moved) {
		return nil, errNotPlaced
	}
	return m, nil
}

// rewriteGets puts the unit into the path of each object.get(input, ...).
func rewriteGets(r *ast.Rule, unit *ast.Term) {
	get := func(terms []*ast.Term) {
		path := inputPath(terms)
		if path == nil || !path.Elem(0).Equal(ast.InternedTerm("parameters")) {
			return
		}
		steps := []*ast.Term{path.Elem(0), unit}
		for i := 1; i < path.Len(); i++ {
			steps = append(steps, path.Elem(i))
		}
		terms[2] = ast.NewTerm(ast.NewArray(steps...)).SetLocation(terms[2].Location)
	}
	ast.WalkExprs(r, func(e *ast.Expr) bool {
		if terms, ok := e.Terms.([]*ast.Term); ok {
			get(terms)
		}
		return false
	})
	ast.WalkTerms(r, func(t *ast.Term) bool {
		if call, ok := t.Value.(ast.Call); ok {
			get(call)
		}
		return false
	})
}

var errNotPlaced = errors.New("a reference was not rewritten")

// rewriteRefs rewrites every reference. ast.TransformRefs leaves out what stands
// in "some x in y".
func rewriteRefs(r *ast.Rule, rewrite func(ast.Ref) (ast.Value, error)) error {
	_, failed := ast.TransformRefs(r, rewrite)
	ast.WalkExprs(r, func(e *ast.Expr) bool {
		if some, ok := e.Terms.(*ast.SomeDecl); ok {
			for _, t := range some.Symbols {
				v, err := ast.TransformRefs(t.Value, rewrite)
				if value, ok := v.(ast.Value); ok && err == nil {
					t.Value = value
				} else if failed == nil {
					failed = errNotPlaced
				}
			}
		}
		return false
	})
	return failed
}

// moved is where the library stands in a program: beside others of its name.
func (l *library) moved() ast.Ref {
	return ast.Ref{l.path[0], l.path[1], ast.StringTerm(l.hash)}.Concat(l.path[2:])
}

// compileProgram makes a program; it is nil when there is nothing to share or
// when OPA refuses what each template's own compiler took.
func compileProgram(policies []*policy) *program {
	modules := map[string]*ast.Module{}
	pr := &program{units: map[unitKey]ast.Body{}}
	for _, p := range policies {
		if p.screen == nil || p.screen.source == nil || p.referential() {
			continue
		}
		s := p.screen.source
		for i := range s.libs {
			l := &s.libs[i]
			for n, m := range l.modules {
				name := fmt.Sprintf("%s/%d", l.hash, n)
				if modules[name] != nil {
					continue
				}
				placed, err := s.place(m, l.moved(), "")
				if err != nil {
					return nil
				}
				modules[name] = placed
			}
		}
		for i := range p.constraints {
			k := unitKey{p.fingerprint, i}
			m, err := s.place(s.rule, ast.MustParseRef("data.units").Append(ast.StringTerm(k.name())), k.name())
			if err != nil {
				return nil
			}
			modules[k.name()] = m
			pr.units[k] = nil
		}
	}
	if len(pr.units) < 2 {
		return nil
	}
	pr.compiler = ast.NewCompiler().WithCapabilities(capabilities()).WithEnablePrintStatements(false)
	if pr.compiler.Compile(modules); pr.compiler.Failed() {
		return nil
	}
	for k := range pr.units {
		query := strings.Replace(hookQuery, "data.template.", "data.units."+k.name()+".", 1)
		body, err := ast.ParseBodyWithOpts(query, ast.ParserOptions{RegoVersion: ast.RegoV0})
		if err != nil {
			return nil
		}
		if pr.units[k], err = pr.compiler.QueryCompiler().Compile(body); err != nil {
			return nil
		}
	}
	return pr
}

// has is false for a nil program.
func (pr *program) has(k unitKey) bool {
	if pr == nil {
		return false
	}
	_, ok := pr.units[k]
	return ok
}

// memory is what the units of a program share while they are asked about one
// object.
type memory struct{ found topdown.VirtualCache }

// look asks whether a unit may find a violation. Whatever ends an evaluation
// early leaves shared results in doubt, so those start anew.
func (pr *program) look(g *guard, m *memory, k unitKey, data *loaded, input *ast.Term) outcome {
	if m.found == nil {
		m.found = topdown.NewVirtualCache()
	}
	q := topdown.NewQuery(pr.units[k]).WithCompiler(pr.compiler).WithVirtualCache(m.found)
	saw := run(g, q, data, input)
	if saw.err != nil {
		m.found = nil
	}
	return saw
}
