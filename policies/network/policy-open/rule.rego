# METADATA
# title: Open network policies
# description: No NetworkPolicy lets in everything from everywhere.
# custom:
#   kind: ContainNetworkPolicyOpen
#   severity: medium
#   enforcement: deny
#   profile: restricted
#   stricter:
#     regulated:
#       parameters:
#         directions: [Egress, Ingress]
#   match:
#   - apiGroups: [networking.k8s.io]
#     kinds: [NetworkPolicy]
#   parameters:
#     type: object
#     properties:
#       directions:
#         description: Directions in which a policy may not be open.
#         type: array
#         default: [Ingress]
#         items:
#           type: string
#           enum: [Egress, Ingress]
package contain.network.policy_open

violation contains {"msg": msg, "details": {"path": path}} if {
	some direction in input.parameters.directions
	direction in types
	side := sides[direction]
	some i, rule in input.review.object.spec[side.rules]
	count(object.get(rule, "ports", [])) == 0
	count(object.get(rule, side.peers, [])) == 0
	msg := sprintf("the rule names neither peers nor ports: it lets all traffic %s", [side.words])
	path := sprintf("spec.%s[%d]", [side.rules, i])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some direction in input.parameters.directions
	direction in types
	side := sides[direction]
	some i, rule in input.review.object.spec[side.rules]
	count(object.get(rule, "ports", [])) == 0
	some j, peer in rule[side.peers]
	name := everything(peer, direction)
	msg := sprintf("the peer is %s, on every port: it lets all traffic %s", [name, side.words])
	path := sprintf("spec.%s[%d].%s[%d]", [side.rules, i, side.peers, j])
}

sides := {
	"Ingress": {"rules": "ingress", "peers": "from", "words": "in"},
	"Egress": {"rules": "egress", "peers": "to", "words": "out"},
}

# What the API server fills in when policyTypes is left out.
types := input.review.object.spec.policyTypes

types := ["Ingress"] if {
	not input.review.object.spec.policyTypes
	not input.review.object.spec.egress
}

types := ["Egress", "Ingress"] if {
	not input.review.object.spec.policyTypes
	input.review.object.spec.egress
}

everything(peer, _) := sprintf("every address (%s)", [peer.ipBlock.cidr]) if {
	endswith(peer.ipBlock.cidr, "/0")
	count(object.get(peer.ipBlock, "except", [])) == 0
}

# Every Pod of the cluster may be meant where traffic leaves; where it comes in,
# it is everybody who has a namespace.
everything(peer, "Ingress") := "every Pod of the cluster" if {
	empty(peer.namespaceSelector)
	empty(object.get(peer, "podSelector", {}))
}

empty(selector) if {
	count(object.get(selector, "matchLabels", {})) == 0
	count(object.get(selector, "matchExpressions", [])) == 0
}
