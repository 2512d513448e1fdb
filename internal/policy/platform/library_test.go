package platform

import (
	"context"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/policies"
)

// library are the rules of policies/ that are asked here.
func library(t testing.TB) []rule.Rule {
	t.Helper()
	all, err := rule.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	var out []rule.Rule
	for _, r := range all {
		if r.Input != rule.Object && r.Module.Rego != "" {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		t.Fatal("no rules")
	}
	return out
}

// Each sample of each rule is judged by that rule: what is allowed has no
// findings, what is denied has some.
func TestSamples(t *testing.T) {
	for _, r := range library(t) {
		set, found := Compile([]rule.Rule{r}, Options{})
		if len(found) > 0 {
			t.Fatal(found)
		}
		files, err := fs.Glob(policies.FS, path.Join(r.ID, "samples", "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s has no samples (%v)", r.ID, err)
		}
		for _, f := range files {
			b, err := fs.ReadFile(policies.FS, f)
			if err != nil {
				t.Fatal(err)
			}
			inputs, err := Samples(b)
			if err != nil || len(inputs) == 0 {
				t.Errorf("%s: %d samples, %v", f, len(inputs), err)
			}
			denied := strings.HasPrefix(path.Base(f), "denied")
			for i, in := range inputs {
				judgeSample(t, set, in, denied, f, i)
			}
		}
	}
}

func judgeSample(t *testing.T, set *Set, in Input, denied bool, file string, i int) {
	t.Helper()
	found, err := set.Review(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	var own []diag.Finding
	for _, f := range found {
		if f.ID != set.rules[0].rule.ID {
			t.Errorf("%s, sample %d: %+v", file, i, f)
			continue
		}
		own = append(own, f)
	}
	if denied != (len(own) > 0) {
		t.Errorf("%s, sample %d: %+v", file, i, own)
	}
}

// Samples say what is wrong with them.
func TestSampleErrors(t *testing.T) {
	for text, want := range map[string]string{
		"platform: 3":                      "sample 0: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal number into Go struct field .platform of type map[string]json.RawMessage",
		"objects: [{kind: Pod}]":           "sample 0: objects[0]: object has no apiVersion",
		"{}\n---\nplatform: {clusters: 3}": "sample 1: platform.clusters: json: cannot unmarshal number into Go value of type map[string]json.RawMessage",
	} {
		_, err := Samples([]byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}
