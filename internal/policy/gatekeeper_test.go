package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client"
	regodriver "github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/reviews"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/drivers/k8scel"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator/reader"
	mutationtypes "github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/types"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/open-policy-agent/frameworks/constraint/pkg/apis"

	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
)

// gatekeeper is the webhook's use of the constraint framework, written down
// again without any of this package: all templates in one client, Gatekeeper's
// own drivers, no screen, no memo.
type gatekeeper struct{ client *client.Client }

func newGatekeeper(t testing.TB, templates, constraints []*object.Object) gatekeeper {
	t.Helper()
	cel, err := k8scel.New()
	if err != nil {
		t.Fatal(err)
	}
	rego, err := regodriver.New()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.NewClient(
		client.Targets(&target.K8sValidationTarget{}), client.Driver(cel), client.Driver(rego),
		client.EnforcementPoints(util.WebhookEnforcementPoint))
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := apis.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, o := range templates {
		templ, err := reader.ToTemplate(scheme, toUnstructured(t, o))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.AddTemplate(context.Background(), templ); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range constraints {
		if _, err := c.AddConstraint(context.Background(), toUnstructured(t, o)); err != nil {
			t.Fatal(err)
		}
	}
	return gatekeeper{c}
}

func toUnstructured(t testing.TB, o *object.Object) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(o.JSON); err != nil {
		t.Fatal(err)
	}
	return u
}

// review is createReviewForRequest and review of Gatekeeper's pkg/webhook. The
// API server has labelled Namespaces by name before.
func (g gatekeeper) review(t testing.TB, o *object.Object, namespaces map[string]*object.Object) []string {
	t.Helper()
	label := func(u *unstructured.Unstructured) {
		labels := u.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[corev1.LabelMetadataName] = u.GetName()
		u.SetLabels(labels)
	}
	u := toUnstructured(t, o)
	if u.GetKind() == "Namespace" {
		label(u)
	}
	raw, err := u.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	kind := metav1.GroupVersionKind{Group: o.Group, Version: o.Version, Kind: o.Kind}
	request := &admissionv1.AdmissionRequest{
		Kind: kind, Name: o.Name, Namespace: o.Namespace, Operation: admissionv1.Create,
		UserInfo: authenticationv1.UserInfo{Username: "system:serviceaccount:flux-system:kustomize-controller"},
		Object:   runtime.RawExtension{Raw: raw},
	}
	r := &target.AugmentedReview{AdmissionRequest: request, Source: mutationtypes.SourceTypeOriginal, IsAdmission: true}
	opts := []reviews.ReviewOpt{reviews.EnforcementPoint(util.WebhookEnforcementPoint)}
	if n := namespaces[o.Namespace]; n != nil {
		u := toUnstructured(t, n)
		label(u)
		ns := &corev1.Namespace{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, ns); err != nil {
			t.Fatal(err)
		}
		m, err := util.NamespaceToMap(ns)
		if err != nil {
			t.Fatal(err)
		}
		r.Namespace = ns
		opts = append(opts, reviews.Namespace(m))
	}
	responses, err := g.client.Review(context.Background(), r, opts...)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range responses.ByTarget[target.Name].Results {
		actions := []string{r.EnforcementAction}
		if r.EnforcementAction == "scoped" {
			actions = r.ScopedEnforcementActions
		}
		for _, rank := range []string{"deny", "warn", "dryrun"} {
			if slices.Contains(actions, rank) {
				out = append(out, line(o, r.Constraint.GetKind(), r.Constraint.GetName(), rank, r.Msg, r.Metadata["details"]))
				break
			}
		}
	}
	slices.Sort(out)
	return out
}

func line(o *object.Object, kind, name, action, msg string, details any) string {
	if m, ok := details.(map[string]any); !ok || len(m) == 0 {
		details = nil
	}
	b, _ := json.Marshal(details)
	return fmt.Sprintf("%s: %s/%s %s: %s %s", o, kind, name, action, msg, b)
}

func lines(vs []policy.Violation) []string {
	var out []string
	for _, v := range vs {
		out = append(out, line(v.Object, v.ConstraintKind, v.ConstraintName, v.Action, v.Message, v.Details))
	}
	slices.Sort(out)
	return out
}

// What the package says is what Gatekeeper says, over random objects, matches,
// parameters and actions, and templates that go to the edges of the language.
func TestAgreesWithGatekeeper(t *testing.T) {
	rounds, perRound := 10, 20
	if testing.Short() {
		rounds = 5
	}
	compared, violations := 0, 0
	for seed := range rounds {
		g := &generator{t: t, rand: rand.New(rand.NewPCG(1, uint64(seed)))} // for determinism
		templates, constraints := g.policies()
		objs := g.objects(perRound)
		set := compile(t, templates, constraints)
		reference := newGatekeeper(t, templates, constraints)
		got := lines(review(t, set, objs))
		var want []string
		// Every cluster has it, whatever the platform says.
		namespaces := map[string]*object.Object{"default": fromYAML(t, "{apiVersion: v1, kind: Namespace, metadata: {name: default}}")[0]}
		for _, o := range objs {
			if o.Kind == "Namespace" {
				namespaces[o.Name] = o
			}
		}
		vap := newVAP(t, templates, constraints)
		for _, o := range objs {
			want = append(want, reference.review(t, o, namespaces)...)
			want = append(want, vap.review(t, o, namespaces)...)
			compared += len(constraints)
		}
		want, got = strictestLines(want), strictestLines(got)
		violations += len(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: verdicts differ (-gatekeeper +ours):\n%s", seed, diff)
		}
	}
	if violations < rounds*perRound/4 {
		t.Errorf("only %d violations: the generator has gone blind", violations)
	}
	t.Logf("%d pairs of object and constraint, %d violations, 0 differences", compared, violations)
}

// edgeTemplates go where a shortcut could go wrong.
const edgeTemplates = `
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: edgenomsg}
spec:
  crd: {spec: {names: {kind: EdgeNoMsg}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package nomsg
      violation[{"details": {"a": 1}}] { input.review.object.kind == "Pod" }
      violation[{"msg": m}] { m := input.review.object.metadata.labels.tier }
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: edgecomplete}
spec:
  crd: {spec: {names: {kind: EdgeComplete}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    code:
    - engine: Rego
      source:
        version: v1
        rego: |
          package complete
          violation := {{"msg": "a Pod", "details": {"n": input.review.object.spec.replicas}}} if input.review.object.spec
          violation := false if not input.review.object.spec
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: edgeconflict}
spec:
  crd: {spec: {names: {kind: EdgeConflict}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    code:
    - engine: Rego
      source:
        version: v1
        rego: |
          package conflict
          violation contains {"msg": sprintf("%v", [which])} if which
          which := 1 if input.review.object.metadata.labels.tier
          which := 2 if input.review.object.spec.replicas > 1
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: edgenumber}
spec:
  crd: {spec: {names: {kind: EdgeNumber}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package number
      violation[{"msg": msg}] {
        s := sprintf("%v", [input.review.object.spec.replicas])
        not re_match("^[0-9]+$", s)
        msg := s
      }
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: edgerequest}
spec:
  crd: {spec: {names: {kind: EdgeRequest}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package request
      violation[{"msg": msg}] {
        input.review.operation == "CREATE"
        input.review.userInfo.username == "system:serviceaccount:flux-system:kustomize-controller"
        msg := sprintf("%v in %v", [input.review.kind.kind, object.get(input.review.namespaceObject, ["metadata", "labels"], "nowhere")])
      }
---
apiVersion: templates.gatekeeper.sh/v1beta1
kind: ConstraintTemplate
metadata: {name: edgelib}
spec:
  crd: {spec: {names: {kind: EdgeLib}, validation: {legacySchema: true}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package lib_user
      import data.lib.helpers
      violation[{"msg": msg, "details": {"path": "metadata.name"}}] {
        helpers.short(input.review.object.metadata.name)
        data.inventory.cluster.v1.Namespace
        msg := "never: there is no inventory"
      }
      violation[{"msg": msg, "details": {"path": "metadata.name"}}] {
        helpers.short(input.review.object.metadata.name)
        msg := sprintf("short name, limit %v", [helpers.limit])
      }
    libs:
    - |
      package lib.helpers
      limit = 4
      short(s) { count(s) <= limit }
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: edgedelete}
spec:
  crd: {spec: {names: {kind: EdgeDelete}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    operations: [DELETE]
    rego: |
      package deleted
      violation[{"msg": "never on create"}] { true }
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: edgecel}
spec:
  crd: {spec: {names: {kind: EdgeCEL}, validation: {openAPIV3Schema: {type: object, properties: {max: {type: integer, default: 2}}}}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    code:
    - engine: K8sNativeValidation
      source:
        variables:
        - name: replicas
          expression: "has(variables.anyObject.spec) && has(variables.anyObject.spec.replicas) ? variables.anyObject.spec.replicas : 0"
        validations:
        - expression: "variables.replicas <= 2"
          messageExpression: "'replicas: ' + string(variables.replicas)"
    - engine: Rego
      source: {rego: "package never\nviolation[{\"msg\": \"CEL comes first\"}] { true }"}
`

// strictestLines sorts lines and drops those that say what another does with a
// stricter action: webhook and ValidatingAdmissionPolicy find the same things.
func strictestLines(lines []string) []string {
	slices.Sort(lines) // deny, dryrun, warn
	seen := map[string]bool{}
	var out []string
	for _, rank := range []string{" deny: ", " warn: ", " dryrun: "} {
		for _, l := range lines {
			subject, msg, ok := strings.Cut(l, rank)
			if !ok || strings.Contains(l, ": EdgeCEL/") && strings.Contains(l, " nowhere/") {
				continue
			}
			if !seen[subject+msg] || !strings.Contains(l, ": EdgeCEL/") {
				out = append(out, l)
			}
			seen[subject+msg] = true
		}
	}
	slices.Sort(out)
	return out
}

type generator struct {
	t    testing.TB
	rand *rand.Rand
}

func pick[T any](g *generator, of ...T) T { return of[g.rand.IntN(len(of))] }

func (g *generator) chance(percent int) bool { return g.rand.IntN(100) < percent }

// policies are a random selection with random Constraints, up to three each.
func (g *generator) policies() (templates, constraints []*object.Object) {
	all, defaults := library(g.t)
	edges := fromYAML(g.t, edgeTemplates)
	for i, tmpl := range append(all, edges...) {
		if i < len(all) && g.chance(80) || g.chance(50) {
			continue
		}
		templates = append(templates, tmpl)
		for n := range 1 + g.rand.IntN(3) {
			var tree map[string]any
			if i < len(defaults) {
				if err := json.Unmarshal(defaults[i].JSON, &tree); err != nil {
					g.t.Fatal(err)
				}
			} else {
				names := tmpl.Tree()["spec"].(map[string]any)["crd"].(map[string]any)["spec"].(map[string]any)["names"]
				tree = map[string]any{
					"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": names.(map[string]any)["kind"],
					"spec": map[string]any{},
				}
			}
			tree["metadata"] = map[string]any{"name": fmt.Sprintf("c%d", n)}
			spec := tree["spec"].(map[string]any)
			if g.chance(70) {
				spec["match"] = g.match()
			}
			if g.chance(20) {
				delete(spec, "parameters")
			}
			g.action(spec)
			constraints = append(constraints, fromTree(g.t, tree))
		}
	}
	return templates, constraints
}

func (g *generator) action(spec map[string]any) {
	delete(spec, "enforcementAction")
	switch a := pick(g, "", "deny", "warn", "dryrun", "scoped"); a {
	case "":
	case "scoped":
		spec["enforcementAction"] = a
		point := func() map[string]any {
			return map[string]any{"name": pick(g, "validation.gatekeeper.sh", "vap.k8s.io", "gator.gatekeeper.sh", "audit.gatekeeper.sh", "*")}
		}
		spec["scopedEnforcementActions"] = []any{
			map[string]any{"action": pick(g, "deny", "warn", "dryrun"), "enforcementPoints": []any{point()}},
			map[string]any{"action": pick(g, "deny", "warn", "dryrun"), "enforcementPoints": []any{point(), point()}},
		}
	default:
		spec["enforcementAction"] = a
	}
}

func (g *generator) selector() map[string]any {
	if g.chance(50) {
		return map[string]any{"matchLabels": map[string]any{pick(g, "tier", "env"): pick(g, "a", "b")}}
	}
	e := map[string]any{"key": pick(g, "tier", "env", "kubernetes.io/metadata.name"), "operator": pick(g, "In", "NotIn", "Exists", "DoesNotExist")}
	if strings.HasSuffix(e["operator"].(string), "In") {
		e["values"] = []any{pick(g, "a", "b", "shop", "default")}
	}
	return map[string]any{"matchExpressions": []any{e}}
}

func (g *generator) match() map[string]any {
	m := map[string]any{}
	if g.chance(50) {
		m["kinds"] = []any{map[string]any{
			"apiGroups": pick(g, []any{"*"}, []any{""}, []any{"apps", ""}, []any{"apps"}),
			"kinds":     pick(g, []any{"*"}, []any{"Pod"}, []any{"Pod", "Deployment", "Namespace"}),
		}}
	}
	for field, values := range map[string][]any{
		"namespaces":         {"shop", "sh*", "*op", "nowhere"},
		"excludedNamespaces": {"shop", "kube-*", "default"},
	} {
		if g.chance(20) {
			m[field] = []any{pick(g, values...)}
		}
	}
	if g.chance(20) {
		m["scope"] = pick(g, "*", "Cluster", "Namespaced")
	}
	if g.chance(20) {
		m["labelSelector"] = g.selector()
	}
	if g.chance(20) {
		m["namespaceSelector"] = g.selector()
	}
	if g.chance(10) {
		m["name"] = pick(g, "web*", "*d", "role")
	}
	if g.chance(10) {
		m["source"] = pick(g, "All", "Original", "Generated")
	}
	return m
}

func (g *generator) labels() map[string]any {
	m := map[string]any{}
	for _, k := range []string{"tier", "env", "app.kubernetes.io/name"} {
		if g.chance(40) {
			m[k] = pick(g, "a", "b")
		}
	}
	return m
}

// objects are samples of the rules and random ones; of the namespaces shop and
// default only shop is among them.
func (g *generator) objects(n int) []*object.Object {
	out := []*object.Object{fromTree(g.t, map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop", "labels": g.labels()},
	})}
	rs := rules(g.t)
	for i := range n {
		if g.chance(30) {
			out = append(out, pick(g, samples(g.t, pick(g, rs...).ID, pick(g, "allowed", "denied"))...))
			continue
		}
		meta := map[string]any{"name": pick(g, "web", "pod", "role") + fmt.Sprint(i), "labels": g.labels()}
		kind := pick(g, "Pod", "Deployment", "ConfigMap", "ClusterRole", "Service")
		if kind != "ClusterRole" {
			meta["namespace"] = pick(g, "shop", "shop", "nowhere")
		}
		spec := map[string]any{"replicas": pick[any](g, 0, 1, 3, 2000000, 30000000000000000000000.0, 0.5, "x")}
		if kind == "Pod" {
			spec["containers"] = []any{map[string]any{"name": "c", "image": pick(g, "nginx", "nginx:latest", "x.example/y:1")}}
			spec["hostNetwork"] = g.chance(50)
		}
		tree := map[string]any{"apiVersion": map[string]string{
			"Deployment": "apps/v1", "ClusterRole": "rbac.authorization.k8s.io/v1",
		}[kind], "kind": kind, "metadata": meta, "spec": spec}
		if tree["apiVersion"] == "" {
			tree["apiVersion"] = "v1"
		}
		out = append(out, fromTree(g.t, tree))
	}
	return out
}

// A template is accepted if and only if Gatekeeper accepts it; of what
// Gatekeeper accepts only the built-ins that reach out are refused.
func TestAcceptsWhatGatekeeperAccepts(t *testing.T) {
	for _, c := range []struct {
		rego string
		want bool
	}{
		{"import rego.v1\nviolation contains {\"msg\": \"m\"} if true", false},
		{"import future.keywords\nviolation contains {\"msg\": \"m\"} if true", true},
		{"import data.lib.x\nviolation[{\"msg\": \"m\"}] { x.y }", true},
		{"import data.inventory\nviolation[{\"msg\": \"m\"}] { inventory.y }", false},
		{"import input.review as r\nviolation[{\"msg\": \"m\"}] { r }", false},
		{"violation[{\"msg\": \"m\"}] { data.inventory[data.foo.x] }", true},
		{"violation[{\"msg\": \"m\"}] { data[\"inventory\"].foo }", true},
		{"violation[{\"msg\": \"m\"}] { data.always.foo }\nfoo = 1", false},
		{"violation[{\"msg\": \"m\"}] { x := data; x.foo }", false},
		{"violation[{\"msg\": \"m\"}] { true }\nx { http := {\"send\": 1}; http.send == 1 }", true},
		{"violation[{\"msg\": \"m\"}] { trace(\"x\") }", true},
		{"violation[msg] { msg := \"m\" }", false},
		{"violation[{\"details\": {}}] { true }", false},
		{"violation = x { x := {{\"msg\": \"m\"}} }", true},
		{"violation(x) = y { y := x }", false},
		{"violation[\"a\"] = y { y := {\"msg\": \"m\"} }", false},
		{"default violation = false", false},
		{"violation.a.b { true }", false},
	} {
		templates := fromYAML(t, strings.Split(always, "  targets:")[0]+
			"  targets:\n  - target: admission.k8s.gatekeeper.sh\n    rego: |\n      package always\n      "+
			strings.ReplaceAll(c.rego, "\n", "\n      "))
		_, findings := policy.Compile(policy.Policies{Templates: templates}, policy.Options{})
		gatekeeper := acceptedByGatekeeper(t, templates[0])
		if got := len(findings) == 0; got != gatekeeper || got != c.want {
			t.Errorf("%q: accepted is %v, of Gatekeeper %v, want %v: %v", c.rego, got, gatekeeper, c.want, findings)
		}
	}
}

func acceptedByGatekeeper(t *testing.T, o *object.Object) bool {
	t.Helper()
	d, err := regodriver.New()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.NewClient(client.Targets(&target.K8sValidationTarget{}), client.Driver(d),
		client.EnforcementPoints(util.WebhookEnforcementPoint))
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := apis.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	templ, err := reader.ToTemplate(scheme, toUnstructured(t, o))
	if err == nil {
		_, err = c.AddTemplate(context.Background(), templ)
	}
	return err == nil
}
