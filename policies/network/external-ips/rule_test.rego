package contain.network.external_ips_test

import data.contain.network.external_ips

review(addresses) := {"object": {"kind": "Service", "spec": {"externalIPs": addresses}}}

violation(address, index) := {
	"msg": sprintf("the Service takes traffic for %s, an address that is not allowed", [address]),
	"details": {"path": sprintf("spec.externalIPs[%d]", [index])},
}

test_every_address if {
	want := {violation("192.0.2.7", 0), violation("2001:db8::7", 1)}
	external_ips.violation == want with input.review as review(["192.0.2.7", "2001:db8::7"])
		with input.parameters as {"allowed": []}
}

test_allowed if {
	want := {violation("192.0.2.70", 1)}
	external_ips.violation == want with input.review as review(["192.0.2.7", "192.0.2.70"])
		with input.parameters as {"allowed": ["192.0.2.7"]}
}

test_none if {
	every addresses in [null, []] {
		external_ips.violation == set() with input.review as review(addresses) with input.parameters as {"allowed": []}
	}
}
