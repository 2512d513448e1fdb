package diag_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/xeipuuv/gojsonschema"

	"github.com/contain-platform/contain/internal/diag"
)

// findings are of every kind that printers tell apart.
var findings = []diag.Finding{
	{ID: "images/pinned", Message: "tag \"latest\" is not allowed", Cluster: "a", Clusters: []string{"a", "b"}, Unit: "one", Object: "Deployment one/one",
		Path: "spec.template.spec.containers[0].image", Hint: "use a digest",
		Positions: []diag.Position{{File: "clusters.cue", Line: 8, Column: 9}, {File: "catalog/app.cue", Line: 23, Column: 21}, {File: "x y/ü.cue"}}},
	{ID: "source/read", Message: "the file cannot be read", Positions: []diag.Position{{File: "a.cue"}}},
	{ID: "waiver/unused", Severity: diag.Warning, Message: "waiver one lets nothing pass", Path: "policies.waivers.one", Positions: []diag.Position{{File: "a.cue", Line: 3}}},
	{ID: "backup/coverage", Severity: diag.Info, Message: "not backed up:\nfour namespaces"},
	{ID: "images/pinned", Severity: diag.Info, Message: "no digest", Positions: []diag.Position{{File: "../b.cue", Line: 1, Column: 1}},
		Waiver: &diag.Waiver{Name: "vendor", Owner: "team", Reason: "the vendor has none", Expires: "2027-06-30"}},
}

// SARIF is judged by the schema of SARIF 2.1.0 that OASIS publishes.
func TestSARIFSchema(t *testing.T) {
	for name, fs := range map[string][]diag.Finding{"findings": findings, "nothing": nil} {
		t.Run(name, func(t *testing.T) {
			for _, problem := range invalid(t, printed(t, fs)) {
				t.Error(problem)
			}
		})
	}
}

// The schema says no to what is no SARIF, so that a yes says something.
func TestSARIFSchemaRefuses(t *testing.T) {
	text := printed(t, findings)
	for _, c := range [][2]string{
		{`"level": "error"`, `"level": "fatal"`},
		{`"startLine": 8`, `"startLine": 0`},
		{`"kind": "external"`, `"kind": "elsewhere"`},
		{`"status": "accepted"`, `"status": "granted"`},
		{`"unicodeCodePoints"`, `"characters"`},
		{`"name": "contain"`, `"nick": "contain"`},
		{`"suppressions"`, `"waivers"`},
	} {
		changed := strings.Replace(text, c[0], c[1], 1)
		if changed == text {
			t.Fatalf("no %s in the report", c[0])
		}
		if len(invalid(t, changed)) == 0 {
			t.Errorf("%s passes for SARIF", c[1])
		}
	}
}

func printed(t *testing.T, fs []diag.Finding) string {
	t.Helper()
	var b strings.Builder
	if err := diag.Print(&b, diag.SARIF, ".", fs); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// invalid says what the schema has against a report.
func invalid(t *testing.T, text string) []string {
	t.Helper()
	r, err := gojsonschema.Validate(gojsonschema.NewStringLoader(schema(t)), gojsonschema.NewStringLoader(text))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range r.Errors() {
		out = append(out, e.String())
	}
	return out
}

// schema is the text that go-sarif holds for its own use: it is read from that
// module's source, which the test is built with. (Its Validate is no judge of
// ours: it adds fields to a report that it has read.)
func schema(t *testing.T) string {
	t.Helper()
	pc := reflect.ValueOf(sarif.NewReport).Pointer()
	file, _ := runtime.FuncForPC(pc).FileLine(pc)
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(filepath.Dir(file), "schema.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		lit, ok := g.Specs[0].(*ast.ValueSpec).Values[0].(*ast.BasicLit)
		if !ok {
			continue
		}
		if text, err := strconv.Unquote(lit.Value); err == nil && strings.Contains(text, "Static Analysis Results Format (SARIF) Version 2.1.0") {
			return text
		}
	}
	t.Fatal("go-sarif holds no schema")
	return ""
}

// What the contract prints as SARIF is valid too.
func TestSARIFScripts(t *testing.T) {
	for _, name := range []string{"formats.txtar", "waiver-in-effect.txtar"} {
		b, err := os.ReadFile("../../testdata/script/" + name)
		if err != nil {
			t.Fatal(err)
		}
		_, text, ok := strings.Cut(string(b), "-- want.sarif --\n")
		if !ok {
			t.Fatalf("%s has no SARIF", name)
		}
		text, _, _ = strings.Cut(text, "\n-- ")
		for _, problem := range invalid(t, text) {
			t.Errorf("%s: %s", name, problem)
		}
	}
}
