package contain.rbac.cluster_admin_test

import data.contain.rbac.cluster_admin

defaults := {"roles": ["cluster-admin"], "exemptBindings": ["cluster-admin"], "exemptNamespaces": ["flux-system", "kube-*"]}

binding(name, role, subjects) := {
	"kind": "ClusterRoleBinding",
	"metadata": {"name": name},
	"roleRef": {"kind": "ClusterRole", "name": role},
	"subjects": subjects,
}

account(namespace) := {"kind": "ServiceAccount", "name": "app", "namespace": namespace}

masters := {"kind": "Group", "name": "system:masters"}

past(index) := {
	"msg": `the group "system:masters" is past all authorization; bind a group of your own`,
	"details": {"path": sprintf("subjects[%d]", [index])},
}

test_subjects if {
	subjects := [
		{"kind": "User", "name": "eve"},
		{"kind": "Group", "name": "ops"},
		account("shop"),
		account("flux-system"),
		account("kube-system"),
		masters,
	]
	want := {
		{"msg": `User "eve" is bound to cluster-admin`, "details": {"path": "subjects[0]"}},
		{"msg": `Group "ops" is bound to cluster-admin`, "details": {"path": "subjects[1]"}},
		{"msg": "ServiceAccount shop/app is bound to cluster-admin", "details": {"path": "subjects[2]"}},
		past(5),
	}
	cluster_admin.violation == want with input.review.object as binding("ops", "cluster-admin", subjects)
		with input.parameters as defaults
}

test_in_one_namespace if {
	object := {
		"kind": "RoleBinding",
		"metadata": {"name": "cluster-admin", "namespace": "shop"},
		"roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
		"subjects": [{"kind": "User", "name": "eve"}],
	}
	want := {{"msg": `User "eve" is bound to cluster-admin in namespace shop`, "details": {"path": "subjects[0]"}}}
	cluster_admin.violation == want with input.review.object as object with input.parameters as defaults
}

test_a_role_of_the_same_name_is_another if {
	object := {
		"kind": "RoleBinding",
		"metadata": {"name": "a", "namespace": "shop"},
		"roleRef": {"kind": "Role", "name": "cluster-admin"},
		"subjects": [{"kind": "User", "name": "eve"}],
	}
	cluster_admin.violation == set() with input.review.object as object with input.parameters as defaults
}

test_masters_of_any_role if {
	cluster_admin.violation == {past(0)} with input.review.object as binding("a", "view", [masters])
		with input.parameters as defaults
}

test_exempt_binding if {
	cluster_admin.violation == set() with input.review.object as binding("cluster-admin", "cluster-admin", [masters])
		with input.parameters as defaults
}

test_no_subjects if {
	cluster_admin.violation == set() with input.review.object as binding("a", "cluster-admin", null)
		with input.parameters as defaults
}
