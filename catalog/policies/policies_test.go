package policies_test

import (
	"encoding/json"
	"strings"
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

// objects fills a component's #in with rules and decodes its objects.
func objects(t testing.TB, definition, rules string) map[string]map[string]any {
	t.Helper()
	v := catalog(t)
	in := cuecontext.New().CompileString(rules)
	v = v.LookupPath(cue.ParsePath(definition)).FillPath(cue.ParsePath("#in.rules"), in).LookupPath(cue.ParsePath("objects"))
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

func library(t testing.TB) ([]rule.Rule, string) {
	t.Helper()
	rules, err := rule.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	var in []string
	for _, r := range rules {
		in = append(in, `"`+r.ID+`": {}`)
	}
	return rules, "{" + strings.Join(in, ", ") + "}"
}

// The catalog's objects are those of the rule directories, byte for byte of Rego.
func TestLibrary(t *testing.T) {
	rules, all := library(t)
	templates, constraints := objects(t, "#Component", all), objects(t, "#Constraints", all)
	if len(templates) != len(rules) || len(constraints) != len(rules) {
		t.Fatalf("%d templates and %d Constraints of %d rules", len(templates), len(constraints), len(rules))
	}
	for _, r := range rules {
		if diff := cmp.Diff(plain(t, r.Template()), plain(t, templates[r.ID])); diff != "" {
			t.Errorf("%s: template (-rule +cue):\n%s", r.ID, diff)
		}
		if diff := cmp.Diff(plain(t, r.Constraint()), plain(t, constraints[r.ID])); diff != "" {
			t.Errorf("%s: Constraint (-rule +cue):\n%s", r.ID, diff)
		}
	}
}

const chosen = `{
	"images/pinned": {
		enforcement: "warn"
		parameters: deniedTags: ["edge", "main"]
		excludedNamespaces: ["kube-system", "flux-system"]
	}
	"network/service-types": parameters: allowExternalIPs: true
	"acme/no-sidecars": {
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
	templates, constraints := objects(t, "#Component", chosen), objects(t, "#Constraints", chosen)
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
		"network/service-types": map[string]any{
			"enforcementAction": "deny",
			"parameters":        map[string]any{"allowed": []any{"ClusterIP"}, "allowExternalIPs": true},
			"match":             map[string]any{"kinds": []any{map[string]any{"apiGroups": []any{""}, "kinds": []any{"Service"}}}},
		},
		"acme/no-sidecars": map[string]any{
			"enforcementAction": "deny",
			"parameters":        map[string]any{"max": 1.0},
			"match":             map[string]any{"kinds": []any{map[string]any{"apiGroups": []any{""}, "kinds": []any{"Pod"}}}},
		},
	}
	got := map[string]any{}
	for id, c := range constraints {
		got[id] = plain(t, c["spec"])
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
	rules, _ := library(t)
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
	_, all := library(b)
	for b.Loop() {
		objects(b, "#Component", all)
	}
}
