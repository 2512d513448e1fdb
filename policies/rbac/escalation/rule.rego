# METADATA
# title: Rights that lead to more
# description: Roles do not grant what lets their holders give themselves further rights.
# custom:
#   kind: ContainRbacEscalation
#   severity: high
#   enforcement: warn
#   profile: restricted
#   stricter:
#     regulated:
#       parameters:
#         resources: [certificatesigningrequests/approval, nodes/proxy, pods/attach, pods/ephemeralcontainers, pods/exec, serviceaccounts/token]
#   match:
#   - apiGroups: [rbac.authorization.k8s.io]
#     kinds: [ClusterRole, Role]
#   parameters:
#     type: object
#     properties:
#       verbs:
#         description: Verbs that no role may grant.
#         type: array
#         default: [bind, escalate, impersonate]
#         items:
#           type: string
#           minLength: 1
#       resources:
#         description: Resources, with their subresource, that no role may grant a verb on.
#         type: array
#         default: [certificatesigningrequests/approval, nodes/proxy, serviceaccounts/token]
#         items:
#           type: string
#           minLength: 1
#       exemptRoles:
#         description: Names of roles that are left alone; a trailing * matches any rest.
#         type: array
#         default: [admin, cluster-admin, edit, "system:*"]
#         items:
#           type: string
#           minLength: 1
package contain.rbac.escalation

import data.lib.names

violation contains {"msg": msg, "details": {"path": path}} if {
	not exempt
	some i, rule in input.review.object.rules
	some j, verb in rule.verbs
	verb in input.parameters.verbs
	msg := sprintf("%s %q grants the verb %q, which leads to further rights", [
		input.review.object.kind,
		input.review.object.metadata.name,
		verb,
	])
	path := sprintf("rules[%d].verbs[%d]", [i, j])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	not exempt
	some i, rule in input.review.object.rules
	some j, resource in rule.resources
	resource in input.parameters.resources
	msg := sprintf("%s %q grants %s on %s, which leads to further rights", [
		input.review.object.kind,
		input.review.object.metadata.name,
		concat(", ", rule.verbs),
		resource,
	])
	path := sprintf("rules[%d].resources[%d]", [i, j])
}

exempt if names.matches(input.review.object.metadata.name, input.parameters.exemptRoles)
