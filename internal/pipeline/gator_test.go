package pipeline_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/policies"
)

// What contain render prints, templates and constraints among it, gator test
// judges as contain build does: the same rule about the same field of the same
// object, with the same message and action. The examples have nothing to find;
// the platform of testdata breaks every rule in every way that it can be.
func TestGator(t *testing.T) {
	bin := judge.Path(t, "gator")
	compared, broken, rules := 0, map[string]bool{}, map[string]bool{}
	atBuild := rulesAtBuild(t)
	for _, dir := range []string{"examples/minimal", "examples/acme", "internal/pipeline/testdata/violations"} {
		for _, cluster := range clusterNames(t, dir) {
			in := pipeline.Input{FS: os.DirFS(root), Dir: dir, Clusters: []string{cluster}}
			rendered := run(t, in, pipeline.Render)
			if rendered.Failed() {
				t.Fatalf("%s %s: %v", dir, cluster, rendered.Findings)
			}
			var objs []*object.Object
			for _, u := range rendered.Clusters[0].Units {
				objs = append(objs, u.Objects...)
			}
			want := gator(t, bin, objs)
			var got []verdict
			for _, f := range run(t, in, pipeline.Pack).Findings {
				if atBuild[f.ID] || f.Waiver != nil || f.Object == "" {
					continue // admission does not know the rule or what it is about, or lets the object in
				}
				got = append(got, verdict{f.ID, f.Object, f.Path, f.Message, action(f.Severity)})
				broken[f.Object], rules[f.ID] = true, true
			}
			want, got = sorted(want), sorted(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s: verdicts differ (-gator +contain):\n%s", dir, cluster, diff)
			}
			compared += len(want)
			t.Logf("%s %s: %d objects, %d verdicts by gator, %d by contain build", dir, cluster, len(objs), len(want), len(got))
		}
	}
	t.Logf("GATOR: %d verdicts of %d rules about %d objects compared", compared, len(rules), len(broken))
	if len(broken) < 30 || len(rules) < 8 {
		t.Error("too few objects or rules are broken for the comparison to say much")
	}
}

// rulesAtBuild are the library's rules that Gatekeeper does not have.
func rulesAtBuild(t *testing.T) map[string]bool {
	t.Helper()
	all, err := rule.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, r := range all {
		out[r.ID] = r.Input != rule.Object
	}
	return out
}

// A verdict is what both say.
type verdict struct{ Rule, Object, Path, Message, Action string }

// sorted, and without repeats, for comparison.
func sorted(vs []verdict) []verdict {
	slices.SortFunc(vs, func(a, b verdict) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return slices.Compact(vs)
}

// action is what admission does about a finding.
func action(s diag.Severity) string {
	return map[diag.Severity]string{diag.Error: "deny", diag.Warning: "warn", diag.Info: "dryrun"}[s]
}

func clusterNames(t *testing.T, dir string) []string {
	t.Helper()
	r := run(t, pipeline.Input{FS: os.DirFS(root), Dir: dir}, pipeline.Render)
	var out []string
	for _, c := range r.Clusters {
		out = append(out, c.Name)
	}
	if len(out) == 0 {
		t.Fatalf("%s has no clusters: %v", dir, r.Findings)
	}
	return out
}

func run(t *testing.T, in pipeline.Input, last pipeline.Stage) *pipeline.Result {
	t.Helper()
	r, err := pipeline.Run(t.Context(), in, last)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// gator gives objects to gator test, as contain render prints them.
func gator(t *testing.T, bin string, objs []*object.Object) []verdict {
	t.Helper()
	var stream, stderr bytes.Buffer
	rule := map[string]string{} // kind/name of a Constraint -> rule
	for _, o := range objs {
		fmt.Fprintf(&stream, "---\n%s", o.YAML())
		if o.Group == "constraints.gatekeeper.sh" {
			rule[o.Kind+"/"+o.Name] = o.Annotations()["contain.platform/rule"]
		}
	}
	file := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, stream.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "test", "--filename", file, "--output", "json")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	// gator leaves with 1 when something is denied.
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || stderr.Len() > 0) {
		t.Fatalf("gator: %v\n%s", err, &stderr)
	}
	var results []struct {
		Msg               string
		EnforcementAction string
		Metadata          struct{ Details struct{ Path string } }
		Constraint        struct {
			Kind     string
			Metadata struct{ Name string }
		}
		ViolatingObject json.RawMessage
	}
	if len(bytes.TrimSpace(out)) > 0 {
		if err := json.Unmarshal(out, &results); err != nil {
			t.Fatalf("gator: %v\n%s", err, out)
		}
	}
	var vs []verdict
	for _, r := range results {
		o, err := object.New("", r.ViolatingObject)
		if err != nil {
			t.Fatal(err)
		}
		vs = append(vs, verdict{rule[r.Constraint.Kind+"/"+r.Constraint.Metadata.Name], o.String(), r.Metadata.Details.Path, r.Msg, r.EnforcementAction})
	}
	return vs
}
