package contain.resources.probes_test

import data.contain.resources.probes

review(spec) := {"object": {"kind": "Deployment", "spec": {"template": {"spec": spec}}}}

violation(name, probe, tells, path) := {
	"msg": sprintf("container %q has no %s: say how to tell that it %s", [name, probe, tells]),
	"details": {"path": sprintf("spec.template.spec.%s.%s", [path, probe])},
}

ready := {"httpGet": {"port": 80}}

test_containers_that_stay if {
	spec := {
		"containers": [
			{"name": "fine", "readinessProbe": ready},
			{"name": "app", "livenessProbe": ready},
			{"name": "null", "readinessProbe": null},
		],
		"initContainers": [
			{"name": "migrate"},
			{"name": "proxy", "restartPolicy": "Always"},
			{"name": "fine", "restartPolicy": "Always", "readinessProbe": ready},
		],
		"ephemeralContainers": [{"name": "debug"}],
	}
	want := {
		violation("app", "readinessProbe", "can take requests", "containers[1]"),
		violation("null", "readinessProbe", "can take requests", "containers[2]"),
		violation("proxy", "readinessProbe", "can take requests", "initContainers[1]"),
	}
	probes.violation == want with input.review as review(spec) with input.parameters as {"required": ["readinessProbe"]}
}

test_each_probe if {
	want := {
		violation("app", "livenessProbe", "has to be restarted", "containers[0]"),
		violation("app", "readinessProbe", "can take requests", "containers[0]"),
		violation("app", "startupProbe", "has started", "containers[0]"),
	}
	probes.violation == want with input.review as review({"containers": [{"name": "app"}]})
		with input.parameters as {"required": ["livenessProbe", "readinessProbe", "startupProbe"]}
}

test_none_required if {
	probes.violation == set() with input.review as review({"containers": [{"name": "app"}]})
		with input.parameters as {"required": []}
}
