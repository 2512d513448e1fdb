package contain.workload.sysctls_test

import data.contain.workload.sysctls

review(names) := {"object": {"kind": "Deployment", "spec": {"template": {"spec": {"securityContext": {"sysctls": names}}}}}}

violation(name, i) := {
	"msg": sprintf("the Pod must not set sysctl %q: leave it out, or set it on the node", [name]),
	"details": {"path": sprintf("spec.template.spec.securityContext.sysctls[%d].name", [i])},
}

test_each_sysctl if {
	names := [{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_rmem"}, {"name": "net.core.somaxconn"}, {"value": "1"}]
	want := {violation("kernel.msgmax", 0), violation("net.core.somaxconn", 2), violation("", 3)}
	sysctls.violation == want with input.review as review(names) with input.parameters as {"allowed": ["net.ipv4.tcp_rmem"]}
}

test_patterns if {
	names := [{"name": "net.core.somaxconn"}, {"name": "net.ipv4.ip_forward"}]
	sysctls.violation == {violation("net.ipv4.ip_forward", 1)} with input.review as review(names)
		with input.parameters as {"allowed": ["net.core.*"]}
}

test_no_parameters_allow_nothing if {
	sysctls.violation == {violation("net.ipv4.tcp_rmem", 0)} with input.review as review([{"name": "net.ipv4.tcp_rmem"}])
		with input.parameters as {}
}

test_none if {
	every names in [[], null] {
		sysctls.violation == set() with input.review as review(names) with input.parameters as {"allowed": []}
	}
}
