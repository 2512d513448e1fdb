package contain.flux.own_namespace_test

import data.contain.flux.own_namespace

defaults := {"allowed": ["shared"]}

review(kind, spec) := {"object": {"kind": kind, "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}}

violation(kind, what, path) := {
	"msg": sprintf("the %s refers to %s of namespace flux-system", [kind, what]),
	"details": {"path": path},
}

test_each_kind if {
	source := {"kind": "OCIRepository", "name": "app", "namespace": "flux-system"}
	named := {"name": "app", "namespace": "flux-system"}
	cases := [
		["Kustomization", {"sourceRef": source}, `OCIRepository "app"`, "spec.sourceRef.namespace"],
		["Kustomization", {"dependsOn": [{"name": "a"}, named]}, `Kustomization "app"`, "spec.dependsOn[1].namespace"],
		["HelmRelease", {"chartRef": source}, `OCIRepository "app"`, "spec.chartRef.namespace"],
		["HelmRelease", {"chart": {"spec": {"sourceRef": source}}}, `OCIRepository "app"`, "spec.chart.spec.sourceRef.namespace"],
		["HelmRelease", {"dependsOn": [named]}, `HelmRelease "app"`, "spec.dependsOn[0].namespace"],
		["ImagePolicy", {"imageRepositoryRef": named}, `ImageRepository "app"`, "spec.imageRepositoryRef.namespace"],
		["ImageUpdateAutomation", {"sourceRef": source}, `OCIRepository "app"`, "spec.sourceRef.namespace"],
		["Alert", {"eventSources": [source]}, `OCIRepository "app"`, "spec.eventSources[0].namespace"],
		["Receiver", {"resources": [{"kind": "GitRepository", "namespace": "flux-system"}]}, `GitRepository "*"`, "spec.resources[0].namespace"],
	]
	every each in cases {
		want := {violation(each[0], each[2], each[3])}
		own_namespace.violation == want with input.review as review(each[0], each[1]) with input.parameters as defaults
	}
}

test_own_namespace if {
	every namespace in ["", "shop", "shared"] {
		spec := {"sourceRef": {"kind": "OCIRepository", "name": "app", "namespace": namespace}}
		own_namespace.violation == set() with input.review as review("Kustomization", spec)
			with input.parameters as defaults
	}
	own_namespace.violation == set() with input.review as review("Kustomization", {"sourceRef": {"name": "app"}})
		with input.parameters as defaults
}
