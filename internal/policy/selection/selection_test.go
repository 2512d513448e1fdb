package selection_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/internal/policy/selection"
)

// demo is a rule that each profile from restricted on has, stricter in the last.
var demo = rule.Rule{
	ID: "demo/rule", Enforcement: "warn", Profile: "restricted", Input: rule.Cluster,
	Stricter: map[string]rule.Refinement{"regulated": {Enforcement: "deny", Parameters: map[string]any{"max": 1}}},
	Parameters: map[string]any{"type": "object", "properties": map[string]any{
		"max": map[string]any{"default": 3}, "min": map[string]any{"default": 0},
	}},
}

func platform(t *testing.T, text string) *model.Platform {
	t.Helper()
	p := &model.Platform{}
	if err := json.Unmarshal([]byte(text), p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOf(t *testing.T) {
	defaults := map[string]any{"max": 3, "min": 0}
	for _, c := range []struct {
		name, platform string
		want           selection.Effective
	}{
		{"the default profile has it", `{"clusters": {"c": {}}}`,
			selection.Effective{Enforcement: "warn", Parameters: defaults}},
		{"a lesser profile has not", `{"policies": {"profile": "baseline"}, "clusters": {"c": {}}}`,
			selection.Effective{Enforcement: "off", Parameters: defaults}},
		{"what is said beats the profile", `{"policies": {"profile": "baseline", "rules": {"demo/rule": {"enforcement": "dryrun"}}}, "clusters": {"c": {}}}`,
			selection.Effective{Enforcement: "dryrun", Parameters: defaults}},
		{"the cluster's profile, stricter", `{"policies": {"profile": "baseline"}, "clusters": {"c": {"policies": {"profile": "regulated"}}}}`,
			selection.Effective{Enforcement: "deny", Parameters: map[string]any{"max": 1, "min": 0}}},
		{"the environment between the two", `{
			"policies":     {"rules": {"demo/rule": {"enforcement": "deny", "parameters": {"max": 7, "deep": {"a": 1}}}}},
			"environments": {"prod": {"policies": {"rules": {"demo/rule": {"enforcement": "warn", "parameters": {"min": 2, "deep": {"b": 2}}}}}}},
			"clusters":     {"c": {"environment": "prod", "policies": {"rules": {"demo/rule": {"parameters": {"min": 4}}}}}}}`,
			selection.Effective{Enforcement: "warn", Parameters: map[string]any{"max": 7.0, "min": 4.0, "deep": map[string]any{"a": 1.0, "b": 2.0}}}},
		{"before denyFrom", `{"policies": {"profile": "baseline", "date": "2026-12-31", "rules": {"demo/rule": {"denyFrom": "2027-01-01"}}}, "clusters": {"c": {}}}`,
			selection.Effective{Enforcement: "warn", Parameters: defaults}},
		{"before denyFrom as given", `{"policies": {"date": "2026-12-31", "rules": {"demo/rule": {"enforcement": "dryrun", "denyFrom": "2027-01-01"}}}, "clusters": {"c": {}}}`,
			selection.Effective{Enforcement: "dryrun", Parameters: defaults}},
		{"from denyFrom on", `{"policies": {"date": "2027-01-01", "rules": {"demo/rule": {"enforcement": "dryrun", "denyFrom": "2027-01-01"}}}, "clusters": {"c": {}}}`,
			selection.Effective{Enforcement: "deny", Parameters: defaults}},
		{"off stays off", `{"policies": {"date": "2027-01-01", "rules": {"demo/rule": {"enforcement": "off", "denyFrom": "2027-01-01"}}}, "clusters": {"c": {}}}`,
			selection.Effective{Enforcement: "off", Parameters: defaults}},
		{"exceptions", `{"policies": {"rules": {"demo/rule": {"except": {"namespaces": ["z", "b"], "teams": ["t"]}}}}, "teams": {"t": {"namespaces": {"a": {}, "b": {}}}}, "clusters": {"c": {}}}`,
			selection.Effective{Enforcement: "warn", Parameters: defaults, Except: []string{"a", "b", "z"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, selection.Of(platform(t, c.platform), "c", demo)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A fixed rule is what its directory says, whatever the platform does.
func TestOfFixed(t *testing.T) {
	fixed := demo
	fixed.Fixed = true
	p := platform(t, `{"policies": {"profile": "baseline", "rules": {"demo/rule": {"enforcement": "off"}}}, "clusters": {"c": {}}}`)
	if got := selection.Of(p, "c", fixed).Enforcement; got != "warn" {
		t.Errorf("enforcement is %q", got)
	}
}

func TestLevel(t *testing.T) {
	fixed, object := demo, demo
	fixed.ID, fixed.Fixed, object.ID, object.Input = "demo/fixed", true, "demo/object", rule.Object
	p := platform(t, `{
		"policies": {"rules": {"demo/rule": {"except": {"namespaces": ["left-out"]}}, "demo/fixed": {"enforcement": "off"}, "demo/object": {"enforcement": "off"}}},
		"clusters": {"a": {}, "b": {"policies": {"rules": {"demo/rule": {"enforcement": "off"}}}}, "c": {"policies": {"rules": {"demo/rule": {"enforcement": "deny"}}}}}}`)
	s := selection.NewSelector(p, []rule.Rule{demo, fixed, object})
	in := []diag.Finding{
		{ID: "demo/rule", Message: "platform"},
		{ID: "demo/rule", Cluster: "a"},
		{ID: "demo/rule", Cluster: "a", Object: "left-out"},
		{ID: "demo/rule", Cluster: "b"},
		{ID: "demo/rule", Cluster: "c", Severity: diag.Warning},
		{ID: "demo/rule", Cluster: "c", Severity: diag.Info},
		{ID: "demo/fixed", Cluster: "a"},
		{ID: "demo/object", Cluster: "a"},
		{ID: "other/thing", Cluster: "a"},
	}
	want := []diag.Finding{
		{ID: "demo/rule", Message: "platform", Severity: diag.Warning},
		{ID: "demo/rule", Cluster: "a", Severity: diag.Warning},
		{ID: "demo/rule", Cluster: "c"},
		{ID: "demo/rule", Cluster: "c", Severity: diag.Info},
		{ID: "demo/fixed", Cluster: "a"},
		{ID: "demo/object", Cluster: "a"},
		{ID: "other/thing", Cluster: "a"},
	}
	got := s.Level(in, func(f diag.Finding) string { return f.Object })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
