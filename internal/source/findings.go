package source

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/load"
	"cuelang.org/go/cue/token"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
)

// loadFindings is about files that could not be read, parsed or imported. The
// parser stumbles on after the first mistake of a file, so only that counts.
func (s *Source) loadFindings(err error) []diag.Finding {
	var out []diag.Finding
	files := map[string]bool{}
	for _, e := range cueerrors.Errors(err) {
		f := s.loadFinding(e)
		if f.ID == "cue/syntax" && len(f.Positions) > 0 {
			if files[f.Positions[0].File] {
				continue
			}
			files[f.Positions[0].File] = true
		}
		out = append(out, f)
	}
	return dedupe(out)
}

func (s *Source) loadFinding(e cueerrors.Error) diag.Finding {
	format, args := e.Msg()
	f := diag.Finding{ID: "cue/syntax", Message: strings.TrimSpace(fmt.Sprintf(format, args...)), Positions: s.errorPositions(e)}
	if f.Message == "" {
		f.Message = e.Error()
	}
	var several *load.MultiplePackageError
	switch {
	case errors.As(e, &several):
		f.ID, f.Positions = "source/package", nil
		for _, name := range several.Files {
			f.Positions = append(f.Positions, diag.Position{File: name, Line: 1})
		}
		f.Message = "the directory holds two packages, " + several.Packages[0] + " and " + several.Packages[1]
		f.Hint = "the files of a platform begin with the same package clause"
	case strings.HasPrefix(f.Message, "import failed"):
		f.ID = "cue/import"
		importWords(&f, e.Error())
	case len(f.Positions) == 0:
		f.ID = "source/read"
		if strings.Contains(f.Message, "module.cue") {
			f.Positions = []diag.Position{{File: s.display("cue.mod/module.cue")}}
		}
	}
	return f
}

// findings turns a CUE error into findings, one for each mistake in it.
func (s *Source) findings(err error) []diag.Finding {
	var out, derived []diag.Finding
	for _, e := range oneArm(cueerrors.Errors(err)) {
		f, follows := s.finding(e)
		if follows {
			derived = append(derived, f)
			continue
		}
		out = append(out, f)
	}
	if len(out) == 0 {
		out = derived
	}
	return slices.Clip(dedupe(out))
}

// noneFits is what CUE heads a list with that has an error for each arm of a
// disjunction.
const noneFits = "errors in empty disjunction"

// oneArm keeps of such a list the errors below the value, since an arm that the
// user got that far into is the one that was meant, and otherwise the head.
func oneArm(errs []cueerrors.Error) []cueerrors.Error {
	for i, head := range errs {
		if format, _ := head.Msg(); !strings.Contains(format, noneFits) {
			continue
		}
		at := head.Path()
		var deep, shallow, others []cueerrors.Error
		for j, e := range errs {
			switch p := e.Path(); {
			case i == j:
			case len(p) < len(at) || !slices.Equal(p[:len(at)], at):
				others = append(others, e)
			case len(p) > len(at):
				deep = append(deep, e)
			default:
				shallow = append(shallow, e)
			}
		}
		if len(deep) == 0 && len(shallow) > 0 {
			deep = []cueerrors.Error{arms{head, shallow[0]}}
			if e := sameKind(shallow); e != nil {
				deep[0] = e
			} else if e := besideDefault(shallow); e != nil {
				deep[0] = e
			}
		}
		return append(deep, oneArm(others)...)
	}
	return errs
}

// sameKind is the telling one of errors that all want the same kind of value,
// as a default and its type do, or nil.
func sameKind(errs []cueerrors.Error) cueerrors.Error {
	var out cueerrors.Error
	kinds := ""
	for _, e := range errs {
		format, args := e.Msg()
		text := fmt.Sprintf(format, args...)
		m := mismatchText.FindStringSubmatch(text)
		if m == nil || kinds != "" && kinds != m[2]+m[3] {
			return nil
		}
		kinds = m[2] + m[3]
		if _, ok := mismatch(text); ok {
			out = e
		}
	}
	return out
}

// besideDefault is the error of a constraint where all the others only say that
// the value is not the default, or nil.
func besideDefault(errs []cueerrors.Error) cueerrors.Error {
	var out cueerrors.Error
	words := ""
	for _, e := range errs {
		format, args := e.Msg()
		text := fmt.Sprintf(format, args...)
		w, isBound := bound(text)
		switch {
		case isBound && (out == nil || w == words): // CUE may say it twice
			out, words = e, w
		case isBound, !strings.HasPrefix(text, "conflicting values"), mismatchText.MatchString(text):
			return nil
		}
	}
	return out
}

// head is a name for the interface that does not hide its method Error.
type head interface{ cueerrors.Error }

// arms is the head of such a list with the lines of one of its arms.
type arms struct {
	head
	arm cueerrors.Error
}

func (a arms) Position() token.Pos         { return a.arm.Position() }
func (a arms) InputPositions() []token.Pos { return a.arm.InputPositions() }

// finding also tells whether the error only says that something else could not
// be computed.
func (s *Source) finding(e cueerrors.Error) (f diag.Finding, follows bool) {
	var inner cueerrors.Error
	if format, _ := e.Msg(); format == "invalid interpolation" && errors.As(errors.Unwrap(e), &inner) {
		e = inner
	}
	path := e.Path()
	if inner, f := s.embedding(e); inner != nil {
		e = inner
	} else if f != nil {
		return *f, false
	}
	format, args := e.Msg()
	for i, p := range path {
		path[i] = unquote(p)
	}
	f = diag.Finding{
		ID:        "cue/invalid",
		Message:   strings.TrimSpace(fmt.Sprintf(format, args...)),
		Positions: s.errorPositions(e),
	}
	follows = derived(f.Message)
	if f.Message == notAllowed {
		if cut := s.firstUnknown(path); len(cut) < len(path) {
			path = cut
			if ps := slices.DeleteFunc(s.valuePositions(path), func(p diag.Position) bool { return s.catalog[p.File] }); len(ps) > 0 {
				f.Positions = ps[:1]
			}
		}
	}
	s.classify(&f, path)
	if !s.anyUser(f.Positions) {
		f.Positions = append(s.owner(path), f.Positions...)
	}
	f.Path, f.Cluster = displayPath(path), clusterOf(path)
	return f, follows
}

// notAllowed is what CUE says of a field in a closed struct.
const notAllowed = "field not allowed"

// classify gives the errors that people meet most an id, words that do not
// presume a knowledge of CUE, and a hint. The texts are those of cue v0.17; one
// that is not known stays as CUE says it.
func (s *Source) classify(f *diag.Finding, path []string) {
	last := ""
	if len(path) > 0 {
		last = path[len(path)-1]
	}
	switch m := f.Message; {
	case m == notAllowed:
		f.ID, f.Message = "cue/unknown-field", fmt.Sprintf("unknown field %q", last)
		known, pattern, doc := s.allowed(path)
		switch {
		case pattern != "":
			f.ID, f.Message, f.Hint = "cue/name", fmt.Sprintf("invalid name %q: it must match %s", last, pattern), doc
		default:
			f.Hint = model.Known(last, known)
		}
	case strings.HasPrefix(m, "field is required but not present"), strings.HasPrefix(m, "incomplete value"):
		f.ID, f.Message = "cue/missing", fmt.Sprintf("required value %q is missing", last)
		f.Hint = s.doc(f.Positions)
		if rest, ok := strings.CutPrefix(m, "incomplete value "); ok && f.Hint == "" {
			f.Hint = "it must be " + rest
		}
	case strings.HasPrefix(m, "cannot convert incomplete value"):
		f.ID, f.Message = "cue/missing", fmt.Sprintf("required value %q is missing", last)
	case strings.Contains(m, noneFits):
		f.ID, f.Message, f.Hint = "cue/type", "invalid value: none of the forms that are allowed here fits", s.doc(f.Positions)
	case strings.HasPrefix(m, "imported and not used"):
		f.ID = "cue/import"
	case strings.HasPrefix(m, "conflicting values"):
		f.ID = "cue/conflict"
		if words, ok := mismatch(m); ok {
			f.ID, f.Message, f.Hint = "cue/type", words, s.doc(f.Positions)
		}
	case strings.HasPrefix(m, "invalid value"):
		if words, ok := bound(m); ok {
			f.Message, f.Hint = words, s.doc(f.Positions)
		}
	case strings.HasPrefix(m, "reference") && strings.Contains(m, "not found"):
		f.ID = "cue/reference"
	case strings.HasPrefix(m, "undefined field: "):
		f.ID, f.Message = "cue/reference", "there is no field "+strconv.Quote(unquote(strings.TrimPrefix(m, "undefined field: ")))
		if len(path) > 1 && path[1] == "#templates" {
			f.Hint = "what a template reads is set by the platform, an environment or the cluster, or has a default in #in"
		}
	}
}

// owner is where the user wrote the struct that a path without a line of the
// user's belongs to.
func (s *Source) owner(path []string) []diag.Position {
	if len(path) > 2 && path[0] == "out" && path[1] == "inputs" {
		path = []string{"platform", "clusters", path[2]}
	}
	for n := len(path) - 1; n > 0; n-- {
		ps, _ := s.origins(s.root.LookupPath(selectors(path[:n])))
		for _, p := range ps {
			if !s.catalog[p.File] {
				return []diag.Position{p}
			}
		}
	}
	return nil
}

// displayPath leaves out where templates are kept.
func displayPath(path []string) string {
	if len(path) > 3 && path[0] == "out" && path[1] == "#templates" {
		path = path[3:]
	}
	return model.Path(path...)
}

func clusterOf(path []string) string {
	if len(path) > 2 && (path[0] == "platform" && path[1] == "clusters" || path[0] == "out" && path[1] == "inputs") {
		return path[2]
	}
	return ""
}

// errorPositions lists where an error comes from: the user's lines, and one of
// the catalog's, the constraint. A reference to a definition, as in
// catalog.#Platform, is not what is wrong, so it only counts when nothing else
// is the user's.
func (s *Source) errorPositions(e cueerrors.Error) []diag.Position {
	ps := s.positions(append([]token.Pos{e.Position()}, e.InputPositions()...))
	types := s.definitionReferences(ps)
	values := slices.DeleteFunc(slices.Clone(ps), func(p diag.Position) bool { return types[p] })
	if s.anyUser(values) || !s.anyUser(ps) {
		ps = values
	}
	return s.firstOfCatalog(ps)
}

// firstOfCatalog cuts the list behind the first of the catalog's.
func (s *Source) firstOfCatalog(ps []diag.Position) []diag.Position {
	i := slices.IndexFunc(ps, func(p diag.Position) bool { return s.catalog[p.File] })
	if i < 0 {
		return ps
	}
	return ps[:i+1]
}

// definitionReferences are those of the positions where the user's files refer
// to a definition.
func (s *Source) definitionReferences(ps []diag.Position) map[diag.Position]bool {
	out := map[diag.Position]bool{}
	for _, f := range s.inst.Files {
		if !slices.ContainsFunc(ps, func(p diag.Position) bool { return p.File == f.Filename }) {
			continue
		}
		ast.Walk(f, func(n ast.Node) bool {
			var name string
			switch n := n.(type) {
			case *ast.SelectorExpr:
				name, _, _ = ast.LabelName(n.Sel)
			case *ast.Ident:
				name = n.Name
			}
			if strings.HasPrefix(name, "#") || strings.HasPrefix(name, "_#") {
				p := n.Pos()
				out[diag.Position{File: p.Filename(), Line: p.Line(), Column: p.Column()}] = true
			}
			return true
		}, nil)
	}
	return out
}

// positions keeps order within the user's and within the others'.
func (s *Source) positions(ps []token.Pos) []diag.Position {
	var user, other []diag.Position
	for _, p := range ps {
		if !p.IsValid() || p.Filename() == "" {
			continue
		}
		d := diag.Position{File: p.Filename(), Line: p.Line(), Column: p.Column()}
		if path.IsAbs(d.File) {
			d.File = s.display(d.File) // module files, which cue names within the file system
		}
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
