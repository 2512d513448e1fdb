# METADATA
# title: RBAC
# description: |
#   What the bindings among a cluster's objects grant, with aggregated
#   ClusterRoles and those that Kubernetes brings.
package lib.rbac

import data.lib.selector

# grants are one for each subject of a binding and each rule of its role:
#
#	who      "Group name", "User name" or "ServiceAccount namespace/name"
#	scope    a namespace, or "*" for the whole cluster
#	rule     of the role, which stands at index
#	role     "ClusterRole name" or "Role namespace/name"
#	binding  by name, with its roleRef; unit is where it is
#	subject  as the binding has it; at is its index
grants(objects) := [grant |
	roles := cluster_roles(objects)
	some item in objects
	binding := item.object
	binding.kind in {"ClusterRoleBinding", "RoleBinding"}
	some at, subject in binding.subjects
	some index, rule in rules(objects, roles, binding)
	grant := {
		"who": who(subject, binding),
		"scope": object.get(binding.metadata, "namespace", "*"),
		"rule": rule,
		"index": index,
		"role": role_name(binding),
		"binding": {
			"apiVersion": "rbac.authorization.k8s.io/v1",
			"kind": binding.kind,
			"metadata": object.filter(binding.metadata, ["name", "namespace"]),
			"roleRef": binding.roleRef,
		},
		"unit": item.unit,
		"subject": subject,
		"at": at,
	}
]

who(subject, _) := sprintf("%s %s", [subject.kind, subject.name]) if subject.kind != "ServiceAccount"

who(subject, binding) := sprintf("ServiceAccount %s/%s", [
	object.get(subject, "namespace", object.get(binding.metadata, "namespace", "")),
	subject.name,
]) if {
	subject.kind == "ServiceAccount"
}

role_name(binding) := sprintf("%s %s", [binding.roleRef.kind, binding.roleRef.name]) if binding.roleRef.kind != "Role"

role_name(binding) := sprintf("Role %s/%s", [binding.metadata.namespace, binding.roleRef.name]) if binding.roleRef.kind == "Role"

rules(_, roles, binding) := object.get(roles, binding.roleRef.name, []) if binding.roleRef.kind == "ClusterRole"

rules(objects, _, binding) := [rule |
	some item in objects
	item.object.kind == "Role"
	item.object.metadata.namespace == binding.metadata.namespace
	item.object.metadata.name == binding.roleRef.name
	some rule in item.object.rules
] if {
	binding.roleRef.kind == "Role"
}

# cluster_roles are the rules of each ClusterRole. One with an aggregationRule
# has those of the roles that it selects, whatever it says itself.
cluster_roles(objects) := object.union(brought, described) if {
	all := [item.object | some item in objects; item.object.kind == "ClusterRole"]
	described := {role.metadata.name: rules |
		some role in all
		rules := rules_of(role, all)
	}
	brought := {name: array.concat(rules, more) |
		some name, rules in built_in
		more := aggregated([{"matchLabels": {sprintf("rbac.authorization.k8s.io/aggregate-to-%s", [name]): "true"}}], all)
	}
}

rules_of(role, _) := [rule | some rule in role.rules] if not role.aggregationRule

rules_of(role, all) := aggregated(role.aggregationRule.clusterRoleSelectors, all) if role.aggregationRule

aggregated(selectors, all) := [rule |
	some role in all
	selected(selectors, object.get(role.metadata, "labels", {}))
	some rule in role.rules
]

selected(selectors, labels) if {
	some each in selectors
	selector.matches(each, labels)
}

# built_in are Kubernetes' user-facing ClusterRoles, as far as they lead
# anywhere (kubernetes.io/docs/reference/access-authn-authz/rbac, "User-facing
# roles").
built_in := {
	"cluster-admin": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
	"admin": array.concat(edit, [{
		"apiGroups": ["rbac.authorization.k8s.io"],
		"resources": ["roles", "rolebindings"],
		"verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
	}]),
	"edit": edit,
	"view": [],
}

edit := [
	{
		"apiGroups": [""],
		"resources": ["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "replicationcontrollers", "secrets", "serviceaccounts", "services/proxy"],
		"verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
	},
	{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]},
	{"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]},
	{
		"apiGroups": ["apps"],
		"resources": ["daemonsets", "deployments", "replicasets", "statefulsets"],
		"verbs": ["create", "delete", "patch", "update"],
	},
	{"apiGroups": ["batch"], "resources": ["cronjobs", "jobs"], "verbs": ["create", "delete", "patch", "update"]},
]

# allows tells whether a rule allows one of the verbs on a resource. A name
# cannot restrict what is yet to be created, so that such a rule creates
# nothing.
allows(rule, group, resource, verb) if {
	some g in rule.apiGroups
	g in {group, "*"}
	some r in rule.resources
	same(r, resource)
	some v in rule.verbs
	v in {verb, "*"}
	not named_create(rule, verb)
}

named_create(rule, "create") if count(rule.resourceNames) > 0

same(pattern, resource) if pattern in {resource, "*"}

# "*/exec" is that subresource of every resource.
same(pattern, resource) if {
	startswith(pattern, "*/")
	endswith(resource, substring(pattern, 1, -1))
}

# names tells whether a rule holds for one of some names.
names(rule, _) if count(object.get(rule, "resourceNames", [])) == 0

names(rule, wanted) if {
	some name in rule.resourceNames
	name in wanted
}
