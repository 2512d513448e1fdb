package ruletest_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/policy/ruletest"
)

func run(t *testing.T, dir string) []ruletest.Rule {
	t.Helper()
	rules, found, err := ruletest.Run(context.Background(), os.DirFS("testdata"), dir, func(f string) string { return f })
	if err != nil || len(found) > 0 {
		t.Fatal(found, err)
	}
	return rules
}

// What fails says where, and what each side of an equation has that the other
// has not.
func TestRun(t *testing.T) {
	const file = "rules/demo/names/rule_test.rego"
	sample := func(file string, line int) diag.Position {
		return diag.Position{File: "rules/demo/names/samples/" + file, Line: line, Column: 1}
	}
	at := func(line, column int) diag.Position { return diag.Position{File: file, Line: line, Column: column} }
	want := []ruletest.Rule{
		{ID: "demo/bare", Dir: "rules/demo/bare"},
		{
			ID: "demo/names", Dir: "rules/demo/names",
			Tests: []ruletest.Result{
				{Name: "test_good", Status: "pass", Position: at(9, 1)},
				{
					Name: "test_bad", Status: "fail", Message: "this does not hold", Position: at(15, 2),
					Detail: `names.violation == want with input.review as review("bad") with input.parameters as defaults` +
						"\nonly in names.violation: " + `{"details": {"path": "metadata.name"}, "msg": "\"bad\" is no name"}` +
						"\nonly in want: " + `{"details": {"path": "metadata.name"}, "msg": "\"bad\" is a bad name"}`,
				},
				{
					Name: "test_count", Status: "fail", Message: "this does not hold", Position: at(20, 2),
					Detail: "count(defaults.names) > 1\ncount(defaults.names) is 1\nprinted: names 1",
				},
				{
					Name: "test_conflict", Status: "fail", Position: at(29, 1),
					Message: "function data.contain.demo.names_test.twice produced conflicting values for the same inputs: 1 at demo/names/rule_test.rego:27 2 at demo/names/rule_test.rego:29",
				},
				{Name: "todo_test_later", Status: "skip", Position: at(31, 1)},
			},
			Samples: []ruletest.Result{
				{Name: "allowed ConfigMap one/good", Status: "pass", Position: sample("allowed.yaml", 1)},
				{Name: "allowed ConfigMap one/bad", Status: "fail", Message: `it should pass, and is refused: "bad" is no name`, Position: sample("allowed.yaml", 7)},
				{Name: "denied ConfigMap one/bad", Status: "pass", Position: sample("denied.yaml", 1)},
				{Name: "denied ConfigMap one/better", Status: "fail", Message: "it should be refused, and passes", Position: sample("denied.yaml", 7)},
			},
		},
	}
	if diff := cmp.Diff(want, run(t, "rules")); diff != "" {
		t.Error(diff)
	}
	// The rule alone, and its group, are the same rule.
	for _, dir := range []string{"rules/demo/names", "rules/demo"} {
		rules := run(t, dir)
		if diff := cmp.Diff(want[1], rules[len(rules)-1]); diff != "" {
			t.Errorf("%s: %s", dir, diff)
		}
	}
}

// OPA itself says the same of each test.
func TestOPA(t *testing.T) {
	out, _ := exec.Command(judge.Path(t, "opa"), "test", "--format", "json", "--ignore", "*.yaml", path.Join("testdata", "rules")).Output()
	var theirs []struct {
		Package, Name string
		Fail, Skip    bool
		Error         any
	}
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var want, got []string
	for _, r := range theirs {
		status := "pass"
		switch {
		case r.Skip:
			status = "skip"
		case r.Fail || r.Error != nil:
			status = "fail"
		}
		want = append(want, r.Name+" "+status)
	}
	for _, r := range run(t, "rules") {
		for _, x := range r.Tests {
			got = append(got, x.Name+" "+string(x.Status))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 5 {
		t.Errorf("opa -, contain +:\n%s", diff)
	}
}
