package source

import (
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/inject/embed"
	"cuelang.org/go/cue/token"
)

var (
	outPath    = cue.ParsePath("out")
	outputPath = cue.MakePath(cue.Def(outputDefinition))
	ownPath    = cue.MakePath(cue.Def("#platform"), cue.Str("extensions"))
)

// Workers gives n Sources over the same platform, for Units and Render in a
// goroutine each, and lets go of what s holds evaluated: s is good for its
// Locator alone afterwards.
//
// A worker evaluates the catalog without the platform, as long as that is all
// it needs: units and templates read plain data. With a thousand clusters the
// evaluated platform is 130 MB, which the garbage collector would mark again
// and again. For a template of the platform's own, and for findings, which
// name the user's lines, a worker evaluates the platform after all.
func (s *Source) Workers(n int) []*Source {
	apart := s.plainOutput() && (s.platform != nil || s.plain() == nil)
	out := make([]*Source, n)
	for i := range out {
		if apart {
			w := *s
			w.buildCatalog()
			out[i] = &w
		} else {
			out[i] = s.Fork()
		}
	}
	s.ctx, s.root, s.base = nil, cue.Value{}, nil
	return out
}

// buildCatalog evaluates the catalog with a platform of which nothing is said.
func (s *Source) buildCatalog() {
	s.ctx = cuecontext.New(cuecontext.WithInjection(embed.New()))
	output := s.ctx.BuildInstance(catalogOf(s.inst)).LookupPath(outputPath)
	s.root = s.ctx.CompileString("{}").FillPath(outPath, output.FillPath(ownPath, s.ctx.CompileString("{}")))
	s.base = nil
	s.light = true
}

// whole evaluates the platform if that was left out, and tells whether it was.
func (s *Source) whole() bool {
	was := s.light
	if was {
		s.build()
	}
	return was
}

// plainOutput tells whether the platform has its output from the catalog as it
// is, said once as outputForm says it: nothing of the user's can then be in the
// units and the catalog's templates but data.
func (s *Source) plainOutput() bool {
	var said []ast.Expr
	for _, f := range s.inst.Files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.Field:
				if labelled(d, "out") {
					said = append(said, d.Value)
				}
			case *ast.EmbedDecl, *ast.Comprehension:
				return false // may say anything
			}
		}
	}
	if len(said) != 1 {
		return false
	}
	both, ok := said[0].(*ast.BinaryExpr)
	if !ok || both.Op != token.AND {
		return false
	}
	with, ok := both.Y.(*ast.StructLit)
	if !ok || len(with.Elts) != 1 {
		return false
	}
	field, ok := with.Elts[0].(*ast.Field)
	return ok && labelled(field, "#platform") && s.isOutput(both.X)
}

// isOutput tells whether an expression is #Output of contain's catalog.
func (s *Source) isOutput(x ast.Expr) bool {
	sel, ok := x.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	name, _, err := ast.LabelName(sel.Sel)
	pkg, ok := sel.X.(*ast.Ident)
	if err != nil || !ok || name != outputDefinition {
		return false
	}
	spec, ok := pkg.Node.(*ast.ImportSpec)
	return ok && spec.Path != nil && strings.Trim(spec.Path.Value, `"`) == modulePath+"/catalog" && catalogOf(s.inst) != nil
}

// catalogOf is the catalog that a package imports itself; nil when it does not.
func catalogOf(inst *build.Instance) *build.Instance {
	for _, i := range inst.Imports {
		p, _, _ := strings.Cut(i.ImportPath, "@")
		if p == modulePath+"/catalog" {
			return i
		}
	}
	return nil
}
