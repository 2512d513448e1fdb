# METADATA
# title: Capabilities
# description: Containers add no Linux capabilities but harmless ones, and drop those that the profile names.
# custom:
#   kind: ContainWorkloadCapabilities
#   severity: high
#   enforcement: deny
#   profile: baseline
#   stricter:
#     restricted:
#       parameters:
#         allowed: [NET_BIND_SERVICE]
#         requiredDrop: [ALL]
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
#         description: Capabilities that a container may add, without CAP_.
#         type: array
#         default:
#         - AUDIT_WRITE
#         - CHOWN
#         - DAC_OVERRIDE
#         - FOWNER
#         - FSETID
#         - KILL
#         - MKNOD
#         - NET_BIND_SERVICE
#         - SETFCAP
#         - SETGID
#         - SETPCAP
#         - SETUID
#         - SYS_CHROOT
#         items:
#           type: string
#           minLength: 1
#       requiredDrop:
#         description: Capabilities that every container must drop; ALL stands for each of them.
#         type: array
#         default: []
#         items:
#           type: string
#           minLength: 1
package contain.workload.capabilities

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	some list, containers in workload.containers
	some i, container in containers
	some j, capability in container.securityContext.capabilities.add
	not capability in allowed
	msg := sprintf("container %q must not add capability %s%s", [workload.name(container), capability, instead])
	path := sprintf("%s.securityContext.capabilities.add[%d]", [workload.path(list, i), j])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	# The API refuses capabilities on Windows.
	not workload.windows
	some capability in input.parameters.requiredDrop
	some list, containers in workload.containers
	some i, container in containers
	not dropped(container, capability)
	msg := sprintf("container %q must have %s in securityContext.capabilities.drop", [workload.name(container), capability])
	path := workload.field(workload.path(list, i), container, ["securityContext", "capabilities", "drop"])
}

allowed := object.get(input, ["parameters", "allowed"], [])

default instead := ""

instead := sprintf(", only %s", [concat(", ", sort(allowed))]) if count(allowed) > 0

dropped(container, capability) if {
	some drop in container.securityContext.capabilities.drop
	drop in {capability, "ALL"}
}
