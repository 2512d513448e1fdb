package contain.storage.class_test

import data.contain.storage.class

defaults := {"classes": [], "required": false}

claim(spec) := {"kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}

stateful(template) := {"kind": "StatefulSet", "spec": {
	"template": {"spec": {"containers": []}},
	"volumeClaimTemplates": [{"metadata": {"name": "log"}, "spec": {"storageClassName": "fast"}}, template],
}}

pod(template) := {"kind": "Pod", "spec": {"volumes": [
	{"name": "tmp", "emptyDir": {}},
	{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}},
]}}

any_volume(name, path) := {
	"msg": sprintf(`%s has the StorageClass "": it takes any volume that lies about`, [name]),
	"details": {"path": path},
}

test_static if {
	spec := {"storageClassName": ""}
	cases := [
		[claim(spec), "the claim", "spec.storageClassName"],
		[
			stateful({"metadata": {"name": "data"}, "spec": spec}),
			`volume claim template "data"`,
			"spec.volumeClaimTemplates[1].spec.storageClassName",
		],
		[
			pod({"spec": spec}),
			`ephemeral volume "scratch"`,
			"spec.volumes[1].ephemeral.volumeClaimTemplate.spec.storageClassName",
		],
	]
	every each in cases {
		class.violation == {any_volume(each[1], each[2])} with input.review.object as each[0]
			with input.parameters as defaults
	}
}

test_classes if {
	parameters := {"classes": ["fast", "archive"], "required": false}
	want := {{
		"msg": `the claim names StorageClass "local", which is none of archive, fast`,
		"details": {"path": "spec.storageClassName"},
	}}
	class.violation == want with input.review.object as claim({"storageClassName": "local"})
		with input.parameters as parameters
	every object in [claim({"storageClassName": "fast"}), claim({})] {
		class.violation == set() with input.review.object as object with input.parameters as parameters
	}
	class.violation == set() with input.review.object as claim({"storageClassName": "local"})
		with input.parameters as defaults
}

test_required if {
	parameters := {"classes": [], "required": true}
	want := {{"msg": "the claim names no StorageClass", "details": {"path": "spec"}}}
	class.violation == want with input.review.object as claim({}) with input.parameters as parameters
	wanted := {{
		"msg": `volume claim template "data" names no StorageClass`,
		"details": {"path": "spec.volumeClaimTemplates[1].spec"},
	}}
	class.violation == wanted with input.review.object as stateful({"metadata": {"name": "data"}, "spec": {}})
		with input.parameters as parameters
	class.violation == set() with input.review.object as claim({}) with input.parameters as defaults
	every name in ["fast", ""] {
		count([v | some v in class.violation; v.details.path == "spec"]) == 0 with input.review.object as claim({"storageClassName": name})
			with input.parameters as parameters
	}
}

test_annotation if {
	key := "volume.beta.kubernetes.io/storage-class"
	meta := {"name": "data", "annotations": {key: "local"}}
	want := {{
		"msg": `the claim names StorageClass "local" in an annotation, past spec.storageClassName`,
		"details": {"path": `metadata.annotations["volume.beta.kubernetes.io/storage-class"]`},
	}}
	class.violation == want with input.review.object as {"kind": "PersistentVolumeClaim", "metadata": meta, "spec": {}}
		with input.parameters as defaults
	wanted := {{
		"msg": `ephemeral volume "scratch" names StorageClass "local" in an annotation, past spec.storageClassName`,
		"details": {"path": `spec.volumes[1].ephemeral.volumeClaimTemplate.metadata.annotations["volume.beta.kubernetes.io/storage-class"]`},
	}}
	class.violation == wanted with input.review.object as pod({"metadata": meta, "spec": {}})
		with input.parameters as defaults
}

test_no_claims if {
	class.violation == set() with input.review.object as {"kind": "Pod", "spec": {"containers": []}}
		with input.parameters as {"classes": ["fast"], "required": true}
}
