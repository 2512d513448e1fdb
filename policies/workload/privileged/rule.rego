# METADATA
# title: Privileged containers
# description: No container runs privileged or as a Windows host process.
# custom:
#   kind: ContainWorkloadPrivileged
#   severity: critical
#   enforcement: deny
#   profile: baseline
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
#       exemptImages:
#         description: Images that may run privileged, as the manifest writes them; a trailing * matches any rest.
#         type: array
#         default: []
#         items:
#           type: string
package contain.workload.privileged

import data.lib.names
import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	some list, containers in workload.containers
	some i, container in containers
	container.securityContext.privileged == true
	not exempt(container)
	msg := sprintf("container %q must not be privileged", [workload.name(container)])
	path := sprintf("%s.securityContext.privileged", [workload.path(list, i)])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some list, containers in workload.containers
	some i, container in containers
	container.securityContext.windowsOptions.hostProcess == true
	not exempt(container)
	msg := sprintf("container %q must not be a Windows host process", [workload.name(container)])
	path := sprintf("%s.securityContext.windowsOptions.hostProcess", [workload.path(list, i)])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	workload.pod_spec.securityContext.windowsOptions.hostProcess == true
	msg := "the Pod must not be a Windows host process"
	path := sprintf("%s.securityContext.windowsOptions.hostProcess", [workload.spec_path])
}

# A function of its own: negating a call with an argument that is undefined is
# undefined too, and would let everything pass.
exempt(container) if names.matches(container.image, input.parameters.exemptImages)
