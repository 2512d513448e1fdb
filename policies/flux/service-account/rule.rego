# METADATA
# title: Accounts of Flux objects
# description: What Flux applies, it applies with the rights of a ServiceAccount, not with its own.
# custom:
#   kind: ContainFluxServiceAccount
#   severity: high
#   enforcement: warn
#   profile: restricted
#   stricter:
#     regulated:
#       enforcement: deny
#   match:
#   - apiGroups: [helm.toolkit.fluxcd.io]
#     kinds: [HelmRelease]
#   - apiGroups: [kustomize.toolkit.fluxcd.io]
#     kinds: [Kustomization]
#   parameters:
#     type: object
#     properties:
#       denied:
#         description: ServiceAccounts that may not be named.
#         type: array
#         default: []
#         items:
#           type: string
#           minLength: 1
package contain.flux.service_account

violation contains {"msg": msg, "details": {"path": "spec.serviceAccountName"}} if {
	name == ""
	not remote
	msg := sprintf("the %s names no ServiceAccount: Flux applies it with its own rights, those of cluster-admin", [
		input.review.object.kind,
	])
}

violation contains {"msg": msg, "details": {"path": "spec.serviceAccountName"}} if {
	name in input.parameters.denied
	msg := sprintf("ServiceAccount %q may not be named here", [name])
}

name := object.get(input.review.object.spec, "serviceAccountName", "")

# What goes to another cluster has the rights of that cluster's kubeconfig.
remote if input.review.object.spec.kubeConfig
