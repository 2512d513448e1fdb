# METADATA
# title: Host ports
# description: No container takes a port of its node.
# custom:
#   kind: ContainWorkloadHostPorts
#   severity: medium
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
#         description: Ports of the node that containers may take.
#         type: array
#         default: []
#         items:
#           type: integer
#           minimum: 1
#           maximum: 65535
package contain.workload.host_ports

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	# With hostNetwork every port is one of the node's, and the API server writes
	# hostPort itself. workload/host-namespaces judges that.
	not workload.pod_spec.hostNetwork == true
	some list, containers in workload.containers
	some i, container in containers
	some j, port in container.ports
	port.hostPort > 0
	not allowed(port.hostPort)
	msg := sprintf("container %q must not take port %d of its node: leave hostPort out, and use a Service", [
		workload.name(container),
		port.hostPort,
	])
	path := sprintf("%s.ports[%d].hostPort", [workload.path(list, i), j])
}

allowed(port) if port in input.parameters.allowed
