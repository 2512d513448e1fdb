package contain.flux.alert_coverage_test

import data.contain.flux.alert_coverage

parameters := {"required": false, "throughKustomization": true}

item(unit, kind, namespace, name, spec) := {"unit": unit, "object": {
	"kind": kind,
	"metadata": {"namespace": namespace, "name": name},
	"spec": spec,
}}

release := item("shop", "HelmRelease", "shop", "web", {})

provider(spec) := item("alerts", "Provider", "shop", "chat", object.union({"type": "slack"}, spec))

sources := {"eventSources": [{"kind": "HelmRelease", "name": "*"}]}

alert(spec) := item("alerts", "Alert", "shop", "failures", object.union(
	object.union({"providerRef": {"name": "chat"}}, sources),
	spec,
))

judge(objects, more) := found if {
	found := alert_coverage.violation with input as {"objects": objects, "parameters": object.union(parameters, more)}
}

unwatched(of, why) := {{
	"msg": sprintf("nobody is told when %s %q fails: %s", [of.object.kind, of.object.metadata.name, why]),
	"details": {"object": of.object, "unit": of.unit, "path": "metadata.name"},
}}

failing(alert_spec, why) if {
	judge([release, provider({}), alert(alert_spec)], {}) == unwatched(release, why)
}

none := "no event source takes it (1 Alert)"

test_watched if {
	judge([release, provider({}), alert({})], {}) == set()
	judge([release, provider({}), alert({"eventSources": [{"kind": "HelmRelease", "name": "web"}]})], {}) == set()
	judge([release, provider({}), alert({"eventSeverity": "error", "exclusionList": ["^upgrade"]})], {}) == set()
	judge([release, provider({}), alert({"eventSources": [{"kind": "HelmRelease", "name": "web", "namespace": "shop"}]})], {}) == set()
}

test_statuses_of_commits if {
	judge([release, provider({"type": "github"}), alert({})], {}) == set()
	judge([release, provider({"type": "gitlab"}), alert({"eventSources": [{"kind": "Kustomization", "name": "*"}]})], {}) == set()
	judge([release, provider({"type": "gitlab"}), alert({})], {"required": true}) == {{
		"msg": "no Alert tells anybody when Flux fails",
		"details": {"path": "platform.components.flux"},
	}}
}

test_sources if {
	failing({"eventSources": [{"kind": "Kustomization", "name": "*"}]}, none)
	failing({"eventSources": [{"kind": "HelmRelease", "name": "web*"}]}, none)
	failing({"eventSources": [{"kind": "HelmRelease", "name": "*", "namespace": "other"}]}, none)
	failing({"eventSources": [{"kind": "HelmRelease", "name": "*", "matchLabels": {"team": "shop"}}]}, none)
}

test_labels if {
	labelled := {"unit": "shop", "object": object.union(release.object, {"metadata": {"labels": {"team": "shop"}}})}
	judge([labelled, provider({}), alert({"eventSources": [{"kind": "HelmRelease", "name": "*", "matchLabels": {"team": "shop"}}]})], {}) == set()
}

test_faults if {
	failing({"suspend": true}, "Alert shop/failures is suspended")
	failing({"providerRef": {"name": "mail"}}, "Alert shop/failures has no Provider shop/mail")
	failing({"inclusionList": ["^upgrade"]}, "Alert shop/failures passes only what its inclusionList matches")
	failing({"exclusionList": [".*"]}, `Alert shop/failures passes nothing, since its exclusionList has ".*"`)
	failing({"suspend": true, "providerRef": {"name": "mail"}}, "Alert shop/failures has no Provider shop/mail and is suspended")
}

test_providers if {
	judge([release, provider({"suspend": true}), alert({})], {}) == unwatched(release, "Alert shop/failures has Provider shop/chat, which is suspended")
	judge([release, provider({"type": "githubpullrequestcomment"}), alert({})], {}) == unwatched(release, "Alert shop/failures has Provider shop/chat, which only comments on changes")
}

flux(values) := item("flux", "HelmRelease", "flux-system", "flux", {"values": {"notificationController": values}})

far(more) := [
	release,
	flux(more),
	item("alerts", "Provider", "flux-system", "chat", {"type": "slack"}),
	item("alerts", "Alert", "flux-system", "all", {"providerRef": {"name": "chat"}, "eventSources": [
		{"kind": "HelmRelease", "name": "*"},
		{"kind": "HelmRelease", "name": "*", "namespace": "shop"},
	]}),
]

test_other_namespaces if {
	judge(far({}), {}) == set()
	judge(far({"container": {"additionalArgs": ["--no-cross-namespace-refs=true"]}}), {}) == unwatched(release, "Alert flux-system/all may not see other namespaces")
}

test_controller_off if {
	objects := far({"create": false})
	judge(objects, {}) == unwatched(release, "the notification controller is off") | unwatched(objects[1], "the notification controller is off")
}

chat(namespace, kind) := [
	item("delivery-shop", "Provider", namespace, "chat", {"type": "slack"}),
	item("delivery-shop", "Alert", namespace, "chat", {"providerRef": {"name": "chat"}, "eventSources": [{"kind": kind, "name": "*"}]}),
]

# A team's Alert is about what is the team's, and the platform's about the rest.
test_teams if {
	delivery := item("delivery-shop", "Namespace", "", "flux-shop", {})
	labelled := object.union(delivery, {"object": {"metadata": {"labels": {"contain.platform/delivery": "shop"}}}})
	platforms := item("sync", "Kustomization", "flux-system", "base", {"wait": true})
	team := item("delivery-shop", "Kustomization", "flux-shop", "shop", {"wait": true})
	all := [labelled, platforms, team]
	judge(all, {}) == set()
	judge(array.concat(all, chat("flux-shop", "Kustomization")), {}) == set()
	judge(array.concat(all, chat("flux-system", "Kustomization")), {}) == set()
	judge(array.concat(all, chat("flux-shop", "GitRepository")), {}) == unwatched(team, none)
	judge(array.concat(all, chat("flux-system", "GitRepository")), {}) == unwatched(platforms, none)
	judge(array.concat(all, chat("flux-shop", "Kustomization")), {"required": true}) == {{
		"msg": "no Alert tells anybody when Flux fails",
		"details": {"path": "platform.components.flux"},
	}}
}

waiting(wait) := [
	release,
	item("sync", "Kustomization", "flux-system", "shop", {"wait": wait}),
	item("alerts", "Provider", "flux-system", "chat", {"type": "slack"}),
	item("alerts", "Alert", "flux-system", "all", {"providerRef": {"name": "chat"}, "eventSources": [{"kind": "Kustomization", "name": "*"}]}),
]

test_through_kustomization if {
	judge(waiting(true), {}) == set()
	judge(waiting(false), {}) == unwatched(release, none)
	judge(waiting(true), {"throughKustomization": false}) == unwatched(release, none)
}

test_required if {
	judge([release], {}) == set()
	judge([release], {"required": true}) == {{
		"msg": "no Alert tells anybody when Flux fails",
		"details": {"path": "platform.components.flux"},
	}}
	judge([release, provider({}), alert({})], {"required": true}) == set()
}
