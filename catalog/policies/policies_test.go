package policies_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/load"
	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/policies"
)

func catalog(t testing.TB) cue.Value {
	t.Helper()
	inst := load.Instances([]string{"."}, &load.Config{})[0]
	if inst.Err != nil {
		t.Fatal(errors.Details(inst.Err, nil))
	}
	v := cuecontext.New().BuildInstance(inst)
	if err := v.Err(); err != nil {
		t.Fatal(errors.Details(err, nil))
	}
	return v
}

// objects fills a component's #in and decodes its objects.
func objects(t testing.TB, definition, in string) map[string]map[string]any {
	t.Helper()
	v := catalog(t)
	v = v.LookupPath(cue.ParsePath(definition)).FillPath(cue.ParsePath("#in"), cuecontext.New().CompileString(in)).LookupPath(cue.ParsePath("objects"))
	out := map[string]map[string]any{}
	if err := v.Decode(&out); err != nil {
		t.Fatal(errors.Details(err, nil))
	}
	return out
}

// plain takes data through JSON, so that numbers and lists compare.
func plain(t testing.TB, v any) any {
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

func library(t testing.TB) []rule.Rule {
	t.Helper()
	rules, err := rule.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	return rule.OverObjects(rules)
}

// everything turns every rule on; no profile has more than the strictest.
const everything = `{profile: "regulated", rules: {}}`

// A profile has the templates of its rules as the directories say, byte for
// byte of Rego, and Constraints with its refinements of them.
func TestProfiles(t *testing.T) {
	rules := library(t)
	for i, profile := range rule.Profiles() {
		in := `{profile: "` + profile + `", rules: {}}`
		templates, constraints := objects(t, "#Component", in), objects(t, "#Constraints", in)
		count := 0
		for _, r := range rules {
			if slices.Index(rule.Profiles(), r.Profile) > i {
				continue
			}
			count++
			if diff := cmp.Diff(plain(t, r.Template()), plain(t, templates[r.ID])); diff != "" {
				t.Errorf("%s: %s: template (-rule +cue):\n%s", profile, r.ID, diff)
			}
			if diff := cmp.Diff(plain(t, refined(r, i)), plain(t, constraints[r.ID])); diff != "" {
				t.Errorf("%s: %s: Constraint (-rule +cue):\n%s", profile, r.ID, diff)
			}
		}
		if len(templates) != count || len(constraints) != count {
			t.Errorf("%s: %d templates and %d Constraints of %d rules", profile, len(templates), len(constraints), count)
		}
	}
}

// refined is a rule's Constraint under the i-th profile.
func refined(r rule.Rule, i int) map[string]any {
	c := r.Constraint()
	spec := c["spec"].(map[string]any)
	for ; i >= 0; i-- {
		s, ok := r.Stricter[rule.Profiles()[i]]
		if !ok {
			continue
		}
		maps.Copy(spec["parameters"].(map[string]any), s.Parameters)
		if s.Enforcement != "" {
			spec["enforcementAction"] = s.Enforcement
		}
		break
	}
	return c
}

// What is said about single rules beats the profile.
func TestOnAndOff(t *testing.T) {
	rules := library(t)
	early, late := "", ""
	for _, r := range rules {
		switch {
		case r.Profile == "baseline":
			early = r.ID
		case r.Profile != "baseline":
			late = r.ID
		}
	}
	in := fmt.Sprintf(`{profile: "baseline", rules: {%q: {on: false}, %q: {on: true, enforcement: "dryrun"}}}`, early, late)
	for _, definition := range []string{"#Component", "#Constraints"} {
		got := objects(t, definition, in)
		if got[early] != nil || got[late] == nil {
			t.Errorf("%s: %s is there: %v; %s: %v", definition, early, got[early] != nil, late, got[late] != nil)
		}
	}
	// Parameters alone turn nothing on.
	in = fmt.Sprintf(`{profile: "baseline", rules: {%q: {parameters: {}}}}`, late)
	for _, definition := range []string{"#Component", "#Constraints"} {
		if got := objects(t, definition, in); got[late] != nil {
			t.Errorf("%s: %s is there", definition, late)
		}
	}
}

// chosen is what is said of single rules, beside the profile's.
const chosen = `{
	"images/pinned": {
		on: true
		enforcement: "warn"
		parameters: deniedTags: ["edge", "main"]
		excludedNamespaces: ["flux-system"]
	}
	"flux/pinned": {on: true, parameters: allowBranches: false}
	"acme/no-sidecars": {
		on: true
		parameters: max: 1
		template: {
			kind: "AcmeNoSidecars"
			kinds: [{apiGroups: [""], kinds: ["Pod"]}]
			schema: properties: max: {type: "integer", minimum: 1}
			libs: ["package lib.acme\n\nsize(l) := count(l)\n"]
			rego: """
				package acme.no_sidecars

				import data.lib.acme

				violation contains {"msg": "too many containers", "details": {"path": "spec.containers"}} if {
					acme.size(input.review.object.spec.containers) > input.parameters.max
				}

				"""
		}
	}
}`

// What a platform chooses replaces a rule's defaults, one parameter at a time;
// its own rules take the same form, and Gatekeeper accepts all of it.
func TestChosen(t *testing.T) {
	templates := objects(t, "#Component", `{profile: "baseline", rules: `+chosen+`}`)
	constraints := objects(t, "#Constraints", `{profile: "baseline", excludedNamespaces: ["kube-system"], rules: `+chosen+`}`)
	want := map[string]any{
		"images/pinned": map[string]any{
			"enforcementAction": "warn",
			"parameters":        map[string]any{"deniedTags": []any{"edge", "main"}, "requireDigest": false},
			"match": map[string]any{
				"excludedNamespaces": []any{"kube-system", "flux-system"},
				"kinds": []any{
					map[string]any{"apiGroups": []any{""}, "kinds": []any{"Pod", "ReplicationController"}},
					map[string]any{"apiGroups": []any{"apps"}, "kinds": []any{"DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"}},
					map[string]any{"apiGroups": []any{"batch"}, "kinds": []any{"CronJob", "Job"}},
				},
			},
		},
		"flux/pinned": map[string]any{
			"enforcementAction": "deny",
			"parameters": map[string]any{
				"allowBranches": false, "allowTeams": "all",
				"deniedTags": []any{"dev", "edge", "latest", "main", "master", "stable"},
			},
			"match": map[string]any{
				"excludedNamespaces": []any{"kube-system"},
				"kinds": []any{
					map[string]any{"apiGroups": []any{"helm.toolkit.fluxcd.io"}, "kinds": []any{"HelmRelease"}},
					map[string]any{"apiGroups": []any{"source.toolkit.fluxcd.io"}, "kinds": []any{"GitRepository", "HelmChart", "OCIRepository"}},
				},
			},
		},
		"acme/no-sidecars": map[string]any{
			"enforcementAction": "deny",
			"parameters":        map[string]any{"max": 1.0},
			"match": map[string]any{
				"excludedNamespaces": []any{"kube-system"},
				"kinds":              []any{map[string]any{"apiGroups": []any{""}, "kinds": []any{"Pod"}}},
			},
		},
	}
	got := map[string]any{}
	for id := range want {
		got[id] = plain(t, constraints[id]["spec"])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	set, findings := policy.Compile(policy.Policies{Templates: toObjects(t, templates), Constraints: toObjects(t, constraints)}, policy.Options{})
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	pod, err := object.New("", []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop"},
		"spec":{"containers":[{"name":"a","image":"a.example/b:edge"},{"name":"c","image":"a.example/b:latest"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	vs, err := set.Review(t.Context(), []*object.Object{pod}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range vs {
		if !slices.Contains(slices.Collect(maps.Keys(want)), v.Rule) {
			continue
		}
		lines = append(lines, v.Rule+" "+v.Action+" "+v.Path+": "+v.Message)
	}
	wantLines := []string{
		"acme/no-sidecars deny spec.containers: too many containers",
		`images/pinned warn spec.containers[0].image: image "a.example/b:edge" of container "a": tag "edge" is not allowed`,
	}
	if diff := cmp.Diff(wantLines, lines); diff != "" {
		t.Error(diff)
	}
}

func toObjects(t testing.TB, m map[string]map[string]any) []*object.Object {
	t.Helper()
	var out []*object.Object
	for id, tree := range m {
		b, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		o, err := object.New(id, b)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

// The schema of parameters in CUE accepts the defaults and refuses what
// admission refuses.
func TestParameters(t *testing.T) {
	rules := library(t)
	v := catalog(t)
	schema := func(id string) cue.Value {
		return v.LookupPath(cue.MakePath(cue.Str("rules"), cue.Str(id), cue.Def("Parameters")))
	}
	for _, r := range rules {
		b, err := json.Marshal(r.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		if err := schema(r.ID).Unify(cuecontext.New().CompileBytes(b)).Validate(cue.Concrete(true)); err != nil {
			t.Errorf("%s: %s", r.ID, errors.Details(err, nil))
		}
	}
	for id, bad := range map[string]string{
		"images/pinned":             `{requireDigests: true}`,
		"images/allowed-registries": `{registries: [""]}`,
		"resources/limits":          `{limits: ["gpu"]}`,
		"metadata/required-labels":  `{labels: [{allowedRegex: "x"}]}`,
		"network/service-types":     `{allowed: "ClusterIP"}`,
	} {
		if err := schema(id).Unify(cuecontext.New().CompileString(bad)).Validate(cue.Concrete(true)); err == nil {
			t.Errorf("%s: %s passes", id, bad)
		}
	}
}

func BenchmarkTemplates(b *testing.B) {
	for b.Loop() {
		objects(b, "#Component", everything)
	}
}
