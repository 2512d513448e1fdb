# METADATA
# title: Hosts at the edge
# description: An Ingress or an HTTPProxy claims hosts of its own, within the domains of the platform.
# custom:
#   kind: ContainNetworkIngressHosts
#   severity: medium
#   enforcement: deny
#   profile: restricted
#   match:
#   - apiGroups: [""]
#     kinds: [Service]
#   - apiGroups: [networking.k8s.io]
#     kinds: [Ingress]
#   - apiGroups: [projectcontour.io]
#     kinds: [HTTPProxy]
#   parameters:
#     type: object
#     properties:
#       domains:
#         description: Domains in which hosts may be, each with all that is below it; none means any.
#         type: array
#         default: []
#         items:
#           type: string
#           minLength: 1
#       allowWildcards:
#         description: Let hosts begin with "*.".
#         type: boolean
#         default: false
package contain.network.ingress_hosts

violation contains {"msg": msg, "details": {"path": path}} if {
	input.review.object.kind == "Ingress"
	some i, rule in input.review.object.spec.rules
	object.get(rule, "host", "") == ""
	msg := "a rule without host takes the traffic of every host that nobody claims"
	path := sprintf("spec.rules[%d]", [i])
}

violation contains {"msg": msg, "details": {"path": "spec.defaultBackend"}} if {
	input.review.object.kind == "Ingress"
	input.review.object.spec.defaultBackend
	msg := "a default backend takes the traffic of every host that nobody claims"
}

violation contains {"msg": msg, "details": {"path": claim.path}} if {
	not input.parameters.allowWildcards
	some claim in claims
	startswith(claim.host, "*.")
	msg := sprintf("host %q is a wildcard: it takes the traffic of hosts that are not named", [claim.host])
}

violation contains {"msg": msg, "details": {"path": claim.path}} if {
	count(input.parameters.domains) > 0
	some claim in claims
	not within(claim.host)
	msg := sprintf("host %q is not in %s", [claim.host, concat(", ", sort(input.parameters.domains))])
}

within(host) if host in input.parameters.domains

within(host) if {
	some domain in input.parameters.domains
	endswith(host, sprintf(".%s", [domain]))
}

# Whatever claims a host, with the path of its field.
claims contains {"host": rule.host, "path": path} if {
	input.review.object.kind == "Ingress"
	some i, rule in input.review.object.spec.rules
	rule.host != ""
	path := sprintf("spec.rules[%d].host", [i])
}

claims contains {"host": host, "path": "spec.virtualhost.fqdn"} if {
	input.review.object.kind == "HTTPProxy"
	host := input.review.object.spec.virtualhost.fqdn
}

# external-dns makes records of the hosts that stand here, between commas.
claims contains {"host": host, "path": path} if {
	some key in [
		"external-dns.alpha.kubernetes.io/hostname",
		"external-dns.alpha.kubernetes.io/internal-hostname",
	]
	some part in split(input.review.object.metadata.annotations[key], ",")
	host := trim_space(part)
	host != ""
	path := sprintf("metadata.annotations[%q]", [key])
}
