package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/frameworks/constraint/pkg/apis"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client"
	regodriver "github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego"
	gatekeeperapis "github.com/open-policy-agent/gatekeeper/v3/apis"
	configv1alpha1 "github.com/open-policy-agent/gatekeeper/v3/apis/config/v1alpha1"
	expansionunversioned "github.com/open-policy-agent/gatekeeper/v3/apis/expansion/unversioned"
	mutationsunversioned "github.com/open-policy-agent/gatekeeper/v3/apis/mutations/unversioned"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/controller/config/process"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/drivers/k8scel"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/expansion"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator/reader"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/mutators"
	mutationtypes "github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/types"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/webhook"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
)

// webhooks are Gatekeeper's own admission handlers, taken from the functions
// that register them in its manager, over a cluster that is filled as its
// controllers fill it. Nothing of this package is in between.
type webhooks struct {
	manager.Manager
	ctrlclient.Client

	handlers   map[string]admission.Handler
	namespaces map[string]*corev1.Namespace
	framework  *client.Client
	excluder   *process.Excluder
	synced     map[schema.GroupVersionKind]bool
}

func (w *webhooks) GetConfig() *rest.Config              { return &rest.Config{Host: "127.0.0.1:1"} }
func (w *webhooks) GetClient() ctrlclient.Client         { return w }
func (w *webhooks) GetAPIReader() ctrlclient.Reader      { return w }
func (w *webhooks) GetWebhookServer() ctrlwebhook.Server { return server{handlers: w.handlers} }

// server keeps what is registered.
type server struct {
	ctrlwebhook.Server
	handlers map[string]admission.Handler
}

func (s server) Register(path string, h http.Handler) {
	s.handlers[path] = h.(*admission.Webhook).Handler
}

func (w *webhooks) Get(_ context.Context, k ctrlclient.ObjectKey, into ctrlclient.Object, _ ...ctrlclient.GetOption) error {
	switch into := into.(type) {
	case *configv1alpha1.Config:
		return nil
	case *corev1.Namespace:
		if ns := w.namespaces[k.Name]; ns != nil {
			ns.DeepCopyInto(into)
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, k.Name)
}

func newWebhooks(t testing.TB, p policy.Policies) *webhooks {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	cel, err := k8scel.New()
	must(err)
	rego, err := regodriver.New()
	must(err)
	w := &webhooks{handlers: map[string]admission.Handler{}, namespaces: map[string]*corev1.Namespace{}, excluder: process.New(), synced: map[schema.GroupVersionKind]bool{}}
	w.framework, err = client.NewClient(client.Targets(&target.K8sValidationTarget{}), client.Driver(cel), client.Driver(rego),
		client.EnforcementPoints(util.WebhookEnforcementPoint))
	must(err)
	scheme := runtime.NewScheme()
	must(apis.AddToScheme(scheme))
	must(gatekeeperapis.AddToScheme(scheme))
	for _, o := range p.Templates {
		templ, err := reader.ToTemplate(scheme, toUnstructured(t, o))
		must(err)
		_, err = w.framework.AddTemplate(t.Context(), templ)
		must(err)
	}
	for _, o := range p.Constraints {
		_, err := w.framework.AddConstraint(t.Context(), toUnstructured(t, o))
		must(err)
	}
	for _, o := range p.Config {
		c, err := reader.ToConfig(scheme, toUnstructured(t, o))
		must(err)
		w.excluder.Add(c.Spec.Match)
		for _, e := range c.Spec.Sync.SyncOnly {
			w.synced[e.ToGroupVersionKind()] = true
		}
	}
	for _, o := range p.SyncSets {
		c, err := reader.ToSyncSet(scheme, toUnstructured(t, o))
		must(err)
		for _, e := range c.Spec.GVKs {
			w.synced[e.ToGroupVersionKind()] = true
		}
	}
	system := mutation.NewSystem(mutation.SystemOpts{})
	for _, o := range p.Mutators {
		must(system.Upsert(toMutator(t, o)))
	}
	expander := expansion.NewSystem(system)
	for _, o := range p.Expansions {
		e := &expansionunversioned.ExpansionTemplate{}
		must(runtime.DefaultUnstructuredConverter.FromUnstructured(toUnstructured(t, o).Object, e))
		must(expander.UpsertTemplate(e))
	}
	deps := webhook.Dependencies{OpaClient: w.framework, ProcessExcluder: w.excluder, MutationSystem: system, ExpansionSystem: expander}
	must(webhook.AddPolicyWebhook(w, deps))
	must(webhook.AddMutatingWebhook(w, deps))
	return w
}

// toMutator is gator's way of reading mutators.
func toMutator(t testing.TB, o *object.Object) mutationtypes.Mutator {
	t.Helper()
	read := func(into any) {
		t.Helper()
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(toUnstructured(t, o).Object, into); err != nil {
			t.Fatal(err)
		}
	}
	var m mutationtypes.Mutator
	var err error
	switch o.Kind {
	case "Assign":
		a := &mutationsunversioned.Assign{}
		read(a)
		m, err = mutators.MutatorForAssign(a)
	case "AssignMetadata":
		a := &mutationsunversioned.AssignMetadata{}
		read(a)
		m, err = mutators.MutatorForAssignMetadata(a)
	case "ModifySet":
		a := &mutationsunversioned.ModifySet{}
		read(a)
		m, err = mutators.MutatorForModifySet(a)
	case "AssignImage":
		a := &mutationsunversioned.AssignImage{}
		read(a)
		m, err = mutators.MutatorForAssignImage(a)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (w *webhooks) request(o *object.Object, raw []byte) admission.Request {
	return admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		Kind: metav1.GroupVersionKind{Group: o.Group, Version: o.Version, Kind: o.Kind},
		Name: o.Name, Namespace: o.Namespace, Operation: admissionv1.Create,
		UserInfo: authenticationv1.UserInfo{Username: "system:serviceaccount:flux-system:kustomize-controller"},
		Object:   runtime.RawExtension{Raw: raw},
	}}
}

// mutate is the API server's first call; the error is a refusal.
func (w *webhooks) mutate(t testing.TB, o *object.Object) ([]byte, error) {
	t.Helper()
	raw, err := labelled(t, o).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	r := w.handlers["/v1/mutate"].Handle(t.Context(), w.request(o, raw))
	if !r.Allowed {
		return nil, fmt.Errorf("%s", r.Result.Message)
	}
	if len(r.Patches) == 0 {
		return raw, nil
	}
	b, err := json.Marshal(r.Patches)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(b)
	if err == nil {
		raw, err = patch.Apply(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw, nil
}

// fill brings a cluster's objects in: Namespaces first, then what is synced, as
// cachemanager does (AddObject).
func (w *webhooks) fill(t testing.TB, cluster []*object.Object) {
	t.Helper()
	for _, namespaces := range []bool{true, false} {
		for _, o := range cluster {
			if (o.Kind == "Namespace") != namespaces {
				continue
			}
			raw, err := w.mutate(t, o)
			if err != nil {
				continue
			}
			u := toUnstructured(t, fromJSON(t, raw))
			if namespaces {
				ns := &corev1.Namespace{}
				if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, ns); err != nil {
					t.Fatal(err)
				}
				w.namespaces[o.Name] = ns
			}
			if excluded, _ := w.excluder.IsNamespaceExcluded(process.Sync, u); excluded || !w.synced[u.GroupVersionKind()] {
				continue
			}
			if _, err := w.framework.AddData(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// admit gives what the API server's client is told: denials and warnings by
// Constraint, or a refusal without one.
func (w *webhooks) admit(t testing.TB, o *object.Object) []string {
	t.Helper()
	raw, err := w.mutate(t, o)
	if err != nil {
		return []string{"a mutator refuses an object"}
	}
	r := w.handlers["/v1/admit"].Handle(t.Context(), w.request(o, raw))
	if !r.Allowed && r.Result.Code != http.StatusForbidden {
		return []string{o.String() + ": refused"}
	}
	var out []string
	if !r.Allowed {
		for _, m := range strings.Split("\n"+r.Result.Message, "\n[")[1:] {
			out = append(out, o.String()+": deny: ["+m)
		}
	}
	for _, m := range r.Warnings {
		// Scoped actions may do both; ours says the stricter.
		if !slices.Contains(out, o.String()+": deny: "+m) {
			out = append(out, o.String()+": warn: "+m)
		}
	}
	return out
}

// told is what our violations would tell the API server's client.
func told(vs []policy.Violation) []string {
	var out []string
	for _, v := range vs {
		switch {
		case v.Rule == policy.FindingMutator: // one for all its objects
			more := 0
			_, _ = fmt.Sscanf(v.Message[strings.LastIndex(v.Message, " and ")+1:], "and %d more)", &more)
			out = append(out, slices.Repeat([]string{"a mutator refuses an object"}, 1+more)...)
		case v.Rule == policy.FindingExpansion:
			out = append(out, v.Object.String()+": refused")
		case v.Action != policy.Dryrun:
			out = append(out, fmt.Sprintf("%s: %s: [%s] %s", v.Object, v.Action, v.ConstraintName, v.Message))
		}
	}
	slices.Sort(out)
	return out
}

// referential are templates over data.inventory.
const referential = `
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: uniquelabel}
spec:
  crd: {spec: {names: {kind: UniqueLabel}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package unique
      same(a, b) { a.metadata.name == b.metadata.name; a.metadata.namespace == b.metadata.namespace; a.kind == b.kind }
      violation[{"msg": msg, "details": {"path": "metadata.labels.tier"}}] {
        tier := input.review.object.metadata.labels.tier
        other := data.inventory.namespace[ns][_][kind][name]
        other.metadata.labels.tier == tier
        not same(other, input.review.object)
        msg := sprintf("%v %v/%v has tier %v too", [kind, ns, name, tier])
      }
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: inventorycount}
spec:
  crd: {spec: {names: {kind: InventoryCount}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    code:
    - engine: Rego
      source:
        version: v1
        rego: |
          package count
          import data.lib.all
          violation contains {"msg": msg} if {
            n := count(all.things)
            msg := sprintf("%d things, %d namespaces with env %v, replicas %v", [n, count(all.namespaces), all.envs, all.replicas])
          }
        libs:
        - |
          package lib.all
          things contains [k, n] if data.inventory.namespace[_]["apps/v1"][k][n]
          namespaces := {n | data.inventory.cluster.v1.Namespace[n]}
          envs := {e | e := data.inventory.cluster.v1.Namespace[_].metadata.labels.env}
          replicas := {r | r := data.inventory.namespace[_]["apps/v1"].Deployment[_].spec.replicas}
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: hasinventory}
spec:
  crd: {spec: {names: {kind: HasInventory}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package has
      violation[{"msg": msg}] { inv := data.inventory; msg := sprintf("%v roots", [count(inv)]) }
`

// mutating are mutators that settle, together too, with the API server's defaults.
const mutating = `
apiVersion: mutations.gatekeeper.sh/v1
kind: AssignMetadata
metadata: {name: tier}
spec:
  location: metadata.labels.tier
  parameters: {assign: {value: a}}
---
apiVersion: mutations.gatekeeper.sh/v1
kind: AssignMetadata
metadata: {name: name}
spec:
  match: {source: Original}
  location: 'metadata.labels."app.kubernetes.io/name"'
  parameters: {assign: {fromMetadata: {field: name}}}
---
apiVersion: mutations.gatekeeper.sh/v1
kind: Assign
metadata: {name: privileged}
spec:
  applyTo: [{groups: [""], versions: [v1], kinds: [Pod]}]
  location: 'spec.containers[name: *].securityContext.privileged'
  parameters: {assign: {value: true}}
---
apiVersion: mutations.gatekeeper.sh/v1beta1
kind: Assign
metadata: {name: sidecar}
spec:
  applyTo: [{groups: [""], versions: [v1], kinds: [Pod], operations: [CREATE]}]
  location: 'spec.containers[name: sidecar]'
  parameters: {assign: {value: {name: sidecar, image: sidecar}}}
---
apiVersion: mutations.gatekeeper.sh/v1
kind: Assign
metadata: {name: replicas}
spec:
  applyTo: [{groups: [apps], versions: [v1], kinds: [Deployment]}]
  location: spec.replicas
  parameters: {pathTests: [{subPath: spec.replicas, condition: MustExist}], assign: {value: 7}}
---
apiVersion: mutations.gatekeeper.sh/v1
kind: ModifySet
metadata: {name: args}
spec:
  applyTo: [{groups: [""], versions: [v1], kinds: [Pod]}]
  location: 'spec.containers[name: *].args'
  parameters: {operation: merge, values: {fromList: [--safe, --verbose]}}
---
apiVersion: mutations.gatekeeper.sh/v1
kind: ModifySet
metadata: {name: fewer}
spec:
  applyTo: [{groups: [rbac.authorization.k8s.io], versions: [v1], kinds: [ClusterRole]}]
  location: 'spec.finalizers'
  parameters: {operation: prune, values: {fromList: [a]}}
---
apiVersion: mutations.gatekeeper.sh/v1alpha1
kind: AssignImage
metadata: {name: image}
spec:
  applyTo: [{groups: [""], versions: [v1], kinds: [Pod]}]
  location: 'spec.containers[name: *].image'
  parameters: {assignDomain: mirror.example}
---
apiVersion: mutations.gatekeeper.sh/v1
kind: Assign
metadata: {name: clash}
spec:
  applyTo: [{groups: [""], versions: [v1], kinds: [ConfigMap]}]
  location: 'spec.replicas.deeper'
  parameters: {assign: {value: 1}}
`

const expanding = `
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: expand-deployments}
spec:
  applyTo: [{groups: [apps], versions: [v1], kinds: [Deployment, StatefulSet]}]
  templateSource: spec.template
  generatedGVK: {kind: Pod, group: "", version: v1}
---
apiVersion: expansion.gatekeeper.sh/v1alpha1
kind: ExpansionTemplate
metadata: {name: expand-cronjobs}
spec:
  applyTo: [{groups: [batch], versions: [v1], kinds: [CronJob]}]
  templateSource: spec.jobTemplate
  generatedGVK: {kind: Job, group: batch, version: v1}
---
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: expand-jobs}
spec:
  applyTo: [{groups: [batch], versions: [v1], kinds: [Job]}]
  templateSource: spec.template
  generatedGVK: {kind: Pod, group: "", version: v1}
`

// platform are policies of all kinds: those of policies, with CEL left to the
// webhook alone, and Config, SyncSets, mutators and expansion beside them.
func (g *generator) platform() policy.Policies {
	var p policy.Policies
	p.Templates, p.Constraints = g.policies()
	p.Templates = slices.DeleteFunc(p.Templates, func(o *object.Object) bool { return o.Name == "edgecel" })
	p.Constraints = slices.DeleteFunc(p.Constraints, func(o *object.Object) bool { return o.Kind == "EdgeCEL" })
	more := fromYAML(g.t, referential)
	more = append(more, fromYAML(g.t, strings.ReplaceAll(edgeTemplates[strings.Index(edgeTemplates, "---\napiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: edgecel}"):],
		"      source:\n        variables:", "      source:\n        generateVAP: false\n        variables:"))...)
	for _, o := range more {
		if g.chance(30) {
			continue
		}
		p.Templates = append(p.Templates, o)
		spec := map[string]any{}
		g.action(spec)
		if g.chance(50) {
			spec["match"] = g.match()
		}
		kind := o.Tree()["spec"].(map[string]any)["crd"].(map[string]any)["spec"].(map[string]any)["names"].(map[string]any)["kind"]
		p.Constraints = append(p.Constraints, fromTree(g.t, map[string]any{
			"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": map[string]any{"name": "r"}, "spec": spec,
		}))
	}
	gvk := func() map[string]any {
		return pick(g,
			map[string]any{"group": "apps", "version": "v1", "kind": "Deployment"}, map[string]any{"version": "v1", "kind": "Namespace"},
			map[string]any{"version": "v1", "kind": "Pod"}, map[string]any{"group": "apps", "version": "v1beta2", "kind": "Deployment"})
	}
	if g.chance(70) {
		var match []any
		for range g.rand.IntN(3) {
			match = append(match, map[string]any{
				"processes":          []any{pick(g, "*", "webhook", "audit", "sync", "mutation-webhook"), pick(g, "audit", "sync")},
				"excludedNamespaces": []any{pick(g, "shop", "la*", "*-system", "*a*", "none")},
			})
		}
		p.Config = []*object.Object{fromTree(g.t, map[string]any{
			"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config", "metadata": map[string]any{"name": "config", "namespace": "gatekeeper-system"},
			"spec": map[string]any{"match": match, "sync": map[string]any{"syncOnly": []any{gvk()}}},
		})}
	}
	for i := range g.rand.IntN(3) {
		p.SyncSets = append(p.SyncSets, fromTree(g.t, map[string]any{
			"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet", "metadata": map[string]any{"name": fmt.Sprint("s", i)},
			"spec": map[string]any{"gvks": []any{gvk(), gvk()}},
		}))
	}
	for _, o := range fromYAML(g.t, mutating) {
		if g.chance(60) {
			continue
		}
		var tree map[string]any
		if err := json.Unmarshal(o.JSON, &tree); err != nil {
			g.t.Fatal(err)
		}
		if g.chance(50) {
			tree["spec"].(map[string]any)["match"] = g.match()
		}
		p.Mutators = append(p.Mutators, fromTree(g.t, tree))
	}
	for _, o := range fromYAML(g.t, expanding) {
		if g.chance(30) {
			continue
		}
		var tree map[string]any
		if err := json.Unmarshal(o.JSON, &tree); err != nil {
			g.t.Fatal(err)
		}
		if g.chance(50) {
			tree["spec"].(map[string]any)["enforcementAction"] = pick(g, "deny", "warn", "dryrun")
		}
		p.Expansions = append(p.Expansions, fromTree(g.t, tree))
	}
	return p
}

// generators are objects that make others, some without a template.
func (g *generator) generators(n int) []*object.Object {
	var out []*object.Object
	for i := range n {
		template := map[string]any{"metadata": map[string]any{"labels": g.labels()}, "spec": map[string]any{
			"hostNetwork": g.chance(30), "replicas": pick[any](g, 1, 5, "x"),
			"containers": []any{map[string]any{"name": pick(g, "c", "sidecar"), "image": pick(g, "nginx", "x.example/y:1")}},
		}}
		kind := pick(g, "Deployment", "StatefulSet", "CronJob", "Job")
		spec := map[string]any{"template": template}
		group := "apps/v1"
		switch kind {
		case "CronJob":
			spec = map[string]any{"jobTemplate": map[string]any{"metadata": map[string]any{"labels": g.labels()}, "spec": spec}}
			fallthrough
		case "Job":
			group = "batch/v1"
		}
		if g.chance(5) {
			spec = map[string]any{}
		}
		out = append(out, fromTree(g.t, map[string]any{"apiVersion": group, "kind": kind, "spec": spec,
			"metadata": map[string]any{"name": fmt.Sprint(pick(g, "web", "job"), i), "namespace": pick(g, "shop", "lab", "kube-system"), "labels": g.labels()}}))
	}
	return out
}

// What the package says is what Gatekeeper's webhooks say, message by message:
// with exclusions, referential data, mutation and expansion.
func TestAgreesWithWebhooks(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 8
	}
	compared, answers, refused, implied := 0, 0, 0, 0
	for seed := range rounds {
		g := &generator{t: t, rand: rand.New(rand.NewPCG(2, uint64(seed)))} // for determinism
		p := g.platform()
		p.SyncSets = append(p.SyncSets, synced(t)...)
		objs := slices.DeleteFunc(append(g.objects(20), g.generators(10)...), func(o *object.Object) bool { return o.Namespace == "nowhere" })
		for _, ns := range []string{"lab", "kube-system"} {
			objs = append(objs, fromTree(t, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": ns, "labels": g.labels()}}))
		}
		for _, o := range objs { // samples are in namespaces of their own
			if o.Namespace != "" && !slices.ContainsFunc(objs, func(n *object.Object) bool { return n.Kind == "Namespace" && n.Name == o.Namespace }) {
				objs = append(objs, fromTree(t, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": o.Namespace}}))
			}
		}
		objs = distinctObjects(objs)
		set, findings := policy.Compile(p, policy.Options{})
		if len(findings) > 0 {
			t.Fatal(findings)
		}
		judge := newWebhooks(t, p)
		judge.fill(t, objs)
		var want []string
		for _, o := range objs {
			want = append(want, judge.admit(t, o)...)
		}
		slices.Sort(want)
		got := told(review(t, set, objs))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: verdicts differ (-gatekeeper +ours):\n%s", seed, diff)
		}
		compared += len(objs)
		answers += len(want)
		for _, l := range want {
			if strings.HasSuffix(l, ": refused") {
				refused++
			}
			if strings.Contains(l, "[Implied by") {
				implied++
			}
		}
	}
	if answers < 10*rounds || implied < rounds || refused == 0 {
		t.Errorf("only %d answers, %d of expansion, %d refusals: the generator has gone blind", answers, implied, refused)
	}
	t.Logf("%d objects, %d answers, %d of expansion, %d refusals, 0 differences", compared, answers, implied, refused)
}

// distinctObjects drops objects that another has the name of.
func distinctObjects(objs []*object.Object) []*object.Object {
	seen := map[object.ID]bool{}
	return slices.DeleteFunc(objs, func(o *object.Object) bool {
		dup := seen[o.Key()]
		seen[o.Key()] = true
		return dup
	})
}
