# METADATA
# title: Backed-up volumes
# description: Velero's annotations name volumes and containers that are there, where Velero reads them.
# custom:
#   kind: ContainBackupVolumes
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
#       ignoredTypes:
#         description: Types of volumes that Velero never copies from a Pod, so that naming them for backup promises what does not happen.
#         type: array
#         default: [configMap, downwardAPI, hostPath, projected, secret]
#         items:
#           type: string
#           minLength: 1
package contain.backup.volumes

import data.lib.workload

include := "backup.velero.io/backup-volumes"

exclude := "backup.velero.io/backup-volumes-excludes"

hooks := ["pre.hook.backup.velero.io/container", "post.hook.backup.velero.io/container"]

violation contains {"msg": msg, "details": {"path": path}} if {
	some key in [include, exclude]
	some name in listed(key)
	not name in volumes
	msg := sprintf("%s names volume %q, which the Pod does not have", [key, name])
	path := field(key)
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some name in listed(include)
	some volume in workload.pod_spec.volumes
	volume.name == name
	some type in input.parameters.ignoredTypes
	volume[type]
	msg := sprintf("%s names volume %q, and Velero backs up no %s volumes", [include, name, type])
	path := field(include)
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some name in listed(include)
	name in listed(exclude)
	msg := sprintf("volume %q is to be backed up and to be left out", [name])
	path := field(exclude)
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some key in hooks
	name := annotations[key]
	not name in containers
	msg := sprintf("%s names container %q, which the Pod does not have", [key, name])
	path := field(key)
}

# Velero asks Pods, and nobody else.
violation contains {"msg": msg, "details": {"path": path}} if {
	input.review.object.kind != "Pod"
	some key in array.concat([include, exclude], hooks)
	input.review.object.metadata.annotations[key]
	msg := sprintf("%s does nothing on a %s: it belongs on the Pod template", [key, input.review.object.kind])
	path := sprintf("metadata.annotations[%q]", [key])
}

listed(key) := {name |
	some part in split(annotations[key], ",")
	name := trim_space(part)
	name != ""
}

# A StatefulSet makes a volume of each claim template.
volumes contains volume.name if some volume in workload.pod_spec.volumes

volumes contains claim.metadata.name if {
	input.review.object.kind == "StatefulSet"
	some claim in input.review.object.spec.volumeClaimTemplates
}

containers contains container.name if {
	some list in ["containers", "initContainers"]
	some container in workload.pod_spec[list]
}

# The Pod's own metadata stands beside its spec.
meta_path := sprintf("%smetadata.annotations", [trim_suffix(workload.spec_path, "spec")])

annotations := object.get(input.review.object, split(meta_path, "."), {})

field(key) := sprintf("%s[%q]", [meta_path, key])
