package contain.images.pull_policy_test

import data.contain.images.pull_policy

review(container) := {"object": {"kind": "Pod", "spec": {"initContainers": [container]}}}

violation(policy) := {
	"msg": sprintf(`container "app" has the image pull policy %s, which is not allowed`, [policy]),
	"details": {"path": "spec.initContainers[0].imagePullPolicy"},
}

test_never if {
	container := {"name": "app", "image": "nginx:1.29", "imagePullPolicy": "Never"}
	pull_policy.violation == {violation("Never")} with input.review as review(container)
		with input.parameters as {"denied": ["Never"]}
}

test_other_policies if {
	every policy in ["", "Always", "IfNotPresent"] {
		container := {"name": "app", "image": "nginx:1.29", "imagePullPolicy": policy}
		pull_policy.violation == set() with input.review as review(container)
			with input.parameters as {"denied": ["Never"]}
	}
}

test_nothing_said_means_what_the_api_server_fills_in if {
	every image in ["nginx:1.29", "nginx:latest@sha256:cafe", "host:5000/nginx@sha256:cafe"] {
		want := {violation("IfNotPresent")}
		pull_policy.violation == want with input.review as review({"name": "app", "image": image})
			with input.parameters as {"denied": ["IfNotPresent"]}
	}
	every image in ["nginx", "nginx:latest", "host:5000/nginx"] {
		want := {violation("Always")}
		pull_policy.violation == want with input.review as review({"name": "app", "image": image})
			with input.parameters as {"denied": ["Always"]}
	}
}

test_a_template_may_leave_the_image_to_others if {
	pull_policy.violation == set() with input.review as review({"name": "app"})
		with input.parameters as {"denied": ["Always", "Never"]}
}
