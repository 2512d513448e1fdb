package contain.workload.read_only_root_test

import data.contain.workload.read_only_root

review(spec) := {"object": {"kind": "Pod", "spec": spec}}

violation(name, path) := {
	"msg": sprintf("container %q must set securityContext.readOnlyRootFilesystem to true, and mount an emptyDir where it writes", [name]),
	"details": {"path": sprintf("spec.%s", [path])},
}

test_each_list if {
	fine := {"name": "fine", "securityContext": {"readOnlyRootFilesystem": true}}
	spec := {
		"containers": [fine, {"name": "app"}, {"name": "null", "securityContext": {"readOnlyRootFilesystem": null}}],
		"initContainers": [{"name": "init", "securityContext": {"readOnlyRootFilesystem": false}}],
		"ephemeralContainers": [{"securityContext": {}}],
	}
	want := {
		violation("app", "containers[1].securityContext"),
		violation("null", "containers[2].securityContext.readOnlyRootFilesystem"),
		violation("init", "initContainers[0].securityContext.readOnlyRootFilesystem"),
		violation("", "ephemeralContainers[0].securityContext.readOnlyRootFilesystem"),
	}
	read_only_root.violation == want with input.review as review(spec)
}

test_windows if {
	spec := {"os": {"name": "windows"}, "containers": [{"name": "app"}]}
	read_only_root.violation == set() with input.review as review(spec)
}
