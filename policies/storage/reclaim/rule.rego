# METADATA
# title: Kept volumes
# description: Volumes outlive their claim, so that deleting a claim by mistake deletes no data.
# custom:
#   kind: ContainStorageReclaim
#   severity: medium
#   enforcement: warn
#   profile: regulated
#   match:
#   - apiGroups: [""]
#     kinds: [PersistentVolume]
#   - apiGroups: [storage.k8s.io]
#     kinds: [StorageClass]
#   parameters:
#     type: object
#     properties:
#       classes:
#         description: StorageClasses whose volumes must be kept; a trailing * matches any rest.
#         type: array
#         default: ["*"]
#         items:
#           type: string
#           minLength: 1
#       exemptClasses:
#         description: Those among them whose volumes may go with their claim; a trailing * matches any rest.
#         type: array
#         default: []
#         items:
#           type: string
#           minLength: 1
package contain.storage.reclaim

import data.lib.names

violation contains {"msg": msg, "details": {"path": path}} if {
	input.review.object.kind == "StorageClass"

	# What the API server fills in.
	policy := object.get(input.review.object, "reclaimPolicy", "Delete")
	policy != "Retain"
	name := input.review.object.metadata.name
	kept(name)
	msg := sprintf("StorageClass %q deletes a volume with its claim: reclaimPolicy is %s, not Retain", [name, policy])
	path := place
}

violation contains {"msg": msg, "details": {"path": "spec.persistentVolumeReclaimPolicy"}} if {
	input.review.object.kind == "PersistentVolume"

	# A volume that a provisioner made has what its StorageClass says; refusing
	# it here would leave disks that nobody knows of.
	not input.review.object.metadata.annotations["pv.kubernetes.io/provisioned-by"]
	policy := object.get(input.review.object.spec, "persistentVolumeReclaimPolicy", "Retain")
	policy != "Retain"
	kept(object.get(input.review.object.spec, "storageClassName", ""))
	msg := sprintf("the volume goes with its claim: persistentVolumeReclaimPolicy is %s, not Retain", [policy])
}

# A field that is not there has no line.
place := "reclaimPolicy" if input.review.object.reclaimPolicy

place := "metadata.name" if not input.review.object.reclaimPolicy

kept(class) if {
	names.matches(class, input.parameters.classes)
	not names.matches(class, input.parameters.exemptClasses)
}
