package source

import (
	"slices"
	"strconv"

	"cuelang.org/go/cue"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/contain-platform/contain/internal/diag"
)

// Locator answers where values come from. It evaluates the platform on its
// own, as plain cue does, so it is slow and only made for findings.
type Locator struct {
	s *Source
}

// Locator gives a Locator over the same files.
func (s *Source) Locator() *Locator { return &Locator{s: s.Fork()} }

// Path says where a CUE path gets its value from, the user's positions first.
// A path that does not exist is located at its nearest parent that does.
func (l *Locator) Path(path string) []diag.Position {
	p := cue.ParsePath(path)
	if p.Err() != nil {
		return nil
	}
	return l.locate(l.s.root, p.Selectors())
}

// Field is Path for a field of a rendered object: template and unit say which
// rendering, object is the name in the template's objects, and field the steps
// inside, {"spec", "containers", "0"}. The unit is evaluated with its inputs as
// CUE values, which still know where they come from.
func (l *Locator) Field(template, cluster, unit, object string, field []string) []diag.Position {
	in := l.s.root.LookupPath(cue.MakePath(cue.Str("out"), cue.Str("inputs"), cue.Str(cluster), cue.Str(unit), cue.Str("in")))
	t := l.s.root.LookupPath(templatesPath).LookupPath(cue.MakePath(cue.Str(template))).FillPath(inPath, in)
	sels := []cue.Selector{cue.Str("objects"), cue.Str(object)}
	for _, f := range field {
		if n, err := strconv.Atoi(f); err == nil {
			sels = append(sels, cue.Index(n))
			continue
		}
		sels = append(sels, cue.Str(f))
	}
	ps := l.locate(t, sels)
	// A value that no line of the user's leads to belongs to whoever wrote the
	// surroundings, in the end to the cluster.
	for n := len(sels) - 1; n > 1 && !l.s.anyUser(ps); n-- {
		ps = append(l.users(t, sels[:n]), ps...)
	}
	if !l.s.anyUser(ps) {
		ps = append(l.users(l.s.root, []cue.Selector{cue.Str("platform"), cue.Str("clusters"), cue.Str(cluster)}), ps...)
	}
	return ps
}

// users are the positions of the user's alone.
func (l *Locator) users(v cue.Value, sels []cue.Selector) []diag.Position {
	return slices.DeleteFunc(l.locate(v, sels), func(p diag.Position) bool { return l.s.catalog[p.File] })
}

func (s *Source) anyUser(ps []diag.Position) bool {
	return slices.ContainsFunc(ps, func(p diag.Position) bool { return !s.catalog[p.File] })
}

func (l *Locator) locate(root cue.Value, sels []cue.Selector) []diag.Position {
	for len(sels) > 0 {
		if v := root.LookupPath(cue.MakePath(sels...)); v.Exists() {
			ps, panicked := l.s.origins(v)
			if panicked {
				l.s = l.s.Fork()
			}
			return ps
		}
		sels = sels[:len(sels)-1]
	}
	return nil
}

// origins follows references to where a value was written. cue v0.17 panics
// when an operand that refers to a comprehension's variable is looked at by
// itself; what was found until then stands, and the evaluator is not used
// again.
func (s *Source) origins(v cue.Value) (ps []diag.Position, panicked bool) {
	w := walk{seen: map[token.Pos]bool{}}
	w.value(v, 0)
	return s.trim(s.positions(w.pos)), w.panicked
}

// trim keeps the user's lines, each once, and the first of the catalog's: the
// template's line helps, the chain behind it does not.
func (s *Source) trim(ps []diag.Position) []diag.Position {
	var out []diag.Position
	for _, p := range ps {
		if n := len(out); n > 0 && out[n-1].File == p.File && out[n-1].Line == p.Line {
			continue
		}
		out = append(out, p)
		if s.catalog[p.File] {
			break
		}
	}
	return out
}

// maxDepth bounds the walk; no template chains as many references.
const maxDepth = 24

type walk struct {
	pos  []token.Pos
	seen map[token.Pos]bool

	panicked bool
}

func (w *walk) value(v cue.Value, depth int) {
	defer func() {
		if recover() != nil {
			w.panicked = true
		}
	}()
	if depth > maxDepth || !v.Exists() {
		return
	}
	if p := v.Pos(); p.IsValid() && !w.seen[p] {
		w.seen[p] = true
		w.pos = append(w.pos, p)
	}
	if root, path := v.ReferencePath(); root.Exists() && len(path.Selectors()) > 0 && path.Err() == nil {
		if t := root.LookupPath(path); t.Exists() {
			w.value(t, depth+1)
			return
		}
	}
	op, args := v.Expr()
	switch op {
	case cue.NoOp:
		if len(args) < 2 {
			return
		}
	case cue.SelectorOp, cue.IndexOp:
		// Resolved above, or the target of a comprehension's variable, whose
		// own position is already there.
		return
	}
	for _, a := range args {
		w.value(a, depth+1)
	}
}

func cueError(err error) cueerrors.Error { return cueerrors.Promote(err, "") }
