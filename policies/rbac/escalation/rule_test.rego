package contain.rbac.escalation_test

import data.contain.rbac.escalation

defaults := {
	"verbs": ["bind", "escalate", "impersonate"],
	"resources": ["nodes/proxy", "serviceaccounts/token"],
	"exemptRoles": ["admin", "system:*"],
}

role(name, rules) := {"kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}

test_verbs_and_resources if {
	rules := [
		{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]},
		{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["get", "bind", "escalate"]},
		{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]},
		{"apiGroups": [""], "resources": ["nodes", "nodes/proxy", "serviceaccounts/token"], "verbs": ["get", "create"]},
		{"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
	]
	want := {
		{
			"msg": `ClusterRole "app" grants the verb "bind", which leads to further rights`,
			"details": {"path": "rules[1].verbs[1]"},
		},
		{
			"msg": `ClusterRole "app" grants the verb "escalate", which leads to further rights`,
			"details": {"path": "rules[1].verbs[2]"},
		},
		{
			"msg": `ClusterRole "app" grants the verb "impersonate", which leads to further rights`,
			"details": {"path": "rules[2].verbs[0]"},
		},
		{
			"msg": `ClusterRole "app" grants get, create on nodes/proxy, which leads to further rights`,
			"details": {"path": "rules[3].resources[1]"},
		},
		{
			"msg": `ClusterRole "app" grants get, create on serviceaccounts/token, which leads to further rights`,
			"details": {"path": "rules[3].resources[2]"},
		},
	}
	escalation.violation == want with input.review.object as role("app", rules) with input.parameters as defaults
}

test_exempt_roles if {
	rules := [{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["bind"]}]
	every name in ["admin", "system:node"] {
		escalation.violation == set() with input.review.object as role(name, rules) with input.parameters as defaults
	}
	count(escalation.violation) == 2 with input.review.object as role("administrator", rules)
		with input.parameters as defaults
}

test_aggregated_role_without_rules if {
	escalation.violation == set() with input.review.object as role("app", null) with input.parameters as defaults
}
