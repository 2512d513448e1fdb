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
