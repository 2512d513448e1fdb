package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/contain-platform/contain/internal/object"
)

// Which rules go into a program: those whose use of input is seen through. For
// each, in a program and alone, the verdicts are the same.
func TestProgram(t *testing.T) {
	const lib = "package lib.l\nlabels := input.review.object.metadata.labels\nsame(a, b) if a == b"
	for i, c := range []struct {
		rego, lib string
		in        bool
	}{
		{"violation contains {\"msg\": m} if m := input.parameters.a", "", true},
		{"violation contains {\"msg\": m} if some m in input.parameters.list", "", true},
		{"violation contains {\"msg\": m} if some m in [x | some k; k != \"a\"; some x in input.parameters[k]]", "", true},
		{"violation contains {\"msg\": \"m\"} if every x in input.parameters.list { x != \"\" }", "", true},
		{"violation contains {\"msg\": \"m\"} if not input.parameters.a", "", true},
		{"violation contains {\"msg\": \"m\"} if not input.parameters.absent", "", true},
		{"violation contains {\"msg\": \"m\"} if count(input.parameters) == 2", "", true},
		{"violation contains {\"msg\": m} if m := object.get(input, [\"parameters\", \"a\"], \"none\")", "", true},
		{"violation contains {\"msg\": m} if m := object.get(input, [\"parameters\", \"absent\"], \"none\")", "", true},
		{"violation contains {\"msg\": json.marshal(m)} if object.get(input, [\"parameters\"], {}, m)", "", true},
		{"violation contains {\"msg\": m} if m := object.get(input, [\"review\", \"name\"], \"none\")", "", true},
		{"violation contains {\"msg\": m} if m := x with input.parameters.a as \"mocked\"\nx := input.parameters.a", "", true},
		{"violation contains {\"msg\": m} if { m := $\"a {input.parameters.a}\" }", "", true},
		{"import data.lib.l\nviolation contains {\"msg\": m} if { m := input.parameters.a; l.same(l.labels.a, m) }", lib, true},
		{"violation contains {\"msg\": m} if { m := input.parameters.a; data.lib.l.same(data.lib.l.labels.a, m) }", lib, true},
		{"violation contains {\"msg\": m} if { some f in [\"parameters\"]; m := input[f].a }", "", false},
		{"violation contains {\"msg\": m} if m := object.get(input, \"parameters\", {}).a", "", false},
		{"violation contains {\"msg\": json.marshal(input)}", "", false},
		{"violation contains {\"msg\": m} if { walk(input, [p, m]); p == [\"parameters\", \"a\"] }", "", false},
		{"violation contains {\"msg\": m} if m := x with input as {\"parameters\": {\"a\": \"mocked\"}}\nx := input.parameters.a", "", false},
		{"import data.lib.l\nviolation contains {\"msg\": l.a}", "package lib.l\na := input.parameters.a", false},
		{"import data.lib\nviolation contains {\"msg\": m} if { some k; m := lib[k].a }", "package lib.l\na := \"x\"", false},
		{"violation contains {\"msg\": m} if { data.inventory; m := input.parameters.a }", "", false},
	} {
		read := func(tree map[string]any) *object.Object {
			b, err := json.Marshal(tree)
			if err != nil {
				t.Fatal(err)
			}
			o, err := object.New("", b)
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		source := map[string]any{"version": "v1", "rego": "package p\n" + c.rego}
		if c.lib != "" {
			source["libs"] = []any{c.lib}
		}
		var p Policies
		for _, kind := range []string{"A", "B"} {
			p.Templates = append(p.Templates, read(map[string]any{
				"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": map[string]any{"name": strings.ToLower(kind)},
				"spec": map[string]any{
					"crd": map[string]any{"spec": map[string]any{"names": map[string]any{"kind": kind}, "validation": map[string]any{
						"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
					}}},
					"targets": []any{map[string]any{"target": "admission.k8s.gatekeeper.sh", "code": []any{map[string]any{"engine": "Rego", "source": source}}}},
				},
			}))
			for _, name := range []string{"x", "y"} {
				p.Constraints = append(p.Constraints, read(map[string]any{
					"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": map[string]any{"name": name},
					"spec": map[string]any{"parameters": map[string]any{"a": name, "list": []any{name, kind}}},
				}))
			}
		}
		set, findings := Compile(p, Options{})
		if len(findings) > 0 {
			t.Errorf("%d: %v", i, findings)
			continue
		}
		if got := set.program != nil; got != c.in {
			t.Errorf("%d: in a program is %v, want %v", i, got, c.in)
		}
		pod := read(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "pod", "labels": map[string]any{"a": "x"}}})
		with, err := set.Review(t.Context(), []*object.Object{pod}, nil)
		if err != nil {
			t.Fatal(err)
		}
		set, _ = Compile(p, Options{})
		set.program = nil
		alone, err := set.Review(t.Context(), []*object.Object{pod}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(with) != fmt.Sprint(alone) {
			t.Errorf("%d: in the program %v, alone %v", i, with, alone)
		}
	}
}
