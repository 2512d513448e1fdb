package policy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/object"
)

// gator runs gator test over objects, and says what it found and how much CPU
// time it took.
func gator(t testing.TB, bin string, lists ...[]*object.Object) ([]string, time.Duration) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "objects.yaml")
	var b bytes.Buffer
	for _, l := range lists {
		for _, o := range l {
			fmt.Fprintf(&b, "---\n%s\n", o.JSON)
		}
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "test", "--filename", file, "--output", "json")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	// gator leaves with 1 when something is denied.
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || stderr.Len() > 0) {
		t.Fatalf("gator: %v\n%s", err, &stderr)
	}
	var results []struct {
		Msg               string         `json:"msg"`
		Metadata          map[string]any `json:"metadata"`
		EnforcementAction string         `json:"enforcementAction"`
		Constraint        struct {
			Kind     string
			Metadata struct{ Name string }
		} `json:"constraint"`
		ViolatingObject json.RawMessage `json:"violatingObject"`
	}
	if len(bytes.TrimSpace(out)) > 0 {
		if err := json.Unmarshal(out, &results); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	var found []string
	for _, r := range results {
		o := fromJSON(t, r.ViolatingObject)
		found = append(found, line(o, r.Constraint.Kind, r.Constraint.Metadata.Name, r.EnforcementAction, r.Msg, r.Metadata["details"]))
	}
	slices.Sort(found)
	return found, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// gator itself judges every sample against every rule as we do: the same
// objects, messages, details and actions.
func TestGator(t *testing.T) {
	bin := judge.Path(t, "gator")
	templates, constraints := library(t)
	var objs []*object.Object
	for _, r := range rules(t) {
		objs = append(objs, samples(t, r.ID, "allowed")...)
		objs = append(objs, samples(t, r.ID, "denied")...)
	}
	objs = append(objs, fromYAML(t, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")...)
	all := slices.Concat(templates, constraints, distinct(t, objs))
	want, _ := gator(t, bin, all)
	got := lines(review(t, compile(t, templates, constraints), all))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts differ (-gator +ours):\n%s", diff)
	}
	if len(want) == 0 {
		t.Error("gator found nothing")
	}
	t.Logf("%d objects, %d rules, %d violations, 0 differences", len(all), len(templates), len(want))
}

// gator itself expands generators and fills an inventory as we do: with every
// kind synced, as gator has it. It judges before mutators run, so there are
// none here; the webhooks' test has them.
func TestGatorExpands(t *testing.T) {
	bin := judge.Path(t, "gator")
	g := &generator{t: t, rand: rand.New(rand.NewPCG(3, 3))} // for determinism
	objs := append(g.generators(30), g.objects(20)...)
	objs = slices.DeleteFunc(distinctObjects(objs), func(o *object.Object) bool {
		spec, _ := o.Tree()["spec"].(map[string]any)
		makes := slices.Contains([]string{"Deployment", "StatefulSet", "Job", "CronJob"}, o.Kind)
		return o.Namespace != "" && o.Namespace != "shop" || // its Namespace is not there
			makes && spec["template"] == nil && spec["jobTemplate"] == nil // gator ends
	})
	for _, expandingTo := range []string{"", "enforcementAction: warn"} {
		text := strings.ReplaceAll(expanding, "  templateSource:", "  "+expandingTo+"\n  templateSource:")
		policies := append(fromYAML(t, blame+"---"+referential+`
---
{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: UniqueLabel, metadata: {name: c}}
---
{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: HasInventory, metadata: {name: c}, spec: {match: {source: Original}}}
`), fromYAML(t, text)...)
		all := append(policies, objs...)
		var gvks []any
		for _, o := range all {
			gvks = append(gvks, map[string]any{"group": o.Group, "version": o.Version, "kind": o.Kind})
		}
		sync := fromTree(t, map[string]any{"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet",
			"metadata": map[string]any{"name": "all"}, "spec": map[string]any{"gvks": gvks}})
		want, _ := gator(t, bin, all)
		got := lines(review(t, compilePolicies(t, append([]*object.Object{sync}, policies...)), all))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("verdicts differ (-gator +ours):\n%s", diff)
		}
		implied := strings.Count(strings.Join(want, "\n"), "[Implied by")
		if implied == 0 {
			t.Error("gator expanded nothing")
		}
		t.Logf("%d objects, %d violations, %d of expansion, 0 differences", len(all), len(want), implied)
	}
}

// distinct renames objects that share a name, about which gator complains.
func distinct(t *testing.T, objs []*object.Object) []*object.Object {
	t.Helper()
	seen := map[object.ID]int{}
	out := make([]*object.Object, len(objs))
	for i, o := range objs {
		n := seen[o.ID]
		seen[o.ID]++
		if out[i] = o; n > 0 {
			var tree map[string]any
			if err := json.Unmarshal(o.JSON, &tree); err != nil {
				t.Fatal(err)
			}
			tree["metadata"].(map[string]any)["name"] = fmt.Sprintf("%s-%d", o.Name, n)
			out[i] = fromTree(t, tree)
		}
	}
	return out
}

// BenchmarkGator gives gator test the Pods of BenchmarkReview.
func BenchmarkGator(b *testing.B) {
	bin := judge.Path(b, "gator")
	templates, constraints := library(b)
	objs := pods(b, 8400)
	for b.Loop() {
		found, spent := gator(b, bin, templates, constraints, objs)
		if len(found) > 0 {
			b.Fatal(found[0])
		}
		b.ReportMetric(float64(spent.Microseconds())/float64(len(objs)), "cpu-µs/object")
	}
}
