package contain.workload.privilege_escalation_test

import data.contain.workload.privilege_escalation

review(spec) := {"object": {"kind": "Deployment", "spec": {"template": {"spec": spec}}}}

violation(name, path) := {
	"msg": sprintf("container %q must set securityContext.allowPrivilegeEscalation to false", [name]),
	"details": {"path": sprintf("spec.template.spec.%s", [path])},
}

test_each_list if {
	fine := {"name": "fine", "securityContext": {"allowPrivilegeEscalation": false}}
	spec := {
		"containers": [fine, {"name": "app"}],
		"initContainers": [{"name": "init", "securityContext": {"allowPrivilegeEscalation": true}}, fine],
		"ephemeralContainers": [{"name": "debug", "securityContext": {}}],
	}
	want := {
		violation("app", "containers[1].securityContext"),
		violation("init", "initContainers[0].securityContext.allowPrivilegeEscalation"),
		violation("debug", "ephemeralContainers[0].securityContext.allowPrivilegeEscalation"),
	}
	privilege_escalation.violation == want with input.review as review(spec)
}

test_null_is_not_false if {
	spec := {"containers": [{"name": "a", "securityContext": null}, {"securityContext": {"allowPrivilegeEscalation": null}}]}
	want := {
		violation("a", "containers[0].securityContext"),
		violation("", "containers[1].securityContext.allowPrivilegeEscalation"),
	}
	privilege_escalation.violation == want with input.review as review(spec)
}

test_windows if {
	spec := {"os": {"name": "windows"}, "containers": [{"name": "app"}]}
	privilege_escalation.violation == set() with input.review as review(spec)
}

test_linux_by_name if {
	spec := {"os": {"name": "linux"}, "containers": [{"name": "app"}]}
	want := {violation("app", "containers[0].securityContext")}
	privilege_escalation.violation == want with input.review as review(spec)
}
