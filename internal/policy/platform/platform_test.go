package platform

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// write makes a rule directory demo/rule of Rego below the package line, which
// is line 13.
func write(t testing.TB, input, enforcement, rego string) []rule.Rule {
	t.Helper()
	head := fmt.Sprintf(`# METADATA
# title: Demo
# description: A rule of a test.
# custom:
#   severity: low
#   enforcement: %s
#   profile: baseline
#   input: %s
#   match: [{apiGroups: [""], kinds: [ConfigMap]}]
#   parameters: {type: object, properties: {max: {type: integer, default: 3}}}
package contain.demo.rule
`, enforcement, input)
	fsys := fstest.MapFS{
		"demo/rule/rule.rego": {Data: []byte(head + "\n" + rego)},
		"demo/rule/README.md": {Data: []byte("# demo/rule\n")},
		"lib/shared.rego":     {Data: []byte("package lib.shared\n\nbad(name) if startswith(name, \"bad\")\n")},
	}
	rules, err := rule.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func configMap(t testing.TB, name string) *object.Object {
	t.Helper()
	o, err := object.New("", fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q,"namespace":"shop"},"data":{"n":"1"}}`, name))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

const described = `{"name":"p",
	"teams":{"shop":{"groups":{"a-b":{"role":"viewer"}}}},
	"clusters":{"one":{"region":"eu","domain":"one.example"},"two":{"region":"eu","domain":"two.example"},"three":{"region":"us","domain":"three.example"}}}`

func demo(t testing.TB) Input {
	t.Helper()
	good, bad := configMap(t, "good"), configMap(t, "bad")
	other := configMap(t, "other")
	other.Kind = "Secret" // not of the rule's kinds
	return Input{Description: []byte(described), Clusters: []Cluster{
		{"one", []Unit{{"u", []*object.Object{good, bad}}}},
		{"three", []Unit{{"u", []*object.Object{good, bad, other}}}},
		{"two", []Unit{{"u", []*object.Object{good}}, {"v", []*object.Object{configMap(t, "bad")}}}},
	}}
}

func review(t testing.TB, rules []rule.Rule, in Input, opts Options) []diag.Finding {
	t.Helper()
	set, found := Compile(rules, opts)
	if len(found) > 0 {
		return found
	}
	found, err := set.Review(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestObjects(t *testing.T) {
	rules := write(t, "cluster", "warn", `import data.lib.shared

violation contains {"msg": msg, "details": {"object": o, "path": "data.n"}} if {
	some {"unit": u, "object": o} in input.objects
	shared.bad(o.metadata.name)
	msg := sprintf("%s is bad in %s, %d allowed", [o.metadata.name, u, input.parameters.max])
}
`)
	finding := func(cluster, unit string) diag.Finding {
		return diag.Finding{
			ID: "demo/rule", Severity: diag.Warning, Message: "bad is bad in " + unit + ", 3 allowed",
			Cluster: cluster, Unit: unit, Object: "ConfigMap shop/bad", Path: "data.n",
		}
	}
	want := []diag.Finding{finding("one", "u"), finding("three", "u"), finding("two", "v")}
	if diff := cmp.Diff(want, review(t, rules, demo(t), Options{})); diff != "" {
		t.Error(diff)
	}
}

func TestDescription(t *testing.T) {
	rules := write(t, "cluster", "deny", `violation contains {"msg": msg, "details": {"path": path, "also": ["platform.name"]}} if {
	some team, t in input.platform.teams
	some group, _ in t.groups
	path := sprintf("platform.teams.%s.groups[%q]", [team, group])
	msg := sprintf("%s is in %s", [group, input.cluster.region])
}
`)
	finding := func(cluster, region string) diag.Finding {
		return diag.Finding{
			ID: "demo/rule", Message: "a-b is in " + region, Cluster: cluster, Path: `platform.teams.shop.groups."a-b"`,
			Also: []string{`platform.teams.shop.groups."a-b"`, "platform.name"},
		}
	}
	want := []diag.Finding{finding("one", "eu"), finding("three", "us"), finding("two", "eu")}
	if diff := cmp.Diff(want, review(t, rules, demo(t), Options{})); diff != "" {
		t.Error(diff)
	}
}

func TestPlatform(t *testing.T) {
	rules := write(t, "platform", "dryrun", `violation contains {"msg": "far away", "details": {"cluster": name, "path": sprintf("platform.clusters.%s.region", [name])}} if {
	some name, c in input.clusters
	c.name == name
	c.region != "eu"
}
`)
	want := []diag.Finding{{
		ID: "demo/rule", Severity: diag.Info, Message: "far away", Cluster: "three", Path: "platform.clusters.three.region",
	}}
	if diff := cmp.Diff(want, review(t, rules, demo(t), Options{})); diff != "" {
		t.Error(diff)
	}
}

// Clusters that agree in all that a rule can read share one evaluation, and a
// rule is given nothing else.
func TestShared(t *testing.T) {
	for _, c := range []struct {
		name, rego string
		jobs       int
	}{
		{"parameters alone", `input.parameters.max > 3`, 1},
		{"the platform", `input.platform.name == "q"`, 1},
		{"a field that two have in common", `input.cluster.region == "q"`, 2},
		{"a field that each has", `input.cluster.domain == "q"`, 3},
		{"the name", `input.cluster.name == "q"`, 3},
		{"objects, which differ in the unit", `input.objects[0].unit == "q"`, 2},
		{"a step that is not known before", "some f in [\"region\"]\n\tinput.cluster[f] == \"q\"", 3},
		{"through a variable", "x := input.cluster\n\tx.region == \"q\"", 3},
		{"through a function", `object.get(input.cluster, "region", "") == "q"`, 3},
		{"everything", "x := input\n\tx.cluster.region == \"q\"", 3},
		{"under with", `true with input.parameters.max as 1`, 1},
	} {
		set, found := Compile(write(t, "cluster", "deny", "violation contains {\"msg\": \"m\"} if {\n\t"+c.rego+"\n}\n"), Options{})
		if len(found) > 0 {
			t.Fatal(found)
		}
		p, err := newPlan(withDefaults(demo(t)))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.rule(set.rules[0]); err != nil {
			t.Fatal(err)
		}
		if len(p.jobs) != c.jobs || len(p.questions) != 3 {
			t.Errorf("%s: %d evaluations of %d questions, want %d of 3", c.name, len(p.jobs), len(p.questions), c.jobs)
		}
	}
}

// Fields that match does not name are not given, and clusters may differ there.
func TestFields(t *testing.T) {
	rules := write(t, "cluster", "deny", `violation contains {"msg": sprintf("%v %v", [keys, n]), "details": {"object": o}} if {
	some item in input.objects
	o := item.object
	keys := sort(object.keys(o))
	n := object.get(o.data, "n", "no n")
}
`)
	rules[0].Match = []any{map[string]any{"apiGroups": []any{""}, "kinds": []any{"*"}, "fields": []any{"data.m", "spec"}}}
	in := Input{Description: []byte(described)}
	for _, n := range []string{"1", "2"} {
		o, err := object.New("", fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"n":%q,"m":"x"}}`, n))
		if err != nil {
			t.Fatal(err)
		}
		in.Clusters = append(in.Clusters, Cluster{"c" + n, []Unit{{"u", []*object.Object{o}}}})
	}
	finding := func(cluster string) diag.Finding {
		return diag.Finding{ID: "demo/rule", Message: `["apiVersion", "data", "kind", "metadata"] no n`, Cluster: cluster, Unit: "u", Object: "ConfigMap c"}
	}
	if diff := cmp.Diff([]diag.Finding{finding("c1"), finding("c2")}, review(t, rules, in, Options{})); diff != "" {
		t.Error(diff)
	}
	set, _ := Compile(rules, Options{})
	p, err := newPlan(withDefaults(in))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.rule(set.rules[0]); err != nil || len(p.jobs) != 1 {
		t.Errorf("%d evaluations, %v", len(p.jobs), err)
	}
	rules[0].Match = []any{map[string]any{"fields": []any{"data."}}}
	want := []diag.Finding{at(pos(1, 1), "policy/rego", `custom.match names "data.", which is no path of a field`)}
	if diff := cmp.Diff(want, review(t, rules, in, Options{})); diff != "" {
		t.Error(diff)
	}
}

func TestParameters(t *testing.T) {
	rules := write(t, "cluster", "deny", `violation contains {"msg": sprintf("%v", [input.parameters])}
`)
	in := demo(t)
	in.Parameters = func(r rule.Rule, cluster string) (map[string]any, bool) {
		return map[string]any{"max": len(cluster)}, cluster != "two"
	}
	want := []diag.Finding{
		{ID: "demo/rule", Message: `{"max": 3}`, Cluster: "one", Path: "platform"},
		{ID: "demo/rule", Message: `{"max": 5}`, Cluster: "three", Path: "platform"},
	}
	if diff := cmp.Diff(want, review(t, rules, in, Options{})); diff != "" {
		t.Error(diff)
	}
}

// Whatever is wrong with a rule is an error at its Rego.
func TestBroken(t *testing.T) {
	for _, c := range []struct {
		name, input, rego string
		want              diag.Finding
	}{
		{"type", "cluster", "violation contains {\"msg\": 1 + \"a\"}\n", at(pos(13, 28), "policy/rego", "plus: invalid argument(s)")},
		{"no violation", "cluster", "deny contains \"m\"\n", at(pos(11, 1), "policy/rego", "there is no rule named violation")},
		{"network", "cluster", "violation contains {\"msg\": \"m\"} if http.send({\"url\": \"http://localhost\"})\n", at(pos(13, 36), "policy/builtin", "built-in http.send is not allowed: it reaches the network")},
		{"clock", "cluster", "violation contains {\"msg\": sprintf(\"%d\", [time.now_ns()])}\n", at(pos(13, 43), "policy/builtin", "built-in time.now_ns is not allowed: its result differs from run to run")},
		{"network in disguise", "cluster", "f(x) := x\n\nviolation contains {\"msg\": \"m\"} if f(1) with f as http.send\n", at(pos(15, 51), "policy/builtin", "built-in http.send is not allowed: it reaches the network")},
		{"unknown input", "cluster", "violation contains {\"msg\": \"m\"} if input.objcets\n", at(pos(13, 36), "policy/rego", "input.objcets is not there: a rule over the cluster is given input.cluster, input.objects, input.parameters, input.platform")},
		{"objects of the platform", "platform", "violation contains {\"msg\": \"m\"} if input.objects\n", at(pos(13, 36), "policy/rego", "input.objects is not there: a rule over the platform is given input.clusters, input.parameters, input.platform")},
		{"unknown data", "cluster", "violation contains {\"msg\": \"m\"} if data.inventory.cluster\n", at(pos(13, 36), "policy/rego", "data.inventory.cluster is not there: a rule reads input, its own package and data.lib")},
		{"no set", "cluster", "violation := {\"msg\": \"m\"}\n", at(pos(13, 1), "policy/rego", "demo/rule gave no set of violations")},
		{"no message", "cluster", "violation contains {\"details\": {}}\n", at(pos(13, 1), "policy/rego", "demo/rule gave a malformed violation: msg is no text")},
		{"no such object", "cluster", "violation contains {\"msg\": \"m\", \"details\": {\"object\": {\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"x\"}}}}\n", at(pos(13, 1), "policy/rego", "demo/rule gave a malformed violation: details.object ConfigMap x is not in the input")},
		{"no such path", "cluster", "violation contains {\"msg\": \"m\", \"details\": {\"path\": \"spec.x\"}}\n", at(pos(13, 1), "policy/rego", `demo/rule gave a malformed violation: details.path "spec.x" is no path of the platform`)},
		{"path of a wrong form", "cluster", "violation contains {\"msg\": \"m\", \"details\": {\"path\": 3}}\n", at(pos(13, 1), "policy/rego", "demo/rule gave a malformed violation: details.path is no text")},
		{"unit alone", "cluster", "violation contains {\"msg\": \"m\", \"details\": {\"unit\": \"u\"}}\n", at(pos(13, 1), "policy/rego", "demo/rule gave a malformed violation: details.unit is for violations of an object")},
		{"another cluster", "cluster", "violation contains {\"msg\": \"m\", \"details\": {\"cluster\": \"u\"}}\n", at(pos(13, 1), "policy/rego", "demo/rule gave a malformed violation: details.cluster is for rules over the platform")},
		{"a built-in that fails", "cluster", "violation contains {\"msg\": \"m\"} if to_number(input.platform.name) > 1\n", at(pos(13, 36), "policy/rego", "demo/rule failed: to_number: strconv.ParseFloat: parsing \"p\": invalid syntax")},
		{"two values", "cluster", "f(_) := 1\n\nf(_) := 2\n\nviolation contains {\"msg\": \"m\"} if f(input.platform.name)\n", at(pos(15, 1), "policy/rego", "demo/rule failed: function data.contain.demo.rule.f produced conflicting values for the same inputs: 1 at policies/demo/rule/rule.rego:13 2 at policies/demo/rule/rule.rego:15")},
		{"loop", "cluster", "violation contains {\"msg\": \"m\"} if {\n\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\ta * b == -1\n}\n", at(pos(13, 1), "policy/rego", "demo/rule did not end within 50ms")},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := review(t, write(t, c.input, "dryrun", c.rego), demo(t), Options{Budget: 50 * time.Millisecond})
			for i := range got { // the same on each cluster: one finding
				got[i].Cluster, got[i].Clusters = "", nil
			}
			want := []diag.Finding{c.want}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func pos(line, column int) diag.Position {
	return diag.Position{File: "policies/demo/rule/rule.rego", Line: line, Column: column}
}

// What rule.Load lets through, since it does not compile.
func TestSyntax(t *testing.T) {
	rules := write(t, "cluster", "deny", "violation contains {\"msg\": \"m\"}\n")
	rules[0].Module.Rego += "other := )\n"
	want := []diag.Finding{at(pos(14, 10), "policy/rego", "unexpected ) token: expected rule value term (e.g., other := <VALUE> { ... })")}
	_, got := Compile(rules, Options{})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A rule that is wrong takes no other along.
func TestSoundBesideBroken(t *testing.T) {
	sound := write(t, "cluster", "deny", "violation contains {\"msg\": \"m\"}\n")
	broken := write(t, "cluster", "deny", "violation contains {\"msg\": http.send({})}\n")
	set, found := Compile(append(sound, broken...), Options{})
	if len(found) != 1 || len(set.rules) != 1 {
		t.Errorf("%d rules, %v", len(set.rules), found)
	}
}

func TestNoJSON(t *testing.T) {
	set, _ := Compile(write(t, "cluster", "deny", "violation contains {\"msg\": \"m\"}\n"), Options{})
	_, err := set.Review(context.Background(), Input{Description: []byte("{")})
	if err == nil || !strings.HasPrefix(err.Error(), "the platform's description: ") {
		t.Error(err)
	}
}
