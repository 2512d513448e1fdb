package contain.workload.host_namespaces_test

import data.contain.workload.host_namespaces

review(spec) := {"object": {"kind": "Pod", "spec": spec}}

test_each_namespace if {
	spec := {"hostIPC": true, "hostNetwork": true, "hostPID": true, "containers": []}
	want := {violation(field) | some field in ["hostIPC", "hostNetwork", "hostPID"]}
	host_namespaces.violation == want with input.review as review(spec) with input.parameters as {"allowed": []}
}

test_allowed_namespace if {
	spec := {"hostNetwork": true, "hostPID": true, "containers": []}
	host_namespaces.violation == {violation("hostPID")} with input.review as review(spec)
		with input.parameters as {"allowed": ["hostNetwork"]}
}

test_no_parameters_allow_nothing if {
	spec := {"hostNetwork": true, "containers": []}
	host_namespaces.violation == {violation("hostNetwork")} with input.review as review(spec)
		with input.parameters as {}
}

test_own_namespaces if {
	spec := {"hostNetwork": false, "containers": []}
	host_namespaces.violation == set() with input.review as review(spec) with input.parameters as {"allowed": []}
}

violation(field) := {
	"msg": sprintf("%s must not be true: the Pod would share a namespace of its node", [field]),
	"details": {"path": sprintf("spec.%s", [field])},
}
