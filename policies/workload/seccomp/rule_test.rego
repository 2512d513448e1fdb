package contain.workload.seccomp_test

import data.contain.workload.seccomp

baseline := {"allowed": ["RuntimeDefault", "Localhost"], "required": false}

restricted := {"allowed": ["RuntimeDefault", "Localhost"], "required": true}

review(spec) := {"object": {"kind": "Pod", "spec": spec}}

profile(type) := {"seccompProfile": {"type": type}}

wrong(owner, type, path) := {
	"msg": sprintf("%s must not have seccomp profile %q: set securityContext.seccompProfile.type to Localhost or RuntimeDefault", [owner, type]),
	"details": {"path": sprintf("%s.securityContext.seccompProfile.type", [path])},
}

missing(name, path) := {
	"msg": sprintf("container %q has no seccomp profile: set securityContext.seccompProfile.type to Localhost or RuntimeDefault, for it or for the Pod", [name]),
	"details": {"path": path},
}

test_unconfined if {
	spec := {
		"securityContext": profile("Unconfined"),
		"containers": [
			{"name": "app", "securityContext": profile("Unconfined")},
			{"name": "fine", "securityContext": profile("Localhost")},
			{"name": "silent"},
		],
		"initContainers": [{"name": "init", "securityContext": {"seccompProfile": {}}}],
		"ephemeralContainers": [{"securityContext": profile("runtime/default")}],
	}
	want := {
		wrong("the Pod", "Unconfined", "spec"),
		wrong(`container "app"`, "Unconfined", "spec.containers[0]"),
		wrong(`container "init"`, "", "spec.initContainers[0]"),
		wrong(`container ""`, "runtime/default", "spec.ephemeralContainers[0]"),
	}
	every parameters in [baseline, restricted] {
		seccomp.violation == want with input.review as review(spec) with input.parameters as parameters
	}
}

test_nothing_set if {
	spec := {
		"securityContext": {"seccompProfile": null},
		"containers": [{"name": "app"}, {"name": "fine", "securityContext": profile("RuntimeDefault")}],
		"initContainers": [{"name": "init", "securityContext": {}}],
		"ephemeralContainers": [{"name": "debug", "securityContext": {"seccompProfile": null}}],
	}
	want := {
		missing("app", "spec.containers[0].securityContext"),
		missing("init", "spec.initContainers[0].securityContext.seccompProfile"),
		missing("debug", "spec.ephemeralContainers[0].securityContext.seccompProfile"),
	}
	seccomp.violation == set() with input.review as review(spec) with input.parameters as baseline
	seccomp.violation == want with input.review as review(spec) with input.parameters as restricted
}

test_the_pod_sets_it_for_its_containers if {
	spec := {"securityContext": profile("RuntimeDefault"), "containers": [{"name": "app"}], "initContainers": [{"name": "init"}]}
	seccomp.violation == set() with input.review as review(spec) with input.parameters as restricted
}

test_windows_needs_none if {
	spec := {"os": {"name": "windows"}, "containers": [{"name": "app"}]}
	seccomp.violation == set() with input.review as review(spec) with input.parameters as restricted
}

test_types_of_ones_own if {
	spec := {"securityContext": profile("Localhost"), "containers": [{"name": "app"}]}
	want := {{
		"msg": `the Pod must not have seccomp profile "Localhost": set securityContext.seccompProfile.type to RuntimeDefault`,
		"details": {"path": "spec.securityContext.seccompProfile.type"},
	}}
	seccomp.violation == want with input.review as review(spec) with input.parameters as {"allowed": ["RuntimeDefault"]}
}
