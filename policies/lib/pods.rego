# METADATA
# title: Pods of an object
# description: Where the kinds that make Pods keep them; for rules that look at many objects.
package lib.pods

# steps lead to the Pod, which has metadata and spec.
steps := {
	"CronJob": ["spec", "jobTemplate", "spec", "template"],
	"DaemonSet": ["spec", "template"],
	"Deployment": ["spec", "template"],
	"Job": ["spec", "template"],
	"Pod": [],
	"ReplicaSet": ["spec", "template"],
	"StatefulSet": ["spec", "template"],
}

# pod is what the object makes Pods of; there is none for other kinds.
pod(made) := object.get(made, steps[made.kind], {}) if made.apiVersion in {"v1", "apps/v1", "batch/v1"}

# path is the field path of a field of the Pod.
path(made, field) := concat(".", array.concat(steps[made.kind], [field]))
