//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/policies"
)

// settling bounds how long Gatekeeper may take to know its policies and its
// inventory.
const settling = 3 * time.Minute

// TestAdmission gives every object of a platform to a real API server with a
// real Gatekeeper, which has the platform's own templates, Constraints, Config,
// mutators and synced data: it refuses and warns about what contain build does,
// in the same words. The platforms are examples/acme, one whose objects break
// every rule in each kind, and one made of the samples of the library's rules.
func TestAdmission(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	bin, err := judge.Dir()
	if err != nil {
		t.Fatal(err)
	}
	cp, err := controlplane.Start(ctx, controlplane.Options{Bin: bin, Dir: t.TempDir(), Gatekeeper: true, CRDs: harness.crds})
	if err != nil {
		t.Fatal(err)
	}
	defer cp.Stop()

	var sum tally
	for _, p := range []struct{ name, root, dir string }{
		{"acme", filepath.Join("..", ".."), "examples/acme"},
		{"violations", filepath.Join("..", ".."), "internal/pipeline/testdata/violations"},
		{"samples", samplesPlatform(t), "."},
	} {
		in := pipeline.Input{FS: os.DirFS(p.root), Dir: p.dir}
		for _, cluster := range clustersOf(ctx, t, in) {
			in.Clusters = []string{cluster}
			got := admit(ctx, t, cp, in)
			t.Logf("%s %s: %s", p.name, cluster, got)
			sum.add(got)
		}
	}
	t.Logf("ADMISSION: %s", sum)
	if sum.refused < 100 {
		t.Errorf("only %d objects were refused, want 100 or more for the comparison to say something", sum.refused)
	}
}

// tally counts what was compared.
type tally struct{ objects, refused, warned, messages, differ int }

func (t *tally) add(u tally) {
	t.objects += u.objects
	t.refused += u.refused
	t.warned += u.warned
	t.messages += u.messages
	t.differ += u.differ
}

func (t tally) String() string {
	return fmt.Sprintf("%d objects applied, %d refused and %d warned about by Gatekeeper, %d messages; %d objects differ from contain build",
		t.objects, t.refused, t.warned, t.messages, t.differ)
}

func clustersOf(ctx context.Context, t *testing.T, in pipeline.Input) []string {
	t.Helper()
	r, err := pipeline.Run(ctx, in, pipeline.Vet)
	if err != nil || r.Failed() {
		t.Fatalf("%s: %v %v", in.Dir, err, r.Findings)
	}
	var names []string
	for name := range r.Platform.Clusters {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// admit compares one cluster.
func admit(ctx context.Context, t *testing.T, cp *controlplane.ControlPlane, in pipeline.Input) (sum tally) {
	t.Helper()
	r, err := pipeline.Run(ctx, in, pipeline.Check)
	if err != nil || len(r.Clusters) != 1 {
		t.Fatalf("%s: %v %v", in.Dir, err, r.Findings)
	}
	var enforced, rest []*object.Object
	for _, u := range r.Clusters[0].Units {
		for _, o := range u.Objects {
			if strings.HasSuffix(o.Group, "gatekeeper.sh") {
				enforced = append(enforced, o)
			} else {
				rest = append(rest, o)
			}
		}
	}
	rest = served(ctx, t, r.Clusters[0].Name, rest)
	object.Sort(rest)
	enforce(ctx, t, cp, enforced, rest)
	rules := rulesOf(enforced)
	want := map[string][]string{}
	for _, f := range r.Findings {
		if v, ok := says(f, rules); ok {
			want[f.Object] = append(want[f.Object], v)
		}
	}
	for _, o := range rest {
		sum.objects++
		got, err := settled(ctx, cp, o, rules, sorted(want[o.String()]))
		if err != nil {
			sum.differ++
			t.Errorf("%s: %v", o, err)
			continue
		}
		if len(got) > 0 && strings.HasPrefix(got[0], "deny") {
			sum.refused++
		} else if len(got) > 0 {
			sum.warned++
		}
		sum.messages += len(got)
		if diff := cmp.Diff(sorted(want[o.String()]), got); diff != "" {
			sum.differ++
			t.Errorf("%s: contain build and Gatekeeper differ (-contain +gatekeeper):\n%s", o, diff)
		}
	}
	return sum
}

// says is what admission would say of a finding: not every finding is a
// policy's, and of those in dryrun admission says nothing.
func says(f diag.Finding, rules map[string]string) (string, bool) {
	known := false
	for _, id := range rules {
		known = known || id == f.ID
	}
	switch {
	case !known || f.Severity == diag.Info:
		return "", false
	case f.Severity == diag.Warning:
		return "warn " + f.ID + ": " + f.Message, true
	}
	return "deny " + f.ID + ": " + f.Message, true
}

// rulesOf names the rule of each Constraint.
func rulesOf(objs []*object.Object) map[string]string {
	out := map[string]string{}
	for _, o := range objs {
		if o.Group != "constraints.gatekeeper.sh" {
			continue
		}
		id := o.Annotations()["contain.platform/rule"]
		if id == "" {
			id = strings.ToLower(o.Kind)
		}
		out[o.Name] = id
	}
	return out
}

func sorted(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

// settled admits an object, again while Gatekeeper's inventory may still be
// catching up with what is in the API server.
func settled(ctx context.Context, cp *controlplane.ControlPlane, o *object.Object, rules map[string]string, want []string) ([]string, error) {
	for tries := 0; ; tries++ {
		v, err := cp.Admit(ctx, o)
		if err != nil {
			return nil, err
		}
		got, err := parse(v, rules)
		if err != nil || slices.Equal(got, want) || tries == 10 {
			return got, err
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// parse reads Gatekeeper's messages, "[constraint] message" one after another,
// out of the API server's answer.
func parse(v controlplane.Verdict, rules map[string]string) ([]string, error) {
	var out []string
	take := func(action, text string) bool {
		name, rest, ok := strings.Cut(strings.TrimPrefix(text, "["), "] ")
		if !ok || !strings.HasPrefix(text, "[") || rules[name] == "" {
			return false
		}
		out = append(out, action+" "+rules[name]+": "+rest)
		return true
	}
	for _, w := range v.Warnings {
		take("warn", w)
	}
	if v.Refused != "" {
		_, text, ok := strings.Cut(v.Refused, `admission webhook "validation.gatekeeper.sh" denied the request: `)
		if !ok {
			return nil, fmt.Errorf("refused, but not by Gatekeeper: %s", v.Refused)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if !take("deny", line) {
				return nil, fmt.Errorf("no message of a Constraint: %q", line)
			}
		}
	}
	return sorted(out), nil
}

// enforce has Gatekeeper enforce exactly these policies, and the API server
// hold the namespaces and what policies compare with, which no policy was asked
// about.
func enforce(ctx context.Context, t *testing.T, cp *controlplane.ControlPlane, enforced, rest []*object.Object) {
	t.Helper()
	forget(ctx, t, cp)
	var templates, others []*object.Object
	for _, o := range enforced {
		if o.Kind == "ConstraintTemplate" {
			templates = append(templates, o)
		} else {
			others = append(others, o)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(cp.Apply(ctx, templates))
	for _, o := range templates {
		_, err := cp.Wait(ctx, o.ID, "created", func(u *unstructured.Unstructured) bool {
			created, _, _ := unstructured.NestedBool(u.Object, "status", "created")
			return created && observed(u, nil)
		})
		must(err)
	}
	must(cp.Apply(ctx, others))
	must(cp.Apply(ctx, compared(rest, others)))
	for _, o := range others {
		if o.Group != "constraints.gatekeeper.sh" {
			continue
		}
		_, err := cp.Wait(ctx, o.ID, "enforced", func(u *unstructured.Unstructured) bool { return observed(u, "enforced") })
		must(err)
	}
	hooks, err := cp.GatekeeperWebhooks(ctx, exempt(t, rest))
	must(err)
	must(cp.Apply(ctx, hooks))
}

// observed tells whether Gatekeeper says that it has taken in what is stored
// now, and that the field on, if any, is true.
func observed(u *unstructured.Unstructured, on any) bool {
	pods, _, _ := unstructured.NestedSlice(u.Object, "status", "byPod")
	for _, p := range pods {
		pod, _ := p.(map[string]any)
		name, asked := on.(string)
		if yes, _ := pod[name].(bool); pod["observedGeneration"] == u.GetGeneration() && (yes || !asked) {
			return true
		}
	}
	return false
}

// forget removes the webhooks, the policies and what cannot change of the
// cluster before. Templates stay: without Constraints they judge nothing, and
// each costs the API server a CRD.
func forget(ctx context.Context, t *testing.T, cp *controlplane.ControlPlane) {
	t.Helper()
	const admission = "admissionregistration.k8s.io"
	kinds := []object.ID{
		{Group: "syncset.gatekeeper.sh", Version: "v1alpha1", Kind: "SyncSet"},
		{Group: "mutations.gatekeeper.sh", Version: "v1", Kind: "Assign"},
		{Group: "mutations.gatekeeper.sh", Version: "v1", Kind: "AssignMetadata"},
		{Group: "mutations.gatekeeper.sh", Version: "v1", Kind: "ModifySet"},
		{Group: "expansion.gatekeeper.sh", Version: "v1beta1", Kind: "ExpansionTemplate"},
		// No other class of that name can take its place.
		{Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass"},
	}
	templates, err := cp.List(ctx, object.ID{Group: "templates.gatekeeper.sh", Version: "v1", Kind: "ConstraintTemplate"}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range templates {
		kind, _, _ := unstructured.NestedString(u.Object, "spec", "crd", "spec", "names", "kind")
		kinds = append(kinds, object.ID{Group: "constraints.gatekeeper.sh", Version: "v1beta1", Kind: kind})
	}
	gone := []object.ID{
		{Group: admission, Version: "v1", Kind: "ValidatingWebhookConfiguration", Name: "gatekeeper-validating-webhook-configuration"},
		{Group: admission, Version: "v1", Kind: "MutatingWebhookConfiguration", Name: "gatekeeper-mutating-webhook-configuration"},
	}
	for _, id := range kinds {
		objs, err := cp.List(ctx, id, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range objs {
			id.Name = u.GetName()
			gone = append(gone, id)
		}
	}
	for _, id := range gone {
		if err := cp.Delete(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range gone {
		if err := cp.WaitGone(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
}

// compared are the Namespaces, and the objects of the kinds that are synced.
func compared(rest, others []*object.Object) []*object.Object {
	kinds := map[string]bool{"/Namespace": true}
	for _, o := range others {
		var entries []any
		switch o.Kind {
		case "SyncSet":
			entries, _, _ = unstructured.NestedSlice(o.Tree(), "spec", "gvks")
		case "Config":
			entries, _, _ = unstructured.NestedSlice(o.Tree(), "spec", "sync", "syncOnly")
		}
		for _, e := range entries {
			gvk, _ := e.(map[string]any)
			kinds[fmt.Sprintf("%v/%v", gvk["group"], gvk["kind"])] = true
		}
	}
	var out []*object.Object
	for _, o := range rest {
		if kinds[o.Group+"/"+o.Kind] {
			out = append(out, o)
		}
	}
	return out
}

// exempt are the namespaces that the catalog's chart values keep the webhooks
// from.
func exempt(t *testing.T, objs []*object.Object) []string {
	t.Helper()
	for _, o := range objs {
		if o.Kind != "HelmRelease" || o.Name != "gatekeeper" {
			continue
		}
		names, _, err := unstructured.NestedStringSlice(o.Tree(), "spec", "values", "validatingWebhookExemptNamespacesLabels", "kubernetes.io/metadata.name")
		if err != nil || len(names) == 0 {
			t.Fatalf("%s exempts no namespace (%v)", o, err)
		}
		return names
	}
	t.Fatal("the cluster has no Gatekeeper")
	return nil
}

// samplesPlatform is a fresh platform with every sample of the library's rules
// over objects, all of which deny.
func samplesPlatform(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "samples")
	contain(t, "init", dir, "--name", "samples")
	rules, err := rule.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("package platform\n\nplatform: extensions: samples: #component: {\n\t#in: {...}\n\tobjects: {\n")
	taken := map[object.ID]bool{}
	n := 0
	for _, r := range rule.OverObjects(rules) {
		for _, o := range samples(t, r.ID) {
			tree := o.Tree()
			if taken[o.Key()] {
				tree["metadata"].(map[string]any)["name"] = fmt.Sprintf("%s-s%d", o.Name, n)
			}
			taken[o.Key()] = true
			text, err := json.Marshal(tree)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "\t\to%d: %s\n", n, text)
			n++
		}
	}
	for _, ns := range namespacesOf(taken) {
		fmt.Fprintf(&b, "\t\tn%d: {apiVersion: \"v1\", kind: \"Namespace\", metadata: name: %q}\n", n, ns)
		n++
	}
	b.WriteString("\t}\n}\n\nplatform: policies: rules: {\n")
	for _, r := range rule.OverObjects(rules) {
		fmt.Fprintf(&b, "\t%q: enforcement: \"deny\"\n", r.ID)
	}
	b.WriteString("}\n")
	if err := os.WriteFile(filepath.Join(dir, "samples.cue"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// namespacesOf are the namespaces that objects are in, without those that every
// cluster has and those that the objects bring.
func namespacesOf(taken map[object.ID]bool) []string {
	var out []string
	for id := range taken {
		if id.Namespace != "" && id.Namespace != "default" && !taken[object.ID{Kind: "Namespace", Name: id.Namespace}] {
			out = append(out, id.Namespace)
		}
	}
	return sorted(out)
}

func samples(t *testing.T, id string) []*object.Object {
	t.Helper()
	files, err := fs.Glob(policies.FS, path.Join(id, "samples", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*object.Object
	for _, f := range files {
		b, err := fs.ReadFile(policies.FS, f)
		if err != nil {
			t.Fatal(err)
		}
		objs, err := controlplane.ReadYAML(b)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for _, o := range objs {
			// Nothing is created with ephemeral containers; they come later, by a
			// subresource.
			if !strings.Contains(string(o.JSON), `"ephemeralContainers"`) {
				out = append(out, o)
			}
		}
	}
	return out
}
