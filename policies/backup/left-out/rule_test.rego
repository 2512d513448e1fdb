package contain.backup.left_out_test

import data.contain.backup.left_out

item(kind, metadata, spec) := {"unit": "u", "object": {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}}

namespace(name, labels) := item("Namespace", {"name": name, "labels": labels}, {})

schedule(name, spec) := item("Schedule", {"name": name, "namespace": "velero"}, spec)

claim(labels) := item("PersistentVolumeClaim", {"name": "data", "namespace": "shop", "labels": labels}, {})

judge(objects, more) := found if {
	found := left_out.violation with input as object.union(
		{"platform": {"teams": {}}, "cluster": {}, "parameters": {"namespace": "velero"}, "objects": objects},
		more,
	)
}

about(schedule, msg) := {"msg": msg, "details": {"object": schedule.object, "unit": "u", "path": "spec.template"}}

test_namespaces if {
	objects := [
		namespace("shop", {}),
		namespace("scratch", {"velero.io/exclude-from-backup": "true"}),
		namespace("logs-b", {}),
		namespace("logs-a", {}),
		schedule("old", {"paused": true, "template": {}}),
		schedule("daily", {"template": {"excludedNamespaces": ["logs-*"]}}),
	]
	judge(objects, {}) == {
		about(objects[5], concat("", [
			`no backup holds namespace "scratch": `,
			`"daily" leaves out namespaces labelled velero.io/exclude-from-backup; "old" is paused`,
		])),
		about(objects[5], `no backup holds namespaces "logs-a", "logs-b": "daily" does not take the namespace; "old" is paused`),
	}
}

test_no_schedules if {
	judge([namespace("shop", {}), claim({})], {}) == set()
}

test_claims if {
	none := schedule("daily", {"template": {"snapshotVolumes": false}})
	judge([claim({}), none], {}) == {about(none, `no backup holds the data of volume claim "shop/data": "daily" takes no volumes`)}
	judge([claim({}), schedule("daily", {"template": {}})], {}) == set()
	out := claim({"velero.io/exclude-from-backup": "true"})
	judge([out, none], {}) == {about(none, `no backup holds the data of volume claim "shop/data": labelled velero.io/exclude-from-backup`)}

	# A pod of the model chooses the volume.
	pod := item("Pod", {"name": "p", "namespace": "shop", "annotations": {"backup.velero.io/backup-volumes": "v"}}, {"volumes": [{
		"name": "v",
		"persistentVolumeClaim": {"claimName": "data"},
	}]})
	judge([claim({}), pod, none], {}) == set()

	# Once for the namespace.
	judge([claim({}), schedule("daily", {"template": {"includedNamespaces": ["x"]}})], {}) == set()
}

test_off if {
	platform := {
		"teams": {"shop": {"namespaces": {"shop": {"backup": {"volumes": true}}}}},
		"components": {"velero": {"enabled": false}},
	}
	objects := [namespace("shop", {"contain.platform/team": "shop"})]
	judge(objects, {"platform": platform}) == {{
		"msg": `namespace "shop" asks for its volumes to be backed up, and Velero is off`,
		"details": {"path": `platform.teams["shop"].namespaces["shop"].backup.volumes`},
	}}
}
