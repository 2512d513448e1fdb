package policy

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/path/parser"
	mutationtypes "github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/types"

	"github.com/contain-platform/contain/internal/object"
)

// A panic below a policy, in a library or in ours, is that policy's violation;
// the others give theirs.
func TestPanic(t *testing.T) {
	template, err := object.New("", []byte(`{"apiVersion":"templates.gatekeeper.sh/v1","kind":"ConstraintTemplate","metadata":{"name":"a"},
		"spec":{"crd":{"spec":{"names":{"kind":"A"}}},"targets":[{"target":"admission.k8s.gatekeeper.sh","rego":"package a\nviolation[{\"msg\": \"m\"}] { true }"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	constraint, err := object.New("", []byte(`{"apiVersion":"constraints.gatekeeper.sh/v1beta1","kind":"A","metadata":{"name":"a"}}`))
	if err != nil {
		t.Fatal(err)
	}
	set, findings := Compile(Policies{Templates: []*object.Object{template}, Constraints: []*object.Object{constraint}}, Options{})
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	bad := *set.policies[0]
	broken := *bad.template
	broken.rule = "bad"
	bad.name, bad.template = "bad", &broken
	bad.judge = func() (*client.Client, error) { panic("no such thing") }
	set.policies = append(set.policies, &bad)
	vs, err := set.Review(context.Background(), []*object.Object{template}, nil)
	if err != nil || len(vs) != 2 {
		t.Fatal(vs, err)
	}
	if v := vs[1]; !v.Failed || !strings.HasPrefix(v.Message, "the policy panicked: no such thing") || v.Rule != "bad" {
		t.Errorf("%+v", v)
	}
	if v := vs[0]; v.Failed || v.Message != "m" {
		t.Errorf("%+v", v)
	}
}

// toggle is a mutator that never settles.
type toggle struct{ name string }

func (m toggle) Matches(*mutationtypes.Mutable) (bool, error) { return true, nil }

func (m toggle) Mutate(o *mutationtypes.Mutable) (bool, error) {
	labels := map[string]string{"a": "on"}
	if o.Object.GetLabels()["a"] == "on" {
		labels = map[string]string{"a": "off"}
	}
	o.Object.SetLabels(labels)
	return true, nil
}

func (m toggle) MustTerminate() bool                { return false }
func (m toggle) ID() mutationtypes.ID               { return mutationtypes.ID{Kind: "Assign", Name: m.name} }
func (m toggle) HasDiff(mutationtypes.Mutator) bool { return true }
func (m toggle) DeepCopy() mutationtypes.Mutator    { return m }
func (m toggle) Path() parser.Path                  { return parser.Path{} }
func (m toggle) String() string                     { return m.name }

// Mutators that do not settle are one violation at a mutator, however many
// objects they are about. Gatekeeper's own four kinds seem to settle always, so
// that one is made up here.
func TestMutationDoesNotSettle(t *testing.T) {
	set, findings := Compile(Policies{}, Options{})
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	read := func(text string) *object.Object {
		o, err := object.New("", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	up := read(`{"apiVersion":"mutations.gatekeeper.sh/v1","kind":"Assign","metadata":{"name":"up"}}`)
	set.mutation = &mutationWebhook{system: mutation.NewSystem(mutation.SystemOpts{}), mutators: []mutator{{toggle{"up"}, up}}}
	if err := set.mutation.system.Upsert(toggle{"up"}); err != nil {
		t.Fatal(err)
	}
	pods := []*object.Object{
		read(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b","namespace":"default"}}`),
		read(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"default"}}`),
		up, // Gatekeeper does not mutate its own
	}
	vs, err := set.Review(context.Background(), pods, pods)
	if err != nil {
		t.Fatal(err)
	}
	want := []Violation{{
		Rule: FindingMutator, Action: Deny, Failed: true, Object: up,
		Message: "mutation does not settle: Assign up changes the object again in each pass (Pod default/a and 1 more)",
	}}
	if diff := cmp.Diff(want, vs, cmp.Comparer(func(a, b *object.Object) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestRelocate(t *testing.T) {
	list := func(names ...string) map[string]any {
		var l []any
		for _, n := range names {
			l = append(l, map[string]any{"name": n})
		}
		return map[string]any{"l": l, "s": []any{"x", "y"}, "0": map[string]any{"k.z": 1.0}}
	}
	given := list("a", "b")
	for path, want := range map[string]string{
		"l[0].name":       "l", // made by a mutator
		"l[1].name":       "l[0].name",
		"l[2].absent[3]":  "l[1].absent[3]",
		"l[7]":            "l[7]",
		"s[1]":            "s[1]",
		`["0"]["k.z"]`:    `0["k.z"]`,
		"missing.deep[1]": "missing.deep[1]",
	} {
		steps, err := ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := FormatPath(given, relocate(list("new", "a", "b"), given, steps)); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
