# METADATA
# title: Storage classes
# description: Volume claims name a StorageClass that the platform offers.
# custom:
#   kind: ContainStorageClass
#   severity: medium
#   enforcement: deny
#   profile: restricted
#   match:
#   - apiGroups: [""]
#     kinds: [PersistentVolumeClaim, Pod, ReplicationController]
#   - apiGroups: [apps]
#     kinds: [DaemonSet, Deployment, ReplicaSet, StatefulSet]
#   - apiGroups: [batch]
#     kinds: [CronJob, Job]
#   parameters:
#     type: object
#     properties:
#       classes:
#         description: StorageClasses that claims may name; none means any.
#         type: array
#         default: []
#         items:
#           type: string
#           minLength: 1
#       required:
#         description: Refuse claims that leave the class to the cluster's default.
#         type: boolean
#         default: false
package contain.storage.class

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	some claim in claims
	claim.spec.storageClassName == ""
	msg := sprintf("%s has the StorageClass \"\": it takes any volume that lies about", [claim.name])
	path := sprintf("%s.storageClassName", [claim.path])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	some claim in claims
	class := claim.spec.storageClassName
	class != ""
	count(input.parameters.classes) > 0
	not class in input.parameters.classes
	msg := sprintf("%s names StorageClass %q, which is none of %s", [
		claim.name,
		class,
		concat(", ", sort(input.parameters.classes)),
	])
	path := sprintf("%s.storageClassName", [claim.path])
}

violation contains {"msg": msg, "details": {"path": claim.path}} if {
	input.parameters.required
	some claim in claims
	not claim.spec.storageClassName
	msg := sprintf("%s names no StorageClass", [claim.name])
}

# Kubernetes still reads it, and prefers it to the field.
violation contains {"msg": msg, "details": {"path": path}} if {
	some claim in claims
	class := claim.annotations["volume.beta.kubernetes.io/storage-class"]
	msg := sprintf("%s names StorageClass %q in an annotation, past spec.storageClassName", [claim.name, class])
	path := sprintf("%s[\"volume.beta.kubernetes.io/storage-class\"]", [claim.meta])
}

# Whatever claims a volume, with the paths of its spec and its annotations.
claims contains {
	"name": "the claim",
	"path": "spec",
	"meta": "metadata.annotations",
	"spec": input.review.object.spec,
	"annotations": object.get(input.review.object, ["metadata", "annotations"], {}),
} if {
	input.review.object.kind == "PersistentVolumeClaim"
}

claims contains claim if {
	input.review.object.kind == "StatefulSet"
	some i, template in input.review.object.spec.volumeClaimTemplates
	path := sprintf("spec.volumeClaimTemplates[%d]", [i])
	claim := of(template, sprintf("volume claim template %q", [template.metadata.name]), path)
}

claims contains claim if {
	some i, volume in workload.pod_spec.volumes
	template := volume.ephemeral.volumeClaimTemplate
	path := sprintf("%s.volumes[%d].ephemeral.volumeClaimTemplate", [workload.spec_path, i])
	claim := of(template, sprintf("ephemeral volume %q", [volume.name]), path)
}

of(template, name, path) := {
	"name": name,
	"path": sprintf("%s.spec", [path]),
	"meta": sprintf("%s.metadata.annotations", [path]),
	"spec": template.spec,
	"annotations": object.get(template, ["metadata", "annotations"], {}),
}
