package contain.network.ingress_tls_test

import data.contain.network.ingress_tls

defaults := {"httpsOnly": false}

ingress(spec) := {"object": {"kind": "Ingress", "metadata": {"name": "web"}, "spec": spec}}

proxy(spec) := {"object": {"kind": "HTTPProxy", "metadata": {"name": "web"}, "spec": spec}}

none := {
	"msg": "the Ingress has no TLS for any host: it is served over plain HTTP",
	"details": {"path": "spec.tls"},
}

host(name, index) := {
	"msg": sprintf("%s is in no entry of spec.tls: it is served over plain HTTP", [name]),
	"details": {"path": sprintf("spec.rules[%d].host", [index])},
}

test_no_tls if {
	specs := [
		{"rules": [{"host": "a.example"}]},
		{"rules": [{"host": "a.example"}], "tls": []},
		{"rules": [{"host": "a.example"}], "tls": [{"secretName": "a"}]},
		{"defaultBackend": {"service": {"name": "web"}}},
		{},
	]
	every spec in specs {
		ingress_tls.violation == {none} with input.review as ingress(spec) with input.parameters as defaults
	}
}

test_hosts_without_tls if {
	spec := {
		"tls": [{"hosts": ["a.example", "*.c.example"], "secretName": "a"}],
		"rules": [{"host": "a.example"}, {"host": "b.example"}, {"host": "x.c.example"}, {}],
	}
	want := {
		host(`host "b.example"`, 1),
		host(`host "x.c.example"`, 2),
		host("a rule without host", 3),
	}
	ingress_tls.violation == want with input.review as ingress(spec) with input.parameters as defaults
}

test_tls if {
	spec := {"tls": [{"hosts": ["a.example"]}, {"hosts": ["b.example"]}], "rules": [{"host": "a.example"}, {"host": "b.example"}]}
	ingress_tls.violation == set() with input.review as ingress(spec) with input.parameters as defaults
}

test_acme_challenge if {
	challenge := {"path": "/.well-known/acme-challenge/token", "backend": {}}
	spec := {"rules": [{"host": "a.example", "http": {"paths": [challenge]}}]}
	every only in [true, false] {
		ingress_tls.violation == set() with input.review as ingress(spec) with input.parameters as {"httpsOnly": only}
	}
	more := {"rules": [{"host": "a.example", "http": {"paths": [challenge, {"path": "/"}]}}]}
	ingress_tls.violation == {none} with input.review as ingress(more) with input.parameters as defaults
	rest := {"rules": [{"host": "a.example", "http": {"paths": [challenge]}}, {"host": "b.example"}]}
	ingress_tls.violation == {none} with input.review as ingress(rest) with input.parameters as defaults
	backend := object.union(spec, {"defaultBackend": {"service": {"name": "web"}}})
	ingress_tls.violation == {none} with input.review as ingress(backend) with input.parameters as defaults
}

test_https_only if {
	spec := {"tls": [{"hosts": ["a.example"]}], "rules": [{"host": "a.example"}]}
	want := {{
		"msg": `the Ingress serves plain HTTP beside TLS: set ingress.kubernetes.io/force-ssl-redirect to "true"`,
		"details": {"path": "metadata.annotations"},
	}}
	ingress_tls.violation == want with input.review as ingress(spec) with input.parameters as {"httpsOnly": true}
	annotations := [
		{"ingress.kubernetes.io/force-ssl-redirect": "true"},
		{"kubernetes.io/ingress.allow-http": "false"},
	]
	every each in annotations {
		object := {"kind": "Ingress", "metadata": {"annotations": each}, "spec": spec}
		ingress_tls.violation == set() with input.review.object as object with input.parameters as {"httpsOnly": true}
	}
	ingress_tls.violation == set() with input.review as proxy({}) with input.parameters as {"httpsOnly": true}
}

test_virtual_host if {
	want := {{
		"msg": `virtual host "a.example" has no TLS: it is served over plain HTTP`,
		"details": {"path": "spec.virtualhost.tls"},
	}}
	every tls in [{}, {"tls": {}}, {"tls": {"secretName": ""}}, {"tls": {"passthrough": false}}] {
		virtualhost := object.union({"fqdn": "a.example"}, tls)
		ingress_tls.violation == want with input.review as proxy({"virtualhost": virtualhost})
			with input.parameters as defaults
	}
	every tls in [{"secretName": "a"}, {"passthrough": true}] {
		virtualhost := {"fqdn": "a.example", "tls": tls}
		ingress_tls.violation == set() with input.review as proxy({"virtualhost": virtualhost})
			with input.parameters as defaults
	}
}

test_insecure_routes if {
	want := {{
		"msg": "the route is served over plain HTTP as well",
		"details": {"path": "spec.routes[1].permitInsecure"},
	}}
	routes := [{"services": []}, {"permitInsecure": true}, {"permitInsecure": false}]
	every part in [{}, {"virtualhost": {"fqdn": "a.example", "tls": {"secretName": "a"}}}] {
		spec := object.union({"routes": routes}, part)
		ingress_tls.violation == want with input.review as proxy(spec) with input.parameters as defaults
	}
}
