package contain.backup.volumes_test

import data.contain.backup.volumes

defaults := {"ignoredTypes": ["configMap", "hostPath", "secret"]}

spec := {
	"containers": [{"name": "app"}],
	"initContainers": [{"name": "migrate"}],
	"volumes": [
		{"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
		{"name": "disk", "hostPath": {"path": "/var/lib/app"}},
		{"name": "config", "configMap": {"name": "config"}},
	],
}

pod(annotations) := {"kind": "Pod", "metadata": {"name": "app", "annotations": annotations}, "spec": spec}

deployment(annotations) := {
	"kind": "Deployment",
	"metadata": {"name": "app"},
	"spec": {"template": {"metadata": {"annotations": annotations}, "spec": spec}},
}

include := "backup.velero.io/backup-volumes"

exclude := "backup.velero.io/backup-volumes-excludes"

violation(msg, meta, key) := {"msg": msg, "details": {"path": sprintf("%s.annotations[%q]", [meta, key])}}

test_volumes_that_are_there if {
	every object in [pod({include: "data"}), pod({exclude: "data, disk,config"}), deployment({include: " data ,"})] {
		volumes.violation == set() with input.review.object as object with input.parameters as defaults
	}
}

test_volumes_that_are_not if {
	msg := "backup.velero.io/backup-volumes names volume \"logs\", which the Pod does not have"
	volumes.violation == {violation(msg, "metadata", include)} with input.review.object as pod({include: "data,logs"})
		with input.parameters as defaults
	volumes.violation == {violation(msg, "spec.template.metadata", include)} with input.review.object as deployment({include: "logs"})
		with input.parameters as defaults
	excluded := "backup.velero.io/backup-volumes-excludes names volume \"logs\", which the Pod does not have"
	volumes.violation == {violation(excluded, "metadata", exclude)} with input.review.object as pod({exclude: "logs"})
		with input.parameters as defaults
}

test_cron_job if {
	template := {"metadata": {"annotations": {include: "logs"}}, "spec": spec}
	object := {"kind": "CronJob", "metadata": {}, "spec": {"jobTemplate": {"spec": {"template": template}}}}
	msg := "backup.velero.io/backup-volumes names volume \"logs\", which the Pod does not have"
	want := {violation(msg, "spec.jobTemplate.spec.template.metadata", include)}
	volumes.violation == want with input.review.object as object with input.parameters as defaults
}

test_claim_templates_are_volumes if {
	object := {"kind": "StatefulSet", "metadata": {}, "spec": {
		"template": {"metadata": {"annotations": {include: "db"}}, "spec": {"containers": []}},
		"volumeClaimTemplates": [{"metadata": {"name": "db"}}],
	}}
	volumes.violation == set() with input.review.object as object with input.parameters as defaults
}

test_volumes_that_are_never_copied if {
	want := {
		violation("backup.velero.io/backup-volumes names volume \"disk\", and Velero backs up no hostPath volumes", "metadata", include),
		violation("backup.velero.io/backup-volumes names volume \"config\", and Velero backs up no configMap volumes", "metadata", include),
	}
	volumes.violation == want with input.review.object as pod({include: "disk,config"}) with input.parameters as defaults
}

test_in_and_out if {
	want := {violation("volume \"data\" is to be backed up and to be left out", "metadata", exclude)}
	volumes.violation == want with input.review.object as pod({include: "data", exclude: "data"})
		with input.parameters as defaults
}

test_hooks if {
	key := "pre.hook.backup.velero.io/container"
	every name in ["app", "migrate"] {
		volumes.violation == set() with input.review.object as pod({key: name}) with input.parameters as defaults
	}
	want := {violation("pre.hook.backup.velero.io/container names container \"db\", which the Pod does not have", "metadata", key)}
	volumes.violation == want with input.review.object as pod({key: "db"}) with input.parameters as defaults
}

test_annotations_where_nobody_reads_them if {
	resource := object.union(deployment({}), {"metadata": {"annotations": {include: "data"}}})
	want := {violation("backup.velero.io/backup-volumes does nothing on a Deployment: it belongs on the Pod template", "metadata", include)}
	volumes.violation == want with input.review.object as resource with input.parameters as defaults
}

test_nothing_is_said if {
	volumes.violation == set() with input.review.object as {"kind": "Pod", "metadata": {}, "spec": spec}
		with input.parameters as defaults
}
