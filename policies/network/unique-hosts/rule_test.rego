package contain.network.unique_hosts_test

import data.contain.network.unique_hosts

defaults := {"shared": []}

ingress(namespace, name, hosts) := {
	"kind": "Ingress",
	"metadata": {"name": name, "namespace": namespace},
	"spec": {"rules": [{"host": host} | some host in hosts]},
}

proxy(namespace, name, host) := {
	"kind": "HTTPProxy",
	"metadata": {"name": name, "namespace": namespace},
	"spec": {"virtualhost": {"fqdn": host}},
}

inventory := {
	"shop": {
		"networking.k8s.io/v1": {"Ingress": {"web": ingress("shop", "web", ["a.example", "b.example"])}},
		"projectcontour.io/v1": {"HTTPProxy": {"edge": proxy("shop", "edge", "c.example")}},
	},
	"blog": {"networking.k8s.io/v1": {"Ingress": {"all": {
		"metadata": {"name": "all"},
		"spec": {"rules": [{"http": {}}, {"host": ""}]},
	}}}},
	"quiet": {"v1": {"ConfigMap": {}}},
}

claimed(host, by, path) := {
	"msg": sprintf("host %q is claimed by %s already", [host, by]),
	"details": {"path": path},
}

test_another_namespace_has_the_host if {
	object := ingress("blog", "mine", ["x.example", "b.example", "c.example"])
	want := {
		claimed("b.example", "Ingress shop/web", "spec.rules[1].host"),
		claimed("c.example", "HTTPProxy shop/edge", "spec.rules[2].host"),
	}
	unique_hosts.violation == want with input.review.object as object
		with input.parameters as defaults
		with data.inventory.namespace as inventory
}

test_proxy if {
	want := {claimed("a.example", "Ingress shop/web", "spec.virtualhost.fqdn")}
	unique_hosts.violation == want with input.review.object as proxy("blog", "mine", "a.example")
		with input.parameters as defaults
		with data.inventory.namespace as inventory
}

test_the_same_namespace_may_share if {
	every object in [ingress("shop", "other", ["a.example", "c.example"]), proxy("shop", "edge", "c.example")] {
		unique_hosts.violation == set() with input.review.object as object
			with input.parameters as defaults
			with data.inventory.namespace as inventory
	}
}

test_shared_hosts if {
	unique_hosts.violation == set() with input.review.object as ingress("blog", "mine", ["a.example"])
		with input.parameters as {"shared": ["a.example"]}
		with data.inventory.namespace as inventory
}

test_a_wildcard_is_not_the_hosts_below_it if {
	unique_hosts.violation == set() with input.review.object as ingress("blog", "mine", ["*.example"])
		with input.parameters as defaults
		with data.inventory.namespace as inventory
}

test_no_host_is_no_claim if {
	object := {
		"kind": "Ingress",
		"metadata": {"name": "all", "namespace": "shop"},
		"spec": {"rules": [{"http": {}}, {"host": ""}]},
	}
	unique_hosts.violation == set() with input.review.object as object
		with input.parameters as defaults
		with data.inventory.namespace as inventory
}

test_empty_inventory if {
	unique_hosts.violation == set() with input.review.object as ingress("blog", "mine", ["a.example"])
		with input.parameters as defaults
}
