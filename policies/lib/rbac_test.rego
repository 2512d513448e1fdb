package lib.rbac_test

import data.lib.rbac

item(o) := {"unit": "u", "object": o}

role(name, rules, more) := object.union({"kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}, more)

rule(verb) := {"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}

test_grants if {
	binding := {
		"kind": "RoleBinding",
		"metadata": {"name": "b", "namespace": "shop"},
		"roleRef": {"kind": "Role", "name": "r"},
		"subjects": [{"kind": "Group", "name": "g"}, {"kind": "ServiceAccount", "name": "s"}, {"kind": "ServiceAccount", "name": "s", "namespace": "far"}],
	}
	other := {"kind": "Role", "metadata": {"name": "r", "namespace": "far"}, "rules": [rule("delete")]}
	own := {"kind": "Role", "metadata": {"name": "r", "namespace": "shop"}, "rules": [rule("get"), rule("list")]}
	grants := rbac.grants([item(binding), item(other), item(own)])
	[[g.who, g.scope, g.role, g.index, g.rule, g.at] | some g in grants] == [
		["Group g", "shop", "Role shop/r", 0, rule("get"), 0],
		["Group g", "shop", "Role shop/r", 1, rule("list"), 0],
		["ServiceAccount shop/s", "shop", "Role shop/r", 0, rule("get"), 1],
		["ServiceAccount shop/s", "shop", "Role shop/r", 1, rule("list"), 1],
		["ServiceAccount far/s", "shop", "Role shop/r", 0, rule("get"), 2],
		["ServiceAccount far/s", "shop", "Role shop/r", 1, rule("list"), 2],
	]
}

test_cluster_wide if {
	binding := {
		"kind": "ClusterRoleBinding",
		"metadata": {"name": "b"},
		"roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
		"subjects": [{"kind": "Group", "name": "g"}],
	}
	grants := rbac.grants([item(binding)])
	[[g.who, g.scope, g.role, g.rule] | some g in grants] == [[
		"Group g", "*", "ClusterRole cluster-admin",
		{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
	]]
}

# Unknown roles and bindings without subjects grant nothing.
test_nothing if {
	rbac.grants([item({
		"kind": "ClusterRoleBinding",
		"metadata": {"name": "b"},
		"roleRef": {"kind": "ClusterRole", "name": "none"},
		"subjects": [{"kind": "Group", "name": "g"}],
	})]) == []
	rbac.grants([item({
		"kind": "ClusterRoleBinding",
		"metadata": {"name": "b"},
		"roleRef": {"kind": "ClusterRole", "name": "edit"},
	})]) == []
}

test_aggregation if {
	selectors := {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "a"}}, {"matchLabels": {"to": "b"}}]}}
	roles := rbac.cluster_roles([
		item(role("all", [rule("delete")], selectors)),
		item(role("one", [rule("get")], {"metadata": {"labels": {"to": "a"}}})),
		item(role("two", [rule("list")], {"metadata": {"labels": {"to": "c"}}})),
		item(role("view-more", [rule("watch")], {"metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}})),
	])
	roles.all == [rule("get")]
	roles.one == [rule("get")]
	roles.view == [rule("watch")]
	count(roles.admin) == count(roles.edit) + 1
}

test_allows if {
	rbac.allows(rule("get"), "", "pods", "get")
	not rbac.allows(rule("get"), "apps", "pods", "get")
	not rbac.allows(rule("get"), "", "pods/exec", "get")
	not rbac.allows(rule("get"), "", "pods", "list")
	every each in [
		{"apiGroups": ["*"], "resources": ["pods/exec"], "verbs": ["create"]},
		{"apiGroups": [""], "resources": ["*"], "verbs": ["create"]},
		{"apiGroups": [""], "resources": ["*/exec"], "verbs": ["*"]},
	] {
		rbac.allows(each, "", "pods/exec", "create")
	}
	not rbac.allows({"nonResourceURLs": ["*"], "verbs": ["*"]}, "", "pods", "get")
}

# What has no name yet cannot be allowed by its name.
test_names if {
	restricted := {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "patch"], "resourceNames": ["a"]}
	not rbac.allows(restricted, "", "pods", "create")
	rbac.allows(restricted, "", "pods", "patch")
	rbac.names(restricted, {"a", "b"})
	not rbac.names(restricted, {"b"})
	rbac.names(rule("get"), {"b"})
}
