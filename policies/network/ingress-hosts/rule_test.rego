package contain.network.ingress_hosts_test

import data.contain.network.ingress_hosts

defaults := {"domains": [], "allowWildcards": false}

ingress(spec) := {"object": {"kind": "Ingress", "metadata": {"name": "web"}, "spec": spec}}

proxy(host) := {"object": {"kind": "HTTPProxy", "metadata": {"name": "web"}, "spec": {"virtualhost": {"fqdn": host}}}}

wildcard(host, path) := {
	"msg": sprintf("host %q is a wildcard: it takes the traffic of hosts that are not named", [host]),
	"details": {"path": path},
}

outside(host, path) := {
	"msg": sprintf("host %q is not in acme.example, acme.test", [host]),
	"details": {"path": path},
}

test_every_host if {
	spec := {"defaultBackend": {"service": {"name": "web"}}, "rules": [{"host": "a.example"}, {"host": ""}, {}]}
	rule := "a rule without host takes the traffic of every host that nobody claims"
	want := {
		{"msg": rule, "details": {"path": "spec.rules[1]"}},
		{"msg": rule, "details": {"path": "spec.rules[2]"}},
		{
			"msg": "a default backend takes the traffic of every host that nobody claims",
			"details": {"path": "spec.defaultBackend"},
		},
	}
	ingress_hosts.violation == want with input.review as ingress(spec) with input.parameters as defaults
}

test_wildcards if {
	spec := {"rules": [{"host": "*.a.example"}]}
	want := {wildcard("*.a.example", "spec.rules[0].host")}
	ingress_hosts.violation == want with input.review as ingress(spec) with input.parameters as defaults
	ingress_hosts.violation == set() with input.review as ingress(spec)
		with input.parameters as {"domains": [], "allowWildcards": true}
	wanted := {wildcard("*.a.example", "spec.virtualhost.fqdn")}
	ingress_hosts.violation == wanted with input.review as proxy("*.a.example") with input.parameters as defaults
}

test_domains if {
	parameters := {"domains": ["acme.test", "acme.example"], "allowWildcards": true}
	hosts := ["acme.example", "a.acme.example", "*.acme.test", "evilacme.example", "acme.example.evil.example"]
	spec := {"rules": [{"host": host} | some host in hosts]}
	want := {
		outside("evilacme.example", "spec.rules[3].host"),
		outside("acme.example.evil.example", "spec.rules[4].host"),
	}
	ingress_hosts.violation == want with input.review as ingress(spec) with input.parameters as parameters
	wanted := {outside("evil.example", "spec.virtualhost.fqdn")}
	ingress_hosts.violation == wanted with input.review as proxy("evil.example") with input.parameters as parameters
	ingress_hosts.violation == set() with input.review as proxy("a.acme.test") with input.parameters as parameters
}

test_dns_annotations if {
	key := "external-dns.alpha.kubernetes.io/hostname"
	object := {"kind": "Service", "metadata": {"annotations": {key: "a.acme.example, b.evil.example,"}}, "spec": {}}
	parameters := {"domains": ["acme.test", "acme.example"], "allowWildcards": false}
	want := {outside("b.evil.example", `metadata.annotations["external-dns.alpha.kubernetes.io/hostname"]`)}
	ingress_hosts.violation == want with input.review.object as object with input.parameters as parameters
	ingress_hosts.violation == set() with input.review.object as object with input.parameters as defaults
}

test_a_part_of_a_proxy_claims_no_host if {
	ingress_hosts.violation == set() with input.review.object as {"kind": "HTTPProxy", "spec": {"routes": []}}
		with input.parameters as {"domains": ["acme.example"], "allowWildcards": false}
}
