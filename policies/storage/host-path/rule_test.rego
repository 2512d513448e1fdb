package contain.storage.host_path_test

import data.contain.storage.host_path

defaults := {"types": ["hostPath"], "provisioners": ["rancher.io/local-path"]}

volume(source) := {"kind": "PersistentVolume", "metadata": {"name": "data"}, "spec": source}

violation(path, type) := {
	"msg": sprintf("the volume is %q on a node's disk (%s)", [path, type]),
	"details": {"path": sprintf("spec.%s", [type])},
}

test_host_path if {
	want := {violation("/etc", "hostPath")}
	host_path.violation == want with input.review.object as volume({"hostPath": {"path": "/etc"}})
		with input.parameters as defaults
}

test_local if {
	object := volume({"local": {"path": "/mnt/disk1"}})
	host_path.violation == set() with input.review.object as object with input.parameters as defaults
	host_path.violation == {violation("/mnt/disk1", "local")} with input.review.object as object
		with input.parameters as {"types": ["hostPath", "local"], "provisioners": []}
}

test_other_sources if {
	host_path.violation == set() with input.review.object as volume({"csi": {"driver": "ebs.csi.aws.com"}})
		with input.parameters as {"types": ["hostPath", "local"], "provisioners": []}
}

test_storage_class if {
	want := {{
		"msg": "provisioner rancher.io/local-path hands out directories of nodes",
		"details": {"path": "provisioner"},
	}}
	host_path.violation == want with input.review.object as {"kind": "StorageClass", "provisioner": "rancher.io/local-path"}
		with input.parameters as defaults
	host_path.violation == set() with input.review.object as {"kind": "StorageClass", "provisioner": "ebs.csi.aws.com"}
		with input.parameters as defaults
}
