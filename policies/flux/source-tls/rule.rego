# METADATA
# title: Transport of Flux sources
# description: Sources are fetched over TLS or SSH.
# custom:
#   kind: ContainFluxSourceTls
#   severity: high
#   enforcement: deny
#   profile: baseline
#   match:
#   - apiGroups: [image.toolkit.fluxcd.io]
#     kinds: [ImageRepository]
#   - apiGroups: [source.toolkit.fluxcd.io]
#     kinds: [Bucket, GitRepository, HelmRepository, OCIRepository]
#   parameters:
#     type: object
#     properties:
#       exemptHosts:
#         description: Hosts, with port if any, from which plain HTTP is accepted.
#         type: array
#         default: []
#         items:
#           type: string
#           minLength: 1
package contain.flux.source_tls

violation contains {"msg": msg, "details": {"path": "spec.url"}} if {
	url := input.review.object.spec.url
	startswith(lower(url), "http://")
	not host in input.parameters.exemptHosts
	msg := sprintf("%s is fetched over plain HTTP", [url])
}

violation contains {"msg": msg, "details": {"path": "spec.insecure"}} if {
	input.review.object.spec.insecure == true
	not host in input.parameters.exemptHosts
	msg := "the source may be fetched over plain HTTP: spec.insecure is true"
}

# The host of a URL, of a Bucket's endpoint, or of an image.
host := split(split(lower(input.review.object.spec.url), "://")[1], "/")[0]

host := lower(input.review.object.spec.endpoint) if input.review.object.kind == "Bucket"

host := split(lower(input.review.object.spec.image), "/")[0] if input.review.object.kind == "ImageRepository"
