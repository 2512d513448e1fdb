# METADATA
# title: Signed Flux sources
# description: Flux verifies who signed a source before it applies it.
# custom:
#   kind: ContainFluxSourceVerified
#   severity: high
#   enforcement: deny
#   profile: regulated
#   match:
#   - apiGroups: [helm.toolkit.fluxcd.io]
#     kinds: [HelmRelease]
#   - apiGroups: [source.toolkit.fluxcd.io]
#     kinds: [Bucket, GitRepository, HelmChart, OCIRepository]
#   parameters:
#     type: object
#     properties:
#       exemptURLs:
#         description: URLs of OCIRepositories and GitRepositories that need no signature; a trailing * matches any rest.
#         type: array
#         default: []
#         items:
#           type: string
#           minLength: 1
package contain.flux.source_verified

import data.lib.names

violation contains {"msg": msg, "details": {"path": path}} if {
	some source in sources
	not source.value.verify
	not exempt
	msg := sprintf("the %s verifies no signature", [source.name])
	path := sprintf("%s.verify", [source.path])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some source in sources
	verify := source.value.verify
	keyless(verify)
	count(object.get(verify, "matchOIDCIdentity", [])) == 0
	msg := sprintf("the %s accepts the signature of anybody: verify names neither a secret nor an identity", [source.name])
	path := sprintf("%s.verify", [source.path])
}

# Issuer and subject are regular expressions that match anywhere.
violation contains {"msg": msg, "details": {"path": path}} if {
	some source in sources
	verify := source.value.verify
	keyless(verify)
	some i, identity in verify.matchOIDCIdentity
	some key in ["issuer", "subject"]
	value := identity[key]
	not anchored(value)
	msg := sprintf("%s %q matches anywhere in an identity: anchor it with ^ and $", [key, value])
	path := sprintf("%s.verify.matchOIDCIdentity[%d].%s", [source.path, i, key])
}

violation contains {"msg": msg, "details": {"path": "spec"}} if {
	input.review.object.kind == "Bucket"
	msg := "a Bucket has no signature to verify; use an OCIRepository"
}

sources contains {"name": input.review.object.kind, "path": "spec", "value": input.review.object.spec} if {
	input.review.object.kind in {"GitRepository", "OCIRepository"}
}

# Charts of a HelmRepository; others are what their source verifies.
sources contains {"name": "chart", "path": "spec.chart.spec", "value": input.review.object.spec.chart.spec} if {
	input.review.object.kind == "HelmRelease"
	input.review.object.spec.chart.spec.sourceRef.kind == "HelmRepository"
}

sources contains {"name": "HelmChart", "path": "spec", "value": input.review.object.spec} if {
	input.review.object.kind == "HelmChart"
	input.review.object.spec.sourceRef.kind == "HelmRepository"
}

exempt if names.matches(input.review.object.spec.url, input.parameters.exemptURLs)

# With a secret, identities are not looked at. Git and notation know keys only.
keyless(verify) if {
	input.review.object.kind != "GitRepository"

	# The default of the CRDs.
	object.get(verify, "provider", "cosign") == "cosign"
	not verify.secretRef
}

anchored(value) if {
	startswith(value, "^")
	endswith(value, "$")
}
