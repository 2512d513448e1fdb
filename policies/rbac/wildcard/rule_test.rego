package contain.rbac.wildcard_test

import data.contain.rbac.wildcard

defaults := {
	"fields": ["apiGroups", "nonResourceURLs", "resources", "verbs"],
	"exemptRoles": ["cluster-admin"],
}

review(name, rules) := {"object": {"kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}}

violation(path, value, field) := {
	"msg": sprintf("ClusterRole \"app\" grants %q in %s", [value, field]),
	"details": {"path": path},
}

test_each_field if {
	rules := [
		{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
		{"apiGroups": ["*"], "resources": ["pods", "*", "*/scale"], "verbs": ["*"]},
		{"nonResourceURLs": ["/metrics/*", "*"], "verbs": ["get"]},
	]
	want := {
		violation("rules[1].apiGroups[0]", "*", "apiGroups"),
		violation("rules[1].resources[1]", "*", "resources"),
		violation("rules[1].resources[2]", "*/scale", "resources"),
		violation("rules[1].verbs[0]", "*", "verbs"),
		violation("rules[2].nonResourceURLs[1]", "*", "nonResourceURLs"),
	}
	wildcard.violation == want with input.review as review("app", rules) with input.parameters as defaults
}

test_chosen_fields if {
	rules := [{"apiGroups": ["*"], "resources": ["pods"], "verbs": ["*"]}]
	parameters := {"fields": ["verbs"], "exemptRoles": []}
	want := {violation("rules[0].verbs[0]", "*", "verbs")}
	wildcard.violation == want with input.review as review("app", rules) with input.parameters as parameters
}

test_exempt_roles if {
	rules := [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
	wildcard.violation == set() with input.review as review("cluster-admin", rules) with input.parameters as defaults
	parameters := {"fields": ["verbs"], "exemptRoles": ["flux-*"]}
	wildcard.violation == set() with input.review as review("flux-edit", rules) with input.parameters as parameters
}

test_aggregated_role_without_rules if {
	wildcard.violation == set() with input.review as review("app", null) with input.parameters as defaults
}
