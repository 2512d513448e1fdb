package gen_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"cuelang.org/go/cue/format"

	"github.com/contain-platform/contain/internal/policy/gen"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/policies"
)

// The generated file must be what the rules make of it; CONTAIN_UPDATE=1
// rewrites it.
func TestFresh(t *testing.T) {
	rules, err := rule.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	want, err := gen.CUE(rules)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "..", "catalog", "policies", "rules_gen.cue")
	if os.Getenv("CONTAIN_UPDATE") != "" {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: run CONTAIN_UPDATE=1 go test ./internal/policy/gen", filepath.Base(file))
	}
	formatted, err := format.Source(got)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, formatted) {
		t.Error("the generated file is not as cue fmt would write it")
	}
}

// What a schema says and CUE would not is refused, not dropped.
func TestUnknownSchema(t *testing.T) {
	for keyword, property := range map[string]map[string]any{
		"maxItems":  {"type": "array", "maxItems": 3, "items": map[string]any{"type": "string"}},
		"items":     {"type": "array"},
		"type":      {"type": "null"},
		"minLength": {"type": "string", "minLength": 3},
		"enum":      {"type": "string", "enum": []any{1}},
	} {
		r := rule.Rule{Input: rule.Object, ID: "a/b", Parameters: map[string]any{"type": "object", "properties": map[string]any{"x": property}}}
		if _, err := gen.CUE([]rule.Rule{r}); err == nil {
			t.Errorf("%s: no error", keyword)
		}
	}
}

// Everything that a schema can say comes out as the CUE that says it.
func TestSchema(t *testing.T) {
	r := rule.Rule{Input: rule.Object, ID: "a/b", Title: "T", Description: "D.", Parameters: map[string]any{
		"type":     "object",
		"required": []any{"re"},
		"properties": map[string]any{
			"n":    map[string]any{"type": "integer", "minimum": 1, "maximum": 9, "default": 2},
			"f":    map[string]any{"type": "number", "default": 0.5},
			"re":   map[string]any{"type": "string", "pattern": "^a+$"},
			"one":  map[string]any{"type": "string", "enum": []any{"a", "b"}},
			"on":   map[string]any{"type": "boolean", "description": "Turns it on."},
			"list": map[string]any{"type": "array", "items": map[string]any{"type": "object", "properties": map[string]any{"s": map[string]any{"type": "string", "minLength": 1}}}},
		},
	}}
	b, err := gen.CUE([]rule.Rule{r})
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := bytes.Cut(b, []byte("#Parameters: "))
	got, _, _ = bytes.Cut(got, []byte("\t}\n}\n"))
	want := `{
			f?: number
			list?: [...{
				s?: string & !=""
			}]
			n?: int & >=1 & <=9
			// Turns it on.
			on?:  bool
			one?: "a" | "b" | error("must be one of a, b")
			re?:  =~"^a+$"
		}
`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// The kinds that a referential rule looks at stand apart from the rules.
func TestSync(t *testing.T) {
	r := rule.Rule{
		Input: rule.Object, ID: "a/b", Title: "T", Description: "D.", Parameters: map[string]any{"type": "object"},
		Sync: []rule.Kind{{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}},
	}
	b, err := gen.CUE([]rule.Rule{r})
	if err != nil {
		t.Fatal(err)
	}
	want := `syncs: {
	"a/b": [{
		group:   "networking.k8s.io"
		kind:    "Ingress"
		version: "v1"
	}]
}
`
	if !bytes.Contains(b, []byte(want)) {
		t.Errorf("no %s in\n%s", want, b)
	}
}
