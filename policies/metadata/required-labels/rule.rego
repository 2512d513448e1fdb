# METADATA
# title: Required labels
# description: Workloads carry the labels by which people and tools find them and their owner.
# custom:
#   kind: ContainMetadataRequiredLabels
#   severity: low
#   enforcement: warn
#   profile: restricted
#   match:
#   - apiGroups: [apps]
#     kinds: [DaemonSet, Deployment, StatefulSet]
#   - apiGroups: [batch]
#     kinds: [CronJob]
#   parameters:
#     type: object
#     properties:
#       labels:
#         description: Labels that must be there.
#         type: array
#         default: [{key: app.kubernetes.io/name}]
#         items:
#           type: object
#           required: [key]
#           properties:
#             key:
#               description: The label's key.
#               type: string
#               minLength: 1
#             allowedRegex:
#               description: What the label's value must match; nothing is asked of it when this is absent.
#               type: string
package contain.metadata.required_labels

violation contains {"msg": msg, "details": {"path": path}} if {
	some wanted in input.parameters.labels
	value(wanted.key) == ""
	msg := sprintf("label %q is required", [wanted.key])
	path := sprintf("metadata.labels[%q]", [wanted.key])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some wanted in input.parameters.labels
	found := value(wanted.key)
	found != ""
	pattern := wanted.allowedRegex
	not regex.match(pattern, found)
	msg := sprintf("label %q is %q, which does not match %s", [wanted.key, found, pattern])
	path := sprintf("metadata.labels[%q]", [wanted.key])
}

# A label without a value says as little as no label.
value(key) := object.get(input.review.object, ["metadata", "labels", key], "")
