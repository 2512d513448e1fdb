package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// edge are the names of the standard library that reach out of the process, or
// that a build may not depend on, and who may use them.
var edge = []struct {
	names, except string
	reason        string
}{
	{`os\.(Args|Getenv|LookupEnv|Environ|Setenv|ExpandEnv|Stdin|Stdout|Stderr|Exit|Chdir|Getwd)`, `internal/cli|cmd/contain`, "only cli knows the process; everything else is given what it needs"},
	{`fmt\.(Print|Println|Printf)`, `none`, "stdout carries data only, and cli writes it"},
	{`time\.(Now|Since|Until|Local)`, `none`, "outputs depend on the input alone, not on the clock or its zone"},
	{`runtime\.(NumCPU)`, `none`, "GOMAXPROCS is the number of workers that a user can set"},
	{`context\.TO[D]O`, `none`, "a context comes from the caller"},
	{`reflect\.DeepEqual`, `none`, "compare what is meant"},
}

// long are files over 500 lines and functions over 60, each with the reason why
// it is better whole.
var long = map[string]string{}

const (
	longFile     = 500
	longFunction = 60
)

func TestCode(t *testing.T) {
	files := slices.DeleteFunc(sources(t), func(f *file) bool {
		return f.test || whole(controlplane).MatchString(f.dir)
	})
	report(t, reach(files))
	report(t, state(t, files))
	problems, used := lengths(files)
	report(t, problems)
	for what := range long {
		if !used[what] {
			t.Errorf("long: %s is short enough now", what)
		}
	}
}

// Names and comments are asked of tests' packages too.
func TestPackages(t *testing.T) { report(t, packages(sources(t))) }

func reach(files []*file) []string {
	var out []string
	for _, e := range edge {
		names, except := whole(e.names), whole(e.except)
		for _, f := range files {
			if except.MatchString(f.dir) {
				continue
			}
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && names.MatchString(x.Name+"."+s.Sel.Name) {
						out = append(out, fmt.Sprintf("%s:%d uses %s.%s: %s", f.name, f.line(s.Pos()), x.Name, s.Sel.Name, e.reason))
					}
				}
				return true
			})
		}
	}
	return out
}

// state finds what a package keeps between two calls: init functions, variables
// that are made to be filled, and variables that are written to.
func state(t *testing.T, files []*file) []string {
	t.Helper()
	var out []string
	byDir := map[string][]*file{}
	for _, f := range files {
		byDir[f.dir] = append(byDir[f.dir], f)
		for _, d := range f.syntax.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "init" && d.Recv == nil {
					out = append(out, fmt.Sprintf("%s:%d has init: what runs before main nobody can see or undo", f.name, f.line(d.Pos())))
				}
			case *ast.GenDecl:
				out = append(out, unfilled(f, d)...)
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		out = append(out, written(dir, byDir[dir])...)
	}
	return out
}

// unfilled finds variables of a package that start empty. What go:embed fills
// is a constant in all but name, and _ holds nothing.
func unfilled(f *file, d *ast.GenDecl) []string {
	if d.Tok != token.VAR || d.Doc != nil && strings.Contains(d.Doc.List[len(d.Doc.List)-1].Text, "//go:embed") {
		return nil
	}
	var out []string
	for _, s := range d.Specs {
		if s := s.(*ast.ValueSpec); len(s.Values) == 0 {
			out = append(out, fmt.Sprintf("%s:%d has the variable %s without a value: a package keeps no state", f.name, f.line(s.Pos()), s.Names[0]))
		}
	}
	return out
}

// written finds assignments to variables of the package, to what is in them,
// and their address taken. Imports are not resolved: only names of the package
// itself matter here.
func written(dir string, files []*file) []string {
	var syntax []*ast.File
	for _, f := range files {
		syntax = append(syntax, f.syntax)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Error: func(error) {}, Importer: nothing{}}
	pkg, _ := conf.Check(dir, files[0].fset, syntax, info)

	var out []string
	for _, f := range files {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			var targets []ast.Expr
			switch n := n.(type) {
			case *ast.AssignStmt:
				targets = n.Lhs
			case *ast.IncDecStmt:
				targets = []ast.Expr{n.X}
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					targets = []ast.Expr{n.X}
				}
			case *ast.CallExpr:
				if b, ok := n.Fun.(*ast.Ident); ok && (b.Name == "delete" || b.Name == "clear" || b.Name == "copy") {
					targets = n.Args[:1]
				}
			}
			for _, x := range targets {
				if v, ok := info.Uses[base(x)].(*types.Var); ok && v.Parent() == pkg.Scope() {
					out = append(out, fmt.Sprintf("%s:%d writes to the package's variable %s: a package keeps no state", f.name, f.line(n.Pos()), v.Name()))
				}
			}
			return true
		})
	}
	return out
}

// nothing imports nothing.
type nothing struct{}

func (nothing) Import(path string) (*types.Package, error) {
	return nil, fmt.Errorf("%s is not looked at", path)
}

// base is the variable that an expression is a part of; nil when there is none.
func base(x ast.Expr) *ast.Ident {
	for {
		switch y := x.(type) {
		case *ast.Ident:
			return y
		case *ast.IndexExpr:
			x = y.X
		case *ast.SelectorExpr:
			x = y.X
		case *ast.StarExpr:
			x = y.X
		case *ast.ParenExpr:
			x = y.X
		default:
			return nil
		}
	}
}

func lengths(files []*file) (problems []string, used map[string]bool) {
	used = map[string]bool{}
	over := func(what string, lines, limit int) {
		switch {
		case lines <= limit:
		case long[what] != "":
			used[what] = true
		default:
			problems = append(problems, fmt.Sprintf("%s has %d lines, over %d: split it, or say in long why it is better whole", what, lines, limit))
		}
	}
	for _, f := range files {
		over(f.name, f.fset.File(f.syntax.FileStart).LineCount(), longFile)
		for _, d := range f.syntax.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				over(path.Join(f.dir, d.Name.Name), f.line(d.End())-f.line(d.Pos())+1, longFunction)
			}
		}
	}
	return problems, used
}

var vague = regexp.MustCompile(`^(.*utils?|common|helpers?|misc|shared|base|types|interfaces|lib)$`)

// packages finds names that say nothing and packages that do not say what they
// are for, once.
func packages(files []*file) []string {
	comments := map[string]int{} // per directory
	name := map[string]string{}
	for _, f := range files {
		if f.test {
			continue
		}
		name[f.dir] = f.syntax.Name.Name
		want := "Package " + f.syntax.Name.Name + " "
		if f.syntax.Name.Name == "main" {
			want = "Command " + path.Base(f.dir) + " "
		}
		if strings.HasPrefix(f.syntax.Doc.Text(), want) {
			comments[f.dir]++
		}
	}
	var out []string
	for _, dir := range slices.Sorted(maps.Keys(name)) {
		if n := comments[dir]; n != 1 {
			out = append(out, fmt.Sprintf("%s has %d package comments, want one: it states what must stay true", dir, n))
		}
		if vague.MatchString(name[dir]) {
			out = append(out, fmt.Sprintf("%s: %s is no name: name a package after what it gives", dir, name[dir]))
		}
	}
	return out
}

func TestCodeRulesFind(t *testing.T) {
	fset := token.NewFileSet()
	files := []*file{
		parse(t, fset, "internal/x/a.go", `package x
import ("os"; "fmt")
var table = map[string]int{}
var list = []int{1}
var empty map[string]int
var fixed = map[string]int{"a": 1}
func init() {}
func f() {
	table["a"] = 1
	list = append(list, 1)
	delete(table, "a")
	fmt.Println(os.Getenv("HOME"), fixed["a"])
	table := map[string]int{}
	table["a"] = 1 // its own
}
`),
	}
	wants(t, append(append(reach(files), state(t, files)...), packages(files)...),
		"internal/x/a.go:12 uses os.Getenv: only cli knows the process; everything else is given what it needs",
		"internal/x/a.go:12 uses fmt.Println: stdout carries data only, and cli writes it",
		"internal/x/a.go:5 has the variable empty without a value: a package keeps no state",
		"internal/x/a.go:7 has init: what runs before main nobody can see or undo",
		"internal/x/a.go:9 writes to the package's variable table: a package keeps no state",
		"internal/x/a.go:10 writes to the package's variable list: a package keeps no state",
		"internal/x/a.go:11 writes to the package's variable table: a package keeps no state",
		"internal/x has 0 package comments, want one: it states what must stay true",
	)
	body := strings.Repeat("\t_ = 1\n", longFile)
	problems, _ := lengths([]*file{parse(t, fset, "internal/x/b.go", "package x\nfunc f() {\n"+body+"}\n")})
	wants(t, problems,
		"internal/x/b.go has 503 lines, over 500: split it, or say in long why it is better whole",
		"internal/x/f has 502 lines, over 60: split it, or say in long why it is better whole",
	)
	wants(t, packages([]*file{parse(t, fset, "internal/textutil/c.go", "// Package textutil has functions.\npackage textutil")}),
		"internal/textutil: textutil is no name: name a package after what it gives")
}
