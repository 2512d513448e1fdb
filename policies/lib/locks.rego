# METADATA
# title: Locks
# description: |
#   Admission policies of the API server that keep the Flux objects of some
#   namespaces under a service account. Without one, whoever writes a
#   Kustomization or a HelmRelease has Flux act as itself.
package lib.locks

import data.lib.selector

# all are one for each policy and account that its expressions ask for: the
# selector of namespaces and the rules of what it is about.
all(objects) := [{"selector": selector_, "rules": match.resourceRules, "account": account} |
	some item in objects
	policy := item.object
	policy.kind == "ValidatingAdmissionPolicy"
	holds(objects, policy)
	match := policy.spec.matchConstraints
	selector_ := object.get(match, "namespaceSelector", {})
	some validation in policy.spec.validations
	account := named(validation.expression)
]

# accounts are the names of the service accounts that, by all of the locks, Flux's
# objects of a resource must name in a namespace with these labels.
accounts(found, group, resource, labels) := {lock.account |
	some lock in found
	selector.matches(lock.selector, labels)
	some rule in lock.rules
	takes(rule, group, resource)
}

# named is the account that an expression asks for, in the words of the catalog:
# of others it is not known what they let through.
named(expression) := found[1] if {
	some found in regex.find_all_string_submatch_n(
		`^has\(object\.spec\.serviceAccountName\) && object\.spec\.serviceAccountName == '([a-z0-9.-]+)'$`,
		expression,
		1,
	)
}

# holds: the policy refuses, whatever happens, and a binding says so for all that
# it matches.
holds(objects, policy) if {
	object.get(policy.spec, "failurePolicy", "Fail") == "Fail"
	not policy.spec.paramKind
	every field in ["excludeResourceRules", "objectSelector"] {
		object.get(policy.spec.matchConstraints, field, []) in [[], {}]
	}
	every condition in object.get(policy.spec, "matchConditions", []) {
		condition.expression == "request.operation == 'CREATE' || object.spec != oldObject.spec"
	}
	some item in objects
	item.object.kind == "ValidatingAdmissionPolicyBinding"
	item.object.spec.policyName == policy.metadata.name
	not item.object.spec.matchResources
	not item.object.spec.paramRef
	"Deny" in item.object.spec.validationActions
}

takes(rule, group, resource) if {
	every wanted in [["apiGroups", group], ["apiVersions", "*"], ["resources", resource]] {
		some value in rule[wanted[0]]
		value in {"*", wanted[1]}
	}
	every operation in ["CREATE", "UPDATE"] {
		some value in rule.operations
		value in {"*", operation}
	}
	count(object.get(rule, "resourceNames", [])) == 0
	object.get(rule, "scope", "*") in {"*", "Namespaced"}
}
