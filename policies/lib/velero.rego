# METADATA
# title: Velero's selection
# description: |
#   Which namespaces, objects and volumes a Velero 1.18 Schedule backs up, as
#   its server decides: pkg/util/collections, pkg/util/wildcard,
#   pkg/controller/backup_controller.go and internal/volumehelper.
package lib.velero

import data.lib.pods
import data.lib.selector

exclude_label := "velero.io/exclude-from-backup"

opt_in := "backup.velero.io/backup-volumes"

opt_out := "backup.velero.io/backup-volumes-excludes"

# opted_out tells whether an object's labels keep it out of every backup.
opted_out(object) if object.metadata.labels[exclude_label] == "true"

# includes are a template's namespaces: no namespaces means all of them.
includes(template) := ["*"] if count(list(template, "includedNamespaces")) == 0

includes(template) := list(template, "includedNamespaces") if count(list(template, "includedNamespaces")) > 0

excludes(template) := list(template, "excludedNamespaces")

# list is a field that may be left out, or null.
list(template, field) := [item | some item in template[field]]

# takes_namespace tells whether a template's patterns take a namespace. They are
# globs without separators.
takes_namespace(template, name) if {
	some pattern in includes(template)
	valid_pattern(pattern)
	glob.match(pattern, null, name)
	every exclude in excludes(template) {
		valid_pattern(exclude)
		not glob.match(exclude, null, name)
	}
}

# problems are why the server refuses to make a template's backup at all.
# labelled are the namespaces with exclude_label, which it adds to the excludes.
problems(template, labelled) := (patterns | lists) | filter_problems(template) if {
	patterns := {sprintf("%q is no pattern of namespaces", [pattern]) |
		some pattern in array.concat(includes(template), excludes(template))
		not valid_pattern(pattern)
	}
	lists := list_problems(includes(template), array.concat(excludes(template), labelled))
}

# valid_pattern: "*", "?" and "[abc]" stand for characters, "**" for nothing,
# and what remains is a name of a namespace. "" is no namespace.
valid_pattern("")

valid_pattern(pattern) if {
	regex.match(`^([-a-z0-9*?]|\[[-a-z0-9*?]+\])+$`, pattern)
	not contains(pattern, "**")
	not startswith(pattern, "-")
	not endswith(pattern, "-")
	count(pattern) <= 63
}

list_problems(included, excluded) := (everything | nothing) | both if {
	everything := {"\"*\" is included beside other namespaces" |
		"*" in included
		count({i | some i in included}) > 1
	}
	nothing := {"\"*\" is excluded" | "*" in excluded}
	both := {sprintf("%q is both included and excluded", [name]) |
		some name in included
		name in excluded
	}
}

filter_problems(template) := selectors | filters if {
	selectors := {"it has labelSelector and orLabelSelectors" |
		is_object(template.labelSelector)
		is_array(template.orLabelSelectors)
	}
	filters := {"it has resource filters of both kinds" |
		some old in ["includedResources", "excludedResources", "includeClusterResources"]
		used(template, old)
		some scope in ["ClusterScopedResources", "NamespaceScopedResources"]
		some list in ["included", "excluded"]
		used(template, concat("", [list, scope]))
	}
}

used(template, field) if count(list(template, field)) > 0

used(template, "includeClusterResources") if is_boolean(template.includeClusterResources)

selecting(template) if is_object(template.labelSelector)

selecting(template) if is_array(template.orLabelSelectors)

# takes_labels tells whether a template's label selectors take an object.
takes_labels(template, _) if {
	not selecting(template)
}

takes_labels(template, labels) if selector.matches(template.labelSelector, labels)

takes_labels(template, labels) if {
	some each in template.orLabelSelectors
	selector.matches(each, labels)
}

# takes_resource tells whether a template's resource filters take a namespaced
# resource of the core group.
takes_resource(template, resource) if {
	not filtered(template, "excludedResources", resource)
	not filtered(template, "excludedNamespaceScopedResources", resource)
	unfiltered(template, "includedResources", resource)
	unfiltered(template, "includedNamespaceScopedResources", resource)
}

unfiltered(template, field, _) if count(list(template, field)) == 0

unfiltered(template, field, resource) if filtered(template, field, resource)

filtered(template, field, resource) if {
	some pattern in template[field]
	some name in names[resource]
	regex.match(`^[a-z0-9.*?-]*$`, lower(pattern))
	glob.match(lower(pattern), null, name)
}

# names by which the API server's discovery knows a resource.
names := {
	"pods": ["pods", "pod", "po"],
	"persistentvolumeclaims": ["persistentvolumeclaims", "persistentvolumeclaim", "pvc"],
}

# by_file_system: volumes of pods are read through the file system unless the
# pod opts out. Otherwise pods opt in.
by_file_system(template) if template.defaultVolumesToFsBackup == true

# by_snapshot: volumes are snapshotted unless that is switched off.
by_snapshot(template) if object.get(template, "snapshotVolumes", true) != false

# annotated are the volumes that an annotation of a pod names, with commas alone
# between them.
annotated(metadata, annotation) := {name |
	some name in split(metadata.annotations[annotation], ",")
	name != ""
}

# schedules are the Schedules among the objects of a cluster, with all that
# decides over their backups. Velero knows those of its own namespace alone.
schedules(objects, namespace) := {schedule |
	labelled := [o.metadata.name | some o in of(objects, "Namespace"); opted_out(o)]
	locations := {o.metadata.name: o.spec |
		some o in of(objects, "BackupStorageLocation")
		o.metadata.namespace == namespace
	}
	some o in of(objects, "Schedule")
	o.metadata.namespace == namespace
	template := object.get(o.spec, "template", {})
	schedule := {
		"name": o.metadata.name,
		"paused": object.get(o.spec, "paused", false),
		"template": template,
		"labelled": labelled,
		"problems": (problems(template, labelled) | location_problems(template, locations)),
		"agent": agent(objects, namespace),
	}
}

of(objects, kind) := [item.object | some item in objects; item.object.kind == kind]

# location_problems are those of where a backup is written to. Without any
# location among the objects they are made elsewhere.
location_problems(template, locations) := {problem |
	count(locations) > 0
	some problem in (missing_location(template, locations) | read_only_location(template, locations))
}

location(template, _) := template.storageLocation if count(template.storageLocation) > 0

location(template, locations) := min(defaults) if {
	object.get(template, "storageLocation", "") == ""
	defaults := {name | some name, spec in locations; spec.default == true}
	count(defaults) > 0
}

missing_location(template, locations) := {"there is no default storage location" | not location(template, locations)} | {problem |
	name := location(template, locations)
	not locations[name]
	problem := sprintf("storage location %q is not there", [name])
}

read_only_location(template, locations) := {sprintf("storage location %q is read-only", [name]) |
	name := location(template, locations)
	locations[name].accessMode == "ReadOnly"
}

# agent tells whether the node agent, which reads volumes through the file
# system, is on as far as the chart's values say.
agent(objects, namespace) := count({o |
	some o in of(objects, "HelmRelease")
	o.metadata.namespace == namespace
	o.spec.values.deployNodeAgent == false
}) == 0

# missed says why a schedule's backups do not hold a thing, and is undefined
# when they do. A thing has
#
#	namespace  its namespace
#	labels     its labels; none when it is many objects, as a namespace is
#	resources  of the core group, all of which have to be taken
#	volumes    "none", "any" (by snapshot or through the file system), or
#	           "opt-in" (a pod names them)
missed(schedule, _) := "is paused" if {
	schedule.paused
} else := sprintf("is refused by Velero, since %s", [concat(" and ", schedule.problems)]) if {
	count(schedule.problems) > 0
}

missed(schedule, thing) := reason if {
	not schedule.paused
	count(schedule.problems) == 0
	reason := not_selected(schedule, thing)
}

missed(schedule, thing) := reason if {
	not schedule.paused
	count(schedule.problems) == 0
	not not_selected(schedule, thing)
	reason := not_read(schedule, thing)
}

not_selected(schedule, thing) := "does not take the namespace" if {
	not takes_namespace(schedule.template, thing.namespace)
} else := sprintf("leaves out namespaces labelled %s", [exclude_label]) if {
	thing.namespace in schedule.labelled
} else := "takes only what its label selector matches" if {
	not takes_labels(schedule.template, object.get(thing, "labels", {}))
} else := sprintf("takes no %s", [concat(" and no ", left)]) if {
	left := [r | some r in thing.resources; not takes_resource(schedule.template, r)]
	count(left) > 0
}

not_read(schedule, thing) := "takes no volumes" if {
	thing.volumes == "any"
	not by_file_system(schedule.template)
	not by_snapshot(schedule.template)
} else := "reads volumes through the file system, and the node agent is off" if {
	through_agent(schedule.template, thing.volumes)
	not schedule.agent
}

through_agent(_, "opt-in")

through_agent(template, "any") if by_file_system(template)

# reasons are those of all schedules, or that there is none; empty when one of
# them takes the thing.
reasons(schedules, _) := ["there is no Schedule"] if count(schedules) == 0

reasons(schedules, thing) := sort([sprintf("%q %s", [s.name, reason]) |
	some s in schedules
	reason := missed(s, thing)
]) if {
	count(schedules) > 0
	every s in schedules {
		missed(s, thing)
	}
}

reasons(schedules, thing) := [] if {
	some s in schedules
	not missed(s, thing)
}

# off tells whether the description says that Velero does not run here: a
# decision, and nothing that was forgotten.
off if enabled == false

# The narrowest layer that says something is right.
enabled := said if {
	said := input.cluster.components.velero.enabled
} else := said if {
	said := input.platform.environments[input.cluster.environment].components.velero.enabled
} else := said if {
	said := input.platform.components.velero.enabled
}

# asking are the team namespaces among the objects whose team asks for the
# volumes in them.
asking(objects, teams) := {name: team |
	some o in of(objects, "Namespace")
	name := o.metadata.name
	team := o.metadata.labels["contain.platform/team"]
	teams[team].namespaces[name].backup.volumes == true
}

# opting are the Pods among the objects that name volumes for the file system.
opting(objects) := [{"unit": u, "object": o, "pod": pod, "volumes": volumes} |
	some {"unit": u, "object": o} in objects
	pod := pods.pod(o)
	volumes := annotated(pod.metadata, opt_in)
	count(volumes) > 0
]

# claims are the volume claims among the objects, with where each stands.
claims(objects) := [claim |
	some {"unit": u, "object": o} in objects
	some claim in of_object(o, u)
]

of_object(o, unit) := [{"unit": unit, "object": o, "metadata": o.metadata, "path": "metadata.labels"}] if o.kind == "PersistentVolumeClaim"

of_object(o, unit) := [{"unit": unit, "object": o, "metadata": template.metadata, "path": path} |
	some i, template in o.spec.volumeClaimTemplates
	path := sprintf("spec.volumeClaimTemplates[%d].metadata", [i])
] if {
	o.kind == "StatefulSet"
}

# opted_in tells whether a pod among the objects names a claim of the object.
opted_in(objects, o, claim) if {
	some other in opting(objects)
	other.object.metadata.namespace == o.metadata.namespace
	some volume in other.pod.spec.volumes
	volume.name in other.volumes
	volume.persistentVolumeClaim.claimName == claim
}

opted_in(_, o, claim) if {
	o.kind == "StatefulSet"
	claim in annotated(o.spec.template.metadata, opt_in)
}
