# METADATA
# title: Pods and pod templates
# description: |
#   Finds the Pod in every kind that makes Pods, so that a rule about Pods is
#   also a rule about what will become a Pod. A kind that the rule's match lets
#   through but that is not listed here has no Pod and no violations.
#   A field that is null is a field that is not there, as for Kubernetes.
package lib.workload

# Where each kind keeps its Pod. Two kinds of different API groups that share a
# name are told apart by the rule's match, which names the groups.
steps := {
	"CronJob": ["spec", "jobTemplate", "spec", "template"],
	"DaemonSet": ["spec", "template"],
	"Deployment": ["spec", "template"],
	"Job": ["spec", "template"],
	"Pod": [],
	"ReplicaSet": ["spec", "template"],
	"ReplicationController": ["spec", "template"],
	"StatefulSet": ["spec", "template"],
}[input.review.object.kind]

# pod has the metadata and the spec of the Pods.
pod := object.get(input.review.object, steps, {})

pod_spec := pod.spec

spec_path := concat(".", array.concat(steps, ["spec"]))

metadata_path := concat(".", array.concat(steps, ["metadata"]))

# Where a pod spec keeps containers: rules iterate over pod_spec[list].
lists := ["containers", "initContainers", "ephemeralContainers"]

# containers are the lists that the pod spec has, by name.
containers := object.filter(pod_spec, lists)

# path is the field path of a container.
path(list, index) := sprintf("%s.%s[%d]", [spec_path, list, index])

# name is "" for a container without one, so that leaving it out is no way
# around a rule.
name(container) := object.get(container, "name", "")

# field is the path of a field below an owner, which has the path base. It ends
# at the first step that is not there: what is missing is looked for below
# something that is.
field(base, owner, names) := concat(".", array.concat([base], array.slice(names, 0, there + 1))) if {
	there := count([n |
		some n in numbers.range(1, count(names))
		object.get(owner, array.slice(names, 0, n), null) != null
	])
}

# windows says that the Pod runs on Windows, where Kubernetes refuses the
# settings of Linux.
windows if pod_spec.os.name == "windows"

# user_namespace says that the Pod has users of its own: its root is nobody in
# particular on the node.
user_namespace if pod_spec.hostUsers == false
