package kubecheck

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/render"
)

// platformOf is a cluster c of units "name[:component][<dependency,…]", each
// with the objects of a YAML text.
func platformOf(t testing.TB, version string, units ...string) (*model.Platform, []render.Cluster) {
	t.Helper()
	p := &model.Platform{
		Clusters:   map[string]model.Cluster{"c": {Kubernetes: model.Kubernetes{Version: version}}},
		Extensions: map[string]model.Extension{"own": {}},
	}
	c := render.Cluster{Name: "c"}
	for i := 0; i < len(units); i += 2 {
		head, on, _ := strings.Cut(units[i], "<")
		name, component, _ := strings.Cut(head, ":")
		u := render.Unit{Unit: model.Unit{Name: name, Component: first(component, name)}, Objects: objectsIn(t, []byte(units[i+1]))}
		for _, doc := range documents.Split(units[i+1], -1) {
			if strings.TrimSpace(doc) != "" && len(objectsIn(t, []byte(doc))) != 1 {
				t.Fatalf("not one object:\n%s", doc)
			}
		}
		if on != "" {
			u.DependsOn = strings.Split(on, ",")
		}
		c.Units = append(c.Units, u)
	}
	slices.SortFunc(c.Units, func(a, b render.Unit) int { return strings.Compare(a.Name, b.Name) })
	return p, []render.Cluster{c}
}

// found is Check's findings in short: id, object and path.
func found(t testing.TB, version string, units ...string) []string {
	t.Helper()
	p, clusters := platformOf(t, version, units...)
	var out []string
	for _, f := range diag.Group(Check(p, clusters)) {
		out = append(out, fmt.Sprintf("%s %s %s", f.ID, f.Object, f.Path))
	}
	slices.Sort(out)
	return out
}

type worldCase struct {
	name    string
	version string // 1.36 when empty
	units   []string
	want    []string
}

func run(t *testing.T, cases []worldCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, found(t, first(c.version, "1.36"), c.units...)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

const (
	shop = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
`
	usesSecret = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: web, image: a, envFrom: [{secretRef: {name: db}}]}]}
---
`
	noSecret = "objects/reference Pod shop/web spec.containers[0].envFrom[0].secretRef.name"
	released = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: app, namespace: %[1]s}
spec: {interval: 1h, url: "oci://registry.example/charts/%[2]s", ref: {tag: "1.0.0"}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: app, namespace: %[1]s}
spec: {interval: 1h, chartRef: {kind: OCIRepository, name: app}, values: {%[3]s}}
---
`
)

func chartIn(namespace, chart, values string) string {
	return fmt.Sprintf(released, namespace, chart, values)
}

// manifestsOf is a Kustomization of a repository at 26.7.1.
func manifestsOf(kind, url string) string {
	return fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: %[1]s
metadata: {name: operator, namespace: default}
spec: {interval: 1h, url: %[2]q, ref: {tag: 26.7.1}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: operator, namespace: default}
spec: {interval: 1h, prune: true, path: ./kubernetes, targetNamespace: default, sourceRef: {kind: %[1]s, name: operator}}
---
`, kind, url)
}

// TestReferences: what the artifact must hold is demanded, and what somebody
// else may make is not.
func TestReferences(t *testing.T) {
	foreign := func(more string) string {
		return `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {interval: 1h, prune: true, path: ./, sourceRef: {kind: OCIRepository, name: platform}, ` + more + `}
---
`
	}
	run(t, []worldCase{
		{name: "missing", units: []string{"own", shop + usesSecret}, want: []string{noSecret}},
		{name: "there", units: []string{"own", shop + usesSecret + "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: shop}\n"}},
		{name: "of an ExternalSecret", units: []string{"own", shop + usesSecret + `
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: x, namespace: shop}
spec: {target: {name: db}}
`, "eso<own", shop2("external-secrets", "external-secrets")}, want: []string{"flux/crd-order ExternalSecret shop/x kind"}},
		{name: "of a Certificate", units: []string{"own", shop + usesSecret + `
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: x, namespace: shop}
spec: {secretName: db, issuerRef: {kind: Issuer, name: a}}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: a, namespace: shop}
spec: {selfSigned: {}}
`}, want: []string{"api/unserved Certificate shop/x kind", "api/unserved Issuer shop/a kind"}},
		{name: "optional", units: []string{"own", shop + strings.Replace(usesSecret, "name: db", "name: db, optional: true", 1)}},
		{name: "a chart fills the namespace", units: []string{"own", shop + usesSecret + chartIn("shop", "anything", "")}},
		{name: "a team's namespace", units: []string{"team-a:namespace-operator", shop, "own", usesSecret}},
		{name: "kube-system", units: []string{"own", strings.ReplaceAll(usesSecret, "shop", "kube-system")}},
		{name: "another source, anywhere", units: []string{"own", shop + usesSecret + foreign("suspend: false")}},
		{name: "another source, in the namespace", units: []string{"own", shop + usesSecret + foreign("targetNamespace: shop")}},
		{name: "another source, elsewhere", units: []string{"own", shop + usesSecret + foreign("targetNamespace: default")}, want: []string{noSecret}},
		{name: "another source, another cluster", units: []string{"own", shop + usesSecret + foreign("kubeConfig: {}")}, want: []string{noSecret}},
		{name: "another source, under an account without rights", units: []string{"own", shop + usesSecret + foreign("serviceAccountName: a")}, want: []string{noSecret}},
		{name: "another source, under an account of the namespace", units: []string{"own", shop + usesSecret + foreign("serviceAccountName: a") + subject("flux-system")}},
		{name: "another source, under an account of another namespace", units: []string{"own", shop + usesSecret + foreign("serviceAccountName: a") + strings.Replace(subject("flux-system"), "namespace: shop", "namespace: default", 1)}, want: []string{noSecret}},
		{name: "another source, under an account that another has the name of", units: []string{"own", shop + usesSecret + foreign("serviceAccountName: a") + subject("kube-system")}, want: []string{noSecret}},
		{name: "another source, under an account of the cluster", units: []string{"own", shop + usesSecret + foreign("serviceAccountName: a") + strings.Replace(strings.Replace(subject("flux-system"), ", namespace: shop", "", 1), "kind: RoleBinding", "kind: ClusterRoleBinding", 1)}},
		{name: "an operator in the namespace", units: []string{"own", shop + usesSecret + "apiVersion: db.example/v1\nkind: Postgres\nmetadata: {name: db, namespace: shop}\n"}},
		{name: "an operator over all", units: []string{"own", shop + usesSecret + "apiVersion: db.example/v1\nkind: Copier\nmetadata: {name: db}\n"}},
		{name: "people who write", units: []string{"own", shop + usesSecret + `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: a, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: a}]
`}},
		{name: "people who read", units: []string{"own", shop + usesSecret + `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: a, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: a}]
`}, want: []string{noSecret}},
		{name: "a role of a chart", units: []string{"own", chartIn("flux-system", "x", "") + `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: a}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: app-view}
`}},
		{name: "a claim of a StatefulSet", units: []string{"own", shop + `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {volumeClaimTemplates: [{metadata: {name: data}, spec: {}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: copy, namespace: shop}
spec: {containers: [], volumes: [{name: a, persistentVolumeClaim: {claimName: data-db-0}}, {name: b, persistentVolumeClaim: {claimName: data-dbb-0}}]}
`}, want: []string{"objects/reference Pod shop/copy spec.volumes[1].persistentVolumeClaim.claimName"}},
		{name: "classes, when the artifact has some", units: []string{"own", shop + claim("fast") + classOf("slow")},
			want: []string{"objects/reference PersistentVolumeClaim shop/data spec.storageClassName"}},
		{name: "classes, when it has none", units: []string{"own", shop + claim("fast")}},
		{name: "classes, with charts of the platform's own", units: []string{"own", shop + claim("fast") + classOf("slow") + chartIn("flux-system", "x", "")}},
		{name: "ingress class of Contour", units: []string{
			"own", shop + ingress("contuor") + ingress2("contour"),
			"contour", chartIn("flux-system", "contour", "contour: {ingressClass: {create: true, name: contour}}"),
		}, want: []string{"objects/reference Ingress shop/a spec.ingressClassName"}},
		{name: "an issuer by annotation", units: []string{"own", shop + `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, namespace: shop, annotations: {cert-manager.io/cluster-issuer: x}}
spec: {tls: [{secretName: made}]}
`}, want: []string{`objects/reference Ingress shop/a metadata.annotations["cert-manager.io/cluster-issuer"]`}},
		{name: "an Alert", units: []string{"own", shop + `
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata: {name: a, namespace: shop}
spec: {providerRef: {name: slack}, eventSources: [{kind: HelmRelease, name: "*"}, {kind: HelmRelease, name: none}]}
`}, want: []string{"objects/reference Alert shop/a spec.eventSources[1].name", "objects/reference Alert shop/a spec.providerRef.name"}},
		{name: "a namespace", units: []string{"own", strings.ReplaceAll(usesSecret, "shop", "gone")}, want: []string{"objects/namespace Pod gone/web metadata.namespace"}},
		{name: "a subject's namespace", units: []string{"own", shop + subject("gone")}, want: []string{"objects/namespace RoleBinding shop/a subjects[0].namespace"}},
		{name: "a subject's namespace, with a chart of the platform's own", units: []string{"own", shop + subject("gone") + chartIn("flux-system", "x", "")}},
		{name: "a subject in kube-system", units: []string{"own", shop + subject("kube-system")}},
		{name: "a namespace that Helm makes", units: []string{"own", strings.Replace(chartIn("flux-system", "x", ""), "interval: 1h, chartRef", "targetNamespace: gone, install: {createNamespace: true}, interval: 1h, chartRef", 1) + strings.ReplaceAll(usesSecret, "shop", "gone")}},
	})
}

func shop2(name, chart string) string {
	return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n---\n" + chartIn(name, chart, "")
}

func subject(namespace string) string {
	return `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: a, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: a, namespace: ` + namespace + `}]
---
`
}

func claim(class string) string {
	return "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: shop}\nspec: {storageClassName: " + class + "}\n---\n"
}

func classOf(name string) string {
	return "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: " + name + "}\nprovisioner: a\n---\n"
}

func ingress(class string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, namespace: shop}\nspec: {ingressClassName: " + class + "}\n---\n"
}

func ingress2(class string) string { return strings.Replace(ingress(class), "name: a", "name: b", 1) }

// TestLifecycle goes through the versions of Kubernetes.
func TestLifecycle(t *testing.T) {
	flowSchema := "apiVersion: flowcontrol.apiserver.k8s.io/v1beta3\nkind: FlowSchema\nmetadata: {name: a}\n"
	run(t, []worldCase{
		{name: "removed", version: "1.33", units: []string{"own", flowSchema}, want: []string{"api/removed FlowSchema a apiVersion"}},
		{name: "not yet there", version: "1.33.4", units: []string{"own", "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {name: a}\n"}, want: []string{"api/too-new DeviceClass a apiVersion"}},
		{name: "there", version: "1.34", units: []string{"own", "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {name: a}\n"}},
		{name: "deprecated", version: "1.33", units: []string{"own", "apiVersion: v1\nkind: Endpoints\nmetadata: {name: a, namespace: default}\n"}, want: []string{"api/deprecated Endpoints default/a apiVersion"}},
		{name: "gone long ago", units: []string{"own", "apiVersion: policy/v1beta1\nkind: PodSecurityPolicy\nmetadata: {name: a}\n"}, want: []string{"api/removed PodSecurityPolicy a apiVersion"}},
		{name: "wrong group", units: []string{"own", "apiVersion: v1\nkind: Deployment\nmetadata: {name: a, namespace: default}\n"}, want: []string{"api/unknown Deployment default/a apiVersion"}},
		{name: "newer than the types", version: "1.37", units: []string{"own", "apiVersion: apps/v1\nkind: Novelty\nmetadata: {name: a, namespace: default}\n"}},
		{name: "nobody's group", units: []string{"own", "apiVersion: acme.example/v1\nkind: Thing\nmetadata: {name: a, namespace: default}\n"}},
		{name: "a CRD's old version", units: []string{"own<eso", "apiVersion: external-secrets.io/v1beta1\nkind: ClusterSecretStore\nmetadata: {name: a}\n", "eso", shop2("external-secrets", "external-secrets")}}, // The chart is of another version than the catalog's: it may serve it.

		{name: "a CRD's old version, without a chart", units: []string{"own", "apiVersion: external-secrets.io/v1beta1\nkind: ClusterSecretStore\nmetadata: {name: a}\n"},
			want: []string{"api/removed ClusterSecretStore a apiVersion", "api/unserved ClusterSecretStore a kind"}},
	})
}

// TestCRDOrder: kinds come before what is of them.
func TestCRDOrder(t *testing.T) {
	proxy := "apiVersion: projectcontour.io/v1\nkind: HTTPProxy\nmetadata: {name: a, namespace: default}\n---\n"
	contour := chartIn("flux-system", "contour", "")
	keycloak := "apiVersion: k8s.keycloak.org/v2beta1\nkind: Keycloak\nmetadata: {name: a, namespace: default}\n---\n"
	run(t, []worldCase{
		{name: "waits", units: []string{"web<contour", proxy, "contour", contour}},
		{name: "waits through another", units: []string{"web<mid", proxy, "mid<contour", classOf("x"), "contour", contour}},
		{name: "does not wait", units: []string{"web", proxy, "contour", contour}, want: []string{"flux/crd-order HTTPProxy default/a kind"}},
		{name: "with its chart", units: []string{"contour", contour + proxy}, want: []string{"flux/crd-order HTTPProxy default/a kind"}},
		{name: "no chart", units: []string{"web", proxy}, want: []string{"api/unserved HTTPProxy default/a kind"}},
		{name: "no chart, but others", units: []string{"web", proxy, "own", chartIn("flux-system", "anything", "")}},
		{name: "no chart, but another source under an account", units: []string{"web", proxy, "own", `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {interval: 1h, prune: true, path: ./, serviceAccountName: a, sourceRef: {kind: OCIRepository, name: platform}}
`}, want: []string{"api/unserved HTTPProxy default/a kind"}},
		{name: "waits for manifests", units: []string{"sso<keycloak", keycloak, "keycloak", manifestsOf("GitRepository", "https://github.com/keycloak/keycloak-k8s-resources.git")}},
		{name: "waits for manifests of a mirror", units: []string{"sso<keycloak", keycloak, "keycloak", manifestsOf("OCIRepository", "oci://registry.example/mirror/github.com/keycloak/keycloak-k8s-resources")}},
		{name: "does not wait for manifests", units: []string{"sso", keycloak, "keycloak", manifestsOf("GitRepository", "https://github.com/keycloak/keycloak-k8s-resources")},
			want: []string{"flux/crd-order Keycloak default/a kind"}},
		{name: "other manifests", units: []string{"sso<keycloak", keycloak, "keycloak", manifestsOf("GitRepository", "https://github.com/keycloak/keycloak")},
			want: []string{"api/unserved Keycloak default/a kind"}},
		{name: "manifests of another version", units: []string{"sso<keycloak", strings.Replace(keycloak, "v2beta1", "v2alpha1", 1),
			"keycloak", strings.Replace(manifestsOf("GitRepository", "https://github.com/keycloak/keycloak-k8s-resources"), "26.7.1", "26.0.0", 1)}},
		{name: "an old kind of manifests", units: []string{"sso<keycloak", strings.Replace(keycloak, "v2beta1", "v2alpha1", 1),
			"keycloak", manifestsOf("GitRepository", "https://github.com/keycloak/keycloak-k8s-resources")},
			want: []string{"api/deprecated Keycloak default/a apiVersion"}},
		{name: "a CRD in the unit", units: []string{"web", proxy + `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: httpproxies.projectcontour.io}
spec: {group: projectcontour.io, names: {kind: HTTPProxy}}
`}},
		{name: "a Constraint", units: []string{
			"rules<gatekeeper", "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: a}\nspec: {crd: {spec: {names: {kind: A}}}}\n",
			"own<gatekeeper", "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: A\nmetadata: {name: a}\nspec: {enforcementAction: warn}\n",
			"gatekeeper", chartIn("flux-system", "gatekeeper", ""),
		}, want: []string{"flux/crd-order A a kind"}},
	})
}

// Charts name the versions of Kubernetes that they support.
func TestChartRange(t *testing.T) {
	velero := strings.Replace(chartIn("flux-system", "velero", ""), "1.0.0", "12.1.0", 1)
	run(t, []worldCase{
		{name: "in the range", units: []string{"velero", velero}},
		{name: "before it", version: "1.15", units: []string{"velero", velero}, want: []string{"api/chart-range HelmRelease flux-system/app spec"}},
		{name: "in another version", version: "1.15", units: []string{"velero", chartIn("flux-system", "velero", "")}},
	})
}

// An object that clusters share is judged by the version of each.
func TestShared(t *testing.T) {
	p, clusters := platformOf(t, "1.33", "own", "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {name: a}\n")
	p.Clusters["d"] = model.Cluster{Kubernetes: model.Kubernetes{Version: "1.36"}}
	clusters = append(clusters, render.Cluster{Name: "d", Units: clusters[0].Units})
	var got []string
	for _, f := range Check(p, clusters) {
		got = append(got, f.Cluster+" "+f.ID)
	}
	if diff := cmp.Diff([]string{"c api/too-new"}, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
