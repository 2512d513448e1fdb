//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/contain-platform/contain/internal/object"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// teamsPlatform has two teams: crew delivers from a source of its own, rival is
// whom it must not reach.
const teamsPlatform = `package platform

platform: {
	management: secrets: openbao: address: "https://bao.example"
	teams: {
		crew: {
			groups: "crew": role: "developer"
			namespaces: {"crew-api": {}, "crew-web": {}}
			source: oci: {url: %q, tag: "v1", verify: publicKey: path: "teams/crew/cosign"}
		}
		rival: {
			groups: "rival": role: "developer"
			namespaces: "rival-api": {}
		}
	}
}
`

// A teamsRun is one team's delivery: what the platform made of it is in the API
// server, with real source-controller and kustomize-controller behind it.
type teamsRun struct {
	keys string // directory of cosign's keys
	objs []*object.Object

	applied, refused, allowed, denied, locked, passed int
}

// TestTeams has a team deliver: by its own signed source what it may, and all
// kinds of what it may not, each of which Flux refuses as the team's account; asks
// the API server what the accounts may do; and writes Flux objects as the account,
// which admission refuses unless they stay under it.
func TestTeams(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	r := startTeams(ctx, t)
	playReleases(ctx, t)
	t.Run("delivers", func(t *testing.T) { r.delivers(ctx, t) })
	t.Run("is refused", func(t *testing.T) { r.isRefused(ctx, t) })
	t.Run("may", func(t *testing.T) { r.may(ctx, t) })
	t.Run("is locked", func(t *testing.T) { r.isLocked(ctx, t) })
	t.Logf("TEAMS: %d objects delivered; %d deliveries refused, nothing of them applied; %d rights held and %d not, as they should; %d Flux objects refused by admission, %d let in",
		r.applied, r.refused, r.allowed, r.denied, r.locked, r.passed)
}

// startTeams applies the units of both teams. What External Secrets would bring,
// the test brings.
func startTeams(ctx context.Context, t *testing.T) *teamsRun {
	t.Helper()
	r := &teamsRun{keys: t.TempDir()}
	cosign(ctx, t, r.keys, "generate-key-pair")
	dir := filepath.Join(t.TempDir(), "p")
	contain(t, "init", dir, "--name", "teams")
	url := "oci://" + harness.registry.Host + "/teams/crew"
	if err := os.WriteFile(filepath.Join(dir, "teams.cue"), fmt.Appendf(nil, teamsPlatform, url), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range renderTree(t, dir, "dev-1").objects("access", "delivery", "team-crew", "team-rival", "delivery-crew") {
		if o.Kind == "OCIRepository" {
			o = with(t, o, true, "spec", "insecure") // the test's registry has no certificate
		}
		r.objs = append(r.objs, o)
	}
	r.deliver(ctx, t, map[string]string{"empty.yaml": configMap("crew-api", "first")}, false)
	if err := harness.Apply(ctx, r.objs); err != nil {
		t.Fatal(err)
	}
	apply(ctx, t, fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: source-keys, namespace: flux-crew}
stringData: {cosign.pub: %q}
`, readFile(t, filepath.Join(r.keys, "cosign.pub"))))
	return r
}

// playReleases says of HelmReleases what helm-controller would, see player.
func playReleases(ctx context.Context, t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		p := newPlayer(harness.ControlPlane)
		for {
			if err := p.releases(ctx); err != nil && ctx.Err() == nil {
				ended <- err
				return
			}
			select {
			case <-ctx.Done():
				ended <- nil
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// with is an object with one more field.
func with(t *testing.T, o *object.Object, value any, path ...string) *object.Object {
	t.Helper()
	tree := o.Tree()
	if err := unstructured.SetNestedField(tree, value, path...); err != nil {
		t.Fatal(err)
	}
	changed, err := object.FromTree(o.Field, tree)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func configMap(namespace, name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\ndata: {a: b}\n", name, namespace)
}

// deliver pushes and signs a source, and returns what Flux says of it when it is
// to be waited for.
func (r *teamsRun) deliver(ctx context.Context, t *testing.T, files map[string]string, wait bool) controlplane.Condition {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	repository := harness.registry.Host + "/teams/crew"
	digest := push(ctx, t, repository+":v1", files)
	cosign(ctx, t, r.keys, "sign", "--key=cosign.key", "--use-signing-config=false", "--tlog-upload=false", "--yes", repository+"@"+digest)
	if !wait {
		return controlplane.Condition{}
	}
	source := ociRepository("crew")
	source.Namespace = "flux-crew"
	if _, err := harness.Reconcile(ctx, source); err != nil {
		t.Fatal(err)
	}
	return judged(ctx, t, "flux-crew", "crew", "v1@"+digest)
}

// judged is what Flux says of a Kustomization at a revision.
func judged(ctx context.Context, t *testing.T, namespace, name, revision string) controlplane.Condition {
	t.Helper()
	id := kustomization(name)
	id.Namespace = namespace
	u, err := harness.Wait(ctx, id, "judged at "+revision, func(u *unstructured.Unstructured) bool {
		at, _, _ := unstructured.NestedString(u.Object, "status", "lastAttemptedRevision")
		c, ok := controlplane.ConditionOf(u, controlplane.Ready)
		return ok && at == revision && c.Status != metav1.ConditionUnknown
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := controlplane.ConditionOf(u, controlplane.Ready)
	return c
}

// delivered is what a team may apply: plain objects in each of its namespaces,
// and Flux's under its account.
const delivered = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: crew-api}
data: {a: b}
---
apiVersion: v1
kind: Secret
metadata: {name: own, namespace: crew-web}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: crew-web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: crew-web}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: crew-api}
spec:
  schedule: "0 1 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: registry.example/a:1}]}}}}
---
apiVersion: projectcontour.io/v1
kind: HTTPProxy
metadata: {name: web, namespace: crew-web}
spec: {virtualhost: {fqdn: web.example}, routes: [{services: [{name: web, port: 80}]}]}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: web, namespace: crew-web}
spec: {secretName: web-tls, dnsNames: [web.example], issuerRef: {kind: ClusterIssuer, name: platform}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: web, namespace: crew-web}
spec: {secretStoreRef: {kind: ClusterSecretStore, name: crew}, target: {name: web}, data: [{secretKey: a, remoteRef: {key: b}}]}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: crew-web}
spec: {interval: 1h, serviceAccountName: flux-team, chartRef: {kind: OCIRepository, name: web}}
`

func (r *teamsRun) delivers(ctx context.Context, t *testing.T) {
	objs := objectsOf(t, delivered)
	if c := r.deliver(ctx, t, map[string]string{"all.yaml": delivered}, true); c.Status != metav1.ConditionTrue {
		t.Fatal(c)
	}
	for _, o := range objs {
		if _, err := harness.Get(ctx, o.ID); err != nil {
			t.Error(err)
		}
	}
	r.applied = len(objs)

	// A Kustomization of the team's own has the account of its namespace alone.
	digest := push(ctx, t, harness.registry.Host+"/teams/nested:v1", map[string]string{"a.yaml": configMap("crew-api", "nested")})
	nested := fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: nested, namespace: crew-api}
spec: {interval: 1h, insecure: true, url: "oci://%s/teams/nested", ref: {tag: v1}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: nested, namespace: crew-api}
spec: {interval: 1h, prune: true, path: ./, serviceAccountName: flux-team, sourceRef: {kind: OCIRepository, name: nested}}
`, harness.registry.Host)
	if c := r.deliver(ctx, t, map[string]string{"all.yaml": delivered, "nested.yaml": nested}, true); c.Status != metav1.ConditionTrue {
		t.Fatal(c)
	}
	if c := judged(ctx, t, "crew-api", "nested", "v1@"+digest); c.Status != metav1.ConditionTrue {
		t.Error(c)
	}
	r.applied += 3
	digest = push(ctx, t, harness.registry.Host+"/teams/nested:v1", map[string]string{"a.yaml": configMap("crew-web", "nested")})
	source := ociRepository("nested")
	source.Namespace = "crew-api"
	if _, err := harness.Reconcile(ctx, source); err != nil {
		t.Fatal(err)
	}
	c := judged(ctx, t, "crew-api", "nested", "v1@"+digest)
	if !strings.Contains(c.Message, "forbidden") || !strings.Contains(c.Message, "system:serviceaccount:crew-api:flux-team") {
		t.Errorf("beyond its namespace: %s", c)
	}
	r.refused++
}

// A reach is something that a team's source should not reach, and what the API
// server says to it.
type reach struct{ name, object, want string }

func reaches() []reach {
	const forbidden = "is forbidden: User \"system:serviceaccount:flux-crew:flux-team\" cannot patch resource"
	rbac := func(kind, namespace, more string) string {
		return fmt.Sprintf("apiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata: {name: crew-reach%s}\n%s\n", kind, namespace, more)
	}
	flux := func(kind, spec string) string {
		group := map[string]string{"Kustomization": "kustomize.toolkit.fluxcd.io/v1", "HelmRelease": "helm.toolkit.fluxcd.io/v2"}[kind]
		return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: crew-reach, namespace: crew-api}\nspec: %s\n", group, kind, spec)
	}
	admin := "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: ServiceAccount, name: flux-team, namespace: crew-api}]"
	return []reach{
		{"another team's namespace", configMap("rival-api", "crew-reach"), forbidden},
		{"the namespace of its own source", configMap("flux-crew", "crew-reach"), forbidden},
		{"Flux's namespace", configMap("flux-system", "crew-reach"), forbidden},
		{"Kubernetes' namespace", configMap("kube-system", "crew-reach"), forbidden},
		{"a Namespace", "apiVersion: v1\nkind: Namespace\nmetadata: {name: crew-reach}\n", forbidden},
		{"the labels of its Namespace", "apiVersion: v1\nkind: Namespace\nmetadata: {name: crew-api, labels: {pod-security.kubernetes.io/enforce: privileged}}\n", forbidden},
		{"its quota", "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: team, namespace: crew-api}\nspec: {hard: {pods: \"1000\"}}\n", forbidden},
		{"its limits", "apiVersion: v1\nkind: LimitRange\nmetadata: {name: crew-reach, namespace: crew-api}\nspec: {limits: []}\n", forbidden},
		{"a NetworkPolicy", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: crew-reach, namespace: crew-api}\nspec: {podSelector: {}, egress: [{}], policyTypes: [Egress]}\n", forbidden},
		{"a Role", rbac("Role", ", namespace: crew-api", "rules: []"), forbidden},
		{"a RoleBinding", rbac("RoleBinding", ", namespace: crew-api", admin), forbidden},
		{"a ClusterRole", rbac("ClusterRole", "", "rules: []"), forbidden},
		{"a ClusterRoleBinding", rbac("ClusterRoleBinding", "", admin), forbidden},
		{"a ClusterIssuer", "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: crew-reach}\nspec: {selfSigned: {}}\n", forbidden},
		{"a ClusterSecretStore", "apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {name: crew-reach}\nspec: {provider: {fake: {data: []}}}\n", forbidden},
		{"the admission policy", "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: team-appliers.contain.platform}\nspec: {policyName: team-appliers.contain.platform, validationActions: [Warn]}\n", forbidden},
		{"a Provider", "apiVersion: notification.toolkit.fluxcd.io/v1beta3\nkind: Provider\nmetadata: {name: crew-reach, namespace: crew-api}\nspec: {type: generic, address: \"http://kubernetes.default\"}\n", forbidden},
		{"Flux itself, by a Kustomization", flux("Kustomization", "{interval: 1h, prune: true, sourceRef: {kind: OCIRepository, name: nested}}"), "spec.serviceAccountName must be flux-team"},
		{"Flux itself, by a HelmRelease", flux("HelmRelease", "{interval: 1h, chartRef: {kind: OCIRepository, name: web}}"), "spec.serviceAccountName must be flux-team"},
		{"the platform's artifact", flux("Kustomization", "{interval: 1h, prune: true, serviceAccountName: flux-team, sourceRef: {kind: OCIRepository, name: platform, namespace: flux-system}}"), "spec.sourceRef.namespace must be the object's own namespace"},
	}
}

// isRefused delivers each reach beside an object that the team may have: neither
// is there afterwards.
func (r *teamsRun) isRefused(ctx context.Context, t *testing.T) {
	for i, c := range reaches() {
		innocent := fmt.Sprintf("beside-%d", i)
		before, beforeErr := harness.Get(ctx, objectsOf(t, c.object)[0].ID)
		got := r.deliver(ctx, t, map[string]string{"all.yaml": delivered, "reach.yaml": c.object, "beside.yaml": configMap("crew-api", innocent)}, true)
		if got.Status != metav1.ConditionFalse || !strings.Contains(got.Message, c.want) {
			t.Errorf("%s: %s\nwant a message with %q", c.name, got, c.want)
			continue
		}
		after, err := harness.Get(ctx, objectsOf(t, c.object)[0].ID)
		switch {
		case apierrors.IsNotFound(beforeErr) && apierrors.IsNotFound(err):
		case beforeErr == nil && err == nil && before.GetResourceVersion() == after.GetResourceVersion():
		default:
			t.Errorf("%s: it is there, or changed: %v, before %v", c.name, err, beforeErr)
		}
		if _, err := harness.Get(ctx, objectsOf(t, configMap("crew-api", innocent))[0].ID); !apierrors.IsNotFound(err) {
			t.Errorf("%s: what was delivered beside it is there: %v", c.name, err)
		}
		r.refused++
	}

	// And as it was, once what is too much is gone.
	if c := r.deliver(ctx, t, map[string]string{"all.yaml": delivered}, true); c.Status != metav1.ConditionTrue {
		t.Error(c)
	}
	// An unsigned source is not even looked at.
	digest := push(ctx, t, harness.registry.Host+"/teams/crew:v1", map[string]string{"a.yaml": configMap("crew-api", "unsigned")})
	source := ociRepository("crew")
	source.Namespace = "flux-crew"
	if _, err := harness.Reconcile(ctx, source); err != nil {
		t.Fatal(err)
	}
	if c, err := harness.WaitRefused(ctx, source, "SourceVerified"); err != nil || !strings.Contains(c.Message, digest) {
		t.Errorf("unsigned: %s %v", c, err)
	}
	r.refused++
}

// as is a client of somebody else's.
func as(t *testing.T, user string, groups ...string) dynamic.Interface {
	t.Helper()
	config := rest.CopyConfig(harness.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func account(t *testing.T, namespace string) dynamic.Interface {
	return as(t, "system:serviceaccount:"+namespace+":flux-team", "system:serviceaccounts", "system:serviceaccounts:"+namespace, "system:authenticated")
}

// may asks the API server, as each of the accounts and as one of the team's
// people, what they may do where. What is right is written here once more: not
// read from the roles.
func (r *teamsRun) may(ctx context.Context, t *testing.T) {
	writes := []string{
		"configmaps", "secrets", "services", "serviceaccounts", "pods", "persistentvolumeclaims",
		"apps/deployments", "apps/statefulsets", "apps/daemonsets", "batch/jobs", "batch/cronjobs",
		"autoscaling/horizontalpodautoscalers", "policy/poddisruptionbudgets", "networking.k8s.io/ingresses",
		"projectcontour.io/httpproxies", "cert-manager.io/certificates", "external-secrets.io/externalsecrets",
		"monitoring.coreos.com/servicemonitors", "monitoring.coreos.com/podmonitors", "monitoring.coreos.com/prometheusrules",
		"kustomize.toolkit.fluxcd.io/kustomizations", "helm.toolkit.fluxcd.io/helmreleases",
		"source.toolkit.fluxcd.io/ocirepositories", "source.toolkit.fluxcd.io/gitrepositories", "source.toolkit.fluxcd.io/helmrepositories",
	}
	never := []string{
		"namespaces", "resourcequotas", "limitranges", "nodes", "persistentvolumes", "serviceaccounts/token", "pods/exec",
		"networking.k8s.io/networkpolicies", "storage.k8s.io/storageclasses",
		"rbac.authorization.k8s.io/roles", "rbac.authorization.k8s.io/rolebindings",
		"rbac.authorization.k8s.io/clusterroles", "rbac.authorization.k8s.io/clusterrolebindings",
		"admissionregistration.k8s.io/validatingadmissionpolicies", "admissionregistration.k8s.io/validatingwebhookconfigurations",
		"apiextensions.k8s.io/customresourcedefinitions", "cert-manager.io/clusterissuers", "external-secrets.io/clustersecretstores",
		"notification.toolkit.fluxcd.io/providers", "notification.toolkit.fluxcd.io/receivers", "source.toolkit.fluxcd.io/buckets",
		"templates.gatekeeper.sh/constrainttemplates",
	}
	everywhere := []string{"crew-api", "crew-web", "flux-crew", "rival-api", "flux-system", "kube-system", "default", ""}
	for home, own := range map[string][]string{"flux-crew": {"crew-api", "crew-web"}, "crew-api": {"crew-api"}, "crew-web": {"crew-web"}} {
		client := account(t, home)
		for _, namespace := range everywhere {
			for _, resource := range slices.Concat(writes, never) {
				for _, verb := range []string{"create", "patch", "delete"} {
					want := slices.Contains(own, namespace) && slices.Contains(writes, resource)
					r.ask(ctx, t, client, home, verb, resource, namespace, want)
				}
			}
			for _, verb := range []string{"impersonate", "bind", "escalate"} {
				for _, resource := range []string{"serviceaccounts", "rbac.authorization.k8s.io/roles", "rbac.authorization.k8s.io/clusterroles"} {
					r.ask(ctx, t, client, home, verb, resource, namespace, false)
				}
			}
		}
	}
	person := as(t, "oidc:ada", "oidc:crew", "system:authenticated")
	for _, namespace := range everywhere {
		theirs := strings.HasPrefix(namespace, "crew-")
		for _, resource := range []string{"kustomize.toolkit.fluxcd.io/kustomizations", "helm.toolkit.fluxcd.io/helmreleases", "source.toolkit.fluxcd.io/ocirepositories"} {
			r.ask(ctx, t, person, "ada", "get", resource, namespace, theirs || namespace == "flux-crew")
			for _, verb := range []string{"create", "patch", "delete"} {
				r.ask(ctx, t, person, "ada", verb, resource, namespace, false)
			}
		}
		r.ask(ctx, t, person, "ada", "get", "secrets", namespace, theirs)
		r.ask(ctx, t, person, "ada", "create", "pods", namespace, theirs)
		r.ask(ctx, t, person, "ada", "create", "serviceaccounts/token", namespace, false)
	}
}

func (r *teamsRun) ask(ctx context.Context, t *testing.T, client dynamic.Interface, who, verb, resource, namespace string, want bool) {
	t.Helper()
	group, name, ok := strings.Cut(resource, "/")
	if !ok || !strings.Contains(group, ".") && !slices.Contains([]string{"apps", "batch", "autoscaling", "policy"}, group) {
		group, name = "", resource
	}
	name, sub, _ := strings.Cut(name, "/")
	review, err := client.Resource(schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}).
		Create(ctx, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
			"spec": map[string]any{"resourceAttributes": map[string]any{
				"verb": verb, "group": group, "resource": name, "subresource": sub, "namespace": namespace,
			}},
		}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, _, _ := unstructured.NestedBool(review.Object, "status", "allowed")
	switch {
	case got != want:
		t.Errorf("%s may %s %s in %q: %t, want %t", who, verb, resource, namespace, got, want)
	case want:
		r.allowed++
	default:
		r.denied++
	}
}

// A lockCase is a Flux object's spec in a namespace of the team's; want is what
// admission says, "" for one that is let in.
type lockCase struct{ kind, spec, want string }

func lockCases() []lockCase {
	const (
		account   = "spec.serviceAccountName must be flux-team"
		kube      = "spec.kubeConfig is not for teams"
		dependsOn = "spec.dependsOn must stay in the object's own namespace"
		provider  = "spec.provider must be generic"
	)
	same := func(field string) string { return "spec." + field + " must be the object's own namespace" }
	var out []lockCase
	for _, k := range []struct{ kind, spec string }{
		{"Kustomization", "interval: 1h, prune: true, sourceRef: {kind: OCIRepository, name: a}"},
		{"HelmRelease", "interval: 1h, chartRef: {kind: OCIRepository, name: a}"},
	} {
		out = append(out,
			lockCase{k.kind, k.spec, account},
			lockCase{k.kind, k.spec + ", serviceAccountName: default", account},
			lockCase{k.kind, k.spec + ", serviceAccountName: web", account},
			lockCase{k.kind, k.spec + ", serviceAccountName: flux-team", ""},
			lockCase{k.kind, k.spec + ", serviceAccountName: flux-team, kubeConfig: {secretRef: {name: a}}", kube},
			lockCase{k.kind, k.spec + ", serviceAccountName: flux-team, targetNamespace: rival-api", same("targetNamespace")},
			lockCase{k.kind, k.spec + ", serviceAccountName: flux-team, targetNamespace: crew-api", ""},
			lockCase{k.kind, k.spec + ", serviceAccountName: flux-team, dependsOn: [{name: a}, {name: b, namespace: flux-system}]", dependsOn},
			lockCase{k.kind, k.spec + ", serviceAccountName: flux-team, dependsOn: [{name: a}, {name: b, namespace: crew-api}]", ""},
		)
	}
	const team = ", serviceAccountName: flux-team"
	return append(out,
		lockCase{"Kustomization", "interval: 1h, prune: true, sourceRef: {kind: OCIRepository, name: a}, serviceAccountName: ''", account},
		lockCase{"Kustomization", "interval: 1h, prune: true, sourceRef: {kind: OCIRepository, name: a, namespace: crew-web}" + team, same("sourceRef.namespace")},
		lockCase{"Kustomization", "interval: 1h, prune: true, sourceRef: {kind: GitRepository, name: a, namespace: crew-api}" + team, ""},
		lockCase{"HelmRelease", "interval: 1h, chartRef: {kind: HelmChart, name: a, namespace: flux-system}" + team, same("chartRef.namespace")},
		lockCase{"HelmRelease", "interval: 1h, chart: {spec: {chart: a, sourceRef: {kind: HelmRepository, name: a, namespace: flux-system}}}" + team, same("chart.spec.sourceRef.namespace")},
		lockCase{"HelmRelease", "interval: 1h, chart: {spec: {chart: a, sourceRef: {kind: HelmRepository, name: a}}}" + team, ""},
		lockCase{"HelmRelease", "interval: 1h, chartRef: {kind: OCIRepository, name: a}, storageNamespace: rival-api" + team, same("storageNamespace")},
		lockCase{"OCIRepository", "interval: 1h, url: 'oci://registry.example/a'", ""},
		lockCase{"OCIRepository", "interval: 1h, url: 'oci://registry.example/a', provider: aws", provider},
		lockCase{"GitRepository", "interval: 1h, url: 'https://git.example/a', provider: azure", provider},
		lockCase{"GitRepository", "interval: 1h, url: 'https://git.example/a', provider: generic", ""},
		lockCase{"HelmRepository", "interval: 1h, url: 'oci://registry.example/a', type: oci, provider: gcp", provider},
		lockCase{"HelmRepository", "interval: 1h, url: 'https://charts.example'", ""},
	)
}

// isLocked writes Flux objects as the team's account, and those that the team's
// unit has as the platform.
func (r *teamsRun) isLocked(ctx context.Context, t *testing.T) {
	resources := map[string]schema.GroupVersionResource{
		"Kustomization":  {Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"},
		"HelmRelease":    {Group: "helm.toolkit.fluxcd.io", Version: "v2", Resource: "helmreleases"},
		"OCIRepository":  {Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "ocirepositories"},
		"GitRepository":  {Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"},
		"HelmRepository": {Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "helmrepositories"},
	}
	for _, c := range lockCases() {
		gvr := resources[c.kind]
		o := objectsOf(t, fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: crew-lock, namespace: crew-api}\nspec: {%s}\n", gvr.GroupVersion(), c.kind, c.spec))[0]
		client := account(t, "flux-crew").Resource(gvr).Namespace("crew-api")
		_, err := client.Create(ctx, &unstructured.Unstructured{Object: o.Tree()}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
		r.lock(t, c.kind+" {"+c.spec+"}", err, c.want)
	}

	// What is there is locked as well, to those who administer the cluster too; a
	// change beside its spec is not.
	release := object.ID{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease", Namespace: "crew-web", Name: "web"}
	r.lock(t, "an account taken away", harness.MergePatch(ctx, release, map[string]any{"spec": map[string]any{"serviceAccountName": nil}}), "spec.serviceAccountName must be flux-team")
	r.lock(t, "an annotation", harness.MergePatch(ctx, release, map[string]any{"metadata": map[string]any{"annotations": map[string]any{"a": "b"}}}), "")
	refused, err := harness.DryRun(ctx, r.objs)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range refused {
		t.Errorf("the platform's own: %s", x)
	}
}

func (r *teamsRun) lock(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err == nil:
		r.passed++
	case want != "" && apierrors.IsForbidden(err) && strings.Contains(err.Error(), want):
		r.locked++
	default:
		t.Errorf("%s: %v\nwant %q", what, err, want)
	}
}
