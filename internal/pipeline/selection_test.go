package pipeline_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/internal/policy/selection"
	"github.com/contain-platform/contain/policies"
)

// Rules over an object are selected in CUE, the others in Go. Both come to the
// same: every Constraint of every cluster is held against what Go would make of
// its rule, before and after the day from which rules deny.
func TestSelectionAgrees(t *testing.T) {
	const dir = "internal/pipeline/testdata/platforms/policies"
	library, err := rule.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, date := range []string{"", "2026-11-21", "2027-01-01"} {
		t.Run("date "+date, func(t *testing.T) {
			r, err := pipeline.Run(context.Background(), pipeline.Input{FS: module(t, dir), Dir: dir, Date: date}, pipeline.Render)
			if err != nil || r.Failed() {
				t.Fatal(err, r.Findings)
			}
			seen := map[string]int{}
			for _, c := range r.Clusters {
				emitted := map[string][]*object.Object{}
				for _, u := range c.Units {
					for _, o := range u.Objects {
						if u.Name == "policies-constraints" {
							id := o.Annotations()[rule.Annotation]
							emitted[id] = append(emitted[id], o)
						}
					}
				}
				for _, of := range rule.OverObjects(library) {
					e := selection.Of(r.Platform, c.Name, of)
					seen[e.Enforcement]++
					if e.On() != (len(emitted[of.ID]) > 0) {
						t.Errorf("%s in %s comes to %s, and there are %d Constraints", of.ID, c.Name, e.Enforcement, len(emitted[of.ID]))
					}
					for _, o := range emitted[of.ID] {
						spec := o.Tree()["spec"].(map[string]any)
						if got := spec["enforcementAction"]; got != e.Enforcement {
							t.Errorf("%s in %s: CUE says %v, Go %s", of.ID, c.Name, got, e.Enforcement)
						}
						match := spec["match"].(map[string]any)
						excluded, _ := match["excludedNamespaces"].([]any)
						for _, ns := range e.Except {
							if match["namespaces"] == nil && !slices.Contains(excluded, any(ns)) {
								t.Errorf("%s in %s leaves out %s in Go alone", of.ID, c.Name, ns)
							}
						}
						if diff := cmp.Diff(plain(t, spec["parameters"]), plain(t, e.Parameters)); diff != "" {
							t.Errorf("%s in %s, -CUE +Go:\n%s", of.ID, c.Name, diff)
						}
					}
				}
			}
			for _, e := range []string{selection.Deny, selection.Warn, selection.Off} {
				if seen[e] == 0 {
					t.Errorf("no rule comes to %s: the platform shows nothing", e)
				}
			}
		})
	}
}

func plain(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
