package policy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/policy"
)

// locator finds the blocks of Rego in a YAML file: the nth block is module n.
func locator(file, text string) func(string, int) (diag.Position, bool) {
	var starts []int
	for i, l := range strings.Split(text, "\n") {
		if l := strings.TrimSpace(l); strings.HasSuffix(l, "|") {
			starts = append(starts, i+2)
		}
	}
	return func(_ string, module int) (diag.Position, bool) {
		if module >= len(starts) {
			return diag.Position{}, false
		}
		return diag.Position{File: file, Line: starts[module], Column: 11}, true
	}
}

// Each broken policy gives its findings, at the place in the user's file.
// CONTAIN_UPDATE=1 rewrites the goldens.
func TestBroken(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no broken policies", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, findings := policy.Compile(policy.Select(fromYAML(t, string(b))), policy.Options{
				Locate: locator(filepath.Base(file), string(b)),
			})
			if !diag.HasErrors(findings) {
				t.Error("no error")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", findings)
		})
	}
}

// Without a file of the user's, the message itself says where in the Rego.
func TestBrokenWithoutFile(t *testing.T) {
	b, err := os.ReadFile("testdata/broken/library.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, findings := policy.Compile(policy.Select(fromYAML(t, string(b))), policy.Options{})
	want := []diag.Finding{{
		ID:      policy.FindingRego,
		Message: "var missing is unsafe (line 3, column 11 of the Rego)",
		Object:  "ConstraintTemplate broken",
		Path:    "spec.targets[0].code[0].source.libs[0]",
	}}
	if diff := cmp.Diff(want, findings); diff != "" {
		t.Error(diff)
	}
}

func golden(t *testing.T, file string, findings []diag.Finding) {
	t.Helper()
	got, err := json.MarshalIndent(findings, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if os.Getenv("CONTAIN_UPDATE") != "" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
