package lib.velero_test

import data.lib.velero

takes(included, excluded, names) := {name |
	some name in names
	velero.takes_namespace({"includedNamespaces": included, "excludedNamespaces": excluded}, name)
}

names := ["payments", "payments-api", "payments-batch", "shop", "a.b"]

test_no_includes_take_everything if {
	takes([], [], names) == {name | some name in names}
	takes(null, null, names) == {name | some name in names}
	takes(["*"], [], names) == {name | some name in names}
}

test_globs if {
	takes(["payments-*"], [], names) == {"payments-api", "payments-batch"}
	takes(["payments*"], [], names) == {"payments", "payments-api", "payments-batch"}
	takes(["sho?"], [], names) == {"shop"}
	takes(["sho"], [], names) == set()
	takes(["[ps]*"], [], names) == {"payments", "payments-api", "payments-batch", "shop"}

	# A glob has no separators here: "*" goes over dots.
	takes(["a*"], [], names) == {"a.b"}
}

test_excludes_win if {
	takes(["*"], ["payments-*"], names) == {"payments", "shop", "a.b"}
	takes(["payments-*"], ["*-api"], names) == {"payments-batch"}
	takes([], ["*"], names) == set()
}

problems(template) := velero.problems(template, ["scratch"])

test_no_problems if {
	problems({}) == set()
	problems({"includedNamespaces": ["a-*", "b?", "[cd]"], "excludedNamespaces": ["a-b"]}) == set()
	problems({"includedNamespaces": ["*"], "labelSelector": {}, "includedResources": ["pods"], "includeClusterResources": true}) == set()
	problems({"includedNamespaces": [""]}) == set()
}

test_problems_of_lists if {
	problems({"includedNamespaces": ["a", "*"]}) == {`"*" is included beside other namespaces`}
	problems({"excludedNamespaces": ["*"]}) == {`"*" is excluded`, `"*" is both included and excluded`}
	problems({"includedNamespaces": ["a"], "excludedNamespaces": ["a"]}) == {`"a" is both included and excluded`}

	# The server adds labelled namespaces to the excludes.
	problems({"includedNamespaces": ["scratch"]}) == {`"scratch" is both included and excluded`}
}

test_problems_of_patterns if {
	every pattern in ["a**", "a|b", "{a,b}", "[", "[]", "a]", "A", "-a", "a_b", "!a"] {
		problems({"includedNamespaces": [pattern]}) == {sprintf("%q is no pattern of namespaces", [pattern])}
		takes([pattern], [], names) == set()
	}
}

test_problems_of_filters if {
	problems({"labelSelector": {}, "orLabelSelectors": []}) == {"it has labelSelector and orLabelSelectors"}
	problems({"includedResources": ["pods"], "excludedClusterScopedResources": ["x"]}) == {"it has resource filters of both kinds"}
	problems({"includeClusterResources": false, "includedNamespaceScopedResources": ["x"]}) == {"it has resource filters of both kinds"}
	problems({"excludedResources": [], "includedNamespaceScopedResources": ["x"]}) == set()
}

test_resources if {
	velero.takes_resource({}, "pods")
	velero.takes_resource({"includedResources": ["po"]}, "pods")
	velero.takes_resource({"includedResources": ["*"]}, "pods")
	velero.takes_resource({"includedNamespaceScopedResources": ["persistentvolume*"]}, "persistentvolumeclaims")
	velero.takes_resource({"excludedResources": ["events"]}, "pods")
	not velero.takes_resource({"includedResources": ["pods"]}, "persistentvolumeclaims")
	not velero.takes_resource({"excludedResources": ["PVC"]}, "persistentvolumeclaims")
	not velero.takes_resource({"excludedNamespaceScopedResources": ["*"]}, "pods")
	not velero.takes_resource({"includedResources": ["pods", "po"], "excludedResources": ["p*"]}, "pods")
}

test_labels if {
	velero.takes_labels({}, {})
	velero.takes_labels({"labelSelector": null, "orLabelSelectors": null}, {})
	velero.takes_labels({"labelSelector": {"matchLabels": {"app": "a"}}}, {"app": "a"})
	not velero.takes_labels({"labelSelector": {"matchLabels": {"app": "a"}}}, {})
	velero.takes_labels({"orLabelSelectors": [{"matchLabels": {"app": "b"}}, {"matchLabels": {"app": "a"}}]}, {"app": "a"})
	not velero.takes_labels({"orLabelSelectors": [{"matchLabels": {"app": "b"}}]}, {"app": "a"})
}

schedule(template) := {"name": "s", "paused": false, "template": template, "labelled": ["scratch"], "problems": set(), "agent": true}

volumes := {"namespace": "shop", "resources": ["persistentvolumeclaims", "pods"], "volumes": "any"}

missed(change, template, thing) := velero.missed(object.union(schedule(template), change), thing)

test_missed if {
	missed({"paused": true}, {}, volumes) == "is paused"
	missed({"problems": {"a", "b"}}, {}, volumes) == "is refused by Velero, since a and b"
	missed({}, {"includedNamespaces": ["x"]}, volumes) == "does not take the namespace"
	missed({}, {}, object.union(volumes, {"namespace": "scratch"})) == "leaves out namespaces labelled velero.io/exclude-from-backup"
	missed({}, {"labelSelector": {"matchLabels": {"a": "b"}}}, volumes) == "takes only what its label selector matches"
	missed({}, {"excludedResources": ["pods", "pvc"]}, volumes) == "takes no persistentvolumeclaims and no pods"
	missed({}, {"snapshotVolumes": false}, volumes) == "takes no volumes"
	missed({"agent": false}, {"defaultVolumesToFsBackup": true}, volumes) == "reads volumes through the file system, and the node agent is off"
	missed({"agent": false}, {}, object.union(volumes, {"volumes": "opt-in"})) == "reads volumes through the file system, and the node agent is off"
}

test_not_missed if {
	not velero.missed(schedule({}), volumes) # snapshots are the default
	not velero.missed(schedule({"snapshotVolumes": false, "defaultVolumesToFsBackup": true}), volumes)
	not velero.missed(schedule({"snapshotVolumes": false}), object.union(volumes, {"volumes": "opt-in"}))
	not velero.missed(schedule({"snapshotVolumes": false}), object.union(volumes, {"volumes": "none"}))
	not missed({"agent": false}, {}, volumes)
}

test_reasons if {
	velero.reasons(set(), volumes) == ["there is no Schedule"]
	velero.reasons({schedule({}), object.union(schedule({}), {"name": "t", "paused": true})}, volumes) == []
	velero.reasons({schedule({"includedNamespaces": ["x"]}), object.union(schedule({}), {"name": "r", "paused": true})}, volumes) == [
		`"r" is paused`,
		`"s" does not take the namespace`,
	]
}

object_of(kind, namespace, name, spec) := {"unit": "u", "object": {
	"apiVersion": "v1",
	"kind": kind,
	"metadata": {"namespace": namespace, "name": name},
	"spec": spec,
}}

test_schedules if {
	objects := [
		object_of("Schedule", "velero", "s", {"template": {"storageLocation": "far"}}),
		object_of("Schedule", "elsewhere", "other", {}),
		object_of("BackupStorageLocation", "velero", "near", {"accessMode": "ReadOnly"}),
		object_of("HelmRelease", "velero", "velero", {"values": {"deployNodeAgent": false}}),
		{"unit": "u", "object": {"kind": "Namespace", "metadata": {"name": "scratch", "labels": {"velero.io/exclude-from-backup": "true"}}}},
	]
	velero.schedules(objects, "velero") == {{
		"name": "s",
		"paused": false,
		"template": {"storageLocation": "far"},
		"labelled": ["scratch"],
		"problems": {`storage location "far" is not there`},
		"agent": false,
	}}
}

location_problems(template, locations) := velero.location_problems(template, locations)

test_locations if {
	location_problems({}, {}) == set() # made elsewhere
	location_problems({}, {"a": {}}) == {"there is no default storage location"}
	location_problems({}, {"a": {"default": true}, "b": {"default": true}}) == set()
	location_problems({"storageLocation": "a"}, {"a": {"accessMode": "ReadOnly"}}) == {`storage location "a" is read-only`}
}

test_off if {
	not velero.off with input as {}
	not velero.off with input as {"platform": {"components": {"velero": {}}}}
	velero.off with input as {"platform": {"components": {"velero": {"enabled": false}}}}
	velero.off with input as {
		"platform": {
			"components": {"velero": {"enabled": true}},
			"environments": {"dev": {"components": {"velero": {"enabled": false}}}},
		},
		"cluster": {"environment": "dev"},
	}
	not velero.off with input as {
		"platform": {"components": {"velero": {"enabled": false}}},
		"cluster": {"components": {"velero": {"enabled": true}}},
	}
}

test_annotated if {
	velero.annotated({"annotations": {velero.opt_in: "a,b"}}, velero.opt_in) == {"a", "b"}
	velero.annotated({"annotations": {velero.opt_in: ""}}, velero.opt_in) == set()
	velero.annotated({}, velero.opt_in) == set()

	# Velero takes spaces for part of the name.
	velero.annotated({"annotations": {velero.opt_in: "a, b"}}, velero.opt_in) == {"a", " b"}
}
