# METADATA
# title: Users that are not root
# description: Containers run as a user that is not root, and say so, so that the kubelet refuses images that would.
# custom:
#   kind: ContainWorkloadRunAsNonRoot
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
#     properties:
#       userNamespaces:
#         description: Let Pods with hostUsers false run as root, which is nobody on the node.
#         type: boolean
#         default: true
package contain.workload.run_as_non_root

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	not harmless
	workload.pod_spec.securityContext.runAsNonRoot == false
	msg := "the Pod must not set securityContext.runAsNonRoot to false: set it to true"
	path := sprintf("%s.securityContext.runAsNonRoot", [workload.spec_path])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	not harmless
	some list, containers in workload.containers
	some i, container in containers
	container.securityContext.runAsNonRoot == false
	msg := sprintf("container %q must not set securityContext.runAsNonRoot to false: set it to true", [workload.name(container)])
	path := sprintf("%s.securityContext.runAsNonRoot", [workload.path(list, i)])
}

# What the Pod says holds for containers that say nothing. If it says false,
# that is the one thing to mend.
violation contains {"msg": msg, "details": {"path": path}} if {
	not said(workload.pod_spec)
	not harmless
	some list, containers in workload.containers
	some i, container in containers
	not said(container)
	msg := sprintf("container %q may run as root: set securityContext.runAsNonRoot to true, for it or for the Pod", [workload.name(container)])
	path := workload.field(workload.path(list, i), container, ["securityContext", "runAsNonRoot"])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	not harmless
	workload.pod_spec.securityContext.runAsUser == 0
	msg := "the Pod must not run as user 0: set securityContext.runAsUser to another, or leave it to the image"
	path := sprintf("%s.securityContext.runAsUser", [workload.spec_path])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	not harmless
	some list, containers in workload.containers
	some i, container in containers
	container.securityContext.runAsUser == 0
	msg := sprintf("container %q must not run as user 0: set securityContext.runAsUser to another, or leave it to the image", [workload.name(container)])
	path := sprintf("%s.securityContext.runAsUser", [workload.path(list, i)])
}

said(owner) if is_boolean(owner.securityContext.runAsNonRoot)

harmless if {
	workload.user_namespace
	input.parameters.userNamespaces
}
