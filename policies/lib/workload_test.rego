package lib.workload_test

import data.lib.workload

spec := {"containers": [{"name": "app"}], "initContainers": [{}]}

pod := {"metadata": {"annotations": {"a": "b"}}, "spec": spec}

test_pod if {
	whole := object.union(pod, {"kind": "Pod"})
	workload.pod == whole with input.review.object as whole
	workload.pod_spec == spec with input.review.object as whole
	workload.path("containers", 0) == "spec.containers[0]" with input.review.object as whole
	workload.metadata_path == "metadata" with input.review.object as whole
}

test_templates if {
	kinds := ["DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"]
	every kind in kinds {
		object := {"kind": kind, "spec": {"template": pod}}
		workload.pod == pod with input.review.object as object
		workload.pod_spec == spec with input.review.object as object
		path := workload.path("initContainers", 1) with input.review.object as object
		path == "spec.template.spec.initContainers[1]"
		workload.metadata_path == "spec.template.metadata" with input.review.object as object
	}
}

test_cron_job if {
	object := {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": pod}}}}
	workload.pod == pod with input.review.object as object
	workload.pod_spec == spec with input.review.object as object
	path := workload.path("ephemeralContainers", 2) with input.review.object as object
	path == "spec.jobTemplate.spec.template.spec.ephemeralContainers[2]"
	workload.metadata_path == "spec.jobTemplate.spec.template.metadata" with input.review.object as object
}

test_other_kinds_have_no_pod_spec if {
	not workload.pod_spec with input.review.object as {"kind": "ConfigMap", "spec": spec}
	not workload.containers with input.review.object as {"kind": "ConfigMap", "spec": spec}
}

test_no_template_has_no_pod_spec if {
	not workload.pod_spec with input.review.object as {"kind": "ReplicationController", "spec": {"replicas": 1}}
}

test_lists if workload.lists == ["containers", "initContainers", "ephemeralContainers"]

test_containers if {
	workload.containers == spec with input.review.object as {"kind": "Pod", "spec": object.union(spec, {"volumes": []})}
}

test_name if {
	workload.name({"name": "app"}) == "app"
	workload.name({}) == ""
}

test_field_ends_at_the_first_step_that_is_not_there if {
	names := ["securityContext", "capabilities", "drop"]
	want := [
		[{}, "c.securityContext"],
		[{"securityContext": null}, "c.securityContext"],
		[{"securityContext": {}}, "c.securityContext.capabilities"],
		[{"securityContext": {"capabilities": {}}}, "c.securityContext.capabilities.drop"],
		[{"securityContext": {"capabilities": {"drop": []}}}, "c.securityContext.capabilities.drop"],
	]
	every each in want {
		workload.field("c", each[0], names) == each[1]
	}
}

test_windows if {
	workload.windows with input.review.object as {"kind": "Pod", "spec": {"os": {"name": "windows"}}}
	not workload.windows with input.review.object as {"kind": "Pod", "spec": {"os": {"name": "linux"}}}
	not workload.windows with input.review.object as {"kind": "Pod", "spec": spec}
}

test_user_namespace if {
	workload.user_namespace with input.review.object as {"kind": "Pod", "spec": {"hostUsers": false}}
	not workload.user_namespace with input.review.object as {"kind": "Pod", "spec": {"hostUsers": true}}
	not workload.user_namespace with input.review.object as {"kind": "Pod", "spec": spec}
}
