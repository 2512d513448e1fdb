package lib.pods_test

import data.lib.pods

test_pod if {
	pod := {"metadata": {"name": "p"}, "spec": {"containers": []}}
	pods.pod(object.union({"apiVersion": "v1", "kind": "Pod"}, pod)).spec == pod.spec
	pods.pod({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": pod}}) == pod
	pods.pod({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": pod}}}}) == pod
}

test_no_pod if {
	not pods.pod({"apiVersion": "v1", "kind": "Service", "spec": {"template": {}}})
	not pods.pod({"apiVersion": "example.com/v1", "kind": "Job", "spec": {"template": {}}})
}

test_path if {
	pods.path({"kind": "Pod"}, "metadata") == "metadata"
	pods.path({"kind": "StatefulSet"}, "metadata") == "spec.template.metadata"
	pods.path({"kind": "CronJob"}, "spec") == "spec.jobTemplate.spec.template.spec"
}
