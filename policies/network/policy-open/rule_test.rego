package contain.network.policy_open_test

import data.contain.network.policy_open

review(spec) := {"object": {"kind": "NetworkPolicy", "spec": object.union({"podSelector": {}}, spec)}}

unnamed(words, path) := {
	"msg": sprintf("the rule names neither peers nor ports: it lets all traffic %s", [words]),
	"details": {"path": path},
}

peer(name, words, path) := {
	"msg": sprintf("the peer is %s, on every port: it lets all traffic %s", [name, words]),
	"details": {"path": path},
}

test_empty_rules if {
	every rule in [{}, {"from": []}, {"from": null, "ports": []}] {
		spec := {"ingress": [{"from": [{"podSelector": {}}]}, object.filter(rule, [k | some k, v in rule; v != null])]}
		policy_open.violation == {unnamed("in", "spec.ingress[1]")} with input.review as review(spec)
			with input.parameters as {"directions": ["Ingress"]}
	}
}

test_open_peers if {
	peers := [
		{"ipBlock": {"cidr": "0.0.0.0/0"}},
		{"ipBlock": {"cidr": "::/0", "except": []}},
		{"namespaceSelector": {}},
		{"namespaceSelector": {"matchLabels": {}}, "podSelector": {"matchExpressions": []}},
	]
	want := {
		peer("every address (0.0.0.0/0)", "in", "spec.ingress[0].from[0]"),
		peer("every address (::/0)", "in", "spec.ingress[0].from[1]"),
		peer("every Pod of the cluster", "in", "spec.ingress[0].from[2]"),
		peer("every Pod of the cluster", "in", "spec.ingress[0].from[3]"),
	}
	policy_open.violation == want with input.review as review({"ingress": [{"from": peers}]})
		with input.parameters as {"directions": ["Ingress"]}
}

test_narrow_peers if {
	peers := [
		{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}},
		{"ipBlock": {"cidr": "10.0.0.0/8"}},
		{"podSelector": {}},
		{"namespaceSelector": {"matchLabels": {"a": "b"}}},
		{"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "b"}}},
	]
	policy_open.violation == set() with input.review as review({"ingress": [{"from": peers}]})
		with input.parameters as {"directions": ["Ingress"]}
}

test_ports_narrow_a_rule if {
	spec := {"ingress": [{"ports": [{"port": 443}]}, {"ports": [{"port": 443}], "from": [{"namespaceSelector": {}}]}]}
	policy_open.violation == set() with input.review as review(spec) with input.parameters as {"directions": ["Ingress"]}
}

test_egress if {
	spec := {"egress": [{}, {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"namespaceSelector": {}}]}]}
	want := {unnamed("out", "spec.egress[0]"), peer("every address (0.0.0.0/0)", "out", "spec.egress[1].to[0]")}
	policy_open.violation == want with input.review as review(spec)
		with input.parameters as {"directions": ["Egress", "Ingress"]}
	policy_open.violation == set() with input.review as review(spec) with input.parameters as {"directions": ["Ingress"]}
}

# Rules of a direction that policyTypes leaves out have no effect.
test_types if {
	parameters := {"directions": ["Egress", "Ingress"]}
	spec := {"policyTypes": ["Egress"], "ingress": [{}], "egress": [{}]}
	policy_open.violation == {unnamed("out", "spec.egress[0]")} with input.review as review(spec)
		with input.parameters as parameters
	both := {"ingress": [{}], "egress": [{}]}
	want := {unnamed("in", "spec.ingress[0]"), unnamed("out", "spec.egress[0]")}
	policy_open.violation == want with input.review as review(both) with input.parameters as parameters
}

test_default_deny if {
	policy_open.violation == set() with input.review as review({"policyTypes": ["Egress", "Ingress"]})
		with input.parameters as {"directions": ["Egress", "Ingress"]}
}
