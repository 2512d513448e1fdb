# METADATA
# title: Unique hosts
# description: No two namespaces claim the same host.
# custom:
#   kind: ContainNetworkUniqueHosts
#   severity: high
#   enforcement: deny
#   profile: regulated
#   match:
#   - apiGroups: [networking.k8s.io]
#     kinds: [Ingress]
#   - apiGroups: [projectcontour.io]
#     kinds: [HTTPProxy]
#   sync:
#   - {group: networking.k8s.io, version: v1, kind: Ingress}
#   - {group: projectcontour.io, version: v1, kind: HTTPProxy}
#   parameters:
#     type: object
#     properties:
#       shared:
#         description: Hosts that several namespaces may claim.
#         type: array
#         default: []
#         items:
#           type: string
#           minLength: 1
package contain.network.unique_hosts

violation contains {"msg": msg, "details": {"path": claim.path}} if {
	some claim in claims
	some namespace, _ in data.inventory.namespace
	namespace != input.review.object.metadata.namespace
	some other in taken(namespace)
	other.host == claim.host
	msg := sprintf("host %q is claimed by %s %s/%s already", [claim.host, other.kind, namespace, other.name])
}

claims contains {"host": rule.host, "path": path} if {
	input.review.object.kind == "Ingress"
	some i, rule in input.review.object.spec.rules
	claimable(rule.host)
	path := sprintf("spec.rules[%d].host", [i])
}

claims contains {"host": host, "path": "spec.virtualhost.fqdn"} if {
	input.review.object.kind == "HTTPProxy"
	host := input.review.object.spec.virtualhost.fqdn
	claimable(host)
}

# A rule without host claims none.
claimable(host) if {
	host != ""
	not host in input.parameters.shared
}

taken(namespace) := ingresses(namespace) | proxies(namespace)

ingresses(namespace) := {{"kind": "Ingress", "name": name, "host": rule.host} |
	some name, ingress in data.inventory.namespace[namespace]["networking.k8s.io/v1"].Ingress
	some rule in ingress.spec.rules
}

proxies(namespace) := {{"kind": "HTTPProxy", "name": name, "host": proxy.spec.virtualhost.fqdn} |
	some name, proxy in data.inventory.namespace[namespace]["projectcontour.io/v1"].HTTPProxy
}
