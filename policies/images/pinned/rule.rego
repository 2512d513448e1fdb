# METADATA
# title: Pinned images
# description: Every image names a digest, or a tag that is not one of those that move.
# custom:
#   kind: ContainImagesPinned
#   severity: high
#   enforcement: deny
#   profile: baseline
#   stricter:
#     regulated:
#       parameters:
#         requireDigest: true
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
#       requireDigest:
#         description: Refuse tags altogether; only repository@sha256:… will do.
#         type: boolean
#         default: false
#       deniedTags:
#         description: Tags that are known to move.
#         type: array
#         default: [latest]
#         items:
#           type: string
#           minLength: 1
package contain.images.pinned

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	some list in workload.lists
	some i, container in workload.pod_spec[list]
	image := container.image
	image != ""
	not pinned(image)
	msg := sprintf("image %q of container %q: %s", [image, workload.name(container), reason(image)])
	path := sprintf("%s.image", [workload.path(list, i)])
}

pinned(image) if regex.match(`@[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}$`, image)

reason(_) := "it has no digest" if input.parameters.requireDigest

reason(image) := "it has no tag, which means latest" if {
	not input.parameters.requireDigest
	not tag(image)
}

reason(image) := sprintf("tag %q is not allowed", [tag(image)]) if {
	not input.parameters.requireDigest
	tag(image) in input.parameters.deniedTags
}

# What follows the last colon, unless that colon belongs to the registry's port.
tag(image) := regex.find_all_string_submatch_n(`:([^/:@]+)$`, image, 1)[0][1]
