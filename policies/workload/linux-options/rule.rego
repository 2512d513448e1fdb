# METADATA
# title: AppArmor, SELinux and /proc
# description: No container takes off what confines it on the node, its AppArmor profile, its SELinux context or the masks of /proc.
# custom:
#   kind: ContainWorkloadLinuxOptions
#   severity: high
#   enforcement: deny
#   profile: baseline
#   stricter:
#     restricted:
#       parameters:
#         unmaskedProc: false
#   match:
#   - apiGroups: [""]
#     kinds: [Pod, ReplicationController]
#   - apiGroups: [apps]
#     kinds: [DaemonSet, Deployment, ReplicaSet, StatefulSet]
#   - apiGroups: [batch]
#     kinds: [CronJob, Job]
#   parameters:
#     type: object
#     properties:
#       appArmorProfiles:
#         description: Types of AppArmor profiles that may be set.
#         type: array
#         default: [Localhost, RuntimeDefault]
#         items:
#           type: string
#           enum: [Localhost, RuntimeDefault, Unconfined]
#       seLinuxTypes:
#         description: SELinux types that may be set.
#         type: array
#         default: [container_engine_t, container_init_t, container_kvm_t, container_t]
#         items:
#           type: string
#           minLength: 1
#       unmaskedProc:
#         description: Let Pods with hostUsers false see all of /proc.
#         type: boolean
#         default: true
package contain.workload.linux_options

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	some [owner, base, "appArmorProfile", profile] in settings
	not allowed_profile(profile)
	msg := sprintf("%s must not have AppArmor profile %q%s", [owner, object.get(profile, "type", ""), only(profiles)])
	path := sprintf("%s.type", [base])
}

# The API server turns the annotation of old into the field of the container,
# unless that is set. What is wrong there already is not said twice.
violation contains {"msg": msg, "details": {"path": path}} if {
	some key, value in workload.pod.metadata.annotations
	startswith(key, annotation)
	not allowed_annotation(value)
	owner := sprintf("container %q", [trim_prefix(key, annotation)])
	every other in ["the Pod", owner] {
		not other in unconfined
	}
	msg := sprintf("%s must not have AppArmor profile %q%s", [owner, object.get(written, value, value), only(profiles)])
	path := sprintf("%s.annotations[%q]", [workload.metadata_path, key])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some [owner, base, "seLinuxOptions", options] in settings
	given(options, "type")
	not options.type in types
	msg := sprintf("%s must not have SELinux type %q%s", [owner, options.type, only(types)])
	path := sprintf("%s.type", [base])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some [owner, base, "seLinuxOptions", options] in settings
	some field in ["role", "user"]
	given(options, field)
	msg := sprintf("%s must not have an SELinux %s of its own: leave it out", [owner, field])
	path := sprintf("%s.%s", [base, field])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some [owner, path, "procMount", mount] in settings
	mount != "Default"
	not harmless
	msg := sprintf("%s must not have procMount %q: leave it out", [owner, mount])
}

# settings are what security contexts say about confinement: whose it is, where
# it stands, which option it is, and the option. Most Pods have none.
settings contains ["the Pod", path, option, value] if {
	some option in ["appArmorProfile", "seLinuxOptions"]
	value := workload.pod_spec.securityContext[option]
	value != null
	path := sprintf("%s.securityContext.%s", [workload.spec_path, option])
}

settings contains [owner, path, option, value] if {
	some list, containers in workload.containers
	some i, container in containers
	some option in ["appArmorProfile", "procMount", "seLinuxOptions"]
	value := container.securityContext[option]
	value != null
	owner := sprintf("container %q", [workload.name(container)])
	path := sprintf("%s.securityContext.%s", [workload.path(list, i), option])
}

annotation := "container.apparmor.security.beta.kubernetes.io/"

# written are the types of profiles as the annotation has them.
written := {"": "RuntimeDefault", "runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}

allowed_annotation(value) if written[value] in profiles

allowed_annotation(value) if {
	startswith(value, "localhost/")
	"Localhost" in profiles
}

unconfined contains owner if {
	some [owner, _, "appArmorProfile", profile] in settings
	not allowed_profile(profile)
}

allowed_profile(profile) if profile.type in profiles

profiles := object.get(input, ["parameters", "appArmorProfiles"], [])

types := object.get(input, ["parameters", "seLinuxTypes"], [])

given(options, field) if {
	value := options[field]
	not value in {"", null}
}

harmless if {
	workload.user_namespace
	input.parameters.unmaskedProc
}

only(values) := sprintf(", only %s", [concat(", ", sort(values))])
