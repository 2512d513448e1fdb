# METADATA
# title: Coverage of backups
# description: Whatever asks for backup is in the backups of a Schedule, as Velero selects.
# custom:
#   severity: high
#   enforcement: deny
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
#     regulated: {parameters: {everyClaim: true}}
#   parameters:
#     type: object
#     properties:
#       namespace:
#         description: The namespace that Velero runs in.
#         type: string
#         default: velero
#         minLength: 1
#       everyClaim:
#         description: Whether every volume claim asks for backup, not those of namespaces that ask alone.
#         type: boolean
#         default: false
package contain.backup.coverage

import data.lib.pods
import data.lib.velero

schedules := velero.schedules(input.objects, input.parameters.namespace)

asking := velero.asking(input.objects, input.platform.teams) if not velero.off

asking := {} if velero.off

# Volumes of pods that nobody knows yet: whatever Schedule takes them must not
# select by label.
violation contains {"msg": msg, "details": {"path": path}} if {
	some name, team in asking
	reasons := missing(name)
	count(reasons) > 0
	msg := sprintf("namespace %q asks for its volumes to be backed up, and no backup holds them: %s", [name, concat("; ", reasons)])
	path := sprintf("platform.teams[%q].namespaces[%q].backup.volumes", [team, name])
}

missing(namespace) := velero.reasons(schedules, {
	"namespace": namespace,
	"resources": ["persistentvolumeclaims", "pods"],
	"volumes": "any",
})

violation contains {"msg": msg, "details": {"object": o, "unit": unit, "path": path}} if {
	not velero.off
	some {"unit": unit, "object": o, "pod": pod, "volumes": volumes} in velero.opting(input.objects)
	reasons := velero.reasons(schedules, {
		"namespace": o.metadata.namespace,
		"labels": object.get(pod.metadata, "labels", {}),
		"resources": ["pods"],
		"volumes": "opt-in",
	})
	count(reasons) > 0
	msg := sprintf("%s %q asks for volumes %s to be backed up, and no backup holds them: %s", [
		o.kind,
		o.metadata.name,
		quoted(volumes),
		concat("; ", reasons),
	])
	path := annotation(o)
}

# What Velero never reads, asked for or not.
violation contains {"msg": msg, "details": {"object": o, "unit": unit, "path": annotation(o)}} if {
	some {"unit": unit, "object": o, "pod": pod, "volumes": volumes} in velero.opting(input.objects)
	some name in volumes
	why := unreadable(o, pod, name)
	msg := sprintf("%s %q asks for volume %q to be backed up, %s", [o.kind, o.metadata.name, name, why])
}

unreadable(o, pod, name) := "which its pods do not have" if {
	every volume in object.get(pod.spec, "volumes", []) {
		volume.name != name
	}
	every template in object.get(o.spec, "volumeClaimTemplates", []) {
		template.metadata.name != name
	}
}

unreadable(_, pod, name) := sprintf("whose %s Velero never reads", [source]) if {
	some volume in pod.spec.volumes
	volume.name == name
	some source in ["configMap", "downwardAPI", "hostPath", "projected", "secret"]
	volume[source]
}

violation contains {"msg": msg, "details": {"object": o, "unit": unit, "path": path}} if {
	some {"unit": unit, "object": o, "metadata": metadata, "path": path} in velero.claims(input.objects)
	asks(o.metadata.namespace)
	not velero.opted_out({"metadata": metadata})

	# Such a claim is judged by the pod that names it.
	not velero.opted_in(input.objects, o, metadata.name)
	reasons := velero.reasons(schedules, {
		"namespace": o.metadata.namespace,
		"labels": object.get(metadata, "labels", {}),
		"resources": ["persistentvolumeclaims"],
		"volumes": "any",
	})
	count(reasons) > 0
	msg := sprintf("volume claim %q asks for backup, and no backup holds its data: %s", [metadata.name, concat("; ", reasons)])
}

# A namespace that no backup holds says so once, for all its claims.
asks(namespace) if {
	asking[namespace]
	missing(namespace) == []
}

asks(namespace) if {
	input.parameters.everyClaim
	not velero.off
	not asking[namespace]
}

annotation(o) := sprintf("%s.annotations[%q]", [pods.path(o, "metadata"), velero.opt_in])

quoted(names) := concat(", ", [sprintf("%q", [n]) | some n in sort(names)])
