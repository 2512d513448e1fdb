# METADATA
# title: Wildcards in roles
# description: Roles name the API groups, resources and verbs that they grant.
# custom:
#   kind: ContainRbacWildcard
#   severity: high
#   enforcement: warn
#   profile: baseline
#   match:
#   - apiGroups: [rbac.authorization.k8s.io]
#     kinds: [ClusterRole, Role]
#   parameters:
#     type: object
#     properties:
#       fields:
#         description: Fields of a role's rules in which * is refused.
#         type: array
#         default: [apiGroups, nonResourceURLs, resources, verbs]
#         items:
#           type: string
#           enum: [apiGroups, nonResourceURLs, resources, verbs]
#       exemptRoles:
#         description: Names of roles that may grant everything; a trailing * matches any rest.
#         type: array
#         default: [cluster-admin]
#         items:
#           type: string
#           minLength: 1
package contain.rbac.wildcard

import data.lib.names

violation contains {"msg": msg, "details": {"path": path}} if {
	not exempt
	some i, rule in input.review.object.rules
	some field in input.parameters.fields
	some j, value in rule[field]
	wildcard(field, value)
	msg := sprintf("%s %q grants %q in %s", [
		input.review.object.kind,
		input.review.object.metadata.name,
		value,
		field,
	])
	path := sprintf("rules[%d].%s[%d]", [i, field, j])
}

wildcard(_, "*")

# "*/scale" is that subresource of every resource; "pods/*" has no meaning in
# RBAC, and "/metrics/*" is an honest prefix.
wildcard("resources", value) if startswith(value, "*/")

exempt if names.matches(input.review.object.metadata.name, input.parameters.exemptRoles)
