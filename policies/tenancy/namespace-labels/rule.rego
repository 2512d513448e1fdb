# METADATA
# title: Labels of namespaces
# description: Every Namespace says which Pods it admits.
# custom:
#   kind: ContainTenancyNamespaceLabels
#   severity: high
#   enforcement: deny
#   profile: regulated
#   stricter:
#     regulated:
#       parameters:
#         levels: [restricted]
#   match:
#   - apiGroups: [""]
#     kinds: [Namespace]
#   parameters:
#     type: object
#     properties:
#       levels:
#         description: Levels of the Pod Security Standards that may be enforced.
#         type: array
#         default: [baseline, restricted]
#         items:
#           type: string
#           enum: [privileged, baseline, restricted]
#       labels:
#         description: Further labels that a Namespace must carry, with a value.
#         type: array
#         default: []
#         items:
#           type: string
#           minLength: 1
#       exemptNamespaces:
#         description: Namespaces that may enforce any level; a trailing * matches any rest.
#         type: array
#         default: []
#         items:
#           type: string
#           minLength: 1
package contain.tenancy.namespace_labels

import data.lib.names

key := "pod-security.kubernetes.io/enforce"

violation contains {"msg": msg, "details": {"path": path}} if {
	label(key) == ""
	msg := sprintf("label %q is not there: the Namespace admits every Pod", [key])
	path := sprintf("metadata.labels[%q]", [key])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	level := label(key)
	level != ""
	not level in input.parameters.levels
	not names.matches(input.review.object.metadata.name, input.parameters.exemptNamespaces)
	msg := sprintf("label %q is %s, which is none of %s", [key, level, concat(", ", sort(input.parameters.levels))])
	path := sprintf("metadata.labels[%q]", [key])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some wanted in input.parameters.labels
	label(wanted) == ""
	msg := sprintf("label %q is required", [wanted])
	path := sprintf("metadata.labels[%q]", [wanted])
}

label(name) := object.get(input.review.object, ["metadata", "labels", name], "")
