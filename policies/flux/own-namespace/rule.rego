# METADATA
# title: References of Flux objects
# description: Flux objects refer to objects of their own namespace alone.
# custom:
#   kind: ContainFluxOwnNamespace
#   severity: high
#   enforcement: deny
#   profile: regulated
#   match:
#   - apiGroups: [helm.toolkit.fluxcd.io]
#     kinds: [HelmRelease]
#   - apiGroups: [image.toolkit.fluxcd.io]
#     kinds: [ImagePolicy, ImageUpdateAutomation]
#   - apiGroups: [kustomize.toolkit.fluxcd.io]
#     kinds: [Kustomization]
#   - apiGroups: [notification.toolkit.fluxcd.io]
#     kinds: [Alert, Receiver]
#   parameters:
#     type: object
#     properties:
#       allowed:
#         description: Namespaces that every namespace may refer to.
#         type: array
#         default: []
#         items:
#           type: string
#           minLength: 1
package contain.flux.own_namespace

violation contains {"msg": msg, "details": {"path": path}} if {
	some reference in references
	namespace := reference.value.namespace
	not namespace in {"", input.review.object.metadata.namespace}
	not namespace in input.parameters.allowed
	msg := sprintf("the %s refers to %s %q of namespace %s", [
		input.review.object.kind,
		object.get(reference.value, "kind", input.review.object.kind),
		object.get(reference.value, "name", "*"),
		namespace,
	])
	path := sprintf("%s.namespace", [reference.path])
}

# Where a Flux object names another.
references contains {"path": "spec.sourceRef", "value": input.review.object.spec.sourceRef}

references contains {"path": "spec.chartRef", "value": input.review.object.spec.chartRef}

references contains {"path": "spec.chart.spec.sourceRef", "value": input.review.object.spec.chart.spec.sourceRef}

references contains {"path": "spec.imageRepositoryRef", "value": value} if {
	value := object.union({"kind": "ImageRepository"}, input.review.object.spec.imageRepositoryRef)
}

references contains {"path": path, "value": value} if {
	some field in ["dependsOn", "eventSources", "resources"]
	some i, value in input.review.object.spec[field]
	path := sprintf("spec.%s[%d]", [field, i])
}
