# METADATA
# title: Seccomp profiles
# description: No container turns off the filter of system calls, and from the profile restricted on each has one.
# custom:
#   kind: ContainWorkloadSeccomp
#   severity: medium
#   enforcement: deny
#   profile: baseline
#   stricter:
#     restricted:
#       parameters:
#         required: true
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
#       allowed:
#         description: Types of profiles that may be set.
#         type: array
#         default: [Localhost, RuntimeDefault]
#         items:
#           type: string
#           enum: [Localhost, RuntimeDefault, Unconfined]
#       required:
#         description: Refuse containers for which neither they nor the Pod set a profile.
#         type: boolean
#         default: false
package contain.workload.seccomp

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	type := profile(workload.pod_spec)
	not type in allowed
	msg := sprintf("the Pod must not have seccomp profile %q: set securityContext.seccompProfile.type to %s", [type, choice])
	path := sprintf("%s.securityContext.seccompProfile.type", [workload.spec_path])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some list, containers in workload.containers
	some i, container in containers
	type := profile(container)
	not type in allowed
	msg := sprintf("container %q must not have seccomp profile %q: set securityContext.seccompProfile.type to %s", [
		workload.name(container),
		type,
		choice,
	])
	path := sprintf("%s.securityContext.seccompProfile.type", [workload.path(list, i)])
}

# What the Pod sets holds for containers that set nothing.
violation contains {"msg": msg, "details": {"path": path}} if {
	input.parameters.required
	not profile(workload.pod_spec)

	# The API refuses seccomp profiles on Windows.
	not workload.windows
	some list, containers in workload.containers
	some i, container in containers
	not profile(container)
	msg := sprintf("container %q has no seccomp profile: set securityContext.seccompProfile.type to %s, for it or for the Pod", [
		workload.name(container),
		choice,
	])
	path := workload.field(workload.path(list, i), container, ["securityContext", "seccompProfile", "type"])
}

# profile is "" for one that has no type, which the API refuses.
profile(owner) := object.get(owner.securityContext, ["seccompProfile", "type"], "") if {
	is_object(owner.securityContext.seccompProfile)
}

allowed := object.get(input, ["parameters", "allowed"], [])

choice := concat(" or ", sort(allowed))
