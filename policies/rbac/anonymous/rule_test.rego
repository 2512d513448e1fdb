package contain.rbac.anonymous_test

import data.contain.rbac.anonymous

defaults := {
	"subjects": ["system:anonymous", "system:authenticated", "system:serviceaccounts", "system:unauthenticated"],
	"allowedRoles": ["system:discovery"],
}

binding(role, subjects) := {
	"kind": "ClusterRoleBinding",
	"metadata": {"name": "a"},
	"roleRef": {"kind": "ClusterRole", "name": role},
	"subjects": subjects,
}

test_each_subject if {
	subjects := [
		{"kind": "User", "name": "system:anonymous"},
		{"kind": "Group", "name": "system:unauthenticated"},
		{"kind": "Group", "name": "system:authenticated"},
		{"kind": "Group", "name": "system:serviceaccounts"},
		{"kind": "Group", "name": "ops"},
		{"kind": "ServiceAccount", "name": "system:anonymous", "namespace": "shop"},
	]
	want := {
		{
			"msg": `User "system:anonymous" (everybody who reaches the API server) is granted ClusterRole view`,
			"details": {"path": "subjects[0].name"},
		},
		{
			"msg": `Group "system:unauthenticated" (everybody who reaches the API server) is granted ClusterRole view`,
			"details": {"path": "subjects[1].name"},
		},
		{
			"msg": `Group "system:authenticated" (everybody who can log in and every Pod) is granted ClusterRole view`,
			"details": {"path": "subjects[2].name"},
		},
		{
			"msg": `Group "system:serviceaccounts" (every Pod of the cluster) is granted ClusterRole view`,
			"details": {"path": "subjects[3].name"},
		},
	}
	anonymous.violation == want with input.review.object as binding("view", subjects) with input.parameters as defaults
}

test_allowed_roles if {
	subjects := [{"kind": "Group", "name": "system:authenticated"}]
	anonymous.violation == set() with input.review.object as binding("system:discovery", subjects)
		with input.parameters as defaults
	object := {"kind": "RoleBinding", "roleRef": {"kind": "Role", "name": "system:discovery"}, "subjects": subjects}
	count(anonymous.violation) == 1 with input.review.object as object with input.parameters as defaults
}

test_subjects_of_ones_own if {
	want := {{
		"msg": `Group "all-staff" (too many people) is granted ClusterRole view`,
		"details": {"path": "subjects[0].name"},
	}}
	anonymous.violation == want with input.review.object as binding("view", [{"kind": "Group", "name": "all-staff"}])
		with input.parameters as {"subjects": ["all-staff"], "allowedRoles": []}
}

test_no_subjects if {
	anonymous.violation == set() with input.review.object as binding("view", null) with input.parameters as defaults
}
