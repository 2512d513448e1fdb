// Package schema_test runs the cases under testdata: what the schema accepts,
// and what it refuses with which words at which positions.
//
// An archive testdata/<name>.txtar has files accept/<case>.cue, and pairs of
// reject/<case>.cue and reject/<case>.err. A case is a CUE file of its own that
// imports schema; it is complete data, so a missing required field is an
// error. Positions are relative to the repository, the case's own as
// ./schema/testdata/<name>/<accept|reject>/<case>.cue.
//
// CONTAIN_UPDATE=1 rewrites the .err files.
package schema_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/load"
	"cuelang.org/go/cue/parser"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

func TestCases(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(archives) == 0 {
		t.Fatal("no archives in testdata")
	}
	for _, file := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			testArchive(t, root, file)
		})
	}
}

func testArchive(t *testing.T, root, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range a.Files {
		if strings.HasSuffix(f.Name, ".err") {
			want[f.Name] = string(f.Data)
		}
	}
	dir := filepath.Join(root, "schema", strings.TrimSuffix(file, ".txtar"))
	var out []txtar.File
	for _, f := range a.Files {
		kind, _, _ := strings.Cut(f.Name, "/")
		switch {
		case strings.HasSuffix(f.Name, ".err"):
			continue
		case !strings.HasSuffix(f.Name, ".cue"), kind != "accept" && kind != "reject":
			t.Errorf("%s: %s is neither accept/*.cue nor reject/*.cue", file, f.Name)
			continue
		}
		out = append(out, f)
		got := vet(root, filepath.Join(dir, f.Name), f.Data)
		if kind == "accept" {
			if got != "" {
				t.Errorf("%s: refused:\n%s", f.Name, got)
			}
			continue
		}
		golden := strings.TrimSuffix(f.Name, ".cue") + ".err"
		out = append(out, txtar.File{Name: golden, Data: []byte(got)})
		switch {
		case got == "":
			t.Errorf("%s: accepted", f.Name)
		case os.Getenv("CONTAIN_UPDATE") == "":
			if d := cmp.Diff(want[golden], got); d != "" {
				t.Errorf("%s (-want +got):\n%s", golden, d)
			}
		}
		delete(want, golden)
	}
	for name := range want {
		t.Errorf("%s has no case", name)
	}
	if os.Getenv("CONTAIN_UPDATE") != "" && !t.Failed() {
		a.Files = out
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// vet returns what cue says about one file, "" when it has nothing to say.
func vet(root, file string, src []byte) string {
	insts := load.Instances([]string{file}, &load.Config{
		Dir:     root,
		Overlay: map[string]load.Source{file: load.FromBytes(src)},
		// No registry is asked: every import is of this module.
		Env: []string{"CUE_REGISTRY=none"},
	})
	var err error = insts[0].Err
	if insts[0].Err == nil {
		err = cuecontext.New().BuildInstance(insts[0]).Validate(cue.Concrete(true))
	}
	if err == nil {
		return ""
	}
	return errors.Details(err, &errors.Config{Cwd: root, ToSlash: true})
}

// TestEveryDefinitionHasCases asks one accept and one reject case of each
// definition, written as schema.#Name.
func TestEveryDefinitionHasCases(t *testing.T) {
	seen := map[string]map[string]bool{"accept": {}, "reject": {}}
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	use := regexp.MustCompile(`schema\.(#[A-Za-z0-9]+)`)
	for _, file := range archives {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			kind, _, _ := strings.Cut(f.Name, "/")
			if !strings.HasSuffix(f.Name, ".cue") || seen[kind] == nil {
				continue
			}
			for _, m := range use.FindAllSubmatch(f.Data, -1) {
				seen[kind][string(m[1])] = true
			}
		}
	}
	for _, d := range definitions(t) {
		for _, kind := range []string{"accept", "reject"} {
			if !seen[kind][d] {
				t.Errorf("schema.%s has no %s case", d, kind)
			}
		}
	}
}

// definitions are the names of the package's top-level definitions, sorted for
// determinism.
func definitions(t *testing.T) []string {
	files, err := filepath.Glob("*.cue")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, file := range files {
		f, err := parser.ParseFile(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			field, ok := d.(*ast.Field)
			if !ok {
				continue
			}
			if name, _, err := ast.LabelName(field.Label); err == nil && strings.HasPrefix(name, "#") {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
