package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/contain-platform/contain"

// file is one Go file of the product's module.
type file struct {
	name   string // relative to the root, with slashes
	dir    string
	test   bool
	fset   *token.FileSet
	syntax *ast.File
}

func (f *file) line(p token.Pos) int { return f.fset.Position(p).Line }

// imports are the import paths of a file.
func (f *file) imports() []string {
	var out []string
	for _, i := range f.syntax.Imports {
		out = append(out, strings.Trim(i.Path.Value, `"`))
	}
	return out
}

func parse(t *testing.T, fset *token.FileSet, name string, src any) *file {
	t.Helper()
	f := &file{name: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), fset: fset}
	var err error
	if f.syntax, err = parser.ParseFile(f.fset, name, src, parser.ParseComments|parser.SkipObjectResolution); err != nil {
		t.Fatal(err)
	}
	return f
}

const root = "../.."

// tracked are the files that git knows of, and those it would add.
func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("git ls-files: %v", err)
		}
		t.Skipf("not a git checkout: %v", err)
	}
	var names []string
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSuffix(name, "\n")
		if _, err := os.Stat(filepath.Join(root, name)); err == nil { // else deleted, not yet committed
			names = append(names, name)
		}
	}
	return names
}

// sources are the Go files of the product's module, tests among them; the
// modules nested in it hold nothing but pins of other people's programs.
func sources(t *testing.T) []*file {
	t.Helper()
	fset := token.NewFileSet()
	var out []*file
	for _, name := range tracked(t) {
		if strings.HasSuffix(name, ".go") {
			src, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, parse(t, fset, name, src))
		}
	}
	if len(out) < 100 {
		t.Fatalf("found only %d Go files", len(out))
	}
	return out
}

// report fails the test with each problem.
func report(t *testing.T, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}

// wants compares the problems found in a made-up source with those that must
// be found.
func wants(t *testing.T, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("found\n%s\nwant\n%s", g, w)
	}
}
