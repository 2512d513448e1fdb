# METADATA
# title: Rights of anybody
# description: Nothing is granted to those who have not said who they are, nor to all who have.
# custom:
#   kind: ContainRbacAnonymous
#   severity: critical
#   enforcement: deny
#   profile: baseline
#   match:
#   - apiGroups: [rbac.authorization.k8s.io]
#     kinds: [ClusterRoleBinding, RoleBinding]
#   parameters:
#     type: object
#     properties:
#       subjects:
#         description: Users and groups that nothing may be granted to.
#         type: array
#         default: ["system:anonymous", "system:authenticated", "system:serviceaccounts", "system:unauthenticated"]
#         items:
#           type: string
#           minLength: 1
#       allowedRoles:
#         description: ClusterRoles that may be granted to them all the same.
#         type: array
#         default: ["system:basic-user", "system:discovery", "system:public-info-viewer", "system:service-account-issuer-discovery"]
#         items:
#           type: string
#           minLength: 1
package contain.rbac.anonymous

violation contains {"msg": msg, "details": {"path": path}} if {
	some i, subject in input.review.object.subjects
	subject.kind in {"Group", "User"}
	subject.name in input.parameters.subjects
	not allowed
	msg := sprintf("%s %q (%s) is granted %s %s", [
		subject.kind,
		subject.name,
		object.get(meaning, subject.name, "too many people"),
		input.review.object.roleRef.kind,
		input.review.object.roleRef.name,
	])
	path := sprintf("subjects[%d].name", [i])
}

allowed if {
	input.review.object.roleRef.kind == "ClusterRole"
	input.review.object.roleRef.name in input.parameters.allowedRoles
}

meaning := {
	"system:anonymous": "everybody who reaches the API server",
	"system:authenticated": "everybody who can log in and every Pod",
	"system:serviceaccounts": "every Pod of the cluster",
	"system:unauthenticated": "everybody who reaches the API server",
}
