# METADATA
# title: Replicas
# description: What serves others runs several times, on nodes or in zones that do not fail together.
# custom:
#   kind: ContainResourcesReplicas
#   severity: medium
#   enforcement: deny
#   profile: regulated
#   match:
#   - apiGroups: [apps]
#     kinds: [Deployment, StatefulSet]
#   parameters:
#     type: object
#     properties:
#       minimum:
#         description: Replicas that there must be, unless there are none.
#         type: integer
#         minimum: 1
#         default: 2
#       spread:
#         description: Ask for topologySpreadConstraints or a podAntiAffinity where there are several replicas.
#         type: boolean
#         default: true
package contain.resources.replicas

import data.lib.workload

# None at all is something that is turned off.
violation contains {"msg": msg, "details": {"path": "spec.replicas"}} if {
	replicas > 0
	replicas < input.parameters.minimum
	msg := sprintf("replicas is %d: set it to %d or more", [replicas, input.parameters.minimum])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	replicas > 0
	input.parameters.spread
	max([replicas, input.parameters.minimum]) > 1
	not spread
	msg := "nothing keeps the replicas apart: set topologySpreadConstraints, or affinity.podAntiAffinity"
	path := sprintf("%s.topologySpreadConstraints", [workload.spec_path])
}

# The API server makes one replica of none given.
replicas := input.review.object.spec.replicas if is_number(input.review.object.spec.replicas)

else := 1

spread if count(workload.pod_spec.topologySpreadConstraints) > 0

spread if {
	some rules in workload.pod_spec.affinity.podAntiAffinity
	count(rules) > 0
}
