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
#     kinds: [Namespace, PersistentVolumeClaim, Pod]
#   - apiGroups: [apps]
#     kinds: [DaemonSet, Deployment, ReplicaSet, StatefulSet]
#   - apiGroups: [batch]
#     kinds: [CronJob, Job]
#   - apiGroups: [helm.toolkit.fluxcd.io]
#     kinds: [HelmRelease]
#   - apiGroups: [velero.io]
#     kinds: [BackupStorageLocation, Schedule]
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

violation contains {"msg": msg, "details": {"object": item.object, "unit": item.unit, "path": "metadata.name"}} if {
	count(schedules) > 0
	some item in input.objects
	item.object.kind == "Namespace"
	reasons := missing(item.object.metadata.name)
	count(reasons) > 0
	msg := sprintf("namespace %q is in no backup: %s", [item.object.metadata.name, concat("; ", reasons)])
}

missing(namespace) := velero.reasons(schedules, {"namespace": namespace, "resources": [], "volumes": "none"})

# A namespace that is left out says so once, for all its claims.
violation contains {"msg": msg, "details": {"object": c.object, "unit": c.unit, "path": c.path}} if {
	count(schedules) > 0
	some c in velero.claims(input.objects)
	missing(c.object.metadata.namespace) == []
	reasons := lost(c)
	count(reasons) > 0
	msg := sprintf("the data of volume claim %q is in no backup: %s", [c.metadata.name, concat("; ", reasons)])
}

lost(c) := [sprintf("the claim is labelled %s", [velero.exclude_label])] if {
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
