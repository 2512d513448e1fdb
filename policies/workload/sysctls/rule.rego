# METADATA
# title: Sysctls
# description: Pods set only kernel parameters that are their own and touch nobody else on the node.
# custom:
#   kind: ContainWorkloadSysctls
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
#         description: Parameters that a Pod may set; a trailing * matches any rest.
#         type: array
#         default:
#         - kernel.shm_rmid_forced
#         - net.ipv4.ip_local_port_range
#         - net.ipv4.ip_local_reserved_ports
#         - net.ipv4.ip_unprivileged_port_start
#         - net.ipv4.ping_group_range
#         - net.ipv4.tcp_fin_timeout
#         - net.ipv4.tcp_keepalive_intvl
#         - net.ipv4.tcp_keepalive_probes
#         - net.ipv4.tcp_keepalive_time
#         - net.ipv4.tcp_rmem
#         - net.ipv4.tcp_syncookies
#         - net.ipv4.tcp_wmem
#         items:
#           type: string
#           minLength: 1
package contain.workload.sysctls

import data.lib.names
import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	some i, sysctl in workload.pod_spec.securityContext.sysctls
	not allowed(sysctl)
	msg := sprintf("the Pod must not set sysctl %q: leave it out, or set it on the node", [object.get(sysctl, "name", "")])
	path := sprintf("%s.securityContext.sysctls[%d].name", [workload.spec_path, i])
}

allowed(sysctl) if names.matches(sysctl.name, input.parameters.allowed)
