// Package catalog_test renders the catalog's templates and compares their whole
// output with golden files.
//
// An archive testdata/<name>.txtar begins with a line that names a template, as
// "catalog/certmanager #Config". Its files are pairs <case>/in.json and
// <case>/want.yaml, or in.json and want.yaml for a single case. want.yaml
// holds every object of the template, sorted by field, keys sorted.
//
// A line that names #Units, as "catalog/certmanager #Units", tests which units
// a component has on a cluster: in.json then holds the definition's parameters
// by their names without "#", and want.yaml its units. So does a line that
// names a definition which templates share and its field, as
// "catalog/upstream #Manifests objects".
//
// CONTAIN_UPDATE=1 rewrites the want.yaml files.
package catalog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/load"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"
)

const module = "github.com/contain-platform/contain"

func TestTemplates(t *testing.T) {
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
			testArchive(t, file)
		})
	}
}

func testArchive(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(string(a.Comment), "\n")
	pkg, def, ok := strings.Cut(header, " ")
	if !ok || !strings.HasPrefix(def, "#") {
		t.Fatalf("%s: first line %q, want \"catalog/<dir> #Definition\"", file, header)
	}
	def, field, shared := strings.Cut(def, " ")
	switch {
	case def == "#Units":
		field, shared = "units", true
	case !shared:
		field = "objects"
	}
	want := map[string]string{}
	for _, f := range a.Files {
		if path.Base(f.Name) == "want.yaml" {
			want[f.Name] = string(f.Data)
		}
	}
	var out []txtar.File
	for _, f := range a.Files {
		switch path.Base(f.Name) {
		case "want.yaml":
			continue
		case "in.json":
		default:
			t.Errorf("%s: %s is neither in.json nor want.yaml", file, f.Name)
			continue
		}
		golden := path.Join(path.Dir(f.Name), "want.yaml")
		got := render(t, pkg, def, field, shared, f)
		if os.Getenv("CONTAIN_UPDATE") == "" {
			if d := cmp.Diff(want[golden], got); d != "" {
				t.Errorf("%s (-want +got):\n%s", golden, d)
			}
		}
		delete(want, golden)
		out = append(out, f, txtar.File{Name: golden, Data: []byte(got)})
	}
	for name := range want {
		t.Errorf("%s has no in.json", name)
	}
	if os.Getenv("CONTAIN_UPDATE") != "" && !t.Failed() {
		a.Files = out
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// render evaluates a template as the compiler does, with data filled at #in,
// and as plain cue does, with the input written in the source; the two must
// agree. A shared definition has more parameters than #in.
func render(t *testing.T, pkg, def, result string, shared bool, in txtar.File) string {
	t.Helper()
	parameters := map[string]json.RawMessage{"in": in.Data}
	if shared {
		parameters = nil
		if err := json.Unmarshal(in.Data, &parameters); err != nil {
			t.Fatalf("%s: %v", in.Name, err)
		}
	}
	var src strings.Builder
	fmt.Fprintf(&src, "import template %q\n\ndefinition: template.%s\n", module+"/"+pkg, def)
	// Beside the call, as a platform is beside its output.
	for k, data := range parameters {
		fmt.Fprintf(&src, "parameters: %s: %s\n", k, data)
	}
	src.WriteString("plain: (definition & {\n")
	for k := range parameters {
		fmt.Fprintf(&src, "\t#%s: parameters.%s\n", k, k)
	}
	fmt.Fprintf(&src, "}).%s\n", result)
	v := build(t, path.Base(pkg), src.String())

	filled := v.LookupPath(cue.ParsePath("definition"))
	for k, data := range parameters {
		d := cuecontext.New().CompileBytes(data, cue.Filename(in.Name))
		if err := d.Err(); err != nil {
			t.Fatalf("%s: %s", in.Name, details(err))
		}
		filled = filled.FillPath(cue.ParsePath("#"+k), d)
	}
	filled = filled.LookupPath(cue.ParsePath(result))

	asCompiler, asCue := objects(t, in.Name, filled), objects(t, in.Name, v.LookupPath(cue.ParsePath("plain")))
	if d := cmp.Diff(asCue, asCompiler); d != "" {
		t.Errorf("%s: data filled in gives other objects than plain cue (-cue +filled):\n%s", in.Name, d)
	}
	return asCompiler
}

func build(t *testing.T, name, src string) cue.Value {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "catalog", "testdata", name, "case.cue")
	insts := load.Instances([]string{file}, &load.Config{
		Dir:     root,
		Overlay: map[string]load.Source{file: load.FromString(src)},
		// No registry is asked: every import is of this module.
		Env: []string{"CUE_REGISTRY=none"},
	})
	if err := insts[0].Err; err != nil {
		t.Fatal(details(err))
	}
	v := cuecontext.New().BuildInstance(insts[0])
	if err := v.Err(); err != nil {
		t.Fatal(details(err))
	}
	return v
}

// objects writes a template's objects as YAML documents.
func objects(t *testing.T, name string, v cue.Value) string {
	t.Helper()
	if err := v.Validate(cue.Concrete(true)); err != nil {
		t.Fatalf("%s: %s", name, details(err))
	}
	raw, err := v.MarshalJSON()
	if err != nil {
		t.Fatalf("%s: %s", name, details(err))
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	// Sorted for determinism.
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		doc, err := yaml.JSONToYAML(fields[field])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "--- # %s\n%s", field, doc)
	}
	return b.String()
}

func details(err error) string {
	root, _ := filepath.Abs("..")
	return errors.Details(err, &errors.Config{Cwd: root, ToSlash: true})
}
