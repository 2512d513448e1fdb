package policies_test

import (
	"context"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/contain-platform/contain/policies"

	"github.com/contain-platform/contain/internal/e2e/judge"
)

func modules(t *testing.T) map[string]*ast.Module {
	t.Helper()
	out := map[string]*ast.Module{}
	eachRego(t, func(file, text string) {
		m, err := ast.ParseModuleWithOpts(file, text, ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true})
		if err != nil {
			t.Fatal(err)
		}
		out[file] = m
	})
	return out
}

func eachRego(t *testing.T, f func(file, text string)) {
	t.Helper()
	err := fs.WalkDir(policies.FS, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".rego") {
			return err
		}
		b, err := fs.ReadFile(policies.FS, file)
		if err == nil {
			f(file, string(b))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Everything below policies/ is embedded: a rule in a directory that the
// pattern misses would be no rule.
func TestEmbedded(t *testing.T) {
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(file, ".go") {
			return err
		}
		if _, err := fs.Stat(policies.FS, filepath.ToSlash(file)); err != nil {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Each rule directory is whole.
func TestComplete(t *testing.T) {
	rules, err := fs.Glob(policies.FS, "*/*/rule.rego")
	if err != nil || len(rules) == 0 {
		t.Fatalf("%d rules, %v", len(rules), err)
	}
	for _, r := range rules {
		dir := strings.TrimSuffix(r, "rule.rego")
		for _, f := range []string{"rule_test.rego", "README.md", "samples/allowed.yaml", "samples/denied.yaml"} {
			if _, err := fs.Stat(policies.FS, dir+f); err != nil {
				t.Error(err)
			}
		}
	}
}

// The same as opa fmt --list.
func TestFormat(t *testing.T) {
	eachRego(t, func(file, text string) {
		b, err := format.SourceWithOpts(file, []byte(text), format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		if string(b) != text {
			t.Errorf("%s is not formatted: run opa fmt -w policies", file)
		}
	})
}

// The same as opa check --strict.
func TestStrict(t *testing.T) {
	c := ast.NewCompiler().WithStrict(true)
	if c.Compile(modules(t)); c.Failed() {
		t.Fatal(c.Errors)
	}
}

// The same as opa test.
func TestRego(t *testing.T) {
	all := modules(t)
	results, err := tester.NewRunner().
		SetStore(inmem.New()).
		SetModules(all).
		CapturePrintOutput(true).
		RunTests(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{}
	n := 0
	for r := range results {
		n++
		tested[r.Location.File] = true
		if !r.Pass() {
			t.Errorf("%s: %s.%s: failed %v %s", r.Location, r.Package, r.Name, r.Error, r.Output)
		}
	}
	for file := range all {
		if name, ok := strings.CutSuffix(file, ".rego"); ok && !strings.HasSuffix(name, "_test") && !tested[name+"_test.rego"] {
			t.Errorf("%s has no tests", file)
		}
	}
	t.Logf("%d Rego tests", n)
}

// OPA itself runs the tests and checks the format.
func TestOPA(t *testing.T) {
	opa := judge.Path(t, "opa")
	for _, args := range [][]string{
		{"test", "--ignore", "*.yaml", "."},
		{"check", "--strict", "--ignore", "*.yaml", "."},
		{"fmt", "--list", "--fail", "."},
	} {
		if out, err := exec.Command(opa, args...).CombinedOutput(); err != nil {
			t.Errorf("opa %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
