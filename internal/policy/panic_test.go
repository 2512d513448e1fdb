package policy

import (
	"context"
	"strings"
	"testing"

	"github.com/open-policy-agent/frameworks/constraint/pkg/client"

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
