package source

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/contain-platform/contain/internal/diag"
)

// Locator answers where values come from. It evaluates the platform on its
// own, as plain cue does, so it is slow and only made for findings.
type Locator struct {
	s *Source

	// What was evaluated last: findings come cluster by cluster, object by
	// object.
	cluster, unit string
	clusterValue  *cue.Value
	unitValue     *cue.Value
}

// Locator gives a Locator over the same files.
func (s *Source) Locator() *Locator { return &Locator{s: s.Fork()} }

// Path says where a CUE path gets its value from: the user's positions, those
// of the nearest parent that the user wrote, or when there is none, the
// catalog's.
func (l *Locator) Path(at string) []diag.Position {
	p := cue.ParsePath(at)
	if p.Err() != nil {
		return nil
	}
	return l.safely(func() []diag.Position { return l.nearest(l.s.root, p.Selectors()) })
}

// safely gives no positions when cue v0.17 panics, and never uses that
// evaluator again. It does so on values that are filled with others which have
// definitions; a finding without a line is better than none.
func (l *Locator) safely(find func() []diag.Position) (ps []diag.Position) {
	defer func() {
		if recover() != nil {
			l.renew()
			ps = nil
		}
	}()
	return find()
}

func (l *Locator) nearest(v cue.Value, sels []cue.Selector) []diag.Position {
	ps := l.locate(v, sels)
	for n := len(sels) - 1; n > 0 && !l.s.anyUser(ps); n-- {
		ps = append(l.users(v, sels[:n]), ps...)
	}
	if l.s.anyUser(ps) {
		ps = slices.DeleteFunc(ps, func(p diag.Position) bool { return l.s.catalog[p.File] })
	}
	return ps
}

// Field is Path for a field of a rendered object: template and unit say which
// rendering, object is the name in the template's objects, and field the steps
// inside, {"spec", "containers", "0"}. The unit is evaluated with its inputs as
// CUE values, which still know where they come from.
func (l *Locator) Field(template, cluster, unit, object string, field []string) []diag.Position {
	return l.safely(func() []diag.Position { return l.field(template, cluster, unit, object, field) })
}

func (l *Locator) field(template, cluster, unit, object string, field []string) []diag.Position {
	t := l.rendered(template, cluster, unit)
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
	// surroundings.
	for n := len(sels) - 1; n > 1 && !l.s.anyUser(ps); n-- {
		ps = append(l.users(t, sels[:n]), ps...)
	}
	return ps
}

// Unit is Path for a step inside a unit's inputs, dependencies or patches.
func (l *Locator) Unit(cluster, unit, at string) []diag.Position {
	sels := []cue.Selector{cue.Str(unit)}
	if p := cue.ParsePath(at); p.Err() == nil {
		sels = append(sels, p.Selectors()...)
	}
	return l.safely(func() []diag.Position { return l.nearest(l.units(cluster), sels) })
}

// SaidOfUnit is Said for a path inside a unit of a cluster.
func (l *Locator) SaidOfUnit(cluster, unit, at string) []diag.Position {
	p := cue.ParsePath(at)
	if p.Err() != nil {
		return nil
	}
	sels := append([]cue.Selector{cue.Str(unit)}, p.Selectors()...)
	return l.safely(func() []diag.Position {
		units := l.units(cluster)
		if !units.LookupPath(cue.MakePath(sels...)).Exists() {
			return nil
		}
		return l.users(units, sels)
	})
}

// units are a cluster's units with values that know where they come from.
func (l *Locator) units(cluster string) cue.Value {
	if l.clusterValue == nil || l.cluster != cluster {
		of := base{l.s.root.LookupPath(platformPath), l.s.root.LookupPath(stacksPath), l.s.root.LookupPath(fleetPath)}
		in := l.s.unitsIn(of, l.s.root.LookupPath(clusterPath(cluster)), cluster)
		v := l.s.units(l.s.fillGiven(in))
		l.cluster, l.clusterValue, l.unitValue = cluster, &v, nil
	}
	return *l.clusterValue
}

// rendered is a unit's template with its inputs in it.
func (l *Locator) rendered(template, cluster, unit string) cue.Value {
	units := l.units(cluster)
	if l.unitValue == nil || l.unit != unit {
		in := units.LookupPath(cue.MakePath(cue.Str(unit), cue.Str("in")))
		v := l.s.root.LookupPath(templatesPath).LookupPath(cue.MakePath(cue.Str(template))).FillPath(inPath, in)
		l.unit, l.unitValue = unit, &v
	}
	return *l.unitValue
}

// renew starts over with an evaluator that has not panicked.
func (l *Locator) renew() { *l = Locator{s: l.s.Fork()} }

// Said says where the user writes the value of exactly this path.
func (l *Locator) Said(at string) []diag.Position {
	p := cue.ParsePath(at)
	if p.Err() != nil {
		return nil
	}
	return l.safely(func() []diag.Position {
		if !l.s.root.LookupPath(p).Exists() {
			return nil
		}
		return l.users(l.s.root, p.Selectors())
	})
}

// AnyUser tells whether a position is in one of the user's files.
func (l *Locator) AnyUser(ps []diag.Position) bool { return l.s.anyUser(ps) }

// Text says where the first character of a string's value stands: in the file
// that is embedded, or in the CUE string, whose other lines are indented alike.
func (l *Locator) Text(at string) (diag.Position, bool) {
	v := l.s.root.LookupPath(cue.ParsePath(at))
	if text, err := v.String(); err == nil {
		if file := l.s.embedded(text); file != "" {
			return diag.Position{File: file, Line: 1, Column: 1}, true
		}
	}
	for range maxDepth {
		root, ref := v.ReferencePath()
		if !root.Exists() || len(ref.Selectors()) == 0 || ref.Err() != nil {
			break
		}
		v = root.LookupPath(ref)
	}
	if _, args := v.Expr(); len(args) > 1 {
		// The user's string beside the schema's type.
		for _, a := range args {
			if literal(a) != nil {
				v = a
			}
		}
	}
	lit := literal(v)
	if lit == nil {
		ps := l.Path(at)
		if len(ps) == 0 {
			return diag.Position{}, false
		}
		return diag.Position{File: ps[0].File, Line: ps[0].Line}, true
	}
	p := lit.Pos()
	start := diag.Position{File: p.Filename(), Line: p.Line(), Column: p.Column() + 1}
	if i := strings.LastIndexByte(lit.Value, '\n'); i >= 0 {
		last := lit.Value[i+1:]
		start.Line, start.Column = start.Line+1, len(last)-len(strings.TrimLeft(last, "\t "))+1
	}
	return start, true
}

// literal is the literal that a value is written as, nil when it is not: cue
// gives that, or the field that it is the value of.
func literal(v cue.Value) *ast.BasicLit {
	n := v.Source()
	if f, ok := n.(*ast.Field); ok {
		n = f.Value
	}
	lit, _ := n.(*ast.BasicLit)
	return lit
}

// embedded is the file with this text that the user's files embed, as in
// @embed(file=rule.rego, type=text), or "". An embedded value has no position.
func (s *Source) embedded(text string) string {
	found := ""
	for _, f := range s.inst.Files {
		ast.Walk(f, func(n ast.Node) bool {
			a, ok := n.(*ast.Attribute)
			if !ok || found != "" {
				return found == ""
			}
			m := embedText.FindStringSubmatch(a.Text)
			if m == nil {
				return true
			}
			name := path.Join(path.Dir(f.Filename), strings.Trim(m[1], `"`))
			if b, err := fs.ReadFile(s.fsys, path.Join(s.dir, name)); err == nil && string(b) == text {
				found = name
			}
			return true
		}, nil)
	}
	return found
}

var embedText = regexp.MustCompile(`^@embed\(.*\bfile=("[^"]+"|[^,)]+)`)

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
				l.renew()
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
