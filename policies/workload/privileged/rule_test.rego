package contain.workload.privileged_test

import data.contain.workload.privileged

review(spec) := {"object": {"kind": "Deployment", "spec": {"template": {"spec": spec}}}}

test_privileged_in_each_list if {
	spec := {
		"containers": [
			{"name": "fine", "image": "a:1"},
			{"name": "app", "image": "a:1", "securityContext": {"privileged": true}},
		],
		"initContainers": [{"name": "init", "image": "a:1", "securityContext": {"privileged": true}}],
		"ephemeralContainers": [{"name": "debug", "image": "a:1", "securityContext": {"privileged": true}}],
	}
	want := {
		{
			"msg": `container "app" must not be privileged`,
			"details": {"path": "spec.template.spec.containers[1].securityContext.privileged"},
		},
		{
			"msg": `container "init" must not be privileged`,
			"details": {"path": "spec.template.spec.initContainers[0].securityContext.privileged"},
		},
		{
			"msg": `container "debug" must not be privileged`,
			"details": {"path": "spec.template.spec.ephemeralContainers[0].securityContext.privileged"},
		},
	}
	privileged.violation == want with input.review as review(spec) with input.parameters as {"exemptImages": []}
}

test_host_process if {
	options := {"windowsOptions": {"hostProcess": true}}
	spec := {
		"securityContext": options,
		"containers": [{"name": "app", "image": "a:1", "securityContext": options}],
	}
	want := {
		{
			"msg": "the Pod must not be a Windows host process",
			"details": {"path": "spec.template.spec.securityContext.windowsOptions.hostProcess"},
		},
		{
			"msg": `container "app" must not be a Windows host process`,
			"details": {"path": "spec.template.spec.containers[0].securityContext.windowsOptions.hostProcess"},
		},
	}
	privileged.violation == want with input.review as review(spec) with input.parameters as {"exemptImages": []}
}

test_exempt_images if {
	spec := {"containers": [
		{"name": "cni", "image": "quay.io/cilium/cilium:v1", "securityContext": {"privileged": true}},
		{"name": "app", "image": "quay.io/acme/app:v1", "securityContext": {"privileged": true}},
	]}
	want := {{
		"msg": `container "app" must not be privileged`,
		"details": {"path": "spec.template.spec.containers[1].securityContext.privileged"},
	}}
	privileged.violation == want with input.review as review(spec)
		with input.parameters as {"exemptImages": ["quay.io/cilium/*"]}
}

test_nameless_container_is_no_way_out if {
	spec := {"containers": [{"securityContext": {"privileged": true}}]}
	want := {{
		"msg": `container "" must not be privileged`,
		"details": {"path": "spec.template.spec.containers[0].securityContext.privileged"},
	}}
	privileged.violation == want with input.review as review(spec) with input.parameters as {}
}

test_unprivileged if {
	spec := {"containers": [
		{"name": "a", "image": "a:1"},
		{"name": "b", "image": "a:1", "securityContext": {"privileged": false}},
	]}
	privileged.violation == set() with input.review as review(spec) with input.parameters as {"exemptImages": []}
}
