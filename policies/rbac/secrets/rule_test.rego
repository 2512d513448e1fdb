package contain.rbac.secrets_test

import data.contain.rbac.secrets

defaults := {"exemptBindings": ["cluster-admin", "system:*"], "exemptNamespaces": ["external-secrets"]}

binding(name, role, subjects) := {
	"kind": "ClusterRoleBinding",
	"metadata": {"name": name},
	"roleRef": {"kind": "ClusterRole", "name": role},
	"subjects": subjects,
}

roles := {
	"reader": {"rules": [
		{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
		{"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["watch"]},
	]},
	"everything": {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
	"writer": {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]},
	"named": {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["ca"]}]},
	"other": {"rules": [{"apiGroups": ["acme.example"], "resources": ["secrets"], "verbs": ["get"]}]},
	"aggregated": {"rules": null},
}

violation(who, role, index) := {
	"msg": sprintf("%s may read the Secrets of every namespace: ClusterRole %s lets it", [who, role]),
	"details": {"path": sprintf("subjects[%d]", [index])},
}

test_subjects if {
	subjects := [
		{"kind": "Group", "name": "ops"},
		{"kind": "ServiceAccount", "name": "app", "namespace": "shop"},
		{"kind": "ServiceAccount", "name": "app", "namespace": "external-secrets"},
	]
	want := {violation(`Group "ops"`, "reader", 0), violation("ServiceAccount shop/app", "reader", 1)}
	secrets.violation == want with input.review.object as binding("a", "reader", subjects)
		with input.parameters as defaults
		with data.inventory.cluster["rbac.authorization.k8s.io/v1"].ClusterRole as roles
}

test_roles if {
	every role in ["reader", "everything", "admin", "edit", "cluster-admin"] {
		want := {violation(`User "eve"`, role, 0)}
		secrets.violation == want with input.review.object as binding("a", role, [{"kind": "User", "name": "eve"}])
			with input.parameters as defaults
			with data.inventory.cluster["rbac.authorization.k8s.io/v1"].ClusterRole as roles
	}
	every role in ["writer", "named", "other", "aggregated", "missing", "view"] {
		secrets.violation == set() with input.review.object as binding("a", role, [{"kind": "User", "name": "eve"}])
			with input.parameters as defaults
			with data.inventory.cluster["rbac.authorization.k8s.io/v1"].ClusterRole as roles
	}
}

test_exempt_bindings if {
	every name in ["cluster-admin", "system:controller"] {
		secrets.violation == set() with input.review.object as binding(name, "edit", [{"kind": "User", "name": "eve"}])
			with input.parameters as defaults
	}
}

test_no_subjects if {
	secrets.violation == set() with input.review.object as binding("a", "edit", null) with input.parameters as defaults
}
