package policy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
)

// always is a template that every object violates.
const always = `
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: always}
spec:
  crd: {spec: {names: {kind: Always}, validation: {openAPIV3Schema: {type: object, properties: {msg: {type: string}}}}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    code:
    - engine: Rego
      source:
        version: v1
        rego: |
          package always
          violation contains {"msg": "violated"}
`

const world = `
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {env: prod}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: lab}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {tier: front}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: tool, namespace: lab}}
---
{apiVersion: v1, kind: Pod, metadata: {name: dns, namespace: kube-system}}
---
{apiVersion: v1, kind: Pod, metadata: {name: lost, namespace: nowhere}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: reader}}
---
{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: web, namespace: shop}}
`

// Which objects of the world a match lets through, as admission would.
func TestMatch(t *testing.T) {
	const lost = "Pod nowhere/lost"
	all := []string{
		"ClusterRole reader", "Deployment shop/web", "HelmRelease shop/web", "Namespace lab", "Namespace shop",
		"Pod kube-system/dns", "Pod lab/tool", lost, "Pod shop/web",
	}
	for _, c := range []struct {
		match string
		want  []string
	}{
		{`{}`, all},
		{`{kinds: [{apiGroups: [""], kinds: [Pod]}]}`, []string{"Pod kube-system/dns", "Pod lab/tool", lost, "Pod shop/web"}},
		{`{kinds: [{apiGroups: ["*"], kinds: ["*"]}]}`, all},
		{`{kinds: [{apiGroups: [apps], kinds: [Pod]}]}`, nil},
		{`{kinds: [{kinds: [HelmRelease]}]}`, []string{"HelmRelease shop/web"}},
		{`{kinds: [{apiGroups: [apps], kinds: ["*"]}, {apiGroups: [""], kinds: [Namespace]}]}`,
			[]string{"Deployment shop/web", "Namespace lab", "Namespace shop"}},
		// A Namespace is in the list by its own name; what has none cannot be left out.
		{`{namespaces: [shop]}`, []string{"ClusterRole reader", "Deployment shop/web", "HelmRelease shop/web", "Namespace shop", "Pod shop/web"}},
		{`{namespaces: ["kube-*"]}`, []string{"ClusterRole reader", "Pod kube-system/dns"}},
		{`{excludedNamespaces: [shop, "*where"]}`, []string{"ClusterRole reader", "Namespace lab", "Pod kube-system/dns", "Pod lab/tool"}},
		{`{scope: Cluster}`, []string{"ClusterRole reader", "Namespace lab", "Namespace shop"}},
		{`{scope: Namespaced, kinds: [{kinds: [Pod]}]}`, []string{"Pod kube-system/dns", "Pod lab/tool", lost, "Pod shop/web"}},
		{`{labelSelector: {matchLabels: {tier: front}}}`, []string{"Pod shop/web"}},
		{`{labelSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}, kinds: [{kinds: [Pod]}]}`,
			[]string{"Pod kube-system/dns", "Pod lab/tool", lost}},
		// An object whose Namespace nobody knows is rejected, not let through.
		{`{namespaceSelector: {matchLabels: {env: prod}}, kinds: [{kinds: [Pod]}]}`, []string{lost, "Pod shop/web"}},
		{`{namespaceSelector: {matchLabels: {env: prod}}}`,
			[]string{"ClusterRole reader", "Deployment shop/web", "HelmRelease shop/web", "Namespace shop", lost, "Pod shop/web"}},
		// The API server puts this label on every Namespace.
		{`{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [lab, kube-system]}]}, kinds: [{kinds: [Pod, Namespace]}]}`,
			[]string{"Namespace lab", "Pod kube-system/dns", "Pod lab/tool", lost}},
		{`{name: "we*"}`, []string{"Deployment shop/web", "HelmRelease shop/web", "Pod shop/web"}},
		{`{source: Generated}`, nil},
	} {
		t.Run(c.match, func(t *testing.T) {
			constraints := fromYAML(t, "{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Always, metadata: {name: a}, spec: {match: "+c.match+"}}")
			objs := fromYAML(t, world)
			var got []string
			for _, v := range review(t, compile(t, fromYAML(t, always), constraints), objs) {
				got = append(got, v.Object.String())
				if v.Action != policy.Deny || v.Failed || (v.Message != "violated") != (v.Object.Name == "lost" && strings.Contains(c.match, "namespaceSelector")) {
					t.Errorf("%+v", v)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestActions(t *testing.T) {
	for spec, want := range map[string]string{
		`{}`:                          "deny",
		`{enforcementAction: deny}`:   "deny",
		`{enforcementAction: warn}`:   "warn",
		`{enforcementAction: dryrun}`: "dryrun",
		`{enforcementAction: scoped, scopedEnforcementActions: [{action: warn, enforcementPoints: [{name: validation.gatekeeper.sh}]}, {action: deny, enforcementPoints: [{name: audit.gatekeeper.sh}]}]}`: "warn",
		`{enforcementAction: scoped, scopedEnforcementActions: [{action: dryrun, enforcementPoints: [{name: "*"}]}, {action: deny, enforcementPoints: [{name: validation.gatekeeper.sh}]}]}`:               "deny",
		`{enforcementAction: scoped, scopedEnforcementActions: [{action: deny, enforcementPoints: [{name: audit.gatekeeper.sh}]}]}`:                                                                        "",
		`{enforcementAction: scoped, scopedEnforcementActions: [{action: deny, enforcementPoints: [{name: gator.gatekeeper.sh}]}]}`:                                                                        "",
	} {
		constraints := fromYAML(t, "{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Always, metadata: {name: a}, spec: "+spec+"}")
		vs := review(t, compile(t, fromYAML(t, always), constraints), fromYAML(t, world)[:1])
		got := ""
		if len(vs) > 0 {
			got = vs[0].Action
		}
		if got != want {
			t.Errorf("%s: %q, want %q", spec, got, want)
		}
	}
}

// broken makes a Set of one template whose body is given.
func broken(t *testing.T, body string, opts policy.Options) *policy.Set {
	t.Helper()
	text := strings.Replace(always, `          violation contains {"msg": "violated"}`, body, 1)
	constraints := fromYAML(t, "{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Always, metadata: {name: a}, spec: {enforcementAction: dryrun}}")
	set, findings := policy.Compile(policy.Policies{Templates: fromYAML(t, text), Constraints: constraints}, opts)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	return set
}

// A policy that does not end is stopped, fails, and says where it was.
func TestBudget(t *testing.T) {
	set := broken(t, `
          violation contains {"msg": "m"} if {
            some a in numbers.range(1, 5000)
            some b in numbers.range(1, 5000)
            a * b == -1
          }`, policy.Options{
		Budget: 100 * time.Millisecond,
		Locate: func(string, int) (diag.Position, bool) {
			return diag.Position{File: "x.rego", Line: 10, Column: 1}, true
		},
	})
	start := time.Now()
	vs := review(t, set, fromYAML(t, world)[:1])
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
	if len(vs) != 1 || !vs[0].Failed || vs[0].Action != policy.Deny || vs[0].Message != "the policy did not end within 100ms" {
		t.Fatalf("%+v", vs)
	}
	if f := vs[0].Finding(); f.Severity != diag.Error || len(f.Positions) != 1 || f.Positions[0].File != "x.rego" {
		t.Errorf("%+v", f)
	}
}

// A policy that builds a value without bounds is stopped before the process
// is, and the others give their verdicts.
func TestMemoryBudget(t *testing.T) {
	set := broken(t, `
          violation contains {"msg": "m"} if {
            all := [x |
              some a in numbers.range(1, 5000)
              some b in numbers.range(1, 5000)
              x := sprintf("%d and %d", [a, b])
            ]
            count(all) == 1
          }`, policy.Options{Budget: time.Minute, Memory: 16 << 20})
	vs := review(t, set, fromYAML(t, world)[:1])
	if len(vs) != 1 || !vs[0].Failed || vs[0].Action != policy.Deny || vs[0].Message != "the policy needs more than 16 MiB of memory" {
		t.Fatalf("%+v", vs)
	}
}

// An error of evaluation is an error of the build even where admission would
// only take note of it, at the Rego's line.
func TestEvaluationError(t *testing.T) {
	set := broken(t, `
          violation contains {"msg": m} if m := which
          which := "a" if input.review.object
          which := "b" if input.review.object`, policy.Options{
		Locate: func(string, int) (diag.Position, bool) {
			return diag.Position{File: "x.rego", Line: 10, Column: 5}, true
		},
	})
	got := review(t, set, fromYAML(t, world)[:1])[0].Finding()
	want := diag.Finding{
		ID:        "always",
		Message:   "template0:5: eval_conflict_error: complete rules must not produce multiple outputs",
		Object:    "Namespace shop",
		Positions: []diag.Position{{File: "x.rego", Line: 14, Column: 5}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(diag.Finding{}, "Message")); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(got.Message, "eval_conflict_error") {
		t.Error(got.Message)
	}
}

// What Gatekeeper cannot read is said in words, at the rule: its own error shows
// the answer, and with it whatever the object holds.
func TestMessageIsNoString(t *testing.T) {
	set := broken(t, `
          violation contains {"msg": input.review.object.metadata}`, policy.Options{
		Locate: func(string, int) (diag.Position, bool) {
			return diag.Position{File: "x.rego", Line: 10, Column: 5}, true
		},
	})
	got := review(t, set, fromYAML(t, world)[:1])[0].Finding()
	want := diag.Finding{
		ID:        "always",
		Message:   "the msg of a violation is not a string, and Gatekeeper refuses the object without a word about why",
		Object:    "Namespace shop",
		Positions: []diag.Position{{File: "x.rego", Line: 12, Column: 5}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCancelled(t *testing.T) {
	templates, constraints := library(t)
	set := compile(t, templates, constraints)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := set.Review(ctx, pods(t, 1), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// The result does not follow the order of policies and objects, nor the number
// of callers; a Set that was asked before says the same again.
func TestDeterministic(t *testing.T) {
	templates, constraints := library(t)
	var objs []*object.Object
	for _, r := range rules(t) {
		objs = append(objs, samples(t, r.ID, "denied")...)
	}
	want := review(t, compile(t, templates, constraints), objs)
	if len(want) == 0 {
		t.Fatal("nothing to compare")
	}
	r := rand.New(rand.NewPCG(7, 7)) // for determinism
	shuffle := func(l []*object.Object) { r.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] }) }
	shuffle(templates)
	shuffle(constraints)
	set := compile(t, templates, constraints)
	var wg sync.WaitGroup
	for range 4 {
		shuffled := slices.Clone(objs)
		shuffle(shuffled)
		wg.Go(func() {
			for range 2 {
				got, err := set.Review(context.Background(), shuffled, nil)
				if err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b *object.Object) bool { return a == b })); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	wg.Wait()
}

// The verdict follows the Namespace, and a Compiler gives equal policies one Set.
func TestMemo(t *testing.T) {
	var c policy.Compiler
	templates := fromYAML(t, always)
	constraints := fromYAML(t, "{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Always, metadata: {name: a}, spec: {match: {namespaceSelector: {matchLabels: {env: prod}}, kinds: [{kinds: [Pod]}]}}}")
	a, findings := c.Compile(policy.Policies{Templates: templates, Constraints: constraints}, policy.Options{})
	b, _ := c.Compile(policy.Policies{Templates: fromYAML(t, always), Constraints: slices.Clone(constraints)}, policy.Options{})
	if a != b || len(findings) > 0 {
		t.Error("equal policies are two Sets", findings)
	}
	other, _ := c.Compile(policy.Policies{Templates: templates}, policy.Options{})
	if other == a {
		t.Error("different policies are one Set")
	}
	pod := fromYAML(t, "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}")
	for i, env := range []string{"prod", "dev", "prod", "dev"} {
		ns := fromYAML(t, fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {env: %s}}}", env))
		vs, err := a.Review(context.Background(), pod, ns)
		if err != nil || (len(vs) > 0) != (env == "prod") {
			t.Errorf("%d, %s: %v %v", i, env, vs, err)
		}
	}
}

// A Namespace that the API server would not take fails what is in it.
func TestBadNamespace(t *testing.T) {
	set := broken(t, `          violation contains {"msg": "m"} if false`, policy.Options{})
	objs := fromYAML(t, `
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {n: 1}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}
---
{apiVersion: v1, kind: Pod, metadata: {name: dns, namespace: kube-system}}`)
	vs := review(t, set, objs)
	if len(vs) != 1 || !vs[0].Failed || vs[0].Object.Name != "web" ||
		!strings.HasPrefix(vs[0].Message, "reading Namespace shop: a number stands where a string is expected") {
		t.Errorf("%+v", vs)
	}
}

func TestParsePath(t *testing.T) {
	for path, want := range map[string][]string{
		"":                                       nil,
		"spec":                                   {"spec"},
		"spec.containers[0].image":               {"spec", "containers", "0", "image"},
		`metadata.labels["app.kubernetes.io/a"]`: {"metadata", "labels", "app.kubernetes.io/a"},
		`a["\"]"][12].b`:                         {"a", `"]`, "12", "b"},
		"rules[1].verbs[0]":                      {"rules", "1", "verbs", "0"},
		`a[""]`:                                  {"a", ""},
	} {
		got, err := policy.ParsePath(path)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", path, err, diff)
		}
	}
	for _, path := range []string{".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a[01]", `a["x]`, `a["x"`, "a[0]b", "a]", `a["\q"]`, "a[+1]", "a[]"} {
		if got, err := policy.ParsePath(path); err == nil {
			t.Errorf("%s: %q", path, got)
		}
	}
}

// FuzzParsePath: whatever a policy writes into its details, the steps that come
// out lead to the same steps when they are written down again.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"spec.containers[0].image", `metadata.labels["a/b"]`, "a[0][1]", "a..b", `["`, `[""]`, "\x00.[", `a["\u00ff"]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		steps, err := policy.ParsePath(path)
		if err != nil {
			if steps != nil {
				t.Errorf("%q: steps beside an error", path)
			}
			return
		}
		var b strings.Builder
		for _, s := range steps {
			fmt.Fprintf(&b, "[%q]", s)
		}
		again, err := policy.ParsePath(b.String())
		if err != nil || !slices.Equal(steps, again) {
			t.Errorf("%q: %q, then %q (%v)", path, steps, again, err)
		}
	})
}
