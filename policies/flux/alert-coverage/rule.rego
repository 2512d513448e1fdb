# METADATA
# title: Coverage of alerts
# description: Whoever has Alerts is told when any of their Flux objects fails.
# custom:
#   severity: medium
#   enforcement: deny
#   profile: baseline
#   input: cluster
#   match:
#   - apiGroups: [kustomize.toolkit.fluxcd.io]
#     kinds: [Kustomization]
#     fields: [spec.wait]
#   - apiGroups: [helm.toolkit.fluxcd.io]
#     kinds: [HelmRelease]
#     fields: [spec.values.notificationController]
#   - apiGroups: [source.toolkit.fluxcd.io]
#     kinds: [Bucket, GitRepository, HelmChart, HelmRepository, OCIRepository]
#     fields: [metadata]
#   - apiGroups: [notification.toolkit.fluxcd.io]
#     kinds: [Alert, Provider]
#   - apiGroups: [""]
#     kinds: [Namespace]
#     fields: [metadata]
#   stricter:
#     regulated: {parameters: {required: true}}
#   parameters:
#     type: object
#     properties:
#       required:
#         description: Whether every cluster needs an Alert of the platform's.
#         type: boolean
#         default: false
#       throughKustomization:
#         description: Whether an object counts as watched when the Kustomization is that applies it and waits for it.
#         type: boolean
#         default: true
package contain.flux.alert_coverage

import data.lib.selector

# teams are whose delivery a namespace is for, as the catalog labels it; all
# others are the platform's, "".
teams[item.object.metadata.name] := item.object.metadata.labels["contain.platform/delivery"] if {
	some item in input.objects
	item.object.kind == "Namespace"
}

whose(o) := object.get(teams, o.metadata.namespace, "")

alerts := [item.object |
	some item in input.objects
	item.object.kind == "Alert"
	not reports(item.object)
]

# reports: what an Alert does whose Provider writes statuses of commits. Nobody is
# told by it of what is no commit, and it obliges to nothing.
reports(alert) if {
	provider := providers[[alert.metadata.namespace, object.get(alert, ["spec", "providerRef", "name"], "")]]
	provider.type in {"azuredevops", "bitbucket", "bitbucketserver", "gitea", "github", "gitlab"}
}

providers[[o.metadata.namespace, o.metadata.name]] := object.get(o, "spec", {}) if {
	some item in input.objects
	o := item.object
	o.kind == "Provider"
}

# controller is what Flux's own release says of the notification controller.
controller := item.object.spec.values.notificationController if {
	some item in input.objects
	item.object.kind == "HelmRelease"
	item.object.metadata.namespace == "flux-system"
	item.object.metadata.name == "flux"
}

off if controller.create == false

# locked: an Alert sees the objects of its own namespace alone.
locked if {
	some arg in controller.container.additionalArgs
	arg in {"--no-cross-namespace-refs", "--no-cross-namespace-refs=true"}
}

violation contains {"msg": "no Alert tells anybody when Flux fails", "details": {"path": "platform.components.flux"}} if {
	input.parameters.required
	not "" in {whose(alert) | some alert in alerts}
}

violation contains {"msg": msg, "details": {"object": o, "unit": item.unit, "path": "metadata.name"}} if {
	some item in input.objects
	o := item.object
	watchable(o)
	whose(o) in {whose(alert) | some alert in alerts}
	not watched(o)
	not through_kustomization(item)
	msg := sprintf("nobody is told when %s %q fails: %s", [o.kind, o.metadata.name, concat("; ", reasons(o))])
}

watchable(o) if not o.kind in {"Alert", "Namespace", "Provider"}

watched(o) if {
	not off
	some alert in alerts
	count(faults(alert)) == 0
	takes(alert, o)
	not blocked(alert, o)
}

# A Kustomization that waits fails with what it waits for.
through_kustomization(item) if {
	input.parameters.throughKustomization
	some other in input.objects
	other.object.kind == "Kustomization"
	other.object.metadata.name == item.unit
	other.object.spec.wait == true
	watched(other.object)
}

takes(alert, o) if {
	some source in alert.spec.eventSources
	source.kind == o.kind
	object.get(source, "namespace", alert.metadata.namespace) == o.metadata.namespace
	source.name in {"*", o.metadata.name}
	selector.matches({"matchLabels": object.get(source, "matchLabels", {})}, object.get(o.metadata, "labels", {}))
}

blocked(alert, o) if {
	locked
	alert.metadata.namespace != o.metadata.namespace
}

# faults are why an Alert tells nobody of failures, whatever they are.
faults(alert) := (suspended | provider) | messages if {
	suspended := {"is suspended" | alert.spec.suspend == true}
	at := [alert.metadata.namespace, object.get(alert.spec, ["providerRef", "name"], "")]
	provider := {fault | some fault in provider_faults(at)}
	included := {"passes only what its inclusionList matches" | count(alert.spec.inclusionList) > 0}
	excluded := {sprintf("passes nothing, since its exclusionList has %q", [pattern]) |
		some pattern in alert.spec.exclusionList
		regex.is_valid(pattern)
		regex.match(pattern, "")
	}
	messages := included | excluded
}

provider_faults(at) := {sprintf("has no Provider %s/%s", at)} if not providers[at]

provider_faults(at) := paused | comments if {
	spec := providers[at]
	paused := {sprintf("has Provider %s/%s, which is suspended", at) | spec.suspend == true}
	comments := {sprintf("has Provider %s/%s, which only comments on changes", at) |
		spec.type in {"giteapullrequestcomment", "githubpullrequestcomment", "gitlabmergerequestcomment"}
	}
}

reasons(_) := ["the notification controller is off"] if off

reasons(o) := [sprintf("no event source takes it (%d %s)", [count(alerts), plural(count(alerts))])] if {
	not off
	count([a | some a in alerts; takes(a, o)]) == 0
}

reasons(o) := sort([sprintf("Alert %s/%s %s", [alert.metadata.namespace, alert.metadata.name, concat(" and ", why)]) |
	some alert in alerts
	takes(alert, o)
	why := faults(alert) | {"may not see other namespaces" | blocked(alert, o)}
]) if {
	not off
	count([a | some a in alerts; takes(a, o)]) > 0
}

plural(1) := "Alert"

plural(n) := "Alerts" if n != 1
