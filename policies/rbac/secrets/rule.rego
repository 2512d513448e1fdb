# METADATA
# title: Secrets of every namespace
# description: Nobody is bound to a role that reads the Secrets of the whole cluster.
# custom:
#   kind: ContainRbacSecrets
#   severity: high
#   enforcement: deny
#   profile: regulated
#   match:
#   - apiGroups: [rbac.authorization.k8s.io]
#     kinds: [ClusterRoleBinding]
#   sync:
#   - {group: rbac.authorization.k8s.io, version: v1, kind: ClusterRole}
#   parameters:
#     type: object
#     properties:
#       exemptBindings:
#         description: Names of bindings that are left alone; a trailing * matches any rest.
#         type: array
#         default: [cluster-admin, "system:*"]
#         items:
#           type: string
#           minLength: 1
#       exemptNamespaces:
#         description: Namespaces whose ServiceAccounts may read every Secret; a trailing * matches any rest.
#         type: array
#         default: [cert-manager, external-secrets, flux-system, gatekeeper-system, kube-system, projectcontour, velero]
#         items:
#           type: string
#           minLength: 1
package contain.rbac.secrets

import data.lib.names

violation contains {"msg": msg, "details": {"path": path}} if {
	input.review.object.roleRef.kind == "ClusterRole"
	role := input.review.object.roleRef.name
	not names.matches(input.review.object.metadata.name, input.parameters.exemptBindings)
	reads(role)
	some i, subject in input.review.object.subjects
	not trusted(subject)
	msg := sprintf("%s may read the Secrets of every namespace: ClusterRole %s lets it", [who(subject), role])
	path := sprintf("subjects[%d]", [i])
}

# Kubernetes' own, which a build does not see.
reads(role) if role in {"admin", "cluster-admin", "edit"}

reads(role) if {
	some rule in data.inventory.cluster["rbac.authorization.k8s.io/v1"].ClusterRole[role].rules
	some group in rule.apiGroups
	group in {"", "*"}
	some resource in rule.resources
	resource in {"secrets", "*"}
	some verb in rule.verbs
	verb in {"get", "list", "watch", "*"}

	# A rule that names its Secrets is not about all of them.
	count(object.get(rule, "resourceNames", [])) == 0
}

trusted(subject) if {
	subject.kind == "ServiceAccount"
	names.matches(subject.namespace, input.parameters.exemptNamespaces)
}

who(subject) := sprintf("ServiceAccount %s/%s", [
	object.get(subject, "namespace", ""),
	subject.name,
]) if {
	subject.kind == "ServiceAccount"
}

who(subject) := sprintf("%s %q", [subject.kind, subject.name]) if subject.kind != "ServiceAccount"
