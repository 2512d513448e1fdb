# METADATA
# title: What backups leave out
# description: Lists what no backup holds, because nobody asked for it or because the cluster has none.
# custom:
#   severity: low
#   enforcement: dryrun
#   profile: baseline
#   input: cluster
#   match:
#   - apiGroups: [""]
#     kinds: [Namespace, PersistentVolumeClaim]
#     fields: [metadata]
#   - apiGroups: [""]
#     kinds: [Pod]
#     fields: [spec.volumes]
#   - apiGroups: [apps]
#     kinds: [DaemonSet, Deployment, ReplicaSet, StatefulSet]
#     fields: [spec.template.metadata, spec.template.spec.volumes, spec.volumeClaimTemplates]
#   - apiGroups: [batch]
#     kinds: [Job]
#     fields: [spec.template.metadata, spec.template.spec.volumes]
#   - apiGroups: [batch]
#     kinds: [CronJob]
#     fields: [spec.jobTemplate.spec.template.metadata, spec.jobTemplate.spec.template.spec.volumes]
#   - apiGroups: [helm.toolkit.fluxcd.io]
#     kinds: [HelmRelease]
#     fields: [spec.values.deployNodeAgent]
#   - apiGroups: [velero.io]
#     kinds: [BackupStorageLocation]
#     fields: [spec.accessMode, spec.default]
#   - apiGroups: [velero.io]
#     kinds: [Schedule]
#   stricter:
#     regulated: {enforcement: warn}
#   parameters:
#     type: object
#     properties:
#       namespace:
#         description: The namespace that Velero runs in.
#         type: string
#         default: velero
#         minLength: 1
package contain.backup.left_out

import data.lib.velero

schedules := velero.schedules(input.objects, input.parameters.namespace)

# A cluster without Schedules leaves out everything: that is told of what was
# asked for.
violation contains {"msg": msg, "details": {"path": path}} if {
	velero.off
	some name, team in velero.asking(input.objects, input.platform.teams)
	msg := sprintf("namespace %q asks for its volumes to be backed up, and Velero is off", [name])
	path := sprintf("platform.teams[%q].namespaces[%q].backup.volumes", [team, name])
}

# What is left out for the same reasons is one list, at the first Schedule.
violation contains {"msg": msg, "details": {"object": first.object, "unit": first.unit, "path": "spec.template"}} if {
	some reasons, names in {r: n | some r in {r | some r in left_out}; n := [name | some name, r2 in left_out; r2 == r]}
	msg := sprintf("no backup holds %s %s: %s", [plural("namespace", names), quoted(names), concat("; ", reasons)])
}

first := [item |
	some name in sort([s.name | some s in schedules])
	some item in input.objects
	item.object.kind == "Schedule"
	item.object.metadata.namespace == input.parameters.namespace
	item.object.metadata.name == name
][0]

left_out[name] := reasons if {
	count(schedules) > 0
	some item in input.objects
	item.object.kind == "Namespace"
	name := item.object.metadata.name
	reasons := missing(name)
	count(reasons) > 0
}

missing(namespace) := velero.reasons(schedules, {"namespace": namespace, "resources": [], "volumes": "none"})

violation contains {"msg": msg, "details": {"object": first.object, "unit": first.unit, "path": "spec.template"}} if {
	some reasons, names in {r: n | some r in {r | some r in claims}; n := [name | some name, r2 in claims; r2 == r]}
	msg := sprintf("no backup holds the data of volume %s %s: %s", [plural("claim", names), quoted(names), concat("; ", reasons)])
}

# A namespace that is left out stands for all its claims.
claims[name] := reasons if {
	count(schedules) > 0
	some c in velero.claims(input.objects)
	missing(c.object.metadata.namespace) == []
	reasons := lost(c)
	count(reasons) > 0
	name := sprintf("%s/%s", [c.object.metadata.namespace, c.metadata.name])
}

lost(c) := [sprintf("labelled %s", [velero.exclude_label])] if {
	velero.opted_out({"metadata": c.metadata})
} else := velero.reasons(schedules, {
	"namespace": c.object.metadata.namespace,
	"labels": object.get(c.metadata, "labels", {}),
	"resources": ["persistentvolumeclaims"],
	"volumes": volumes(c),
})

volumes(c) := "opt-in" if {
	velero.opted_in(input.objects, c.object, c.metadata.name)
} else := "any"

plural(noun, names) := noun if count(names) == 1

plural(noun, names) := sprintf("%ss", [noun]) if count(names) > 1

quoted(names) := concat(", ", [sprintf("%q", [n]) | some n in sort(names)])
