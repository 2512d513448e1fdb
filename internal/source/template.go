package source

import (
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/token"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// Render fills a template's #in with plain data and gives its objects, in
// the template's order. Data goes in as a value compiled from JSON, never as
// text, and nothing of the result is kept.
func (s *Source) Render(template string, in []byte) ([]*object.Object, []diag.Finding) {
	out, found := s.render(template, in)
	if found != nil && s.whole() {
		return s.render(template, in)
	}
	return out, found
}

func (s *Source) render(template string, in []byte) ([]*object.Object, []diag.Finding) {
	t := s.root.LookupPath(templatesPath).LookupPath(cue.MakePath(cue.Str(template)))
	if !t.Exists() {
		return nil, []diag.Finding{{ID: "render/template", Message: fmt.Sprintf("there is no template %q", template)}}
	}
	filled := t.FillPath(inPath, s.ctx.CompileBytes(in))
	v := filled.LookupPath(objectsPath)
	if err := v.Err(); err != nil {
		return nil, s.templateFindings(filled, err)
	}
	if v.IncompleteKind() != cue.StructKind {
		// objects without any: a comprehension that yielded nothing.
		return nil, nil
	}
	it, err := v.Fields()
	if err != nil {
		return nil, s.findings(err)
	}
	var out []*object.Object
	for it.Next() {
		b, err := it.Value().MarshalJSON()
		if err != nil {
			return nil, s.templateFindings(filled, cueError(err))
		}
		o, err := object.New(it.Selector().Unquoted(), b)
		if err != nil {
			return nil, []diag.Finding{{
				ID: "render/object", Message: err.Error(), Object: it.Selector().Unquoted(), Positions: s.positions([]token.Pos{it.Value().Pos()}),
			}}
		}
		out = append(out, o)
	}
	return out, nil
}

// templateFindings is about a template that could not be rendered: if its
// inputs are not of the form that it asks for, about those alone.
func (s *Source) templateFindings(filled cue.Value, err error) []diag.Finding {
	in := filled.LookupPath(inPath)
	if inErr := in.Validate(cue.Concrete(true)); inErr != nil {
		err = inErr
	}
	fs := s.findings(err)
	for i := range fs {
		if rest, ok := strings.CutPrefix(fs[i].Path, `"#in".`); ok {
			fs[i].Path = "in." + rest
			// A platform's own template says itself what it wants.
			if s.anyUser(fs[i].Positions) {
				fs[i].Positions = slices.DeleteFunc(fs[i].Positions, func(p diag.Position) bool { return s.catalog[p.File] })
			}
		}
	}
	return fs
}
