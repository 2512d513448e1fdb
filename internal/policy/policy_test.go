package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/policies"
)

// library is the rules of policies/ as objects, with their own defaults.
func library(t testing.TB) (templates, constraints []*object.Object) {
	t.Helper()
	for _, r := range rules(t) {
		templates = append(templates, fromTree(t, r.Template()))
		constraints = append(constraints, fromTree(t, r.Constraint()))
	}
	return templates, constraints
}

// synced has the inventory hold what the library's rules read in it.
func synced(t testing.TB) []*object.Object {
	t.Helper()
	var out []*object.Object
	for _, r := range rules(t) {
		if s := r.SyncSet(); s != nil {
			out = append(out, fromTree(t, s))
		}
	}
	return out
}

func rules(t testing.TB) []rule.Rule {
	t.Helper()
	rs, err := rule.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	return rule.OverObjects(rs)
}

func fromTree(t testing.TB, tree map[string]any) *object.Object {
	t.Helper()
	b, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return fromJSON(t, b)
}

func fromJSON(t testing.TB, b []byte) *object.Object {
	t.Helper()
	o, err := object.New("", b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return o
}

// fromYAML reads all documents of a text.
func fromYAML(t testing.TB, text string) []*object.Object {
	t.Helper()
	var out []*object.Object
	for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(text)), 4096); ; {
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if len(raw) > 0 && string(raw) != "null" {
			out = append(out, fromJSON(t, raw))
		}
	}
}

func samples(t testing.TB, id, prefix string) []*object.Object {
	t.Helper()
	files, err := fs.Glob(policies.FS, path.Join(id, "samples", prefix+"*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no samples %s*.yaml (%v)", id, prefix, err)
	}
	var out []*object.Object
	for _, f := range files {
		b, err := fs.ReadFile(policies.FS, f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fromYAML(t, string(b))...)
	}
	return out
}

func compile(t testing.TB, templates, constraints []*object.Object) *policy.Set {
	t.Helper()
	return compileWith(t, templates, constraints, nil)
}

func compileWith(t testing.TB, templates, constraints, syncSets []*object.Object) *policy.Set {
	t.Helper()
	set, findings := policy.Compile(policy.Policies{Templates: templates, Constraints: constraints, SyncSets: syncSets}, policy.Options{})
	for _, f := range findings {
		// Rules that compare objects find nothing where nothing is synced.
		if len(syncSets) > 0 || f.ID != policy.FindingSync {
			t.Errorf("%+v", f)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return set
}

func review(t testing.TB, set *policy.Set, objs []*object.Object) []policy.Violation {
	t.Helper()
	return reviewIn(t, set, objs, objs)
}

func reviewIn(t testing.TB, set *policy.Set, objs, cluster []*object.Object) []policy.Violation {
	t.Helper()
	vs, err := set.Review(context.Background(), objs, cluster)
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// inventory are the objects that a rule's samples are compared with.
func inventory(t testing.TB, r rule.Rule) []*object.Object {
	t.Helper()
	if len(r.Sync) == 0 {
		return nil
	}
	return samples(t, r.ID, "inventory")
}

// Every denied sample violates its rule, at a path of the object or right
// below one; no allowed sample violates its own.
func TestSamples(t *testing.T) {
	templates, constraints := library(t)
	set := compileWith(t, templates, constraints, synced(t))
	for _, r := range rules(t) {
		t.Run(r.ID, func(t *testing.T) {
			others := inventory(t, r)
			for _, o := range samples(t, r.ID, "allowed") {
				for _, v := range reviewIn(t, set, []*object.Object{o}, append(others[:len(others):len(others)], o)) {
					if v.Rule == r.ID {
						t.Errorf("%s is refused: %s", o, v.Message)
					}
				}
			}
			for _, o := range samples(t, r.ID, "denied") {
				n := 0
				for _, v := range reviewIn(t, set, []*object.Object{o}, append(others[:len(others):len(others)], o)) {
					if v.Rule != r.ID {
						continue
					}
					n++
					if v.Failed || v.Action != r.Enforcement || v.ConstraintName != r.ConstraintName() {
						t.Errorf("%s: %+v", o, v)
					}
					if !leads(o, v.Path) {
						t.Errorf("%s: no way to %q", o, v.Path)
					}
				}
				if n == 0 {
					t.Errorf("%s passes", o)
				}
			}
		})
	}
}

// leads tells whether at least the first step of a path is in the object.
func leads(o *object.Object, p string) bool {
	steps, err := policy.ParsePath(p)
	if err != nil || len(steps) == 0 {
		return false
	}
	_, ok := o.Tree()[steps[0]]
	return ok
}

// The page of a rule shows what the rule says: its bad example is refused and
// its good one is not.
func TestDocs(t *testing.T) {
	for _, r := range rules(t) {
		if !strings.HasPrefix(r.Doc, "# "+r.ID+"\n") {
			t.Errorf("%s: the page does not begin with its id", r.ID)
		}
		for _, h := range []string{"## What", "## Why", "## Bad", "## Good", "## Parameters"} {
			if !strings.Contains(r.Doc, h+"\n") {
				t.Errorf("%s: the page has no %q", r.ID, h)
			}
		}
		params, _ := r.Parameters["properties"].(map[string]any)
		for name := range params {
			if !strings.Contains(r.Doc, "| `"+name+"` |") {
				t.Errorf("%s: the page does not name parameter %s", r.ID, name)
			}
		}
		set := compileWith(t, []*object.Object{fromTree(t, r.Template())}, []*object.Object{fromTree(t, r.Constraint())}, synced(t))
		others := inventory(t, r)
		for heading, wantRefused := range map[string]bool{"## Bad": true, "## Good": false} {
			o := fromYAML(t, whole(example(t, r.Doc, heading)))[0]
			if got := len(reviewIn(t, set, []*object.Object{o}, append(others[:len(others):len(others)], o))) > 0; got != wantRefused {
				t.Errorf("%s: %s: refused is %v", r.ID, heading, got)
			}
		}
	}
}

func example(t *testing.T, doc, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(doc, heading+"\n")
	_, rest, ok2 := strings.Cut(rest, "```yaml\n")
	text, _, ok3 := strings.Cut(rest, "```")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("no example below %q", heading)
	}
	return text
}

// whole makes a Pod of an example that shows a pod spec alone.
func whole(text string) string {
	if strings.HasPrefix(text, "apiVersion:") {
		return text
	}
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: example, namespace: shop}\n" + text
}

func TestViolationFinding(t *testing.T) {
	o := fromYAML(t, "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: b}}")[0]
	for action, want := range map[string]diag.Severity{
		policy.Deny: diag.Error, policy.Warn: diag.Warning, policy.Dryrun: diag.Info, "": diag.Error,
	} {
		got := policy.Violation{Rule: "a/b", Action: action, Object: o, Message: "m", Path: "spec"}.Finding()
		if got.Severity != want || got.ID != "a/b" || got.Object != "Pod b/a" || got.Path != "spec" || got.Message != "m" {
			t.Errorf("%s: %+v", action, got)
		}
	}
	if f := (policy.Violation{Action: policy.Warn, Failed: true, Object: o}).Finding(); f.Severity != diag.Error {
		t.Errorf("a policy that broke is a %v", f.Severity)
	}
}

func sorted(l []string) []string {
	l = slices.Clone(l)
	slices.Sort(l)
	return l
}
