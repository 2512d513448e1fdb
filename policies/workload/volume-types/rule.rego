# METADATA
# title: Volume types
# description: No Pod mounts the disk of its node, and from the profile restricted on only volumes that somebody manages.
# custom:
#   kind: ContainWorkloadVolumeTypes
#   severity: high
#   enforcement: deny
#   profile: baseline
#   stricter:
#     restricted:
#       parameters:
#         allowed:
#         - configMap
#         - csi
#         - downwardAPI
#         - emptyDir
#         - ephemeral
#         - image
#         - persistentVolumeClaim
#         - projected
#         - secret
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
#         description: Types that a volume may have, as its field is named; * is every type.
#         type: array
#         default: ["*"]
#         items:
#           type: string
#           minLength: 1
#       denied:
#         description: Types that no volume has, even if they are allowed.
#         type: array
#         default: [hostPath]
#         items:
#           type: string
#           minLength: 1
package contain.workload.volume_types

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	some i, volume in workload.pod_spec.volumes
	some type, source in volume
	type != "name"
	source != null
	not permitted(type)
	msg := message(volume, type)
	path := sprintf("%s.volumes[%d].%s", [workload.spec_path, i, type])
}

# The API server makes an emptyDir of a volume without a source.
violation contains {"msg": msg, "details": {"path": path}} if {
	not permitted("emptyDir")
	some i, volume in workload.pod_spec.volumes
	count([type | some type, source in volume; source != null; type != "name"]) == 0
	msg := message(volume, "emptyDir")
	path := sprintf("%s.volumes[%d]", [workload.spec_path, i])
}

permitted(type) if {
	accepted(type)
	not refused(type)
}

accepted(type) if type in input.parameters.allowed

accepted(_) if "*" in input.parameters.allowed

refused(type) if type in input.parameters.denied

message(volume, type) := sprintf("volume %q must not be of type %s%s", [object.get(volume, "name", ""), type, instead])

default instead := ": ask for storage with a persistentVolumeClaim"

instead := sprintf(", only %s", [concat(", ", choice)]) if {
	not "*" in input.parameters.allowed
	choice := [type | some type in sort(input.parameters.allowed); not refused(type)]
	count(choice) > 0
}
