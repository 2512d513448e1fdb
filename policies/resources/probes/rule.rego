# METADATA
# title: Health probes
# description: Every container that stays up says how Kubernetes can tell that it is ready.
# custom:
#   kind: ContainResourcesProbes
#   severity: low
#   enforcement: warn
#   profile: restricted
#   stricter:
#     regulated:
#       enforcement: deny
#   match:
#   - apiGroups: [apps]
#     kinds: [DaemonSet, Deployment, StatefulSet]
#   parameters:
#     type: object
#     properties:
#       required:
#         description: Probes that every container must have.
#         type: array
#         default: [readinessProbe]
#         items:
#           type: string
#           enum: [livenessProbe, readinessProbe, startupProbe]
package contain.resources.probes

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	some probe in input.parameters.required
	some list, containers in workload.containers
	some i, container in containers
	stays(list, container)
	not has(container, probe)
	msg := sprintf("container %q has no %s: say how to tell that it %s", [workload.name(container), probe, tells[probe]])
	path := sprintf("%s.%s", [workload.path(list, i), probe])
}

# The API refuses probes on other init containers and on ephemeral ones.
stays("containers", _)

stays("initContainers", container) if container.restartPolicy == "Always"

has(container, probe) if is_object(container[probe])

tells := {
	"livenessProbe": "has to be restarted",
	"readinessProbe": "can take requests",
	"startupProbe": "has started",
}
