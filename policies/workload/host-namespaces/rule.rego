# METADATA
# title: Host namespaces
# description: No Pod shares the network, process or IPC namespace of its node.
# custom:
#   kind: ContainWorkloadHostNamespaces
#   severity: high
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
#       allowed:
#         description: Host namespaces that Pods may share.
#         type: array
#         default: []
#         items:
#           type: string
#           enum: [hostIPC, hostNetwork, hostPID]
package contain.workload.host_namespaces

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	some field in ["hostIPC", "hostNetwork", "hostPID"]
	workload.pod_spec[field] == true
	not allowed(field)
	msg := sprintf("%s must not be true: the Pod would share a namespace of its node", [field])
	path := sprintf("%s.%s", [workload.spec_path, field])
}

allowed(field) if field in input.parameters.allowed
