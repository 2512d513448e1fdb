# METADATA
# title: Cluster administrators
# description: Nobody is bound to cluster-admin but what must be.
# custom:
#   kind: ContainRbacClusterAdmin
#   severity: critical
#   enforcement: deny
#   profile: baseline
#   match:
#   - apiGroups: [rbac.authorization.k8s.io]
#     kinds: [ClusterRoleBinding, RoleBinding]
#   parameters:
#     type: object
#     properties:
#       roles:
#         description: ClusterRoles that nobody may be bound to.
#         type: array
#         default: [cluster-admin]
#         items:
#           type: string
#           minLength: 1
#       exemptBindings:
#         description: Names of bindings that are left alone; a trailing * matches any rest.
#         type: array
#         default: [cluster-admin]
#         items:
#           type: string
#           minLength: 1
#       exemptNamespaces:
#         description: Namespaces whose ServiceAccounts may be bound; a trailing * matches any rest.
#         type: array
#         default: [flux-system, kube-system, velero]
#         items:
#           type: string
#           minLength: 1
package contain.rbac.cluster_admin

import data.lib.names

violation contains {"msg": msg, "details": {"path": path}} if {
	input.review.object.roleRef.kind == "ClusterRole"
	role := input.review.object.roleRef.name
	role in input.parameters.roles
	not exempt
	some i, subject in input.review.object.subjects
	not masters(subject)
	not trusted(subject)
	msg := sprintf("%s is bound to %s%s", [who(subject), role, scope])
	path := sprintf("subjects[%d]", [i])
}

# The group is past authorization: no role limits it, and no binding can be
# taken away from it.
violation contains {"msg": msg, "details": {"path": path}} if {
	not exempt
	some i, subject in input.review.object.subjects
	masters(subject)
	msg := `the group "system:masters" is past all authorization; bind a group of your own`
	path := sprintf("subjects[%d]", [i])
}

exempt if {
	input.review.object.kind == "ClusterRoleBinding"
	names.matches(input.review.object.metadata.name, input.parameters.exemptBindings)
}

trusted(subject) if {
	subject.kind == "ServiceAccount"
	names.matches(subject.namespace, input.parameters.exemptNamespaces)
}

masters(subject) if {
	subject.kind == "Group"
	subject.name == "system:masters"
}

who(subject) := sprintf("ServiceAccount %s/%s", [
	object.get(subject, "namespace", ""),
	subject.name,
]) if {
	subject.kind == "ServiceAccount"
}

who(subject) := sprintf("%s %q", [subject.kind, subject.name]) if subject.kind != "ServiceAccount"

scope := "" if input.review.object.kind == "ClusterRoleBinding"

scope := sprintf(" in namespace %s", [input.review.object.metadata.namespace]) if {
	input.review.object.kind == "RoleBinding"
}
