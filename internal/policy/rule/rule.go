// Package rule reads the rule directories of policies/ and says how a rule
// looks to Gatekeeper: one ConstraintTemplate, and Constraints of its kind.
//
// Invariants:
//   - A rule is written once. Its Rego goes into the template byte for byte,
//     so that a line of the template is that line of rule.rego.
//   - Everything about a rule but its Rego stands in the METADATA comment of
//     rule.rego (OPA's annotation format), under "custom".
//   - Libraries of a template are those that the rule imports, directly or
//     through another library, sorted by name.
package rule

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/contain-platform/contain/internal/diag"
)

// Annotation names the rule on the objects that are made of it.
const Annotation = "contain.platform/rule"

// Target is the name of Gatekeeper's target for Kubernetes objects
// (gatekeeper pkg/target, Name).
const Target = "admission.k8s.gatekeeper.sh"

// Rule is one rule directory.
type Rule struct {
	ID          string // "images/pinned"
	Title       string
	Description string
	Kind        string // kind of the Constraint, "ContainImagesPinned"
	Severity    string // low, medium, high or critical: how bad a violation is
	Enforcement string // enforcementAction unless the platform says otherwise
	// Profile is the least profile that has the rule: each has those of the ones
	// before it in Profiles.
	Profile string
	// Stricter is what a profile asks for beyond the rule's own defaults.
	Stricter map[string]Refinement
	Input    Input
	Match    []any // spec.match.kinds of the Constraint; of a model rule, the kinds that it reads
	// Sync are the kinds that a rule over an object reads in data.inventory: what
	// Gatekeeper must keep a copy of.
	Sync []Kind
	// Parameters is the openAPIV3Schema of spec.parameters, with defaults.
	Parameters map[string]any
	// Fixed rules can be neither turned off nor waived: nothing would work without.
	Fixed  bool
	Module Module // empty for a check of contain's own, which is Go
	Libs   []Module
	Doc    string // README.md
}

// Kind is a kind of objects in one version of its API; the core group is "".
type Kind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

// Module is one Rego file.
type Module struct {
	File string // from the repository's root, "policies/images/pinned/rule.rego"
	Rego string
}

// OverObjects are the rules that admission knows too, in their order.
func OverObjects(rules []Rule) []Rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool { return r.Input != Object })
}

// Load reads every rule below fsys, sorted by id. The error is an *Error, which
// names the file that is wrong.
func Load(fsys fs.FS) ([]Rule, error) {
	l := loader{fsys, func(file string) string { return "policies/" + file }}
	libs, err := l.libs()
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(fsys, "*/*/rule.rego")
	if err != nil {
		return nil, err
	}
	checks, err := fs.Glob(fsys, "*/*/rule.yaml")
	if err != nil {
		return nil, err
	}
	rules := make([]Rule, 0, len(files)+len(checks))
	for _, f := range append(files, checks...) {
		r, err := l.load(f, libs)
		if err != nil {
			return nil, l.at(f, err)
		}
		rules = append(rules, r)
	}
	slices.SortFunc(rules, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return rules, nil
}

// LoadOne reads one rule directory below fsys, "<group>/<rule>", with the
// libraries in lib. name is what files are called in the rule's modules and in
// the error, which is an *Error.
func LoadOne(fsys fs.FS, dir string, name func(file string) string) (Rule, error) {
	l := loader{fsys, name}
	libs, err := l.libs()
	if err != nil {
		return Rule{}, err
	}
	file := path.Join(dir, "rule.rego")
	if _, err := fs.Stat(fsys, file); err != nil {
		file = path.Join(dir, "rule.yaml")
	}
	r, err := l.load(file, libs)
	if err != nil {
		return Rule{}, l.at(file, err)
	}
	return r, nil
}

type loader struct {
	fsys fs.FS
	name func(file string) string
}

// Files maps each template's name to its modules' files in the order in which
// the template holds them: the rule first, then its libraries.
func Files(rules []Rule) map[string][]diag.Position {
	out := make(map[string][]diag.Position, len(rules))
	for _, r := range rules {
		ps := []diag.Position{{File: r.Module.File, Line: 1, Column: 1}}
		for _, l := range r.Libs {
			ps = append(ps, diag.Position{File: l.File, Line: 1, Column: 1})
		}
		out[r.TemplateName()] = ps
	}
	return out
}

// library is a shared module with the libraries that it imports.
type library struct {
	Module
	imports []string
}

func (l loader) libs() (map[string]library, error) {
	files, err := fs.Glob(l.fsys, "lib/*.rego")
	if err != nil {
		return nil, err
	}
	libs := map[string]library{}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.rego") {
			continue
		}
		m, parsed, err := l.parse(f)
		if err != nil {
			return nil, l.at(f, err)
		}
		name := strings.TrimSuffix(path.Base(f), ".rego")
		if got, want := parsed.Package.Path.String(), "data.lib."+name; got != want {
			return nil, l.at(f, fmt.Errorf("package is %s, want %s", got, want))
		}
		libs[name] = library{m, imports(parsed)}
	}
	return libs, nil
}

func (l loader) load(file string, libs map[string]library) (Rule, error) {
	if path.Ext(file) == ".yaml" {
		return loadCheck(l.fsys, file)
	}
	dir := path.Dir(file)
	m, parsed, err := l.parse(file)
	if err != nil {
		return Rule{}, err
	}
	want := "data.contain." + strings.ReplaceAll(strings.ReplaceAll(dir, "/", "."), "-", "_")
	if got := parsed.Package.Path.String(); got != want {
		return Rule{}, fmt.Errorf("package is %s, want %s", got, want)
	}
	r, err := annotated(parsed)
	if err != nil {
		return Rule{}, err
	}
	r.ID, r.Module = dir, m
	if want := kindOf(dir); r.Input == Object && r.Kind != want {
		return Rule{}, fmt.Errorf("custom.kind is %q, want %q", r.Kind, want)
	}
	if r.Libs, err = closure(imports(parsed), libs); err != nil {
		return Rule{}, err
	}
	doc, err := fs.ReadFile(l.fsys, path.Join(dir, "README.md"))
	if err != nil {
		return Rule{}, err
	}
	r.Doc = string(doc)
	return r, nil
}

func (l loader) parse(file string) (Module, *ast.Module, error) {
	b, err := fs.ReadFile(l.fsys, file)
	if err != nil {
		return Module{}, nil, err
	}
	parsed, err := ast.ParseModuleWithOpts(file, string(b), ast.ParserOptions{
		RegoVersion:       ast.RegoV1,
		ProcessAnnotation: true,
	})
	if err != nil {
		return Module{}, nil, err
	}
	return Module{File: l.name(file), Rego: string(b)}, parsed, nil
}

// imports are the names of the libraries that a module imports.
func imports(m *ast.Module) []string {
	var names []string
	for _, i := range m.Imports {
		if name, ok := strings.CutPrefix(i.Path.String(), "data.lib."); ok {
			names = append(names, name)
		}
	}
	return names
}

func closure(names []string, libs map[string]library) ([]Module, error) {
	seen := map[string]bool{}
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		if seen[name] {
			continue
		}
		l, ok := libs[name]
		if !ok {
			return nil, fmt.Errorf("imports data.lib.%s, which policies/lib does not hold", name)
		}
		seen[name] = true
		names = append(names, l.imports...)
	}
	var out []Module
	for name := range seen {
		out = append(out, libs[name].Module)
	}
	slices.SortFunc(out, func(a, b Module) int { return strings.Compare(a.File, b.File) }) // for determinism
	return out, nil
}

// kindOf is the Constraint kind of a rule id: images/pinned, ContainImagesPinned.
func kindOf(id string) string {
	var b strings.Builder
	b.WriteString("Contain")
	for _, word := range strings.FieldsFunc(id, func(c rune) bool { return c == '/' || c == '-' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
