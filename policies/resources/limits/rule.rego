# METADATA
# title: Resource requests and limits
# description: Every container says what it asks for and what it may take, so that the scheduler can place it and one container cannot starve a node.
# custom:
#   kind: ContainResourcesLimits
#   severity: medium
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
#       requests:
#         description: Resources that every container must request.
#         type: array
#         default: [cpu, memory]
#         items:
#           type: string
#           enum: [cpu, ephemeral-storage, memory]
#       limits:
#         description: Resources that every container must limit.
#         type: array
#         default: [memory]
#         items:
#           type: string
#           enum: [cpu, ephemeral-storage, memory]
package contain.resources.limits

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	some list, containers in workload.containers

	# The API refuses resources on ephemeral containers.
	list != "ephemeralContainers"
	some i, container in containers
	some field in ["limits", "requests"]
	some resource in input.parameters[field]
	not stated(container, field, resource)
	not stated(workload.pod_spec, field, resource)
	msg := sprintf("container %q has no %s %s", [workload.name(container), resource, noun[field]])
	path := workload.field(workload.path(list, i), container, ["resources", field, resource])
}

noun := {"limits": "limit", "requests": "request"}

# Resources of the whole Pod (spec.resources) hold for each of its containers.
stated(owner, field, resource) if owner.resources[field][resource]

# The API server sets a request that is absent to the limit.
stated(owner, "requests", resource) if owner.resources.limits[resource]
