package lib.workload_test

import data.lib.workload

spec := {"containers": [{"name": "app"}], "initContainers": [{}]}

test_pod if {
	object := {"kind": "Pod", "spec": spec}
	workload.pod_spec == spec with input.review.object as object
	workload.path("containers", 0) == "spec.containers[0]" with input.review.object as object
}

test_templates if {
	kinds := ["DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"]
	every kind in kinds {
		object := {"kind": kind, "spec": {"template": {"spec": spec}}}
		workload.pod_spec == spec with input.review.object as object
		path := workload.path("initContainers", 1) with input.review.object as object
		path == "spec.template.spec.initContainers[1]"
	}
}

test_cron_job if {
	object := {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}
	workload.pod_spec == spec with input.review.object as object
	path := workload.path("ephemeralContainers", 2) with input.review.object as object
	path == "spec.jobTemplate.spec.template.spec.ephemeralContainers[2]"
}

test_other_kinds_have_no_pod_spec if {
	not workload.pod_spec with input.review.object as {"kind": "ConfigMap", "spec": spec}
}

test_lists if workload.lists == ["containers", "initContainers", "ephemeralContainers"]

test_name if {
	workload.name({"name": "app"}) == "app"
	workload.name({}) == ""
}
