package kubecheck

import (
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/render"
)

// Each object has what is found in it, as "path: hosts"; nothing else may be.
func TestAirGap(t *testing.T) {
	if IDAirGap != model.IDAirGap {
		t.Errorf("two ids of one rule: %s and %s", IDAirGap, model.IDAirGap)
	}
	p := &model.Platform{Domains: []string{"acme.example"}, Clusters: map[string]model.Cluster{"prod": {}}}
	p.Management.Registry = &model.Registry{Host: "registry.acme.example", Mirror: "mirror"}
	c := p.Clusters["prod"]
	c.Infrastructure.AirGapped = true
	p.Clusters["prod"] = c
	for _, c := range []struct{ name, object, want string }{
		{"Pod", `{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {
			initContainers: [{name: a, image: "ghcr.io/a/b:v1"}, {name: c, image: "registry.acme.example/a/b:v1"}],
			ephemeralContainers: [{name: a, image: "busybox"}],
			containers: [{name: b, image: "registry.acme.example/mirror/docker.io/b@sha256:00", args: ["--reloader-image=quay.io/p/r", "--server=https://api.example.com", "--dns=8.8.8.8", "--nameservers=8.8.8.8:53,10.0.0.1:53", "--x=example.com/team/image:v1"], env: [{name: RELATED_IMAGE, value: "rook/ceph:v1"}, {name: DB_HOST, value: db.example.com}, {name: URL, value: "http://$(HOST):80"}]}]}}`, `
spec.containers[0].args[0]: quay.io
spec.containers[0].args[1]: api.example.com
spec.containers[0].args[3]: 8.8.8.8:53
spec.containers[0].args[4]: example.com
spec.containers[0].env[0].value: docker.io
spec.containers[0].env[1].value: db.example.com
spec.ephemeralContainers[0].image: docker.io
spec.initContainers[0].image: ghcr.io`},
		{"Helm values", `{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: x, namespace: y}, spec: {values: {
			a: {image: {registry: docker.io, repository: grafana/loki, tag: v1}}, b: {image: {repository: memcached, tag: v1}}, c: {image: {repository: quay.io/x/y}},
			d: {registry: txt, repository: acme/deploy}, e: {image: {registry: registry.acme.example/mirror/docker.io, repository: x}}, global: {imageRegistry: ghcr.io},
			f: "text: oci://charts.example.com/x", g: {image: {tag: v1}}, h: {endpoint: s3.eu-central-1.amazonaws.com}, ingress: {hosts: [{host: shop.example.com}]}}}}`, `
spec.values.a.image.registry: docker.io
spec.values.b.image.repository: docker.io
spec.values.c.image.repository: quay.io
spec.values.f: charts.example.com
spec.values.global.imageRegistry: ghcr.io
spec.values.h.endpoint: s3.eu-central-1.amazonaws.com`},
		{"kustomize", `{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: x, namespace: y}, spec: {
			images: [{name: quay.io/keycloak/keycloak, newName: registry.acme.example/mirror/quay.io/keycloak/keycloak}, {name: a, newName: ghcr.io/b}]}}`, `
spec.images[1].newName: ghcr.io`},
		{"sources", `{apiVersion: v1, kind: List, metadata: {name: x}, items: [{url: "https://user:word@git.example.com:8443/x"}, {url: "git@github.com:a/b.git"}, {url: "ssh://git@git.acme.example/x"}, {url: "ldap://ldap.example.com"}, {endpoint: minio.example.com}]}`, `
items[0].url: git.example.com:8443
items[1].url: github.com
items[3].url: ldap.example.com
items[4].endpoint: minio.example.com`},
		{"identifiers", `{apiVersion: kubernetes.io/v1, kind: X, metadata: {name: x, labels: {app.kubernetes.io/name: a, x: docker.io}, annotations: {app.kubernetes.io/name: "x.example.com/y", people: "see https://wiki.example.com/x."}}, spec: {
			schema: "http://json-schema.org/draft-07/schema#", ns: "http://www.w3.org/2001/XMLSchema", otel: "https://opentelemetry.io/schemas/1.9.0", otel2: "https://opentelemetry.io/x",
			driver: nfs.csi.k8s.io, group: networking.k8s.io/v1, selector: "kubernetes.io/metadata.name in (a)", file: "file:///etc/x", socket: "unix:///run/x.sock", ds: "ds:///vmfs/volumes/1",
			local: ["http://grafana.grafana.svc:3000", "http://localhost:80", "http://mimir/", "https://{{ .host }}/x", "https://*.acme.example", "https://10.0.0.1", "https://1.1.1.1", "http://${X}.example.com/y"]}}`, `
metadata.annotations.people: wiki.example.com
spec.local[6]: 1.1.1.1
spec.local[7]: example.com
spec.otel2: opentelemetry.io`},
		{"policies", `{apiVersion: templates.gatekeeper.sh/v1, kind: ConstraintTemplate, metadata: {name: x}, spec: {targets: [{rego: "docker.io/library/x:v1 https://docs.example.com/x"}]}}`, `
spec.targets[0].rego: docs.example.com`},
		{"documentation", `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: x}, spec: {versions: [{description: "https://docs.example.com"}], conversion: {webhook: {clientConfig: {url: "https://hooks.example.com"}}}}}`, `
spec.conversion.webhook.clientConfig.url: hooks.example.com`},
		{"names that are served", `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: x, namespace: y}, spec: {rules: [{host: shop.example.com}]}}`, ``},
		{"mutation", `{apiVersion: mutations.gatekeeper.sh/v1alpha1, kind: AssignImage, metadata: {name: x}, spec: {parameters: {assignDomain: ghcr.io}}}`, `
spec.parameters.assignDomain: ghcr.io`},
		{"Provider", `{apiVersion: notification.toolkit.fluxcd.io/v1beta3, kind: Provider, metadata: {name: x, namespace: y}, spec: {type: pagerduty, secretRef: {name: x}}}`, `
spec.type: pagerduty`},
		{"Provider within", `{apiVersion: notification.toolkit.fluxcd.io/v1beta3, kind: Provider, metadata: {name: x, namespace: y}, spec: {type: slack, secretRef: {name: x}}}`, ``},
		{"issuer", `{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, metadata: {name: x}, spec: {acme: {server: "https://ca.acme.example/dir", solvers: [{http01: {}}, {dns01: {cloudflare: {}}}]}}}`, `
spec.acme.solvers[1].dns01.cloudflare: cloudflare`},
		{"store", `{apiVersion: external-secrets.io/v1, kind: SecretStore, metadata: {name: x, namespace: y}, spec: {provider: {gcpsm: {}}}}`, `
spec.provider.gcpsm: gcpsm`},
		{"backups", `{apiVersion: velero.io/v1, kind: BackupStorageLocation, metadata: {name: x, namespace: y}, spec: {provider: aws, config: {region: x}}}`, `
spec.provider: aws`},
		{"Alertmanager", `{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: y}, data: {a.yml: "receivers:\n- name: x\n  pagerduty_configs: []\n"}}`, `
data["a.yml"]: pagerduty`},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw, err := yaml.YAMLToJSON([]byte(strings.ReplaceAll(c.object, "\t", " ")))
			if err != nil {
				t.Fatal(err)
			}
			o, err := object.New("x", raw)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, f := range (memo{}).airGap(p, "prod", []render.Unit{{Unit: model.Unit{Name: "u"}, Objects: []*object.Object{o}}}) {
				_, m, _ := strings.Cut(f.Message, ", but ")
				m = strings.TrimSuffix(strings.TrimSuffix(m, " is outside of the platform"), " are outside of the platform")
				m = strings.TrimPrefix(strings.TrimPrefix(m, "the image comes from "), "the chart comes from ")
				fmt.Fprintf(&got, "\n%s: %s", f.Path, m)
			}
			if got.String() != c.want {
				t.Errorf("got%s\nwant%s", got.String(), c.want)
			}
		})
	}
}
