package contain.flux.source_tls_test

import data.contain.flux.source_tls

defaults := {"exemptHosts": ["registry.lab:5000"]}

review(kind, spec) := {"object": {"kind": kind, "spec": spec}}

insecure := {
	"msg": "the source may be fetched over plain HTTP: spec.insecure is true",
	"details": {"path": "spec.insecure"},
}

test_http if {
	every kind in ["GitRepository", "HelmRepository"] {
		want := {{"msg": "http://acme.example/charts is fetched over plain HTTP", "details": {"path": "spec.url"}}}
		source_tls.violation == want with input.review as review(kind, {"url": "http://acme.example/charts"})
			with input.parameters as defaults
	}
}

test_insecure if {
	cases := [
		["OCIRepository", {"url": "oci://acme.example/app", "insecure": true}],
		["HelmRepository", {"url": "oci://acme.example/charts", "insecure": true}],
		["Bucket", {"endpoint": "s3.acme.example:9000", "insecure": true}],
		["ImageRepository", {"image": "acme.example/app", "insecure": true}],
	]
	every each in cases {
		source_tls.violation == {insecure} with input.review as review(each[0], each[1]) with input.parameters as defaults
	}
}

test_secure if {
	cases := [
		["GitRepository", {"url": "https://acme.example/app"}],
		["GitRepository", {"url": "ssh://git@acme.example/app"}],
		["OCIRepository", {"url": "oci://acme.example/app", "insecure": false}],
		["Bucket", {"endpoint": "s3.acme.example"}],
	]
	every each in cases {
		source_tls.violation == set() with input.review as review(each[0], each[1]) with input.parameters as defaults
	}
}

test_exempt_hosts if {
	cases := [
		["HelmRepository", {"url": "http://registry.lab:5000/charts"}],
		["OCIRepository", {"url": "oci://Registry.lab:5000/app", "insecure": true}],
		["Bucket", {"endpoint": "registry.lab:5000", "insecure": true}],
		["ImageRepository", {"image": "registry.lab:5000/app", "insecure": true}],
	]
	every each in cases {
		source_tls.violation == set() with input.review as review(each[0], each[1]) with input.parameters as defaults
	}
	source_tls.violation == {insecure} with input.review as review("OCIRepository", {"url": "oci://registry.lab/app", "insecure": true})
		with input.parameters as defaults
}
