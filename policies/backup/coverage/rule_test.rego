package contain.backup.coverage_test

import data.contain.backup.coverage

parameters := {"namespace": "velero", "everyClaim": false}

platform := {"teams": {"payments": {"namespaces": {
	"payments-api": {"backup": {"volumes": true}},
	"payments-batch": {"backup": {"volumes": false}},
}}}}

item(o) := {"unit": "u", "object": o}

namespace(name, labels) := item({
	"apiVersion": "v1",
	"kind": "Namespace",
	"metadata": {"name": name, "labels": object.union({"contain.platform/team": "payments"}, labels)},
})

namespaces := [namespace("payments-api", {}), namespace("payments-batch", {})]

schedule(name, spec) := item({
	"apiVersion": "velero.io/v1",
	"kind": "Schedule",
	"metadata": {"name": name, "namespace": "velero"},
	"spec": spec,
})

judge(objects, more) := found if {
	found := coverage.violation with input as object.union(
		{"platform": platform, "cluster": {"environment": "prod"}, "parameters": parameters, "objects": objects},
		more,
	)
}

asked(reasons) := {{
	"msg": sprintf("namespace \"payments-api\" asks for its volumes to be backed up, and no backup holds them: %s", [reasons]),
	"details": {"path": `platform.teams["payments"].namespaces["payments-api"].backup.volumes`},
}}

test_namespace if {
	judge(namespaces, {}) == asked("there is no Schedule")
	judge(array.concat(namespaces, [schedule("team", {"template": {"includedNamespaces": ["payments-api"]}})]), {}) == set()
	judge(
		array.concat(namespaces, [
			schedule("a", {"paused": true, "template": {}}),
			schedule("b", {"template": {"snapshotVolumes": false}}),
			schedule("c", {"template": {"includedNamespaces": ["payments"]}}),
			schedule("d", {"template": {"includedNamespaces": ["payments**"]}}),
		]),
		{},
	) == asked(concat("; ", [
		`"a" is paused`,
		`"b" takes no volumes`,
		`"c" does not take the namespace`,
		`"d" is refused by Velero, since "payments**" is no pattern of namespaces`,
	]))
}

# A label on one namespace makes Velero refuse a Schedule that names it.
test_labelled_namespace if {
	objects := [
		namespace("payments-api", {}),
		namespace("payments-batch", {"velero.io/exclude-from-backup": "true"}),
		schedule("a", {"template": {"includedNamespaces": ["payments-api", "payments-batch"]}}),
	]
	judge(objects, {}) == asked(`"a" is refused by Velero, since "payments-batch" is both included and excluded`)
}

test_only_here if {
	judge([namespace("payments-batch", {})], {}) == set()
}

test_off if {
	judge(namespaces, {"cluster": {"components": {"velero": {"enabled": false}}}}) == set()
}

deployment := {
	"apiVersion": "apps/v1",
	"kind": "Deployment",
	"metadata": {"name": "web", "namespace": "shop"},
	"spec": {"template": {
		"metadata": {"labels": {"app": "web"}, "annotations": {"backup.velero.io/backup-volumes": "data,gone,key"}},
		"spec": {"volumes": [
			{"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
			{"name": "key", "secret": {}},
		]},
	}},
}

of_pod(msg) := {
	"msg": msg,
	"details": {
		"object": deployment,
		"unit": "u",
		"path": `spec.template.metadata.annotations["backup.velero.io/backup-volumes"]`,
	},
}

never := {
	of_pod(`Deployment "web" asks for volume "gone" to be backed up, which its pods do not have`),
	of_pod(`Deployment "web" asks for volume "key" to be backed up, whose secret Velero never reads`),
}

test_pod if {
	judge([item(deployment), schedule("a", {"template": {"snapshotVolumes": false}})], {}) == never
	judge([item(deployment), schedule("a", {"template": {"labelSelector": {"matchLabels": {"app": "db"}}}})], {}) == never | {of_pod(concat("", [
		`Deployment "web" asks for volumes "data", "gone", "key" to be backed up, and no backup holds them: `,
		`"a" takes only what its label selector matches`,
	]))}
}

test_pod_without_agent if {
	release := item({
		"apiVersion": "helm.toolkit.fluxcd.io/v2",
		"kind": "HelmRelease",
		"metadata": {"name": "velero", "namespace": "velero"},
		"spec": {"values": {"deployNodeAgent": false}},
	})
	judge([item(deployment), schedule("a", {"template": {}}), release], {}) == never | {of_pod(concat("", [
		`Deployment "web" asks for volumes "data", "gone", "key" to be backed up, and no backup holds them: `,
		`"a" reads volumes through the file system, and the node agent is off`,
	]))}
}

claim(namespace, name, labels) := {
	"apiVersion": "v1",
	"kind": "PersistentVolumeClaim",
	"metadata": {"name": name, "namespace": namespace, "labels": labels},
}

of_claim(o, path, reasons) := {
	"msg": sprintf("volume claim %q asks for backup, and no backup holds its data: %s", ["data", reasons]),
	"details": {"object": o, "unit": "u", "path": path},
}

# The namespace is taken by one Schedule; the claim would have to be as well.
test_claim if {
	rest := array.concat(namespaces, [
		schedule("a", {"template": {"labelSelector": {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}}}),
		schedule("b", {"paused": true, "template": {}}),
	])
	cold := claim("payments-api", "data", {"tier": "cold"})
	judge(array.concat(rest, [item(claim("payments-api", "data", {}))]), {}) == set()
	judge(array.concat(rest, [item(cold)]), {}) == {of_claim(
		cold, "metadata.labels",
		`"a" takes only what its label selector matches; "b" is paused`,
	)}
	judge(array.concat(rest, [item(claim("payments-api", "data", {"tier": "cold", "velero.io/exclude-from-backup": "true"}))]), {}) == set()
	judge(array.concat(rest, [item(claim("payments-batch", "data", {"tier": "cold"}))]), {}) == set()
}

test_every_claim if {
	set := {
		"apiVersion": "apps/v1",
		"kind": "StatefulSet",
		"metadata": {"name": "db", "namespace": "shop"},
		"spec": {"volumeClaimTemplates": [{"metadata": {"name": "logs", "labels": {"velero.io/exclude-from-backup": "true"}}}, {"metadata": {"name": "data"}}]},
	}
	every_claim := {"parameters": {"everyClaim": true}}
	judge([item(set)], every_claim) == {of_claim(set, "spec.volumeClaimTemplates[1].metadata", "there is no Schedule")}
	judge([item(set)], {}) == set()
	judge([item(set)], object.union(every_claim, {"platform": {"components": {"velero": {"enabled": false}}}})) == set()
}

# A claim that a pod names is judged by the pod.
test_claim_of_pod if {
	objects := [
		item(deployment),
		item(claim("shop", "data", {})),
		schedule("a", {"template": {"snapshotVolumes": false}}),
	]
	judge(objects, {"parameters": {"everyClaim": true}}) == never
}
