# METADATA
# title: Service types
# description: Services are reachable in the cluster alone, unless the platform allows other types.
# custom:
#   kind: ContainNetworkServiceTypes
#   severity: medium
#   enforcement: deny
#   profile: restricted
#   match:
#   - apiGroups: [""]
#     kinds: [Service]
#   parameters:
#     type: object
#     properties:
#       allowed:
#         description: Types that a Service may have.
#         type: array
#         default: [ClusterIP]
#         items:
#           type: string
#           enum: [ClusterIP, ExternalName, LoadBalancer, NodePort]
package contain.network.service_types

violation contains {"msg": msg, "details": {"path": "spec.type"}} if {
	# A Service without a type is a ClusterIP.
	type := object.get(input.review.object, ["spec", "type"], "ClusterIP")
	not type in allowed
	msg := sprintf("Service type %s is not allowed, only %s", [
		type,
		concat(", ", sort(allowed)),
	])
}

allowed := object.get(input, ["parameters", "allowed"], [])
