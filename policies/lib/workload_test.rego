package lib.workload_test

import data.lib.workload

pod_spec := {
	"containers": [{"name": "app", "image": "a:1"}],
	"initContainers": [{"name": "init"}],
	"ephemeralContainers": [{"image": "d:1"}],
}

found(prefix) := {
	{
		"image": "a:1",
		"list": "containers",
		"name": "app",
		"path": concat("", [prefix, ".containers[0]"]),
		"spec": {"name": "app", "image": "a:1"},
	},
	{
		"image": "",
		"list": "initContainers",
		"name": "init",
		"path": concat("", [prefix, ".initContainers[0]"]),
		"spec": {"name": "init"},
	},
	{
		"image": "d:1",
		"list": "ephemeralContainers",
		"name": "",
		"path": concat("", [prefix, ".ephemeralContainers[0]"]),
		"spec": {"image": "d:1"},
	},
}

test_pod if {
	object := {"kind": "Pod", "spec": pod_spec}
	workload.containers == found("spec") with input.review.object as object
}

test_templates if {
	kinds := ["DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"]
	every kind in kinds {
		object := {"kind": kind, "spec": {"template": {"spec": pod_spec}}}
		workload.containers == found("spec.template.spec") with input.review.object as object
	}
}

test_cron_job if {
	object := {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": pod_spec}}}}}
	workload.containers == found("spec.jobTemplate.spec.template.spec") with input.review.object as object
}

test_other_kinds_have_no_containers if {
	object := {"kind": "ConfigMap", "spec": pod_spec}
	workload.containers == set() with input.review.object as object
}
