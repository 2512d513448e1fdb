# METADATA
# title: Escalation
# description: No group but those that are meant to can become cluster-admin, by whatever route.
# custom:
#   severity: critical
#   enforcement: deny
#   profile: baseline
#   input: cluster
#   match:
#   - apiGroups: [rbac.authorization.k8s.io]
#     kinds: [ClusterRole, ClusterRoleBinding, Role, RoleBinding]
#   - apiGroups: [""]
#     kinds: [Namespace]
#     fields: [metadata]
#   - apiGroups: [helm.toolkit.fluxcd.io]
#     kinds: [HelmRelease]
#     fields: [metadata]
#   - apiGroups: [kustomize.toolkit.fluxcd.io]
#     kinds: [Kustomization]
#     fields: [metadata]
#   - apiGroups: [admissionregistration.k8s.io]
#     kinds: [ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding]
#   - apiGroups: [source.toolkit.fluxcd.io]
#     kinds: [Bucket, GitRepository, HelmChart, HelmRepository, OCIRepository]
#     fields: [metadata]
#   parameters:
#     type: object
#     properties:
#       administrators:
#         description: ClusterRoles that are meant to administer the cluster; a trailing * matches any rest.
#         type: array
#         default: [cluster-admin, platform-admin, platform-operator]
#         items:
#           type: string
#           minLength: 1
#       exempt:
#         description: Groups and users of Kubernetes' own that are not looked at; a trailing * matches any rest.
#         type: array
#         default: ["system:kube-*", "system:masters", "system:node*", "system:bootstrappers*"]
#         items:
#           type: string
#           minLength: 1
#       controllers:
#         description: Namespaces whose service accounts are cluster-admin in effect.
#         type: array
#         default: [external-secrets, flux-system, kube-system, velero]
#         items:
#           type: string
#           minLength: 1
package contain.access.escalation

import data.lib.locks
import data.lib.names
import data.lib.rbac

# grants are those that are looked at: of rules that could lead anywhere, to
# whom a route starts with or could go through.
grants := [grant |
	some grant in rbac.grants(input.objects)
	leads(grant.rule)
	followed(grant)
]

leads(rule) if {
	some verb in rule.verbs
	verb in {"*", "approve", "bind", "create", "escalate", "impersonate", "patch", "update"}
}

leads(rule) if {
	some resource in rule.resources
	resource in {"*", "*/attach", "*/exec", "*/proxy", "nodes/proxy", "pods/attach", "pods/exec", "secrets"}
}

followed(grant) if grant.subject.kind == "ServiceAccount"

followed(grant) if {
	grant.subject.kind in {"Group", "User"}
	not names.matches(grant.subject.name, input.parameters.exempt)
	not meant(grant)
}

# of are the grants of each subject.
of[who] contains grant if {
	some grant in grants
	who := grant.who
}

# starting are those that a route starts with.
starting := {grant.who | some grant in grants; grant.subject.kind != "ServiceAccount"}

# A role that administers is meant to, unless a team's group got it otherwise
# than by access.groups.
meant(grant) if {
	administers(grant)
	input.platform.access.groups[group_of(grant)].roles[role_of(grant)]
}

meant(grant) if {
	administers(grant)
	not group_of(grant) in team_groups
}

administers(grant) if {
	grant.binding.roleRef.kind == "ClusterRole"
	names.matches(grant.binding.roleRef.name, input.parameters.administrators)
}

team_groups contains group if some group, _ in input.platform.teams[_].groups

team_groups contains group if some group, _ in input.platform.teams[_].namespaces[_].access

default prefix := ""

prefix := found if {
	found := input.cluster.authentication.groupsPrefix
} else := found if {
	found := input.platform.management.identity.prefixes.groups
}

group_of(grant) := trim_prefix(grant.subject.name, prefix)

role_of(grant) := trim_prefix(grant.binding.roleRef.name, "platform-")

namespaces[name] := object.get(item.object.metadata, "labels", {}) if {
	some item in input.objects
	item.object.kind == "Namespace"
	name := item.object.metadata.name
}

# open says why pods in a namespace lead further: whoever makes them, or runs
# commands in them, has the node or a service account.
open(namespace) := "whose service accounts are cluster-admin in effect" if {
	namespace in input.parameters.controllers
} else := "which admits privileged pods" if {
	object.get(namespaces[namespace], "pod-security.kubernetes.io/enforce", "privileged") == "privileged"
}

# open_in is open for a scope.
open_in("*") := "in every namespace, those that admit privileged pods too"

open_in(scope) := sprintf("in namespace %s, %s", [scope, open(scope)]) if scope != "*"

place("*") := "in the whole cluster"

place(scope) := sprintf("in namespace %s", [scope]) if scope != "*"

makers := [
	["", "pods"], ["apps", "deployments"], ["apps", "statefulsets"], ["apps", "daemonsets"], ["apps", "replicasets"],
	["batch", "jobs"], ["batch", "cronjobs"], ["", "replicationcontrollers"], ["", "pods/ephemeralcontainers"],
]

writes := ["create", "patch", "update"]

# pods says what lets a rule run something in pods.
pods(rule) := array.concat(
	[sprintf("%s %s", [verb, resource]) |
		some [group, resource] in makers
		some verb in writes
		rbac.allows(rule, group, resource, verb)
	],
	[sprintf("create %s", [resource]) |
		some resource in ["pods/exec", "pods/attach"]
		entered(rule, resource)
	],
)

# A command is run by create or, through a websocket, by get.
entered(rule, resource) if {
	some verb in ["create", "get"]
	rbac.allows(rule, "", resource, verb)
}

# ends are the grants that lead to cluster-admin at once, with what they allow
# and what that gives.
ends contains {"grant": grant, "id": "everything", "may": sprintf("do everything %s", [place(grant.scope)]), "gives": "that is cluster-admin"} if {
	some grant in grants
	grant.scope == "*"
	everything(grant.rule)
}

ends contains {"grant": grant, "id": "everything", "may": sprintf("do everything in namespace %s", [grant.scope]), "gives": sprintf("%s is one %s", [grant.scope, open(grant.scope)])} if {
	some grant in grants
	grant.scope != "*"
	everything(grant.rule)
}

everything(rule) if {
	rbac.allows(rule, "*", "*", "*")
	not rule.resourceNames
}

ends contains {"grant": grant, "id": concat(" ", [verb, resource]), "may": sprintf("%s %s", [verb, resource]), "gives": gives} if {
	some grant in limited
	grant.scope == "*"
	some [group, resource, verbs, gives] in at_once
	verb := [v | some v in verbs; rbac.allows(grant.rule, group, resource, v)][0]
}

# limited are the grants that are not everything.
limited := [grant | some grant in grants; not everything(grant.rule)]

at_once := [
	["", "nodes/proxy", ["get", "create"], "the kubelet runs commands in any pod"],
	["", "persistentvolumes", ["create"], "a volume can be any directory of a node"],
	["admissionregistration.k8s.io", "mutatingwebhookconfigurations", writes, "a webhook sees and changes whatever is written"],
	["admissionregistration.k8s.io", "validatingwebhookconfigurations", writes, "a webhook sees whatever is written, Secrets too"],
	["admissionregistration.k8s.io", "mutatingadmissionpolicies", writes, "a policy changes whatever is written"],
]

ends contains {"grant": grant, "id": "impersonate", "may": sprintf("impersonate %s", [resource]), "gives": "as system:masters it is cluster-admin"} if {
	some grant in limited
	grant.scope == "*"
	some [resource, wanted] in [["groups", {"system:masters"}], ["users", {"system:admin", "kubernetes-admin"}]]
	rbac.allows(grant.rule, "", resource, "impersonate")
	rbac.names(grant.rule, wanted)
}

# Verbs of RBAC are of use to who may write what they are about.
ends contains {"grant": grant, "id": verb, "may": sprintf("%s %s and %s %s %s", [verb, subject, write, object_, where]), "gives": gives} if {
	some grant in limited
	some [verb, subject, gives] in [
		["escalate", "clusterroles", "a role can be given rights that its writer does not have"],
		["escalate", "roles", "a role can be given rights that its writer does not have"],
		["bind", "clusterroles", "cluster-admin can be bound"],
	]
	rbac.allows(grant.rule, "rbac.authorization.k8s.io", subject, verb)
	rbac.names(grant.rule, {"cluster-admin"})
	some other in of[grant.who]
	some object_ in {"escalate": [subject], "bind": ["clusterrolebindings", "rolebindings"]}[verb]
	write := [w | some w in writes; rbac.allows(other.rule, "rbac.authorization.k8s.io", object_, w)][0]
	where := reach(other.scope, grant.scope, object_)
}

# reach says where both scopes hold, when pods there lead on.
reach("*", "*", _) := "in the whole cluster"

reach(scope, "*", resource) := open_in(scope) if {
	scope != "*"
	not startswith(resource, "cluster")
}

reach(_, scope, resource) := open_in(scope) if {
	scope != "*"
	not startswith(resource, "cluster")
}

ends contains {"grant": grant, "id": "sign", "may": "request, approve and sign client certificates", "gives": "a certificate can name any user"} if {
	some grant in limited
	rbac.allows(grant.rule, "certificates.k8s.io", "certificatesigningrequests", "create")
	some approval in of[grant.who]
	approval.scope == "*"
	some verb in ["patch", "update"]
	rbac.allows(approval.rule, "certificates.k8s.io", "certificatesigningrequests/approval", verb)
	some signer in of[grant.who]
	signer.scope == "*"
	rbac.allows(signer.rule, "certificates.k8s.io", "signers", "approve")
	rbac.names(signer.rule, {"kubernetes.io/kube-apiserver-client", "kubernetes.io/*"})
}

ends contains {"grant": grant, "id": "pods", "may": sprintf("%s %s", [deeds[0], open_in(grant.scope)]), "gives": gives} if {
	some grant in limited
	deeds := pods(grant.rule)
	count(deeds) > 0
	gives := from_pods(grant.scope)
}

from_pods(scope) := "its service accounts can be used" if scope in input.parameters.controllers

from_pods(scope) := "a privileged pod is root on its node" if not scope in input.parameters.controllers

# Who may change a namespace's labels decides which pods it admits.
ends contains {"grant": grant, "id": "label", "may": sprintf("%s namespaces and %s in namespace %s", [verb, deeds[0], other.scope]), "gives": "the namespace can be made to admit privileged pods"} if {
	some grant in limited
	verb := [v | some v in ["patch", "update"]; rbac.allows(grant.rule, "", "namespaces", v)][0]
	some other in of[grant.who]
	other.scope != "*"
	grant.scope in {"*", other.scope}
	rbac.names(grant.rule, {other.scope})
	deeds := pods(other.rule)
	count(deeds) > 0
	not open(other.scope)
}

ends contains {"grant": grant, "id": "token", "may": sprintf("%s %s %s", [verb, resource, where]), "gives": "it can act as their service accounts"} if {
	some grant in limited
	some [verb, resource] in [["create", "serviceaccounts/token"], ["impersonate", "serviceaccounts"]]
	rbac.allows(grant.rule, "", resource, verb)
	where := controlled(grant.scope)
}

ends contains {"grant": grant, "id": "secrets", "may": sprintf("%s secrets %s", [verb, where]), "gives": "what is in them opens the rest"} if {
	some grant in limited
	verb := [v | some v in ["get", "list", "watch"]; rbac.allows(grant.rule, "", "secrets", v)][0]
	where := controlled(grant.scope)
}

controlled("*") := "in every namespace, those of the platform's controllers too"

controlled(scope) := sprintf("in namespace %s, %s", [scope, open(scope)]) if scope in input.parameters.controllers

# Flux acts as itself, cluster-admin, for whoever writes its objects, but in
# namespaces where admission keeps them under an account. What is not there cannot
# be patched; an account that is there can be patched away.
ends contains {"grant": grant, "id": "flux", "may": sprintf("%s %s %s", [verb, resource, place(grant.scope)]), "gives": "Flux applies it as cluster-admin"} if {
	some grant in limited
	some [group, resource, kind] in appliers
	verb := [v | some v in writes; rbac.allows(grant.rule, group, resource, v); written(grant, v, kind)][0]
	not kept[[grant.scope, resource]]
}

appliers := [
	["helm.toolkit.fluxcd.io", "helmreleases", "HelmRelease"],
	["kustomize.toolkit.fluxcd.io", "kustomizations", "Kustomization"],
]

# kept are the accounts that Flux's objects must name, by namespace and resource.
kept[[scope, resource]] := accounts if {
	found := locks.all(admission)
	count(found) > 0
	some scope, labels in namespaces
	some [group, resource, _] in appliers
	accounts := locks.accounts(found, group, resource, labels)
	count(accounts) > 0
}

# admission is what locks are made of: a little of all objects.
admission := [item | some item in input.objects; startswith(item.object.kind, "ValidatingAdmissionPolicy")]

written(_, "create", _)

written(grant, verb, kind) if {
	verb != "create"
	there(grant, kind)
}

there(grant, kind) if {
	some namespace, names in placed[kind]
	grant.scope in {"*", namespace}
	rbac.names(grant.rule, names)
}

# placed are the names of Flux's objects by kind and namespace.
placed[kind][namespace] contains item.object.metadata.name if {
	some item in input.objects
	kind := item.object.kind
	kind in {"Bucket", "GitRepository", "HelmChart", "HelmRelease", "HelmRepository", "Kustomization", "OCIRepository"}
	namespace := item.object.metadata.namespace
}

ends contains {"grant": grant, "id": "flux", "may": sprintf("%s %s %s", [verb, resource, place(grant.scope)]), "gives": "Flux applies what comes from there as cluster-admin"} if {
	some grant in limited
	some [resource, kind] in [
		["buckets", "Bucket"],
		["gitrepositories", "GitRepository"],
		["helmcharts", "HelmChart"],
		["helmrepositories", "HelmRepository"],
		["ocirepositories", "OCIRepository"],
	]
	verb := [v | some v in ["patch", "update"]; rbac.allows(grant.rule, "source.toolkit.fluxcd.io", resource, v)][0]
	sourced(grant, kind)

	# What comes from a source there is applied as an account.
	some [_, applied, _] in appliers
	not kept[[grant.scope, applied]]
}

# The cluster's own source is the OCIRepository that contain bootstrap made.
sourced(grant, "OCIRepository") if grant.scope in {"*", "flux-system"}

sourced(grant, kind) if there(grant, kind)

# acts are the service accounts of the bindings that a grant makes usable.
acts[grant.who] contains {"account": account, "grant": grant, "may": may} if {
	some [grant, deed] in borrowers
	some [account, namespace] in accounts
	grant.scope in {"*", namespace}
	grant.who != account
	may := sprintf("%s in namespace %s", [deed, namespace])
}

accounts := [[account, split(trim_prefix(account, "ServiceAccount "), "/")[0]] |
	some account, _ in of
	startswith(account, "ServiceAccount ")
]

# borrowers are the grants by which the service accounts of a namespace can be
# used, with the first way to.
borrowers := [[grant, deeds[0]] |
	some grant in limited
	deeds := array.concat(
		pods(grant.rule),
		[sprintf("%s %s", [verb, resource]) |
			some [verb, resource] in [["create", "serviceaccounts/token"], ["impersonate", "serviceaccounts"]]
			rbac.allows(grant.rule, "", resource, verb)
		],
	)
	count(deeds) > 0
]

# So does writing what Flux then does as an account that admission asks for.
acts[grant.who] contains {"account": account, "grant": grant, "may": sprintf("%s %s %s", [verb, resource, place(grant.scope)])} if {
	some grant in limited
	some [group, resource, kind] in appliers
	verb := [v | some v in writes; rbac.allows(grant.rule, group, resource, v); written(grant, v, kind)][0]
	some name in kept[[grant.scope, resource]]
	account := sprintf("ServiceAccount %s/%s", [grant.scope, name])
	account in object.keys(of)
	account != grant.who
}

graph_ := {who: {hop.account | some hop in acts[who]} | some who, _ in of}

# routes are the ways from where a route starts to an end: the least of those
# that come out at the same.
routes[[who, id]] := {"least": least, "more": count(all) - 1} if {
	some who in starting
	some id in ids[who]
	all := [candidate | some candidate in candidates[who]; candidate.id == id]
	least := [c | some c in all; c.order == min([a.order | some a in all])][0]
}

ids[who] := {candidate.id | some candidate in found} if some who, found in candidates

candidates[who] contains {"id": end.id, "order": [1, rank(end.grant), text], "text": text, "grant": end.grant} if {
	some who in starting
	some end in ends
	end.grant.who == who
	text := final(end)
}

candidates[who] contains {"id": end.id, "order": [count(path), rank(first), text], "text": text, "grant": first} if {
	some who in starting
	count(graph_[who]) > 0
	some whole in graph.reachable_paths(graph_, {who})
	some n in numbers.range(2, count(whole))
	path := array.slice(whole, 0, n)
	steps := [step(path[i], path[i + 1]) | some i in numbers.range(0, n - 2)]
	some end in ends
	end.grant.who == path[n - 1]
	text := concat("; ", array.concat([s.text | some s in steps], [final(end)]))
	first := steps[0].grant
}

step(who, account) := least if {
	all := [{"order": [rank(hop.grant), text], "text": text, "grant": hop.grant} |
		some hop in acts[who]
		hop.account == account
		text := sprintf("%s, which may %s and so act as %s", [gives(hop.grant), hop.may, account])
	]
	least := [each | some each in all; each.order == min([a.order | some a in all])][0]
}

# rank orders grants as people would tell of them.
rank(grant) := [named(grant.binding), grant.index]

final(end) := sprintf("%s, which may %s: %s", [gives(end.grant), end.may, end.gives])

gives(grant) := sprintf("%s gives it %s", [named(grant.binding), grant.role])

named(binding) := sprintf("%s %s", [binding.kind, binding.metadata.name]) if not binding.metadata.namespace

named(binding) := sprintf("%s %s/%s", [binding.kind, binding.metadata.namespace, binding.metadata.name]) if binding.metadata.namespace

violation contains {"msg": msg, "details": details} if {
	some [_, _], route in routes
	grant := route.least.grant
	msg := sprintf("%s %q can become cluster-admin: %s%s", [
		lower(grant.subject.kind),
		group_of(grant),
		route.least.text,
		others(route.more),
	])
	details := where_said(grant)
}

others(0) := ""

others(n) := sprintf(" (and %d more such %s)", [n, {true: "way", false: "ways"}[n == 1]]) if n > 0

# where_said is the user's word for the grant, or else the binding.
where_said(grant) := {"path": path, "also": role_said(grant)} if {
	path := said(grant)
} else := {"object": grant.binding, "unit": grant.unit, "path": sprintf("subjects[%d]", [grant.at])}

said(grant) := min(paths) if {
	grant.subject.kind == "Group"
	group := group_of(grant)
	role := role_of(grant)
	paths := {path | some path in of_team(grant, group, role)} | {path |
		input.platform.access.groups[group].roles[role]
		scoped(grant, input.platform.access.groups[group].roles[role])
		path := sprintf("platform.access.groups[%q].roles[%q]", [group, role])
	}
	count(paths) > 0
}

scoped(grant, _) if grant.scope == "*"

scoped(grant, entry) if grant.scope in entry.namespaces

of_team(grant, group, role) := {path |
	some name, team in input.platform.teams
	space := team.namespaces[grant.scope]
	some [holders, path] in [
		[team.groups, sprintf("platform.teams[%q].groups[%q]", [name, group])],
		[object.get(space, "access", {}), sprintf("platform.teams[%q].namespaces[%q].access[%q]", [name, grant.scope, group])],
	]
	holders[group].role == role
}

# role_said is where the platform says what the role may do.
role_said(grant) := [sprintf("platform.access.roles[%q].rules[%d]", [role_of(grant), grant.index]) |
	input.platform.access.roles[role_of(grant)]
]
