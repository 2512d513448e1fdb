package contain.workload.probe_hosts_test

import data.contain.workload.probe_hosts

review(spec) := {"object": {"kind": "Pod", "spec": spec}}

violation(name, container, field) := {
	"msg": sprintf("container %q must not name a host in %s: leave it out, and the kubelet calls the Pod", [name, field]),
	"details": {"path": sprintf("spec.%s.%s.host", [container, field])},
}

call := {"httpGet": {"host": "127.0.0.1", "port": 80}}

test_each_probe_and_hook if {
	container := {
		"name": "app",
		"livenessProbe": call,
		"readinessProbe": {"tcpSocket": {"host": "db", "port": 5432}},
		"startupProbe": call,
		"lifecycle": {"postStart": call, "preStop": {"tcpSocket": {"host": "db"}}},
	}
	want := {
		violation("app", "containers[0]", "livenessProbe.httpGet"),
		violation("app", "containers[0]", "readinessProbe.tcpSocket"),
		violation("app", "containers[0]", "startupProbe.httpGet"),
		violation("app", "containers[0]", "lifecycle.postStart.httpGet"),
		violation("app", "containers[0]", "lifecycle.preStop.tcpSocket"),
	}
	probe_hosts.violation == want with input.review as review({"containers": [container]})
}

test_each_list if {
	spec := {
		"containers": [{"name": "fine"}, {"name": "app", "livenessProbe": call}],
		"initContainers": [{"name": "init", "startupProbe": call}],
		"ephemeralContainers": [{"lifecycle": {"preStop": call}}],
	}
	want := {
		violation("app", "containers[1]", "livenessProbe.httpGet"),
		violation("init", "initContainers[0]", "startupProbe.httpGet"),
		violation("", "ephemeralContainers[0]", "lifecycle.preStop.httpGet"),
	}
	probe_hosts.violation == want with input.review as review(spec)
}

test_no_host if {
	container := {
		"name": "app",
		"livenessProbe": {"httpGet": {"port": 80}},
		"readinessProbe": {"tcpSocket": {"host": "", "port": 80}, "httpGet": null},
		"startupProbe": {"exec": {"command": ["a"]}},
		"lifecycle": {"postStart": {"httpGet": {"host": null}}, "preStop": null},
	}
	probe_hosts.violation == set() with input.review as review({"containers": [container, {"lifecycle": null}]})
}
