package findings_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/contain-platform/contain/docs/findings"
	"github.com/contain-platform/contain/policies"
)

var id = regexp.MustCompile(`^[a-z]+/[a-z][a-z0-9-]*$`)

// ids are the ids of findings in the Go source, by where the first of each is.
// A literal is one when it is the ID of a finding somewhere, or has the group of
// one that is: helpers take ids as arguments.
func ids(t *testing.T) map[string]string {
	t.Helper()
	groups := map[string]bool{}
	literals := map[string]string{}
	fset := token.NewFileSet()
	root := os.DirFS("../..")
	err := fs.WalkDir(root, "internal", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "internal/e2e/") {
			return err
		}
		b, err := fs.ReadFile(root, file)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, file, b, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				return false
			case *ast.KeyValueExpr:
				if k, ok := n.Key.(*ast.Ident); ok && k.Name == "ID" {
					if s := text(n.Value); s != "" {
						groups[path.Dir(s)] = true
					}
				}
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if strings.HasPrefix(strings.ToLower(name.Name), "finding") && i < len(n.Values) && text(n.Values[i]) != "" {
						groups[path.Dir(text(n.Values[i]))] = true
					}
				}
			case *ast.BasicLit:
				if s := text(n); s != "" && literals[s] == "" {
					literals[s] = fset.Position(n.Pos()).String()
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for s := range literals {
		if !groups[path.Dir(s)] {
			delete(literals, s)
		}
	}
	return literals
}

// text is the id that an expression spells, "" for anything else.
func text(x ast.Expr) string {
	l, ok := x.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(l.Value)
	if err != nil || !id.MatchString(s) {
		return ""
	}
	return s
}

// Every finding has a page, here or with the rules, and no page is left over.
func TestPages(t *testing.T) {
	known := ids(t)
	if len(known) < 35 {
		t.Fatalf("%d ids in the source, which cannot be all", len(known))
	}
	for id, at := range known {
		_, here := fs.Stat(findings.FS, id+".md")
		_, rule := fs.Stat(policies.FS, id+"/README.md")
		if here != nil && rule != nil {
			t.Errorf("%s: %s has no page: write docs/findings/%s.md", at, id, id)
		}
		if here == nil && rule == nil {
			t.Errorf("%s has two pages, docs/findings/%s.md and policies/%s/README.md", id, id, id)
		}
	}
	files, err := fs.Glob(findings.FS, "*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := findings.FS.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		id := strings.TrimSuffix(f, ".md")
		if known[id] == "" {
			t.Errorf("%s is the page of a finding that nothing makes", f)
		}
		for _, want := range []string{"# " + id + "\n\n", "\n\n## What\n\n", "\n\n## What to do\n\n"} {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s: there is no %q", f, strings.TrimSpace(want))
			}
		}
	}
}
