# METADATA
# title: Image pull policy
# description: Images are pulled from their registry, not taken from whatever a node holds.
# custom:
#   kind: ContainImagesPullPolicy
#   severity: medium
#   enforcement: deny
#   profile: restricted
#   match:
#   - apiGroups: [""]
#     kinds: [Pod, ReplicationController]
#   - apiGroups: [apps]
#     kinds: [DaemonSet, Deployment, ReplicaSet, StatefulSet]
#   - apiGroups: [batch]
#     kinds: [CronJob, Job]
#   parameters:
#     type: object
#     properties:
#       denied:
#         description: Pull policies that are refused.
#         type: array
#         default: [Never]
#         items:
#           type: string
#           enum: [Always, IfNotPresent, Never]
package contain.images.pull_policy

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	some list in workload.lists
	some i, container in workload.pod_spec[list]
	policy := effective(container)
	policy in input.parameters.denied
	msg := sprintf("container %q has the image pull policy %s, which is not allowed", [workload.name(container), policy])
	path := sprintf("%s.imagePullPolicy", [workload.path(list, i)])
}

# What the API server fills in when nothing is said (k8s.io/kubernetes,
# pkg/apis/core/v1, SetDefaults_Container), so that the verdict is the same
# before it and after.
effective(container) := policy if {
	policy := said(container)
	policy != ""
}

effective(container) := "Always" if {
	said(container) == ""
	latest(container.image)
}

effective(container) := "IfNotPresent" if {
	said(container) == ""
	not latest(container.image)
}

said(container) := object.get(container, "imagePullPolicy", "")

# A digest beats the tag, and no tag means latest.
latest(image) if {
	not contains(image, "@")
	endswith(image, ":latest")
}

latest(image) if {
	not contains(image, "@")
	parts := split(image, "/")
	not contains(parts[count(parts) - 1], ":")
}
