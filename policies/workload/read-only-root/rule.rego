# METADATA
# title: Read-only root filesystems
# description: No container can change the files of its image.
# custom:
#   kind: ContainWorkloadReadOnlyRoot
#   severity: medium
#   enforcement: deny
#   profile: regulated
#   match:
#   - apiGroups: [""]
#     kinds: [Pod, ReplicationController]
#   - apiGroups: [apps]
#     kinds: [DaemonSet, Deployment, ReplicaSet, StatefulSet]
#   - apiGroups: [batch]
#     kinds: [CronJob, Job]
#   parameters:
#     type: object
package contain.workload.read_only_root

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	# The API refuses the field on Windows.
	not workload.windows
	some list, containers in workload.containers
	some i, container in containers
	not container.securityContext.readOnlyRootFilesystem == true
	msg := sprintf("container %q must set securityContext.readOnlyRootFilesystem to true, and mount an emptyDir where it writes", [workload.name(container)])
	path := workload.field(workload.path(list, i), container, ["securityContext", "readOnlyRootFilesystem"])
}
