package contain.workload.run_as_non_root_test

import data.contain.workload.run_as_non_root

defaults := {"userNamespaces": true}

review(spec) := {"object": {"kind": "Pod", "spec": spec}}

unsaid(name, path) := {
	"msg": sprintf("container %q may run as root: set securityContext.runAsNonRoot to true, for it or for the Pod", [name]),
	"details": {"path": path},
}

root(owner, path) := {
	"msg": sprintf("%s must not set securityContext.runAsNonRoot to false: set it to true", [owner]),
	"details": {"path": sprintf("%s.securityContext.runAsNonRoot", [path])},
}

zero(owner, path) := {
	"msg": sprintf("%s must not run as user 0: set securityContext.runAsUser to another, or leave it to the image", [owner]),
	"details": {"path": sprintf("%s.securityContext.runAsUser", [path])},
}

test_unsaid_in_each_list if {
	spec := {
		"securityContext": {"fsGroup": 1000},
		"containers": [{"name": "app"}, {"name": "fine", "securityContext": {"runAsNonRoot": true}}],
		"initContainers": [{"name": "init", "securityContext": {"runAsUser": 1000}}],
		"ephemeralContainers": [{"securityContext": {"runAsNonRoot": null}}],
	}
	want := {
		unsaid("app", "spec.containers[0].securityContext"),
		unsaid("init", "spec.initContainers[0].securityContext.runAsNonRoot"),
		unsaid("", "spec.ephemeralContainers[0].securityContext.runAsNonRoot"),
	}
	run_as_non_root.violation == want with input.review as review(spec) with input.parameters as defaults
}

test_the_pod_says_it_for_its_containers if {
	spec := {"securityContext": {"runAsNonRoot": true}, "containers": [{"name": "app"}], "initContainers": [{"name": "init"}]}
	run_as_non_root.violation == set() with input.review as review(spec) with input.parameters as defaults
}

test_a_container_says_otherwise if {
	spec := {
		"securityContext": {"runAsNonRoot": true},
		"containers": [{"name": "app", "securityContext": {"runAsNonRoot": false}}],
		"ephemeralContainers": [{"name": "debug", "securityContext": {"runAsNonRoot": false}}],
	}
	want := {
		root(`container "app"`, "spec.containers[0]"),
		root(`container "debug"`, "spec.ephemeralContainers[0]"),
	}
	run_as_non_root.violation == want with input.review as review(spec) with input.parameters as defaults
}

# Kubernetes refuses this even when every container says true.
test_the_pod_says_false if {
	spec := {
		"securityContext": {"runAsNonRoot": false},
		"containers": [{"name": "app"}, {"name": "fine", "securityContext": {"runAsNonRoot": true}}],
	}
	want := {root("the Pod", "spec")}
	run_as_non_root.violation == want with input.review as review(spec) with input.parameters as defaults
}

test_user_0 if {
	spec := {
		"securityContext": {"runAsNonRoot": true, "runAsUser": 0},
		"containers": [{"name": "app", "securityContext": {"runAsUser": 1}}],
		"initContainers": [{"name": "init", "securityContext": {"runAsUser": 0}}],
	}
	want := {zero("the Pod", "spec"), zero(`container "init"`, "spec.initContainers[0]")}
	run_as_non_root.violation == want with input.review as review(spec) with input.parameters as defaults
}

test_user_namespace if {
	spec := {
		"hostUsers": false,
		"securityContext": {"runAsNonRoot": false, "runAsUser": 0},
		"containers": [
			{"name": "app"},
			{"name": "root", "securityContext": {"runAsNonRoot": false, "runAsUser": 0}},
		],
	}
	want := {
		root("the Pod", "spec"),
		zero("the Pod", "spec"),
		root(`container "root"`, "spec.containers[1]"),
		zero(`container "root"`, "spec.containers[1]"),
	}
	run_as_non_root.violation == set() with input.review as review(spec) with input.parameters as defaults
	every parameters in [{"userNamespaces": false}, {}] {
		run_as_non_root.violation == want with input.review as review(spec) with input.parameters as parameters
	}
}

test_host_users if {
	spec := {"hostUsers": true, "containers": [{"name": "app"}]}
	want := {unsaid("app", "spec.containers[0].securityContext")}
	run_as_non_root.violation == want with input.review as review(spec) with input.parameters as defaults
}
