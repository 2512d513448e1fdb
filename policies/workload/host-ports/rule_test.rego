package contain.workload.host_ports_test

import data.contain.workload.host_ports

review(spec) := {"object": {"kind": "Pod", "spec": spec}}

violation(name, port, path) := {
	"msg": sprintf("container %q must not take port %d of its node: leave hostPort out, and use a Service", [name, port]),
	"details": {"path": sprintf("spec.%s.hostPort", [path])},
}

test_each_port_in_each_list if {
	spec := {
		"containers": [{"name": "app", "ports": [{"containerPort": 1}, {"hostPort": 80}, {"hostPort": 443}]}, {"name": "none"}],
		"initContainers": [{"name": "init", "ports": [{"hostPort": 1}]}],
		"ephemeralContainers": [{"ports": [{"hostPort": 65535}]}],
	}
	want := {
		violation("app", 80, "containers[0].ports[1]"),
		violation("app", 443, "containers[0].ports[2]"),
		violation("init", 1, "initContainers[0].ports[0]"),
		violation("", 65535, "ephemeralContainers[0].ports[0]"),
	}
	every parameters in [{"allowed": []}, {}] {
		host_ports.violation == want with input.review as review(spec) with input.parameters as parameters
	}
}

test_no_host_port if {
	spec := {"containers": [{"name": "app", "ports": [{"hostPort": 0}, {"hostPort": null}, {}]}, {"name": "b", "ports": null}]}
	host_ports.violation == set() with input.review as review(spec) with input.parameters as {"allowed": []}
}

test_allowed_port if {
	spec := {"containers": [{"name": "app", "ports": [{"hostPort": 80}, {"hostPort": 443}]}]}
	host_ports.violation == {violation("app", 443, "containers[0].ports[1]")} with input.review as review(spec)
		with input.parameters as {"allowed": [80]}
}

test_host_network_is_another_rules_business if {
	ports := [{"name": "app", "ports": [{"hostPort": 80}]}]
	host_ports.violation == set() with input.review as review({"hostNetwork": true, "containers": ports})
		with input.parameters as {"allowed": []}
	host_ports.violation == {violation("app", 80, "containers[0].ports[0]")} with input.review as review({"hostNetwork": false, "containers": ports})
		with input.parameters as {"allowed": []}
}
