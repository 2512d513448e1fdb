package contain.network.service_types_test

import data.contain.network.service_types

defaults := {"allowed": ["ClusterIP"]}

review(spec) := {"object": {"kind": "Service", "spec": spec}}

test_types if {
	every type in ["ExternalName", "LoadBalancer", "NodePort"] {
		want := {{
			"msg": sprintf("Service type %s is not allowed, only ClusterIP", [type]),
			"details": {"path": "spec.type"},
		}}
		service_types.violation == want with input.review as review({"type": type})
			with input.parameters as defaults
	}
}

test_no_type_is_cluster_ip if {
	service_types.violation == set() with input.review as review({}) with input.parameters as defaults
	want := {{
		"msg": "Service type ClusterIP is not allowed, only ExternalName, NodePort",
		"details": {"path": "spec.type"},
	}}
	service_types.violation == want with input.review as review({})
		with input.parameters as {"allowed": ["NodePort", "ExternalName"]}
}
