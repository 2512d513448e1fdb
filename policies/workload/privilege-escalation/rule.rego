# METADATA
# title: Privilege escalation
# description: No program of a container can gain more privileges than the one that started it.
# custom:
#   kind: ContainWorkloadPrivilegeEscalation
#   severity: high
#   enforcement: deny
#   profile: restricted
#   match:
#   - apiGroups: [""]
#     kinds: [Pod, ReplicationController]
#   - apiGroups: [apps]
#     kinds: [DaemonSet, Deployment, ReplicaSet, StatefulSet]
#   - apiGroups: [batch]
#     kinds: [CronJob, Job]
#   parameters:
#     type: object
package contain.workload.privilege_escalation

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	not workload.windows
	some list, containers in workload.containers
	some i, container in containers
	not container.securityContext.allowPrivilegeEscalation == false
	msg := sprintf("container %q must set securityContext.allowPrivilegeEscalation to false", [workload.name(container)])
	path := workload.field(workload.path(list, i), container, ["securityContext", "allowPrivilegeEscalation"])
}
