package contain.resources.replicas_test

import data.contain.resources.replicas

defaults := {"minimum": 2, "spread": true}

review(spec, pod) := {"object": {"kind": "StatefulSet", "spec": object.union(spec, {"template": {"spec": pod}})}}

few(n, minimum) := {
	"msg": sprintf("replicas is %d: set it to %d or more", [n, minimum]),
	"details": {"path": "spec.replicas"},
}

together := {
	"msg": "nothing keeps the replicas apart: set topologySpreadConstraints, or affinity.podAntiAffinity",
	"details": {"path": "spec.template.spec.topologySpreadConstraints"},
}

spread := {"topologySpreadConstraints": [{"topologyKey": "zone"}]}

test_few if {
	every spec in [{"replicas": 1}, {}, {"replicas": null}] {
		replicas.violation == {few(1, 2)} with input.review as review(spec, spread) with input.parameters as defaults
	}
	replicas.violation == {few(2, 3)} with input.review as review({"replicas": 2}, spread)
		with input.parameters as {"minimum": 3, "spread": true}
}

test_together if {
	pods := [
		{},
		{"topologySpreadConstraints": []},
		{"affinity": {"nodeAffinity": {"required": [1]}}},
		{"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [1]}}},
		{"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}},
		{"affinity": null},
	]
	every pod in pods {
		replicas.violation == {together} with input.review as review({"replicas": 2}, pod) with input.parameters as defaults
	}
}

test_few_and_together if {
	replicas.violation == {few(1, 2), together} with input.review as review({}, {}) with input.parameters as defaults
}

test_apart if {
	pods := [
		spread,
		{"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}},
		{"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "host"}]}}},
	]
	every pod in pods {
		replicas.violation == set() with input.review as review({"replicas": 2}, pod) with input.parameters as defaults
	}
}

test_turned_off if {
	replicas.violation == set() with input.review as review({"replicas": 0}, {}) with input.parameters as defaults
}

test_one_that_may_be_alone if {
	parameters := {"minimum": 1, "spread": true}
	replicas.violation == set() with input.review as review({"replicas": 1}, {}) with input.parameters as parameters
	replicas.violation == {together} with input.review as review({"replicas": 2}, {}) with input.parameters as parameters
}

test_not_spread if {
	parameters := {"minimum": 2, "spread": false}
	replicas.violation == set() with input.review as review({"replicas": 2}, {}) with input.parameters as parameters
}
