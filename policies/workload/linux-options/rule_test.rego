package contain.workload.linux_options_test

import data.contain.workload.linux_options

baseline := {"appArmorProfiles": ["RuntimeDefault", "Localhost"], "seLinuxTypes": ["container_t"], "unmaskedProc": true}

restricted := {"appArmorProfiles": ["RuntimeDefault", "Localhost"], "seLinuxTypes": ["container_t"], "unmaskedProc": false}

review(spec) := {"object": {"kind": "Pod", "spec": spec}}

annotated(annotations, spec) := {"object": {"kind": "Deployment", "spec": {"template": {
	"metadata": {"annotations": annotations},
	"spec": spec,
}}}}

annotation(container) := sprintf("container.apparmor.security.beta.kubernetes.io/%s", [container])

violation(msg, path) := {"msg": msg, "details": {"path": path}}

app_armor(owner, type, path) := violation(
	sprintf("%s must not have AppArmor profile %q, only Localhost, RuntimeDefault", [owner, type]),
	path,
)

test_app_armor if {
	spec := {
		"securityContext": {"appArmorProfile": {"type": "Unconfined"}},
		"containers": [
			{"name": "app", "securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
			{"name": "fine", "securityContext": {"appArmorProfile": {"type": "Localhost"}}},
			{"name": "null", "securityContext": {"appArmorProfile": null}},
		],
		"initContainers": [{"name": "init", "securityContext": {"appArmorProfile": {}}}],
		"ephemeralContainers": [{"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}],
	}
	want := {
		app_armor("the Pod", "Unconfined", "spec.securityContext.appArmorProfile.type"),
		app_armor(`container "app"`, "Unconfined", "spec.containers[0].securityContext.appArmorProfile.type"),
		app_armor(`container "init"`, "", "spec.initContainers[0].securityContext.appArmorProfile.type"),
		app_armor(`container ""`, "Unconfined", "spec.ephemeralContainers[0].securityContext.appArmorProfile.type"),
	}
	linux_options.violation == want with input.review as review(spec) with input.parameters as baseline
}

test_app_armor_by_annotation if {
	annotations := {
		annotation("app"): "unconfined",
		annotation("odd"): "RuntimeDefault",
		annotation("empty"): "",
		annotation("default"): "runtime/default",
		annotation("local"): "localhost/app",
		"other": "unconfined",
	}
	path := `spec.template.metadata.annotations["container.apparmor.security.beta.kubernetes.io/%s"]`
	want := {
		app_armor(`container "app"`, "Unconfined", sprintf(path, ["app"])),
		app_armor(`container "odd"`, "RuntimeDefault", sprintf(path, ["odd"])),
	}
	linux_options.violation == want with input.review as annotated(annotations, {"containers": []})
		with input.parameters as baseline
}

test_app_armor_said_twice if {
	annotations := {annotation("app"): "unconfined"}
	field := {"appArmorProfile": {"type": "Unconfined"}}
	of_container := {"containers": [{"name": "app", "securityContext": field}]}
	of_pod := {"securityContext": field, "containers": [{"name": "app"}]}
	linux_options.violation == {app_armor(
		`container "app"`,
		"Unconfined",
		"spec.template.spec.containers[0].securityContext.appArmorProfile.type",
	)} with input.review as annotated(annotations, of_container)
		with input.parameters as baseline
	linux_options.violation == {app_armor(
		"the Pod",
		"Unconfined",
		"spec.template.spec.securityContext.appArmorProfile.type",
	)} with input.review as annotated(annotations, of_pod)
		with input.parameters as baseline
}

test_app_armor_annotation_against_a_good_field if {
	field := {"appArmorProfile": {"type": "RuntimeDefault"}}
	spec := {"securityContext": field, "containers": [{"name": "app", "securityContext": field}]}
	want := {app_armor(
		`container "app"`,
		"Unconfined",
		`spec.template.metadata.annotations["container.apparmor.security.beta.kubernetes.io/app"]`,
	)}
	linux_options.violation == want with input.review as annotated({annotation("app"): "unconfined"}, spec)
		with input.parameters as baseline
}

test_app_armor_types_of_ones_own if {
	spec := {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}, "containers": []}
	parameters := {"appArmorProfiles": ["Unconfined"]}
	linux_options.violation == set() with input.review as annotated({annotation("app"): "unconfined"}, spec)
		with input.parameters as parameters
	want := {violation(
		`container "app" must not have AppArmor profile "localhost/a", only Unconfined`,
		`spec.template.metadata.annotations["container.apparmor.security.beta.kubernetes.io/app"]`,
	)}
	linux_options.violation == want with input.review as annotated({annotation("app"): "localhost/a"}, spec)
		with input.parameters as parameters
}

test_se_linux if {
	spec := {
		"securityContext": {"seLinuxOptions": {"type": "spc_t", "user": "system_u", "role": "sysadm_r", "level": "s0"}},
		"containers": [
			{"name": "app", "securityContext": {"seLinuxOptions": {"type": "container_x"}}},
			{"name": "fine", "securityContext": {"seLinuxOptions": {"type": "container_t", "level": "s0:c1"}}},
			{"name": "empty", "securityContext": {"seLinuxOptions": {"type": "", "user": "", "role": null}}},
			{"name": "null", "securityContext": {"seLinuxOptions": null}},
		],
		"initContainers": [{"name": "init", "securityContext": {"seLinuxOptions": {"role": "r"}}}],
		"ephemeralContainers": [{"name": "debug", "securityContext": {"seLinuxOptions": {"user": "u"}}}],
	}
	want := {
		violation(`the Pod must not have SELinux type "spc_t", only container_t`, "spec.securityContext.seLinuxOptions.type"),
		violation("the Pod must not have an SELinux user of its own: leave it out", "spec.securityContext.seLinuxOptions.user"),
		violation("the Pod must not have an SELinux role of its own: leave it out", "spec.securityContext.seLinuxOptions.role"),
		violation(
			`container "app" must not have SELinux type "container_x", only container_t`,
			"spec.containers[0].securityContext.seLinuxOptions.type",
		),
		violation(
			`container "init" must not have an SELinux role of its own: leave it out`,
			"spec.initContainers[0].securityContext.seLinuxOptions.role",
		),
		violation(
			`container "debug" must not have an SELinux user of its own: leave it out`,
			"spec.ephemeralContainers[0].securityContext.seLinuxOptions.user",
		),
	}
	linux_options.violation == want with input.review as review(spec) with input.parameters as baseline
}

test_proc_mount if {
	spec := {
		"containers": [
			{"name": "app", "securityContext": {"procMount": "Unmasked"}},
			{"name": "fine", "securityContext": {"procMount": "Default"}},
			{"name": "null", "securityContext": {"procMount": null}},
		],
		"initContainers": [{"name": "init", "securityContext": {"procMount": ""}}],
	}
	want := {
		violation(`container "app" must not have procMount "Unmasked": leave it out`, "spec.containers[0].securityContext.procMount"),
		violation(`container "init" must not have procMount "": leave it out`, "spec.initContainers[0].securityContext.procMount"),
	}
	apart := object.union(spec, {"hostUsers": false})
	linux_options.violation == want with input.review as review(spec) with input.parameters as baseline
	linux_options.violation == set() with input.review as review(apart) with input.parameters as baseline
	linux_options.violation == want with input.review as review(apart) with input.parameters as restricted
}

test_nothing_said if {
	spec := {"containers": [{"name": "app"}, {"name": "b", "securityContext": null}]}
	linux_options.violation == set() with input.review as review(spec) with input.parameters as restricted
}
