# METADATA
# title: External addresses of Services
# description: No Service takes traffic for addresses that it does not own.
# custom:
#   kind: ContainNetworkExternalIps
#   severity: high
#   enforcement: deny
#   profile: baseline
#   match:
#   - apiGroups: [""]
#     kinds: [Service]
#   parameters:
#     type: object
#     properties:
#       allowed:
#         description: Addresses that Services may take.
#         type: array
#         default: []
#         items:
#           type: string
#           minLength: 1
package contain.network.external_ips

violation contains {"msg": msg, "details": {"path": path}} if {
	some i, address in input.review.object.spec.externalIPs
	not address in input.parameters.allowed
	msg := sprintf("the Service takes traffic for %s, an address that is not allowed", [address])
	path := sprintf("spec.externalIPs[%d]", [i])
}
