# METADATA
# title: Hosts of probes
# description: Probes and lifecycle hooks call their own Pod, not another host.
# custom:
#   kind: ContainWorkloadProbeHosts
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
package contain.workload.probe_hosts

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	some list, containers in workload.containers
	some i, container in containers
	some steps in handlers
	handler := object.get(container, steps, {})
	some action in ["httpGet", "tcpSocket"]
	host := handler[action].host
	not host in {"", null}
	name := concat(".", array.concat(steps, [action]))
	msg := sprintf("container %q must not name a host in %s: leave it out, and the kubelet calls the Pod", [
		workload.name(container),
		name,
	])
	path := sprintf("%s.%s.host", [workload.path(list, i), name])
}

handlers := [
	["livenessProbe"],
	["readinessProbe"],
	["startupProbe"],
	["lifecycle", "postStart"],
	["lifecycle", "preStop"],
]
