# METADATA
# title: No bad names
# description: Nothing is called bad.
# custom:
#   kind: ContainDemoNames
#   severity: low
#   enforcement: deny
#   profile: baseline
#   match:
#   - apiGroups: [""]
#     kinds: [ConfigMap]
#   parameters:
#     type: object
#     properties:
#       names:
#         type: array
#         default: [bad]
#         items:
#           type: string
package contain.demo.names

violation contains {"msg": msg, "details": {"path": "metadata.name"}} if {
	name := input.review.object.metadata.name
	name in input.parameters.names
	msg := sprintf("%q is no name", [name])
}
