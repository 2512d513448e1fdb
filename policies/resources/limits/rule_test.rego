package contain.resources.limits_test

import data.contain.resources.limits

defaults := {"requests": ["cpu", "memory"], "limits": ["memory"]}

review(spec) := {"object": {"kind": "Pod", "spec": spec}}

violation(name, path, field, resource) := {
	"msg": sprintf("container %q has no %s %s", [name, resource, trim_suffix(field, "s")]),
	"details": {"path": path},
}

test_nothing_stated if {
	spec := {"containers": [{"name": "app"}], "initContainers": [{"name": "init", "resources": {}}]}
	want := {
		violation("app", "spec.containers[0].resources", "requests", "cpu"),
		violation("app", "spec.containers[0].resources", "requests", "memory"),
		violation("app", "spec.containers[0].resources", "limits", "memory"),
		violation("init", "spec.initContainers[0].resources.requests", "requests", "cpu"),
		violation("init", "spec.initContainers[0].resources.requests", "requests", "memory"),
		violation("init", "spec.initContainers[0].resources.limits", "limits", "memory"),
	}
	limits.violation == want with input.review as review(spec) with input.parameters as defaults
}

test_a_limit_is_a_request if {
	spec := {"containers": [{"name": "app", "resources": {"limits": {"memory": "1Gi"}}}]}
	want := {violation("app", "spec.containers[0].resources.requests", "requests", "cpu")}
	limits.violation == want with input.review as review(spec) with input.parameters as defaults
}

test_a_request_is_no_limit if {
	spec := {"containers": [{"name": "app", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}]}
	want := {violation("app", "spec.containers[0].resources.limits", "limits", "memory")}
	limits.violation == want with input.review as review(spec) with input.parameters as defaults
}

test_resources_of_the_pod if {
	spec := {
		"resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
		"containers": [{"name": "app"}],
	}
	limits.violation == set() with input.review as review(spec) with input.parameters as defaults
}

test_ephemeral_containers_have_none if {
	spec := {"containers": [], "ephemeralContainers": [{"name": "debug"}]}
	limits.violation == set() with input.review as review(spec) with input.parameters as defaults
}

test_stated if {
	resources := {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
	spec := {"containers": [{"name": "app", "resources": resources}]}
	limits.violation == set() with input.review as review(spec) with input.parameters as defaults
}
