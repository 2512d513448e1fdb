package contain.workload.volume_types_test

import data.contain.workload.volume_types

baseline := {"allowed": ["*"], "denied": ["hostPath"]}

restricted := {"allowed": ["secret", "emptyDir", "hostPath"], "denied": ["hostPath"]}

review(volumes) := {"object": {"kind": "Pod", "spec": {"volumes": volumes, "containers": []}}}

violation(msg, path) := {"msg": msg, "details": {"path": path}}

test_baseline if {
	volumes := [{"name": "a", "emptyDir": {}}, {"name": "b", "hostPath": {"path": "/"}}, {"name": "c", "nfs": {}}, {"name": "d"}]
	want := {violation(
		`volume "b" must not be of type hostPath: ask for storage with a persistentVolumeClaim`,
		"spec.volumes[1].hostPath",
	)}
	volume_types.violation == want with input.review as review(volumes) with input.parameters as baseline
}

test_a_list_of_types if {
	volumes := [{"name": "a", "nfs": {}}, {"name": "b", "hostPath": {}}, {"name": "c", "secret": {}}, {"newType": {}}, {"name": "e"}]
	want := {
		violation(`volume "a" must not be of type nfs, only emptyDir, secret`, "spec.volumes[0].nfs"),
		violation(`volume "b" must not be of type hostPath, only emptyDir, secret`, "spec.volumes[1].hostPath"),
		violation(`volume "" must not be of type newType, only emptyDir, secret`, "spec.volumes[3].newType"),
	}
	volume_types.violation == want with input.review as review(volumes) with input.parameters as restricted
}

test_null_is_no_source if {
	volumes := [{"name": "a", "hostPath": null, "emptyDir": {}}, {"name": "b", "hostPath": null}]
	volume_types.violation == set() with input.review as review(volumes) with input.parameters as restricted
}

test_both_sources_count if {
	volumes := [{"name": "a", "hostPath": {}, "emptyDir": {}}]
	want := {violation(
		`volume "a" must not be of type hostPath: ask for storage with a persistentVolumeClaim`,
		"spec.volumes[0].hostPath",
	)}
	volume_types.violation == want with input.review as review(volumes) with input.parameters as baseline
}

test_no_source_is_an_empty_dir if {
	parameters := {"allowed": ["secret"], "denied": []}
	want := {
		violation(`volume "a" must not be of type emptyDir, only secret`, "spec.volumes[0]"),
		violation(`volume "b" must not be of type emptyDir, only secret`, "spec.volumes[1]"),
		violation(`volume "c" must not be of type emptyDir, only secret`, "spec.volumes[2].emptyDir"),
	}
	volumes := [{"name": "a"}, {"name": "b", "secret": null}, {"name": "c", "emptyDir": {}}, {"name": "d", "secret": {}}]
	volume_types.violation == want with input.review as review(volumes) with input.parameters as parameters
}

test_no_parameters_allow_nothing if {
	want := {violation(
		`volume "a" must not be of type secret: ask for storage with a persistentVolumeClaim`,
		"spec.volumes[0].secret",
	)}
	volume_types.violation == want with input.review as review([{"name": "a", "secret": {}}]) with input.parameters as {}
}

test_no_volumes if {
	every volumes in [[], null] {
		volume_types.violation == set() with input.review as review(volumes) with input.parameters as restricted
	}
}
