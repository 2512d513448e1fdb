package contain.storage.reclaim_test

import data.contain.storage.reclaim

defaults := {"classes": ["*"], "exemptClasses": ["scratch*"]}

class(name, policy) := {"kind": "StorageClass", "metadata": {"name": name}, "reclaimPolicy": policy}

volume(annotations, spec) := {
	"kind": "PersistentVolume",
	"metadata": {"name": "data", "annotations": annotations},
	"spec": spec,
}

test_classes if {
	want := {{
		"msg": `StorageClass "fast" deletes a volume with its claim: reclaimPolicy is Delete, not Retain`,
		"details": {"path": "reclaimPolicy"},
	}}
	reclaim.violation == want with input.review.object as class("fast", "Delete") with input.parameters as defaults
	unsaid := {object.union(v, {"details": {"path": "metadata.name"}}) | some v in want}
	reclaim.violation == unsaid with input.review.object as {"kind": "StorageClass", "metadata": {"name": "fast"}}
		with input.parameters as defaults
	every object in [class("fast", "Retain"), class("scratch-1", "Delete")] {
		reclaim.violation == set() with input.review.object as object with input.parameters as defaults
	}
	reclaim.violation == set() with input.review.object as class("fast", "Delete")
		with input.parameters as {"classes": ["db-*"], "exemptClasses": []}
}

test_volumes if {
	want := {{
		"msg": "the volume goes with its claim: persistentVolumeReclaimPolicy is Recycle, not Retain",
		"details": {"path": "spec.persistentVolumeReclaimPolicy"},
	}}
	spec := {"persistentVolumeReclaimPolicy": "Recycle", "storageClassName": "fast"}
	reclaim.violation == want with input.review.object as volume({}, spec) with input.parameters as defaults
	allowed := [
		volume({"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"}, spec),
		volume({}, {"storageClassName": "fast"}),
		volume({}, {"persistentVolumeReclaimPolicy": "Retain"}),
		volume({}, {"persistentVolumeReclaimPolicy": "Delete", "storageClassName": "scratch"}),
	]
	every object in allowed {
		reclaim.violation == set() with input.review.object as object with input.parameters as defaults
	}
}
