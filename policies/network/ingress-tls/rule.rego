# METADATA
# title: TLS at the edge
# description: Every host of an Ingress or an HTTPProxy is served over TLS.
# custom:
#   kind: ContainNetworkIngressTls
#   severity: high
#   enforcement: deny
#   profile: restricted
#   stricter:
#     regulated:
#       parameters:
#         httpsOnly: true
#   match:
#   - apiGroups: [networking.k8s.io]
#     kinds: [Ingress]
#   - apiGroups: [projectcontour.io]
#     kinds: [HTTPProxy]
#   parameters:
#     type: object
#     properties:
#       httpsOnly:
#         description: An Ingress must say that plain HTTP is redirected or not served, by an annotation that Contour reads.
#         type: boolean
#         default: false
package contain.network.ingress_tls

violation contains {"msg": msg, "details": {"path": "spec.tls"}} if {
	input.review.object.kind == "Ingress"
	not challenge
	count(certified) == 0
	msg := "the Ingress has no TLS for any host: it is served over plain HTTP"
}

violation contains {"msg": msg, "details": {"path": path}} if {
	input.review.object.kind == "Ingress"
	not challenge
	count(certified) > 0
	some i, rule in input.review.object.spec.rules
	host := object.get(rule, "host", "")
	not host in certified
	msg := sprintf("%s is in no entry of spec.tls: it is served over plain HTTP", [named(host)])
	path := sprintf("spec.rules[%d].host", [i])
}

violation contains {"msg": msg, "details": {"path": "metadata.annotations"}} if {
	input.parameters.httpsOnly
	input.review.object.kind == "Ingress"
	not challenge
	not https_only
	msg := "the Ingress serves plain HTTP beside TLS: set ingress.kubernetes.io/force-ssl-redirect to \"true\""
}

violation contains {"msg": msg, "details": {"path": "spec.virtualhost.tls"}} if {
	input.review.object.kind == "HTTPProxy"
	virtualhost := input.review.object.spec.virtualhost
	not terminates(virtualhost)
	msg := sprintf("virtual host %q has no TLS: it is served over plain HTTP", [object.get(virtualhost, "fqdn", "")])
}

# An HTTPProxy without a virtual host is a part of one that has, so its routes
# are judged as well.
violation contains {"msg": msg, "details": {"path": path}} if {
	input.review.object.kind == "HTTPProxy"
	some i, route in input.review.object.spec.routes
	route.permitInsecure == true
	msg := "the route is served over plain HTTP as well"
	path := sprintf("spec.routes[%d].permitInsecure", [i])
}

named("") := "a rule without host"

named(host) := sprintf("host %q", [host]) if host != ""

# Hosts are certified as they are written; an Ingress asks for that.
certified := {host |
	some entry in input.review.object.spec.tls
	some host in entry.hosts
}

# The answer to an ACME challenge must be served over plain HTTP, and nothing
# else is at that path.
challenge if {
	every path in paths {
		startswith(path, "/.well-known/acme-challenge/")
	}
	count(paths) > 0
	not input.review.object.spec.defaultBackend
}

# A rule without paths takes all of them.
paths contains object.get(path, "path", "/") if {
	some rule in input.review.object.spec.rules
	some path in object.get(rule, ["http", "paths"], [{}])
}

https_only if input.review.object.metadata.annotations["ingress.kubernetes.io/force-ssl-redirect"] == "true"

https_only if input.review.object.metadata.annotations["kubernetes.io/ingress.allow-http"] == "false"

terminates(virtualhost) if object.get(virtualhost, ["tls", "secretName"], "") != ""

terminates(virtualhost) if virtualhost.tls.passthrough == true
