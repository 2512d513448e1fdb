package ruletest_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/policy/ruletest"
)

const wholeRule = `# METADATA
# title: Few
# description: There are few ConfigMaps.
# custom:
#   severity: low
#   enforcement: warn
#   profile: baseline
#   input: cluster
#   match: [{apiGroups: [""], kinds: [ConfigMap]}]
package contain.demo.few

violation contains {"msg": sprintf("%d are too many", [n])} if {
	n := count(input.objects)
	n > input.platform.max
}
`

func runWhole(t *testing.T, files map[string]string) ([]ruletest.Rule, []diag.Finding) {
	t.Helper()
	fsys := fstest.MapFS{"rules/demo/few/README.md": {Data: []byte("# demo/few\n")}, "rules/demo/few/rule.rego": {Data: []byte(wholeRule)}}
	for name, text := range files {
		fsys["rules/demo/few/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	rules, found, err := ruletest.Run(context.Background(), fsys, "rules", func(f string) string { return f })
	if err != nil {
		t.Fatal(err)
	}
	return rules, found
}

// Samples of a rule over a cluster are inputs.
func TestWholeSamples(t *testing.T) {
	const one = "objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}]\nplatform: "
	rules, found := runWhole(t, map[string]string{
		"samples/allowed.yaml": one + "{max: 1}\n---\n" + one + "{max: 0}\n",
		"samples/denied.yaml":  "# few\n" + one + "{max: 0}\n---\n" + one + "{max: 1}\n",
	})
	at := func(file string, line int) diag.Position {
		return diag.Position{File: "rules/demo/few/samples/" + file, Line: line, Column: 1}
	}
	want := []ruletest.Rule{{ID: "demo/few", Dir: "rules/demo/few", Samples: []ruletest.Result{
		{Name: "allowed:1", Status: ruletest.Pass, Position: at("allowed.yaml", 1)},
		{Name: "allowed:4", Status: ruletest.Fail, Message: "it should pass, and is refused: 1 are too many", Position: at("allowed.yaml", 4)},
		{Name: "denied:2", Status: ruletest.Pass, Position: at("denied.yaml", 2)},
		{Name: "denied:5", Status: ruletest.Fail, Message: "it should be refused, and passes", Position: at("denied.yaml", 5)},
	}}}
	if diff := cmp.Diff(want, rules); diff != "" || len(found) > 0 {
		t.Error(found, diff)
	}
}

// What is wrong with a sample, or with the rule, is said at its place.
func TestWholeSampleErrors(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"samples/allowed.yaml", "{}\n---\nobjects: [{kind: Pod}]\n", "rules/demo/few/samples/allowed.yaml:3 not the YAML of an input: objects[0]: object has no apiVersion"},
		{"samples/allowed.yaml", "- 1\n", "rules/demo/few/samples/allowed.yaml:1 not the YAML of an input: a mapping is wanted"},
		{"rule.rego", wholeRule + "\nviolation contains {\"msg\": input.nothing}\n", "rules/demo/few/rule.rego:17:28 input.nothing is not there: a rule over the cluster is given input.cluster, input.objects, input.parameters, input.platform"},
	} {
		_, found := runWhole(t, map[string]string{c.file: c.text})
		if len(found) != 1 || len(found[0].Positions) != 1 {
			t.Errorf("%v", found)
			continue
		}
		if got := found[0].Positions[0].String() + " " + found[0].Message; got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}
