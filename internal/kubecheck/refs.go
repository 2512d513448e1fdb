package kubecheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/object"
)

// fluxRefs are the references of Flux's objects.
func fluxRefs(o *object.Object) []ref {
	t := o.Tree()
	var out []ref
	flux := func(field string, m map[string]any, kind, group string, tenant bool) {
		if name := str(m, "name"); name != "" && name != "*" {
			out = append(out, ref{field: field + ".name", group: group, kind: first(str(m, "kind"), kind),
				namespace: first(str(m, "namespace"), o.Namespace), name: name, tenant: tenant})
		}
	}
	sub := func(path ...string) map[string]any {
		m, _ := value(t, path...).(map[string]any)
		return m
	}
	secret := func(path ...string) {
		out = append(out, plainRef(join(path)+".name", "Secret", o.Namespace, str(t, append(path, "name")...))...)
	}
	account := func() {
		out = append(out, plainRef("spec.serviceAccountName", "ServiceAccount", o.Namespace, str(t, "spec", "serviceAccountName"))...)
	}
	switch o.Group + "/" + o.Kind {
	case helm + "/HelmRelease":
		flux("spec.chartRef", sub("spec", "chartRef"), "", source, true)
		flux("spec.chart.spec.sourceRef", sub("spec", "chart", "spec", "sourceRef"), "", source, true)
		account()
		secret("spec", "kubeConfig", "secretRef")
		out = append(out, valuesFrom(o, "spec.valuesFrom", structs(t, "spec", "valuesFrom"))...)
		out = append(out, target(o, t)...)
	case kustomize + "/Kustomization":
		flux("spec.sourceRef", sub("spec", "sourceRef"), "", source, true)
		account()
		secret("spec", "kubeConfig", "secretRef")
		secret("spec", "decryption", "secretRef")
		out = append(out, valuesFrom(o, "spec.postBuild.substituteFrom", structs(t, "spec", "postBuild", "substituteFrom"))...)
		out = append(out, target(o, t)...)
	case notification + "/Alert":
		flux("spec.providerRef", sub("spec", "providerRef"), "Provider", notification, false)
		out = append(out, watched(o, "spec.eventSources", structs(t, "spec", "eventSources"))...)
	case notification + "/Receiver":
		out = append(out, watched(o, "spec.resources", structs(t, "spec", "resources"))...)
		secret("spec", "secretRef")
	default: // sources and Providers
		flux("spec.sourceRef", sub("spec", "sourceRef"), "", source, false) // HelmChart
		for _, field := range []string{"secretRef", "certSecretRef", "proxySecretRef"} {
			secret("spec", field)
		}
		secret("spec", "verify", "secretRef")
		account()
	}
	for i, r := range out {
		if r.group == source && r.name == platformSource && r.namespace == "flux-system" {
			out[i].name = "" // the artifact itself, which bootstrap made
		}
	}
	return slices.DeleteFunc(out, func(r ref) bool { return r.name == "" })
}

// target is the namespace that a HelmRelease or a Kustomization fills, which
// Helm may make itself.
func target(o *object.Object, t map[string]any) []ref {
	ns := str(t, "spec", "targetNamespace")
	if create, _ := value(t, "spec", "install", "createNamespace").(bool); ns == "" || create || remote(o) {
		return nil
	}
	return []ref{{field: "spec.targetNamespace", kind: "Namespace", name: ns}}
}

// platformSource is the OCIRepository of the artifact, see catalog/sync.
const platformSource = "platform"

// fluxGroup is the API group of Flux's kinds, as Alerts and Receivers name them.
func fluxGroup(kind string) string {
	switch kind {
	case "HelmRelease":
		return helm
	case "Kustomization":
		return kustomize
	case "Bucket", "ExternalArtifact", "GitRepository", "HelmChart", "HelmRepository", "OCIRepository":
		return source
	}
	return "" // images: nothing of the catalog's
}

// watched are the objects that an Alert or a Receiver names one by one.
// HelmCharts are helm-controller's own.
func watched(o *object.Object, field string, list []map[string]any) []ref {
	var out []ref
	for i, s := range list {
		kind, name := str(s, "kind"), str(s, "name")
		group := fluxGroup(kind)
		if group == "" || kind == "HelmChart" || name == "" || name == "*" {
			continue
		}
		out = append(out, ref{field: fmt.Sprintf("%s[%d].name", field, i), group: group, kind: kind,
			namespace: first(str(s, "namespace"), o.Namespace), name: name, tenant: true})
	}
	return out
}

func valuesFrom(o *object.Object, field string, list []map[string]any) []ref {
	var out []ref
	for i, v := range list {
		if optional, _ := v["optional"].(bool); !optional {
			out = append(out, plainRef(fmt.Sprintf("%s[%d].name", field, i), str(v, "kind"), o.Namespace, str(v, "name"))...)
		}
	}
	return out
}

// routeRefs are those of Ingresses, HTTPProxies and Gateways.
func routeRefs(o *object.Object, t map[string]any) []ref {
	out := annotatedIssuer(o)
	plain := func(field, kind, name string) { out = append(out, plainRef(field, kind, o.Namespace, name)...) }
	switch o.Kind {
	case "Ingress":
		if name := str(t, "spec", "ingressClassName"); name != "" {
			out = append(out, ref{field: "spec.ingressClassName", group: networking, kind: "IngressClass", name: name, demand: class})
		}
		for i, e := range structs(t, "spec", "tls") {
			plain(fmt.Sprintf("spec.tls[%d].secretName", i), "Secret", str(e, "secretName"))
		}
		plain("spec.defaultBackend.service.name", "Service", str(t, "spec", "defaultBackend", "service", "name"))
		for i, r := range structs(t, "spec", "rules") {
			for j, p := range structs(r, "http", "paths") {
				plain(fmt.Sprintf("spec.rules[%d].http.paths[%d].backend.service.name", i, j), "Service", str(p, "backend", "service", "name"))
			}
		}
	case "HTTPProxy":
		if name := str(t, "spec", "virtualhost", "tls", "secretName"); !strings.Contains(name, "/") {
			plain("spec.virtualhost.tls.secretName", "Secret", name)
		}
		for i, r := range structs(t, "spec", "routes") {
			for j, s := range structs(r, "services") {
				plain(fmt.Sprintf("spec.routes[%d].services[%d].name", i, j), "Service", str(s, "name"))
			}
		}
		for i, r := range structs(t, "spec", "includes") {
			out = append(out, ref{field: fmt.Sprintf("spec.includes[%d].name", i), group: contour, kind: "HTTPProxy", demand: filled,
				namespace: first(str(r, "namespace"), o.Namespace), name: str(r, "name")})
		}
	case "Gateway":
		if name := str(t, "spec", "gatewayClassName"); o.Group == gateway && name != "" {
			out = append(out, ref{field: "spec.gatewayClassName", group: gateway, kind: "GatewayClass", name: name, demand: class})
		}
		for i, l := range structs(t, "spec", "listeners") {
			for j, c := range structs(l, "tls", "certificateRefs") {
				if str(c, "namespace") == "" && first(str(c, "kind"), "Secret") == "Secret" {
					plain(fmt.Sprintf("spec.listeners[%d].tls.certificateRefs[%d].name", i, j), "Secret", str(c, "name"))
				}
			}
		}
	case "HTTPRoute", "GRPCRoute", "TLSRoute":
		for i, p := range structs(t, "spec", "parentRefs") {
			if first(str(p, "kind"), "Gateway") == "Gateway" {
				out = append(out, ref{field: fmt.Sprintf("spec.parentRefs[%d].name", i), group: gateway, kind: "Gateway", demand: filled,
					namespace: first(str(p, "namespace"), o.Namespace), name: str(p, "name")})
			}
		}
	}
	return out
}

// annotatedIssuer: cert-manager's shim makes the certificate of an Ingress or a
// Gateway with these annotations (cert-manager.io/docs/usage/ingress).
func annotatedIssuer(o *object.Object) []ref {
	a := o.Annotations()
	if name := a["cert-manager.io/cluster-issuer"]; name != "" {
		return []ref{issuer(`metadata.annotations["cert-manager.io/cluster-issuer"]`, "ClusterIssuer", "", name)}
	}
	if name := a["cert-manager.io/issuer"]; name != "" && first(a["cert-manager.io/issuer-group"], certs) == certs {
		return []ref{issuer(`metadata.annotations["cert-manager.io/issuer"]`, a["cert-manager.io/issuer-kind"], o.Namespace, name)}
	}
	return nil
}

func storageRefs(o *object.Object, t map[string]any) []ref {
	switch o.Kind {
	case "VolumeSnapshot":
		out := plainRef("spec.source.persistentVolumeClaimName", "PersistentVolumeClaim", o.Namespace, str(t, "spec", "source", "persistentVolumeClaimName"))
		if name := str(t, "spec", "volumeSnapshotClassName"); name != "" {
			out = append(out, ref{field: "spec.volumeSnapshotClassName", group: snapshots, kind: "VolumeSnapshotClass", name: name, demand: class})
		}
		return out
	case "StorageClass", "VolumeSnapshotClass":
		// Secrets of a CSI driver (kubernetes-csi.github.io/docs/secrets-and-credentials-storage-class).
		parameters, _ := t["parameters"].(map[string]any)
		var out []ref
		for _, k := range slices.Sorted(maps.Keys(parameters)) {
			if prefix, ok := strings.CutSuffix(k, "-secret-name"); ok && strings.HasPrefix(k, "csi.storage.k8s.io/") {
				name, ns := str(parameters, k), str(parameters, prefix+"-secret-namespace")
				if ns != "" && !strings.Contains(name+ns, "${") {
					out = append(out, plainRef("parameters"+step(k), "Secret", ns, name)...)
				}
			}
		}
		return out
	}
	return nil
}

// serviceRefs are the Services that webhooks and aggregated APIs call.
func serviceRefs(o *object.Object, t map[string]any) []ref {
	out := plainRef("spec.service.name", "Service", str(t, "spec", "service", "namespace"), str(t, "spec", "service", "name"))
	for i, h := range structs(t, "webhooks") {
		out = append(out, plainRef(fmt.Sprintf("webhooks[%d].clientConfig.service.name", i), "Service",
			str(h, "clientConfig", "service", "namespace"), str(h, "clientConfig", "service", "name"))...)
	}
	return out
}

func scaleRefs(o *object.Object, t map[string]any) []ref {
	group, _, _ := strings.Cut(str(t, "spec", "scaleTargetRef", "apiVersion"), "/")
	kind := str(t, "spec", "scaleTargetRef", "kind")
	if o.Kind != "HorizontalPodAutoscaler" || group != "apps" {
		return nil
	}
	return []ref{{field: "spec.scaleTargetRef.name", group: group, kind: kind, namespace: o.Namespace, name: str(t, "spec", "scaleTargetRef", "name"), demand: filled}}
}
