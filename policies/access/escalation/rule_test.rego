package contain.access.escalation_test

import data.contain.access.escalation

parameters := {
	"administrators": ["cluster-admin", "platform-operator"],
	"exempt": ["system:masters"],
	"controllers": ["flux-system"],
}

item(o) := {"unit": "u", "object": o}

namespace(name, level) := item({
	"kind": "Namespace",
	"metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": level}},
})

role(name, rules) := item({"kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})

group := {"kind": "Group", "name": "dev"}

cluster_wide(name, subject) := item({
	"apiVersion": "rbac.authorization.k8s.io/v1",
	"kind": "ClusterRoleBinding",
	"metadata": {"name": "b"},
	"roleRef": {"kind": "ClusterRole", "name": name},
	"subjects": [subject],
})

within(namespace, name, subject) := item({
	"kind": "RoleBinding",
	"metadata": {"name": "b", "namespace": namespace},
	"roleRef": {"kind": "ClusterRole", "name": name},
	"subjects": [subject],
})

rule(api_group, resource, verb) := {"apiGroups": [api_group], "resources": [resource], "verbs": [verb]}

judge(objects, more) := found if {
	found := escalation.violation with input as object.union({"platform": {}, "cluster": {}, "parameters": parameters, "objects": objects}, more)
}

# routes are the messages of what a group may do with rules in the whole
# cluster, or in namespace shop, behind what they have in common.
routes(rules, objects) := {trim_prefix(v.msg, `group "dev" can become cluster-admin: ClusterRoleBinding b gives it ClusterRole r, which may `) |
	some v in judge(array.concat([role("r", rules), cluster_wide("r", group)], objects), {})
}

routes_in_shop(rules, objects) := {trim_prefix(v.msg, `group "dev" can become cluster-admin: RoleBinding shop/b gives it ClusterRole r, which may `) |
	some v in judge(array.concat([role("r", rules), within("shop", "r", group), namespace("shop", "restricted")], objects), {})
}

test_whole_result if {
	binding := cluster_wide("r", group)
	judge([role("r", [rule("", "nodes/proxy", "get")]), binding], {}) == {{
		"msg": concat("", [
			`group "dev" can become cluster-admin: ClusterRoleBinding b gives it ClusterRole r, `,
			"which may get nodes/proxy: the kubelet runs commands in any pod",
		]),
		"details": {"object": object.remove(binding.object, ["subjects"]), "unit": "u", "path": "subjects[0]"},
	}}
}

test_everything if {
	routes([rule("*", "*", "*")], []) == {"do everything in the whole cluster: that is cluster-admin"}
	routes_in_shop([rule("*", "*", "*")], []) == set()
	judge([within("flux-system", "admin", group)], {}) != set()
}

test_at_once if {
	routes([rule("", "persistentvolumes", "create")], []) == {"create persistentvolumes: a volume can be any directory of a node"}
	routes([rule("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "patch")], []) == {"patch mutatingwebhookconfigurations: a webhook sees and changes whatever is written"}
	routes([rule("admissionregistration.k8s.io", "validatingwebhookconfigurations", "update")], []) == {"update validatingwebhookconfigurations: a webhook sees whatever is written, Secrets too"}

	# None of it is within a namespace.
	routes_in_shop([rule("", "nodes/proxy", "*"), rule("", "persistentvolumes", "*")], []) == set()
}

test_impersonate if {
	routes([rule("", "groups", "impersonate")], []) == {"impersonate groups: as system:masters it is cluster-admin"}
	routes([object.union(rule("", "groups", "impersonate"), {"resourceNames": ["viewers"]})], []) == set()
	routes([rule("", "serviceaccounts", "impersonate")], []) == {"impersonate serviceaccounts in every namespace, those of the platform's controllers too: it can act as their service accounts"}
	routes_in_shop([rule("", "serviceaccounts", "impersonate")], []) == set()
}

rbac_group := "rbac.authorization.k8s.io"

test_bind_and_escalate if {
	bind := rule(rbac_group, "clusterroles", "bind")
	routes([bind], []) == set() # nothing to bind it with
	routes([bind, rule(rbac_group, "clusterrolebindings", "create")], []) == {"bind clusterroles and create clusterrolebindings in the whole cluster: cluster-admin can be bound"}
	routes([object.union(bind, {"resourceNames": ["view"]}), rule(rbac_group, "clusterrolebindings", "create")], []) == set()
	routes([rule(rbac_group, "clusterroles", "*")], []) == {"escalate clusterroles and create clusterroles in the whole cluster: a role can be given rights that its writer does not have"}
	routes_in_shop([bind, rule(rbac_group, "rolebindings", "create")], []) == set()
	judge([role("r", [bind, rule(rbac_group, "rolebindings", "create")]), within("open", "r", group), namespace("open", "privileged")], {}) != set()
}

test_sign if {
	request := rule("certificates.k8s.io", "certificatesigningrequests", "create")
	approve := rule("certificates.k8s.io", "certificatesigningrequests/approval", "update")
	sign := rule("certificates.k8s.io", "signers", "approve")
	routes([request, approve, sign], []) == {"request, approve and sign client certificates: a certificate can name any user"}
	routes([request, approve], []) == set()
	routes([request, approve, object.union(sign, {"resourceNames": ["example.com/x"]})], []) == set()
}

test_pods if {
	routes([rule("", "pods", "create")], []) == {"create pods in every namespace, those that admit privileged pods too: a privileged pod is root on its node"}
	routes([rule("", "pods/exec", "get")], []) == {"create pods/exec in every namespace, those that admit privileged pods too: a privileged pod is root on its node"}
	routes_in_shop([rule("", "pods", "create"), rule("", "pods/exec", "create")], []) == set()
	routes([rule("", "pods", "get"), rule("", "pods/log", "get")], []) == set()
}

in_open(level) := {v.msg |
	some v in judge([role("r", [rule("apps", "deployments", "patch")]), within("open", "r", group), namespace("open", level)], {})
}

test_pods_in_open_namespaces if {
	in_open("baseline") == set()
	in_open("privileged") == {concat("", [
		`group "dev" can become cluster-admin: RoleBinding open/b gives it ClusterRole r, `,
		"which may patch deployments in namespace open, which admits privileged pods: a privileged pod is root on its node",
	])}

	# A namespace without a level admits all; one that is not there is not known.
	judge([role("r", [rule("", "pods", "create")]), within("bare", "r", group), item({"kind": "Namespace", "metadata": {"name": "bare"}})], {}) != set()
	judge([role("r", [rule("", "pods", "create")]), within("unknown", "r", group)], {}) == set()
}

test_label if {
	label := rule("", "namespaces", "patch")
	routes_in_shop([label, rule("", "pods", "create")], []) == {"patch namespaces and create pods in namespace shop: the namespace can be made to admit privileged pods"}
	routes_in_shop([label], []) == set()
}

in_flux(each) := {trim_prefix(v.msg, `group "dev" can become cluster-admin: RoleBinding flux-system/b gives it ClusterRole r, which may `) |
	some v in judge([role("r", [each]), within("flux-system", "r", group)], {})
}

test_controllers if {
	in_flux(rule("", "secrets", "get")) == {"get secrets in namespace flux-system, whose service accounts are cluster-admin in effect: what is in them opens the rest"}
	in_flux(rule("", "serviceaccounts/token", "create")) == {"create serviceaccounts/token in namespace flux-system, whose service accounts are cluster-admin in effect: it can act as their service accounts"}
	in_flux(rule("", "pods", "create")) == {"create pods in namespace flux-system, whose service accounts are cluster-admin in effect: its service accounts can be used"}
	in_flux(rule("source.toolkit.fluxcd.io", "ocirepositories", "patch")) == {"patch ocirepositories in namespace flux-system: Flux applies what comes from there as cluster-admin"}
	in_flux(rule("", "secrets", "create")) == set()
	routes([rule("", "secrets", "list")], []) == {"list secrets in every namespace, those of the platform's controllers too: what is in them opens the rest"}
	routes_in_shop([rule("", "secrets", "*")], []) == set()
}

release(name, spec) := item({"kind": "HelmRelease", "metadata": {"name": name, "namespace": "shop"}, "spec": spec})

test_flux if {
	routes_in_shop([rule("helm.toolkit.fluxcd.io", "helmreleases", "create")], []) == {"create helmreleases in namespace shop: Flux applies it as cluster-admin"}
	patch := rule("helm.toolkit.fluxcd.io", "helmreleases", "patch")
	routes_in_shop([patch], []) == set() # there is none
	routes_in_shop([patch], [release("a", {})]) == {"patch helmreleases in namespace shop: Flux applies it as cluster-admin"}

	# Who may patch it may take the account away.
	routes_in_shop([patch], [release("a", {"serviceAccountName": "tenant"})]) == {"patch helmreleases in namespace shop: Flux applies it as cluster-admin"}
	routes_in_shop([object.union(patch, {"resourceNames": ["b"]})], [release("a", {})]) == set()
	routes_in_shop([rule("source.toolkit.fluxcd.io", "helmrepositories", "patch")], [item({
		"kind": "HelmRepository",
		"metadata": {"name": "a", "namespace": "shop"},
	})]) == {"patch helmrepositories in namespace shop: Flux applies what comes from there as cluster-admin"}
}

# lock keeps the HelmReleases of all namespaces with the label team under an
# account.
lock := [
	item({
		"kind": "ValidatingAdmissionPolicy",
		"metadata": {"name": "p"},
		"spec": {
			"matchConstraints": {
				"namespaceSelector": {"matchExpressions": [{"key": "pod-security.kubernetes.io/enforce", "operator": "Exists"}]},
				"resourceRules": [{
					"apiGroups": ["helm.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io"],
					"apiVersions": ["*"],
					"operations": ["*"],
					"resources": ["helmreleases", "kustomizations"],
				}],
			},
			"validations": [{"expression": "has(object.spec.serviceAccountName) && object.spec.serviceAccountName == 'bot'"}],
		},
	}),
	item({"kind": "ValidatingAdmissionPolicyBinding", "spec": {"policyName": "p", "validationActions": ["Deny"]}}),
]

test_flux_under_an_account if {
	create := rule("helm.toolkit.fluxcd.io", "helmreleases", "create")
	routes_in_shop([create], lock) == set()
	routes_in_shop([rule("source.toolkit.fluxcd.io", "helmrepositories", "patch")], array.concat(lock, [item({
		"kind": "HelmRepository",
		"metadata": {"name": "a", "namespace": "shop"},
	})])) == set()
	routes([create], lock) == {"create helmreleases in the whole cluster: Flux applies it as cluster-admin"}

	# What the account may do counts.
	hooks := [
		role("hooks", [rule("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "patch")]),
		cluster_wide("hooks", account("shop", "bot")),
	]
	routes_in_shop([create], array.concat(lock, hooks)) == {concat("", [
		"create helmreleases in namespace shop and so act as ServiceAccount shop/bot; ",
		"ClusterRoleBinding b gives it ClusterRole hooks, which may patch mutatingwebhookconfigurations: a webhook sees and changes whatever is written",
	])}
}

account(namespace, name) := {"kind": "ServiceAccount", "name": name, "namespace": namespace}

# By way of two service accounts.
test_accounts if {
	objects := [
		role("deploy", [rule("", "pods", "create")]),
		within("shop", "deploy", group),
		namespace("shop", "restricted"),
		within("next", "deploy", account("shop", "bot")),
		namespace("next", "restricted"),
		role("hooks", [rule("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "patch")]),
		cluster_wide("hooks", account("next", "hook")),
	]
	{v.msg | some v in judge(objects, {})} == {concat("", [
		`group "dev" can become cluster-admin: `,
		"RoleBinding shop/b gives it ClusterRole deploy, which may create pods in namespace shop and so act as ServiceAccount shop/bot; ",
		"RoleBinding next/b gives it ClusterRole deploy, which may create pods in namespace next and so act as ServiceAccount next/hook; ",
		"ClusterRoleBinding b gives it ClusterRole hooks, which may patch mutatingwebhookconfigurations: a webhook sees and changes whatever is written",
	])}
}

# One end by several ways is told once.
test_once if {
	routes([rule("", "pods", "create"), rule("apps", "deployments", "create")], []) == {concat("", [
		"create pods in every namespace, those that admit privileged pods too: a privileged pod is root on its node ",
		"(and 1 more such way)",
	])}
}

operator := role("platform-operator", [rule("kustomize.toolkit.fluxcd.io", "kustomizations", "create")])

test_administrators if {
	judge([operator, cluster_wide("platform-operator", group)], {}) == set()
	judge([cluster_wide("cluster-admin", {"kind": "Group", "name": "system:masters"})], {}) == set()
	judge([cluster_wide("edit", {"kind": "Group", "name": "system:masters"})], {}) == set()
}

# A team's group administers by access.groups alone.
test_administrators_of_a_team if {
	team := {"platform": {"teams": {"t": {"groups": {"dev": {"role": "operator"}}, "namespaces": {"shop": {}}}}}}
	said := {"platform": {"access": {"groups": {"dev": {"roles": {"operator": {"clusters": "*"}}}}}}}
	objects := [operator, within("shop", "platform-operator", group), namespace("shop", "restricted")]
	judge(objects, team) == {{
		"msg": concat("", [
			`group "dev" can become cluster-admin: RoleBinding shop/b gives it ClusterRole platform-operator, `,
			"which may create kustomizations in namespace shop: Flux applies it as cluster-admin",
		]),
		"details": {"path": `platform.teams["t"].groups["dev"]`, "also": []},
	}}
	judge(objects, object.union(team, said)) == set()
}

# Where the user gave the role, and where the role says it.
test_said if {
	kubelet := [rule("", "pods", "get"), rule("", "nodes/proxy", "get")]
	objects := [role("platform-help", kubelet), cluster_wide("platform-help", {"kind": "Group", "name": "oidc:dev"})]
	details := {v.details | some v in judge(objects, {
		"platform": {
			"management": {"identity": {"prefixes": {"groups": "oidc:"}}},
			"access": {"groups": {"dev": {"roles": {"help": {"clusters": "*"}}}}, "roles": {"help": {"rules": kubelet}}},
		},
	})}
	details == {{"path": `platform.access.groups["dev"].roles["help"]`, "also": [`platform.access.roles["help"].rules[1]`]}}
}

test_said_in_a_namespace if {
	objects := [operator, within("shop", "platform-operator", group)]
	details := {v.details | some v in judge(objects, {"platform": {"teams": {"t": {"groups": {}, "namespaces": {"shop": {"access": {"dev": {"role": "operator"}}}}}}}})}
	details == {{"path": `platform.teams["t"].namespaces["shop"].access["dev"]`, "also": []}}
}
