package source

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/token"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
)

var (
	boundText     = regexp.MustCompile(`(?s)^invalid value (.+) \(out of bound (.+)\)$`)
	validatorText = regexp.MustCompile(`(?s)^invalid value (.+) \(does not satisfy (?:list|strings|struct)\.Min(Items|Runes|Fields)\((\d+)\)\)$`)
	mismatchText  = regexp.MustCompile(`(?s)^conflicting values (.+) \(mismatched types (\S+) and (\S+)\)$`)
	kindText      = regexp.MustCompile(`^(null|bool|int|float|number|string|bytes|struct|list|_|\{.*\}|\[.*\])$`)
	// patternText is a bound or a regular expression, which the schema alone has.
	patternText = regexp.MustCompile(`^(=~|!~|!=|[<>]=?)\S`)
	// A definition's comment begins with its name, which says little to those
	// who do not read the schema.
	definitionText = regexp.MustCompile(`^#[A-Za-z0-9]+ (is )?`)
	packageText    = regexp.MustCompile(`cannot find package "([^"]+)"`)
)

// derived tells errors that follow from another: CUE reports both.
func derived(message string) bool {
	for _, s := range []string{
		"key value of dynamic field must be concrete", "required field missing", "non-concrete value",
		"cannot reference optional field", "error in call to", "undefined field",
	} {
		if strings.HasPrefix(message, s) {
			return true
		}
	}
	return false
}

// bound puts "invalid value 2 (out of bound >=3)" in words, and "invalid value []
// (does not satisfy list.MinItems(1))".
func bound(message string) (string, bool) {
	if m := boundText.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("invalid value %s: it must %s", m[1], constraint(m[2])), true
	}
	m := validatorText.FindStringSubmatch(message)
	if m == nil {
		return "", false
	}
	if m[3] == "1" {
		return fmt.Sprintf("invalid value %s: it must not be empty", m[1]), true
	}
	what := map[string]string{"Items": "items", "Runes": "characters", "Fields": "fields"}[m[2]]
	return fmt.Sprintf("invalid value %s: it must have at least %s %s", m[1], m[3], what), true
}

// constraint puts one of CUE's unary bounds in words.
func constraint(s string) string {
	for _, op := range []struct{ sign, words string }{
		{"=~", "match "}, {"!~", "not match "}, {"!=", "not be "},
		{">=", "be at least "}, {"<=", "be at most "}, {">", "be more than "}, {"<", "be less than "},
	} {
		if rest, ok := strings.CutPrefix(s, op.sign); ok {
			return op.words + unquote(rest)
		}
	}
	return "be " + s
}

// mismatch puts `conflicting values "two" and int (mismatched types string and
// int)` in words. The kinds stand in the order of the values; which of the
// values is the user's and which the schema's shows in its being a kind.
func mismatch(message string) (string, bool) {
	m := mismatchText.FindStringSubmatch(message)
	if m == nil {
		return "", false
	}
	for at := 0; ; {
		i := strings.Index(m[1][at:], " and ")
		if i < 0 {
			return "", false
		}
		first, second := m[1][:at+i], m[1][at+i+len(" and "):]
		switch {
		case kindText.MatchString(second):
			return wrongKind(first, m[2], m[3]), true
		case kindText.MatchString(first):
			return wrongKind(second, m[3], m[2]), true
		case patternText.MatchString(second):
			return wrongKind(first, m[2], m[3]), true
		case patternText.MatchString(first):
			return wrongKind(second, m[3], m[2]), true
		}
		at += i + 1
	}
}

func wrongKind(value, is, want string) string {
	if is == "struct" || is == "list" || len(value) > 60 {
		value = "this"
	}
	return fmt.Sprintf("wrong type: %s is %s, it must be %s", value, kind(is), kind(want))
}

// kind names one of CUE's kinds, or several: "(int|string)".
func kind(s string) string {
	var out []string
	for _, k := range strings.Split(strings.Trim(s, "()"), "|") {
		switch k {
		case "int":
			k = "a whole number"
		case "bool":
			k = "true or false"
		case "null":
		default:
			k = "a " + k
		}
		out = append(out, k)
	}
	return strings.Join(out, " or ")
}

// importWords says which package there is not, and where packages come from.
func importWords(f *diag.Finding, text string) {
	m := packageText.FindStringSubmatch(text)
	if m == nil {
		f.Message = strings.TrimSpace(strings.TrimPrefix(text, "import failed:"))
		return
	}
	f.Message = fmt.Sprintf("there is no package %q", m[1])
	switch {
	case !strings.HasPrefix(m[1], modulePath):
		f.Hint = "nothing is fetched: lay its module beside the platform, and name it with replaceWith in cue.mod/local-module.cue"
	case strings.Contains(text, "replacement directory"):
		f.Hint = "contain's module is not where cue.mod/local-module.cue says; contain init --upgrade lays it there again"
	default:
		f.Hint = model.Known(m[1], []string{modulePath + "/catalog", modulePath + "/schema"})
	}
}

func unquote(s string) string {
	if u, err := strconv.Unquote(s); err == nil {
		return u
	}
	return s
}

func selectors(path []string) cue.Path {
	var out []cue.Selector
	for _, p := range path {
		switch n, err := strconv.Atoi(p); {
		case err == nil:
			out = append(out, cue.Index(n))
		case strings.HasPrefix(p, "#"):
			out = append(out, cue.Def(p))
		default:
			out = append(out, cue.Str(p))
		}
	}
	return cue.MakePath(out...)
}

// allowed lists the fields that the catalog's definition has beside the last
// step of a path below "platform", and the pattern that names there have to
// match when any name may be given, with the schema's comment on it.
func (s *Source) allowed(path []string) (fields []string, pattern, doc string) {
	if len(path) < 2 || path[0] != "platform" {
		return nil, "", ""
	}
	v := s.definition("catalog", "#Platform")
	for _, step := range path[1 : len(path)-1] {
		v = member(v, step)
	}
	it, err := structArm(v).Fields(cue.Optional(true), cue.Patterns(true))
	if err != nil {
		return nil, "", ""
	}
	for it.Next() {
		sel := it.Selector()
		if sel.ConstraintType() != cue.PatternConstraint {
			fields = append(fields, sel.Unquoted())
			continue
		}
		op, args := sel.Pattern().Expr()
		if op == cue.RegexMatchOp && len(args) == 1 {
			if re, err := args[0].String(); err == nil {
				pattern, doc = re, s.doc(s.positions([]token.Pos{args[0].Pos()}))
			}
		}
	}
	return fields, pattern, doc
}

// member is what a definition says about a field, optional or any.
func member(v cue.Value, name string) cue.Value {
	v = structArm(v)
	if v.IncompleteKind() == cue.ListKind {
		return v.LookupPath(cue.MakePath(cue.AnyIndex))
	}
	if m := v.LookupPath(cue.MakePath(cue.Str(name).Optional())); m.Exists() {
		return m
	}
	return v.LookupPath(cue.MakePath(cue.AnyString))
}

// structArm is the one struct of a disjunction.
func structArm(v cue.Value) cue.Value {
	op, args := v.Expr()
	if op != cue.OrOp && op != cue.AndOp || v.IncompleteKind() == cue.StructKind {
		return v
	}
	for _, a := range args {
		if a = structArm(a); a.IncompleteKind() == cue.StructKind {
			return a
		}
	}
	return v
}

// firstUnknown cuts a path below "platform" behind the first field that is not
// allowed: what lies below it is not allowed either, and CUE says which.
func (s *Source) firstUnknown(path []string) []string {
	if len(path) < 2 || path[0] != "platform" {
		return path
	}
	v := s.definition("catalog", "#Platform")
	for i, step := range path[1:] {
		if v = member(v, step); !v.Exists() {
			return path[:i+2]
		}
	}
	return path
}

// valuePositions are where a value is written, errors in it or not.
func (s *Source) valuePositions(path []string) []diag.Position {
	ps, _ := s.origins(s.root.LookupPath(selectors(path)))
	return ps
}

// definition is one of contain's own, or nothing when the platform does not
// import its package.
func (s *Source) definition(pkg, name string) cue.Value {
	for _, i := range imports(s.inst, map[*build.Instance]bool{}) {
		if p, _, _ := strings.Cut(i.ImportPath, "@"); p == modulePath+"/"+pkg {
			return s.ctx.BuildInstance(i).LookupPath(cue.MakePath(cue.Def(name)))
		}
	}
	return cue.Value{}
}

func imports(inst *build.Instance, seen map[*build.Instance]bool) []*build.Instance {
	var out []*build.Instance
	for _, i := range inst.Imports {
		if !seen[i] {
			seen[i] = true
			out = append(out, i)
			out = append(out, imports(i, seen)...)
		}
	}
	return out
}

// doc is what the schema says in the comment above the field that the first of
// the catalog's positions is in.
func (s *Source) doc(ps []diag.Position) string {
	for _, p := range ps {
		if !s.catalog[p.File] {
			continue
		}
		for _, i := range imports(s.inst, map[*build.Instance]bool{}) {
			for _, f := range i.Files {
				if f.Filename == p.File {
					return docAt(f, p)
				}
			}
		}
	}
	return ""
}

func docAt(f *ast.File, at diag.Position) string {
	doc := ""
	ast.Walk(f, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok {
			return true
		}
		if field.Pos().Line() > at.Line || field.End().Line() < at.Line {
			return false
		}
		if field.Pos().Line() == at.Line {
			doc = comment(field)
		}
		return true
	}, nil)
	return doc
}

func comment(n ast.Node) string {
	for _, g := range ast.Comments(n) {
		if g.Doc {
			text := strings.TrimSuffix(strings.Join(strings.Fields(g.Text()), " "), ".")
			return definitionText.ReplaceAllString(text, "")
		}
	}
	return ""
}
