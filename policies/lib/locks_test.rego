package lib.locks_test

import data.lib.locks

item(o) := {"unit": "u", "object": o}

expression := "has(object.spec.serviceAccountName) && object.spec.serviceAccountName == 'flux-team'"

rule := {
	"apiGroups": ["helm.toolkit.fluxcd.io"],
	"apiVersions": ["*"],
	"operations": ["CREATE", "UPDATE"],
	"resources": ["helmreleases"],
}

match := {
	"namespaceSelector": {"matchExpressions": [{"key": "contain.platform/team", "operator": "Exists"}]},
	"resourceRules": [rule],
}

changed := {"name": "changed", "expression": "request.operation == 'CREATE' || object.spec != oldObject.spec"}

spec := {
	"failurePolicy": "Fail",
	"matchConstraints": match,
	"matchConditions": [changed],
	"validations": [{"expression": expression}, {"expression": "!has(object.spec.kubeConfig)"}],
}

policy(more) := item({"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"}, "spec": object.union(spec, more)})

binding(more) := item({"kind": "ValidatingAdmissionPolicyBinding", "spec": object.union(
	{"policyName": "p", "validationActions": ["Deny"]},
	more,
)})

team := {"contain.platform/team": "shop"}

accounts(objects, resource, labels) := locks.accounts(locks.all(objects), "helm.toolkit.fluxcd.io", resource, labels)

holds(policy_more, binding_more) if {
	accounts([policy(policy_more), binding(binding_more)], "helmreleases", team) == {"flux-team"}
}

test_lock if {
	holds({}, {})
	holds({"matchConditions": []}, {})
	accounts([policy({})], "helmreleases", team) == set()
	accounts([policy({}), binding({})], "helmreleases", {}) == set()
	accounts([policy({}), binding({})], "other", team) == set()
	locks.accounts(locks.all([policy({}), binding({})]), "other.io", "helmreleases", team) == set()
}

test_leaks if {
	not holds({"failurePolicy": "Ignore"}, {})
	not holds({"matchConditions": [changed, {"expression": "false"}]}, {})
	not holds({"paramKind": {"kind": "ConfigMap"}}, {})
	not holds({"validations": [{"expression": sprintf("%s || true", [expression])}]}, {})
	not holds({"matchConstraints": object.union(match, {"objectSelector": {"matchLabels": {"a": "b"}}})}, {})
	not holds({"matchConstraints": object.union(match, {"excludeResourceRules": [rule]})}, {})
	not holds({"matchConstraints": object.union(match, {"resourceRules": [object.union(rule, {"operations": ["CREATE"]})]})}, {})
	not holds({"matchConstraints": object.union(match, {"resourceRules": [object.union(rule, {"resourceNames": ["a"]})]})}, {})
	not holds({"matchConstraints": object.union(match, {"resourceRules": [object.union(rule, {"apiVersions": ["v2"]})]})}, {})
	not holds({}, {"validationActions": ["Warn"]})
	not holds({}, {"policyName": "q"})
	not holds({}, {"matchResources": {"namespaceSelector": {}}})
}
