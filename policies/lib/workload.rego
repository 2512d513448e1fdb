# METADATA
# title: Pods and pod templates
# description: |
#   Finds the pod spec in every kind that makes Pods, so that a rule about Pods
#   is also a rule about what will become a Pod. A kind that the rule's match
#   lets through but that is not listed here has no pod spec and no violations.
package lib.workload

# Where each kind keeps its pod spec. Two kinds of different API groups that
# share a name are told apart by the rule's match, which names the groups.
spec_path := "spec" if input.review.object.kind == "Pod"

spec_path := "spec.template.spec" if {
	input.review.object.kind in {
		"DaemonSet",
		"Deployment",
		"Job",
		"ReplicaSet",
		"ReplicationController",
		"StatefulSet",
	}
}

spec_path := "spec.jobTemplate.spec.template.spec" if input.review.object.kind == "CronJob"

pod_spec := input.review.object.spec if spec_path == "spec"

pod_spec := input.review.object.spec.template.spec if spec_path == "spec.template.spec"

pod_spec := input.review.object.spec.jobTemplate.spec.template.spec if {
	spec_path == "spec.jobTemplate.spec.template.spec"
}

# Where a pod spec keeps containers: rules iterate over pod_spec[list].
lists := ["containers", "initContainers", "ephemeralContainers"]

# path is the field path of a container.
path(list, index) := sprintf("%s.%s[%d]", [spec_path, list, index])

# name is "" for a container without one, so that leaving it out is no way
# around a rule.
name(container) := object.get(container, "name", "")
