package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
)

// blame is a rule that finds something wrong with every container and names its
// place, and with labels that mutators write.
const blame = `
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: blame}
spec:
  crd: {spec: {names: {kind: Blame}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package blame
      violation[{"msg": msg, "details": {"path": path}}] {
        c := input.review.object.spec.containers[i]
        path := sprintf("spec.containers[%d].image", [i])
        msg := sprintf("%v runs %v", [c.name, c.image])
      }
      violation[{"msg": "named", "details": {"path": "metadata.name"}}] { input.review.object.kind == "Pod" }
---
{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Blame, metadata: {name: all}}
`

func compilePolicies(t testing.TB, objs []*object.Object) *policy.Set {
	t.Helper()
	set, findings := policy.Compile(policy.Select(objs), policy.Options{})
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	return set
}

func placed(vs []policy.Violation) []string {
	var out []string
	for _, v := range vs {
		out = append(out, fmt.Sprintf("%s %s: %s", v.Object, v.Path, v.Message))
	}
	return out
}

// A violation on an object that mutators changed leads to the element that the
// platform wrote, wherever it stands after mutation.
func TestMutatedPaths(t *testing.T) {
	set := compilePolicies(t, fromYAML(t, blame+`
---
apiVersion: mutations.gatekeeper.sh/v1
kind: Assign
metadata: {name: sidecar}
spec:
  applyTo: [{groups: [""], versions: [v1], kinds: [Pod]}]
  location: 'spec.containers[name: mesh]'
  parameters: {assign: {value: {name: mesh, image: envoy}}}
---
apiVersion: mutations.gatekeeper.sh/v1alpha1
kind: AssignImage
metadata: {name: mirror}
spec:
  applyTo: [{groups: [""], versions: [v1], kinds: [Pod]}]
  location: 'spec.containers[name: *].image'
  parameters: {assignDomain: mirror.example}
`))
	pod := fromYAML(t, `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: default}, spec: {containers: [{name: debug, image: busybox}, {name: web, image: nginx}, {name: log, image: fluentbit}]}}`)
	before := string(pod[0].JSON)
	want := []string{
		"Pod default/web metadata.name: named",
		"Pod default/web spec.containers: mesh runs mirror.example/envoy",
		"Pod default/web spec.containers[0].image: debug runs mirror.example/busybox",
		"Pod default/web spec.containers[1].image: web runs mirror.example/nginx",
		"Pod default/web spec.containers[2].image: log runs mirror.example/fluentbit",
	}
	if diff := cmp.Diff(want, placed(review(t, set, pod))); diff != "" {
		t.Error(diff)
	}
	if string(pod[0].JSON) != before {
		t.Error("the platform's object changed")
	}
}

// A violation on what an object will make leads to its place in the object.
func TestExpandedPaths(t *testing.T) {
	set := compilePolicies(t, append(fromYAML(t, blame), fromYAML(t, expanding)...))
	objs := fromYAML(t, `
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: default}, spec: {template: {spec: {containers: [{name: web, image: nginx}]}}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: night, namespace: default}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: job, image: busybox}]}}}}}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: empty, namespace: default}, spec: {}}
`)
	want := []string{
		"StatefulSet default/empty : unable to expand object: could not find source field \"spec.template\" in resource empty",
		"Deployment default/web spec.template: [Implied by expand-deployments] named",
		"Deployment default/web spec.template.spec.containers[0].image: [Implied by expand-deployments] web runs nginx",
		"CronJob default/night spec.jobTemplate.spec.template: [Implied by expand-jobs] named",
		"CronJob default/night spec.jobTemplate.spec.template.spec.containers[0].image: [Implied by expand-jobs] job runs busybox",
	}
	if diff := cmp.Diff(sorted(want), sorted(placed(review(t, set, objs)))); diff != "" {
		t.Error(diff)
	}
}

// A Set that knows an object asks again when the inventory is another one, and
// only the policies that look into it.
func TestInventoryMemo(t *testing.T) {
	set := compilePolicies(t, fromYAML(t, strings.Split(referential, "---\n")[0]+`
---
{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: UniqueLabel, metadata: {name: c}}
---
{apiVersion: syncset.gatekeeper.sh/v1alpha1, kind: SyncSet, metadata: {name: pods}, spec: {gvks: [{version: v1, kind: Pod}]}}
`))
	pod := func(name, tier string) []*object.Object {
		return fromYAML(t, fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: default, labels: {tier: %s}}}", name, tier))
	}
	web := pod("web", "a")
	for i, c := range []struct {
		beside []*object.Object
		want   []string
	}{
		{nil, nil},
		{pod("other", "a"), []string{"Pod default/web metadata.labels.tier: Pod default/other has tier a too"}},
		{pod("other", "b"), nil},
		{pod("third", "a"), []string{"Pod default/web metadata.labels.tier: Pod default/third has tier a too"}},
		{nil, nil},
	} {
		vs, err := set.Review(t.Context(), web, append(c.beside, web...))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, placed(vs)); diff != "" {
			t.Errorf("%d: %s", i, diff)
		}
	}
}

// What each process of the Config leaves alone. The rule says which Pods the
// inventory holds and which label a mutator has written.
func TestExclusions(t *testing.T) {
	const policies = `
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: told}
spec:
  crd: {spec: {names: {kind: Told}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package told
      violation[{"msg": msg}] {
        tier := object.get(input.review.object, ["metadata", "labels", "tier"], "none")
        others := [ns | data.inventory.namespace[ns]["v1"].Pod[_]]
        msg := sprintf("tier %v among %v", [tier, others])
      }
---
{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Told, metadata: {name: c}}
---
{apiVersion: syncset.gatekeeper.sh/v1alpha1, kind: SyncSet, metadata: {name: pods}, spec: {gvks: [{version: v1, kind: Pod}]}}
---
apiVersion: mutations.gatekeeper.sh/v1
kind: AssignMetadata
metadata: {name: tier}
spec: {location: metadata.labels.tier, parameters: {assign: {value: a}}}
`
	objs := fromYAML(t, `
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {tier: b}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}
---
{apiVersion: v1, kind: Pod, metadata: {name: dns, namespace: kube-system}}
`)
	const (
		ns  = "Namespace shop : tier b among "
		web = "Pod shop/web : tier "
		dns = "Pod kube-system/dns : tier a among "
		all = `["kube-system", "shop"]`
	)
	for process, want := range map[string][]string{
		"audit":            {ns + all, dns + all, web + "a among " + all},
		"webhook":          {dns + all},
		"mutation-webhook": {ns + all, dns + all, web + "none among " + all},
		"sync":             {ns + `["kube-system"]`, dns + `["kube-system"]`, web + `a among ["kube-system"]`},
		"*":                {dns + `["kube-system"]`},
	} {
		config := fmt.Sprintf("---\n{apiVersion: config.gatekeeper.sh/v1alpha1, kind: Config, metadata: {name: config, namespace: gatekeeper-system}, spec: {match: [{processes: [%q], excludedNamespaces: [\"sh*\"]}]}}", process)
		set := compilePolicies(t, fromYAML(t, policies+config))
		if diff := cmp.Diff(sorted(want), sorted(placed(review(t, set, objs)))); diff != "" {
			t.Errorf("%s: %s", process, diff)
		}
	}
}
