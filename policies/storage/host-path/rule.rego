# METADATA
# title: Volumes on a node's disk
# description: No PersistentVolume is a directory of a node, and no StorageClass makes such volumes.
# custom:
#   kind: ContainStorageHostPath
#   severity: high
#   enforcement: deny
#   profile: baseline
#   stricter:
#     restricted:
#       parameters:
#         types: [hostPath, local]
#   match:
#   - apiGroups: [""]
#     kinds: [PersistentVolume]
#   - apiGroups: [storage.k8s.io]
#     kinds: [StorageClass]
#   parameters:
#     type: object
#     properties:
#       types:
#         description: Sources of a PersistentVolume that are refused.
#         type: array
#         default: [hostPath]
#         items:
#           type: string
#           enum: [hostPath, local]
#       provisioners:
#         description: Provisioners of a StorageClass that are refused because they hand out directories of nodes.
#         type: array
#         default: [docker.io/hostpath, k8s.io/minikube-hostpath, kubernetes.io/host-path, microk8s.io/hostpath, rancher.io/local-path]
#         items:
#           type: string
#           minLength: 1
package contain.storage.host_path

violation contains {"msg": msg, "details": {"path": path}} if {
	input.review.object.kind == "PersistentVolume"
	some type in input.parameters.types
	source := input.review.object.spec[type]
	msg := sprintf("the volume is %q on a node's disk (%s)", [object.get(source, "path", ""), type])
	path := sprintf("spec.%s", [type])
}

violation contains {"msg": msg, "details": {"path": "provisioner"}} if {
	input.review.object.kind == "StorageClass"
	provisioner := input.review.object.provisioner
	provisioner in input.parameters.provisioners
	msg := sprintf("provisioner %s hands out directories of nodes", [provisioner])
}
