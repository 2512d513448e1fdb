package source

import (
	"fmt"
	"slices"
	"strings"

	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/contain-platform/contain/internal/diag"
)

// findings turns a CUE error into findings, one for each error in it.
func (s *Source) findings(err error) []diag.Finding {
	var out []diag.Finding
	for _, e := range cueerrors.Errors(err) {
		out = append(out, s.finding(e))
	}
	return slices.Clip(dedupe(out))
}

func (s *Source) finding(e cueerrors.Error) diag.Finding {
	format, args := e.Msg()
	f := diag.Finding{
		ID:        "cue/invalid",
		Message:   strings.TrimSpace(fmt.Sprintf(format, args...)),
		Path:      strings.Join(e.Path(), "."),
		Positions: s.errorPositions(e),
	}
	classify(&f)
	f.Cluster = clusterOf(e.Path())
	return f
}

// classify gives the errors that people meet most an id and words that do not
// presume a knowledge of CUE. The texts are those of cue v0.17; one that is
// not known stays as CUE says it.
func classify(f *diag.Finding) {
	last := f.Path[strings.LastIndex(f.Path, ".")+1:]
	switch m := f.Message; {
	case m == "field not allowed":
		f.ID, f.Message = "cue/unknown-field", fmt.Sprintf("unknown field %q", last)
	case strings.HasPrefix(m, "field is required but not present"), strings.HasPrefix(m, "incomplete value"):
		f.ID, f.Message = "cue/missing", fmt.Sprintf("required value %q is missing", last)
		if rest, ok := strings.CutPrefix(m, "incomplete value "); ok {
			f.Hint = "it must be " + rest
		}
	case strings.HasPrefix(m, "conflicting values"):
		f.ID = "cue/conflict"
	case strings.HasPrefix(m, "invalid value"):
		f.ID = "cue/invalid"
	case strings.Contains(m, "cannot find package"), strings.Contains(m, "cannot find module"), strings.Contains(m, "import failed"),
		strings.Contains(m, "no dependency found"):
		f.ID = "cue/import"
	case strings.Contains(m, "reference") && strings.Contains(m, "not found"):
		f.ID = "cue/reference"
	}
}

func clusterOf(path []string) string {
	if len(path) > 2 && path[0] == "platform" && path[1] == "clusters" {
		return strings.Trim(path[2], `"`)
	}
	return ""
}

// errorPositions lists where an error comes from, the user's files first.
func (s *Source) errorPositions(e cueerrors.Error) []diag.Position {
	ps := append([]token.Pos{e.Position()}, e.InputPositions()...)
	return s.positions(ps)
}

// positions keeps order within the user's and within the others'.
func (s *Source) positions(ps []token.Pos) []diag.Position {
	var user, other []diag.Position
	for _, p := range ps {
		if !p.IsValid() || p.Filename() == "" {
			continue
		}
		d := diag.Position{File: p.Filename(), Line: p.Line(), Column: p.Column()}
		if !s.catalog[d.File] {
			user = append(user, d)
		} else {
			other = append(other, d)
		}
	}
	return unique(append(user, other...))
}

func unique(ps []diag.Position) []diag.Position {
	var out []diag.Position
	for _, p := range ps {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

func dedupe(fs []diag.Finding) []diag.Finding {
	var out []diag.Finding
	for _, f := range fs {
		if !slices.ContainsFunc(out, func(g diag.Finding) bool {
			return g.ID == f.ID && g.Message == f.Message && g.Path == f.Path && slices.Equal(g.Positions, f.Positions)
		}) {
			out = append(out, f)
		}
	}
	return out
}
