package contain.workload.capabilities_test

import data.contain.workload.capabilities

baseline := {"allowed": ["SETUID", "CHOWN"], "requiredDrop": []}

restricted := {"allowed": ["NET_BIND_SERVICE"], "requiredDrop": ["ALL"]}

review(spec) := {"object": {"kind": "Pod", "spec": spec}}

pod(capabilities) := review({"containers": [{"name": "app", "securityContext": {"capabilities": capabilities}}]})

added(name, capability, only, path) := {
	"msg": sprintf("container %q must not add capability %s%s", [name, capability, only]),
	"details": {"path": path},
}

not_dropped(name, capability, path) := {
	"msg": sprintf("container %q must have %s in securityContext.capabilities.drop", [name, capability]),
	"details": {"path": path},
}

test_each_capability_in_each_list if {
	context := {"capabilities": {"add": ["CHOWN", "NET_RAW", "ALL"]}}
	spec := {
		"containers": [{"name": "app", "securityContext": context}],
		"initContainers": [{"name": "init", "securityContext": context}],
		"ephemeralContainers": [{"securityContext": context}],
	}
	want := {violation |
		some [name, list] in [["app", "containers"], ["init", "initContainers"], ["", "ephemeralContainers"]]
		some i, capability in ["CHOWN", "NET_RAW", "ALL"]
		i > 0
		path := sprintf("spec.%s[0].securityContext.capabilities.add[%d]", [list, i])
		violation := added(name, capability, ", only CHOWN, SETUID", path)
	}
	count(want) == 6
	capabilities.violation == want with input.review as review(spec) with input.parameters as baseline
}

test_names_are_exact if {
	want := {
		added("app", "CAP_CHOWN", ", only CHOWN, SETUID", "spec.containers[0].securityContext.capabilities.add[0]"),
		added("app", "chown", ", only CHOWN, SETUID", "spec.containers[0].securityContext.capabilities.add[1]"),
	}
	capabilities.violation == want with input.review as pod({"add": ["CAP_CHOWN", "chown"]})
		with input.parameters as baseline
}

test_nothing_allowed if {
	want := {added("app", "CHOWN", "", "spec.containers[0].securityContext.capabilities.add[0]")}
	every parameters in [{}, {"allowed": []}] {
		capabilities.violation == want with input.review as pod({"add": ["CHOWN"]})
			with input.parameters as parameters
	}
}

test_baseline_asks_for_no_drop if {
	capabilities.violation == set() with input.review as review({"containers": [{"name": "app"}]})
		with input.parameters as baseline
}

test_not_dropped if {
	spec := {
		"containers": [
			{"name": "none"},
			{"name": "empty", "securityContext": {}},
			{"name": "add", "securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}}},
			{"name": "one", "securityContext": {"capabilities": {"drop": ["NET_RAW", "all"]}}},
			{"name": "null", "securityContext": {"capabilities": {"drop": null}}},
		],
		"initContainers": [{"name": "init", "securityContext": {"capabilities": null}}],
		"ephemeralContainers": [{"name": "debug"}],
	}
	want := {
		not_dropped("none", "ALL", "spec.containers[0].securityContext"),
		not_dropped("empty", "ALL", "spec.containers[1].securityContext.capabilities"),
		not_dropped("add", "ALL", "spec.containers[2].securityContext.capabilities.drop"),
		not_dropped("one", "ALL", "spec.containers[3].securityContext.capabilities.drop"),
		not_dropped("null", "ALL", "spec.containers[4].securityContext.capabilities.drop"),
		not_dropped("init", "ALL", "spec.initContainers[0].securityContext.capabilities"),
		not_dropped("debug", "ALL", "spec.ephemeralContainers[0].securityContext"),
	}
	capabilities.violation == want with input.review as review(spec) with input.parameters as restricted
}

test_dropped if {
	every drop in [["ALL"], ["CHOWN", "ALL"]] {
		capabilities.violation == set() with input.review as pod({"drop": drop, "add": ["NET_BIND_SERVICE"]})
			with input.parameters as restricted
	}
}

test_drop_of_ones_own if {
	parameters := {"allowed": [], "requiredDrop": ["NET_RAW"]}
	want := {not_dropped("app", "NET_RAW", "spec.containers[0].securityContext.capabilities.drop")}
	capabilities.violation == want with input.review as pod({"drop": ["CHOWN"]}) with input.parameters as parameters
	every drop in [["NET_RAW"], ["ALL"]] {
		capabilities.violation == set() with input.review as pod({"drop": drop}) with input.parameters as parameters
	}
}

test_windows_drops_nothing if {
	spec := {"os": {"name": "windows"}, "containers": [{"name": "app"}]}
	capabilities.violation == set() with input.review as review(spec) with input.parameters as restricted
}
