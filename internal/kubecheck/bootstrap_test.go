package kubecheck

import "testing"

// keeper is a cluster that starts with Flux and Gatekeeper; values are the
// chart's, match the Config's.
func keeper(values, match string, more ...string) []string {
	ns := func(name string) string {
		return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n---\n"
	}
	return append([]string{
		"flux", ns("flux-system"),
		"gatekeeper", ns("gatekeeper-system") + chartIn("gatekeeper-system", "gatekeeper", values),
		"gatekeeper-config<gatekeeper", "apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {name: config, namespace: gatekeeper-system}\nspec: {match: [" + match + "]}\n",
	}, more...)
}

const (
	exempt   = `validatingWebhookExemptNamespacesLabels: {kubernetes.io/metadata.name: [flux-system, kube-system]}`
	template = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: a}\nspec: {crd: {spec: {names: {kind: A}}}}\n"
	stopped  = "bootstrap/deadlock A a spec.match"
)

func constraint(spec string) string {
	return "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: A\nmetadata: {name: a}\nspec: {" + spec + "}\n"
}

// TestConstraints: who reaches the workloads that a cluster starts with.
func TestConstraints(t *testing.T) {
	with := func(values, match, spec string) []string {
		return keeper(values, match, "rules<gatekeeper", template, "own<rules", constraint(spec))
	}
	config := `{processes: ["*"], excludedNamespaces: ["*-system"]}`
	run(t, []worldCase{
		{name: "nothing leaves them out", units: with("", "", ""), want: []string{stopped}},
		{name: "the Config does", units: with("", config, "")},
		{name: "the Config, for the audit alone", units: with("", `{processes: [audit], excludedNamespaces: ["*-system"]}`, ""), want: []string{stopped}},
		{name: "the webhook's labels do", units: with(exempt, "", "")},
		{name: "the match does", units: with("", "", `match: {excludedNamespaces: ["*-system"]}`)},
		{name: "the match, one of them", units: with("", "", `match: {excludedNamespaces: ["flux-*"]}`), want: []string{stopped}},
		{name: "other namespaces", units: with("", "", `match: {namespaces: ["shop-*"]}`)},
		{name: "by labels of namespaces", units: with("", "", `match: {namespaceSelector: {matchExpressions: [{key: team, operator: Exists}]}}`)},
		{name: "by labels of objects", units: with("", "", `match: {labelSelector: {matchLabels: {team: a}}}`)},
		{name: "all but some objects", units: with("", "", `match: {labelSelector: {matchExpressions: [{key: a, operator: DoesNotExist}]}}`), want: []string{stopped}},
		{name: "other kinds", units: with("", "", `match: {kinds: [{apiGroups: [""], kinds: [Service, ConfigMap]}]}`)},
		{name: "Deployments", units: with("", "", `match: {kinds: [{apiGroups: [apps], kinds: [Deployment]}]}`), want: []string{stopped}},
		{name: "objects without a namespace", units: with("", "", `match: {scope: Cluster}`)},
		{name: "warn", units: with("", "", "enforcementAction: warn")},
		{name: "dryrun", units: with("", "", "enforcementAction: dryrun")},
		{name: "scoped to the audit", units: with("", "", `enforcementAction: scoped, scopedEnforcementActions: [{action: deny, enforcementPoints: [{name: audit.gatekeeper.sh}]}]`)},
		{name: "scoped to the webhook", units: with("", "", `enforcementAction: scoped, scopedEnforcementActions: [{action: deny, enforcementPoints: [{name: validation.gatekeeper.sh}]}]`), want: []string{stopped}},
	})
}

// TestGatekeeper: the failure mode of its own webhooks.
func TestGatekeeper(t *testing.T) {
	const at = " HelmRelease gatekeeper-system/app spec.values."
	run(t, []worldCase{
		{name: "Ignore", units: keeper("validatingWebhookFailurePolicy: Ignore", "")},
		{name: "Fail", units: keeper("validatingWebhookFailurePolicy: Fail", ""), want: []string{"bootstrap/deadlock" + at + "validatingWebhookFailurePolicy"}},
		{name: "Fail, exempt", units: keeper("validatingWebhookFailurePolicy: Fail, "+exempt, ""), want: []string{"bootstrap/fail-closed" + at + "validatingWebhookFailurePolicy"}},
		{name: "Fail, exempt and namespaced", units: keeper("validatingWebhookFailurePolicy: Fail, validatingWebhookScope: Namespaced, "+exempt, "")},
		{name: "Fail, with conditions", units: keeper("validatingWebhookFailurePolicy: Fail, validatingWebhookMatchConditions: [{name: a, expression: b}]", ""), want: []string{"bootstrap/fail-closed" + at + "validatingWebhookFailurePolicy"}},
		{name: "Fail, what the start depends on", units: keeper("validatingWebhookFailurePolicy: Fail, validatingWebhookScope: Namespaced, "+exempt, "",
			"cpi<store", classOf("a"), "store", "apiVersion: v1\nkind: Namespace\nmetadata: {name: store}\n"), want: []string{"bootstrap/fail-closed" + at + "validatingWebhookFailurePolicy"}},
		{name: "off", units: keeper("validatingWebhookFailurePolicy: Fail, disableValidatingWebhook: true", "")},
		{name: "mutation", units: keeper("mutatingWebhookFailurePolicy: Fail", ""), want: []string{"bootstrap/deadlock" + at + "mutatingWebhookFailurePolicy"}},
		{name: "mutation off", units: keeper("mutatingWebhookFailurePolicy: Fail, disableMutation: true", "")},
		{name: "a mutator", units: keeper("", "", "own<gatekeeper", "apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {name: a}\nspec: {applyTo: [{groups: [''], versions: [v1], kinds: [Pod]}]}\n"), want: []string{"bootstrap/mutation Assign a spec"}},
		{name: "a mutator, mutation off", units: keeper("disableMutation: true", "", "own<gatekeeper", "apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {name: a}\nspec: {applyTo: [{groups: [''], versions: [v1], kinds: [Pod]}]}\n")},
		{name: "a mutator of Services", units: keeper("", "", "own<gatekeeper", "apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {name: a}\nspec: {applyTo: [{groups: [''], versions: [v1], kinds: [Service]}]}\n")},
		{name: "a generated policy", units: keeper("", "", "own<gatekeeper", "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: a}\nspec: {crd: {spec: {names: {kind: A}}}, targets: [{code: [{engine: K8sNativeValidation, source: {generateVAP: true}}]}]}\n"),
			want: []string{"bootstrap/fail-closed ConstraintTemplate a spec.targets[0].code[0].source"}},
	})
}

// TestWebhooks: webhooks and admission policies of the platform's own.
func TestWebhooks(t *testing.T) {
	hook := func(more string) []string {
		return keeper("", "", "own", "apiVersion: v1\nkind: Namespace\nmetadata: {name: guard}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: guard, namespace: guard}\n---\n"+
			"apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: a}\nwebhooks: [{name: a, "+more+"}]\n")
	}
	const (
		inside  = "clientConfig: {service: {name: guard, namespace: guard}}, "
		pods    = "rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]"
		all     = "rules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*']}]"
		leave   = ", namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system, flux-system, gatekeeper-system, guard]}]}"
		dead    = "bootstrap/deadlock MutatingWebhookConfiguration a webhooks[0]"
		failing = "bootstrap/fail-closed MutatingWebhookConfiguration a webhooks[0]"
	)
	run(t, []worldCase{
		{name: "Pods", units: hook(inside + pods), want: []string{dead}},
		{name: "Ignore", units: hook(inside + "failurePolicy: Ignore, " + pods)},
		{name: "Fail", units: hook(inside + "failurePolicy: Fail, " + pods), want: []string{dead + ".failurePolicy"}},
		{name: "left out", units: hook(inside + pods + leave)},
		{name: "left out, but Nodes", units: hook(inside + all + leave), want: []string{failing}},
		{name: "its own server alone", units: hook(inside + pods + ", namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: guard}}"), want: []string{dead}},
		{name: "objects that ask for it", units: hook(inside + pods + ", objectSelector: {matchLabels: {inject: 'true'}}")},
		{name: "conditions", units: hook(inside + pods + ", matchConditions: [{name: a, expression: 'true'}]"), want: []string{failing}},
		{name: "outside of the cluster", units: hook("clientConfig: {url: 'https://guard.example'}, " + pods), want: []string{failing}},
		{name: "other resources", units: hook(inside + "rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]")},
		{name: "on deletion", units: hook(inside + "rules: [{apiGroups: [''], apiVersions: [v1], operations: [DELETE], resources: [pods]}]")},
		{name: "an admission policy", units: keeper("", "", "own", `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: a}
spec: {matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: all}
spec: {policyName: a, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: some}
spec: {policyName: a, validationActions: [Deny], matchResources: {namespaceSelector: {matchLabels: {team: a}}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: warns}
spec: {policyName: a, validationActions: [Warn]}
`), want: []string{"bootstrap/deadlock ValidatingAdmissionPolicyBinding all spec"}},
	})
}
