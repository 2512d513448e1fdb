//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/pipeline"
)

// A right is one question to an API server, and the roles that hold it. The
// table says what roles are for in words of its own: it is not made of their
// rules.
type right struct {
	verb, group, resource string
	cluster               bool // the resource is in no namespace
	roles                 []string
}

var rights = []right{
	{"list", "", "pods", false, []string{"viewer", "developer", "operator", "auditor"}},
	{"get", "", "pods/log", false, []string{"viewer", "developer", "operator", "auditor"}},
	{"delete", "", "pods", false, []string{"developer", "operator"}},
	{"create", "", "pods/exec", false, []string{"developer"}},
	{"create", "", "pods/portforward", false, []string{"developer", "operator"}},
	{"create", "", "pods/eviction", false, []string{"operator"}},
	{"get", "", "secrets", false, []string{"developer"}},
	{"create", "", "configmaps", false, []string{"developer"}},
	{"create", "", "serviceaccounts/token", false, nil},
	{"create", "apps", "deployments", false, []string{"developer"}},
	{"patch", "apps", "deployments", false, []string{"developer", "operator", "release-manager"}},
	{"patch", "apps", "deployments/scale", false, []string{"developer", "operator", "release-manager"}},
	{"delete", "apps", "statefulsets", false, []string{"developer"}},
	{"get", "networking.k8s.io", "networkpolicies", false, []string{"viewer", "developer", "operator", "auditor"}},
	{"update", "networking.k8s.io", "networkpolicies", false, nil},
	{"get", "kustomize.toolkit.fluxcd.io", "kustomizations", false, []string{"viewer", "developer", "operator", "auditor"}},
	{"patch", "kustomize.toolkit.fluxcd.io", "kustomizations", false, []string{"operator"}},
	{"patch", "helm.toolkit.fluxcd.io", "helmreleases", false, []string{"operator", "release-manager"}},
	{"create", "velero.io", "backups", false, []string{"operator"}},
	{"list", "rbac.authorization.k8s.io", "rolebindings", false, []string{"auditor"}},
	{"create", "rbac.authorization.k8s.io", "rolebindings", false, nil},
	{"list", "", "nodes", true, []string{"viewer", "operator", "auditor"}},
	{"patch", "", "nodes", true, []string{"operator"}},
	{"get", "", "nodes/proxy", true, nil},
	{"create", "", "namespaces", true, nil},
	{"list", "rbac.authorization.k8s.io", "clusterrolebindings", true, []string{"auditor"}},
	{"create", "rbac.authorization.k8s.io", "clusterrolebindings", true, nil},
	{"escalate", "rbac.authorization.k8s.io", "clusterroles", true, nil},
	{"impersonate", "", "users", true, nil},
	{"impersonate", "", "groups", true, nil},
	{"list", "templates.gatekeeper.sh", "constrainttemplates", true, []string{"auditor"}},
	{"delete", "templates.gatekeeper.sh", "constrainttemplates", true, nil},
	{"update", "certificates.k8s.io", "certificatesigningrequests/approval", true, nil},
	{"delete", "admissionregistration.k8s.io", "validatingwebhookconfigurations", true, nil},
	{"*", "*", "*", true, nil},
}

// An authnRun is an API server that authenticates as one cluster of examples/acme
// says, with all of that cluster's RBAC in it.
type authnRun struct {
	*controlplane.ControlPlane
	*issuer
	cluster  string
	audience string
	platform *model.Platform

	allowed, denied, refused, anonymous int
	held                                map[string]bool // roles that something was allowed by
}

// TestAuthentication asks a kube-apiserver, which runs with the
// AuthenticationConfiguration that contain makes for prod-eu1 of examples/acme,
// who it lets in and what they may: tokens of every group that acme speaks of,
// tokens that are no good, nobody, and the certificate that breaks glass.
func TestAuthentication(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	r := startAuthn(ctx, t, "prod-eu1")
	t.Run("groups", func(t *testing.T) { r.groups(ctx, t) })
	t.Run("tokens", func(t *testing.T) { r.tokens(ctx, t) })
	t.Run("nobody", func(t *testing.T) { r.nobody(ctx, t) })
	t.Run("kubeconfig", func(t *testing.T) { r.kubeconfig(ctx, t) })
	t.Run("break-glass", func(t *testing.T) { r.breakGlass(ctx, t) })
	t.Logf("AUTHN: %d allowed, %d denied as described; %d tokens refused; without one %d paths", r.allowed, r.denied, r.refused, r.anonymous)
}

// startAuthn rewrites of the configuration the issuer's address and authority,
// and nothing else.
func startAuthn(ctx context.Context, t *testing.T, cluster string) *authnRun {
	t.Helper()
	described, err := pipeline.Describe(ctx, pipeline.Input{FS: os.DirFS("../.."), Dir: "examples/acme"})
	if err != nil || described.Failed() {
		t.Fatalf("%v\n%v", err, described.Findings)
	}
	r := &authnRun{issuer: startIssuer(t), cluster: cluster, platform: described.Platform, held: map[string]bool{}}

	var config map[string]any
	if err := yaml.UnmarshalStrict(authenticationFile(t, cluster), &config); err != nil {
		t.Fatal(err)
	}
	at := config["jwt"].([]any)[0].(map[string]any)["issuer"].(map[string]any)
	if got, want := at["url"], "https://id.acme.example/realms/platform"; got != want {
		t.Fatalf("issuer.url is %v, want %s", got, want)
	}
	r.audience = at["audiences"].([]any)[0].(string)
	at["url"], at["certificateAuthority"] = r.url, r.ca
	b, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "contain-e2e-authn-")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "authentication.yaml")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	bin, err := judge.Dir()
	if err != nil {
		t.Fatal(err)
	}
	r.ControlPlane, err = controlplane.Start(ctx, controlplane.Options{Bin: bin, Dir: dir, Authentication: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Stop()
		if t.Failed() {
			t.Logf("the logs are in %s", dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	var objs []*object.Object
	for _, o := range renderTree(t, example("acme"), cluster).objects() {
		if o.Group == "rbac.authorization.k8s.io" {
			objs = append(objs, o)
		}
	}
	if err := r.Apply(ctx, objs); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d objects of RBAC", len(objs))
	return r
}

// client is one that has this token.
func (r *authnRun) client(t *testing.T, token string) *kubernetes.Clientset {
	t.Helper()
	config := &rest.Config{Host: r.Config.Host, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: r.Config.CAData}, QPS: -1}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// described are the roles that a group has, as the platform says: by namespace,
// "" for the whole cluster.
func (r *authnRun) described(group string) map[string][]string {
	c := r.platform.Clusters[r.cluster]
	out := map[string][]string{}
	for role, g := range r.platform.Access.Groups[group].Roles {
		switch {
		case !g.Clusters.Has(r.cluster, c):
		case len(g.Namespaces) == 0:
			out[""] = append(out[""], role)
		default:
			for _, ns := range g.Namespaces {
				out[ns] = append(out[ns], role)
			}
		}
	}
	for _, t := range r.platform.Teams {
		if !t.Clusters.Has(r.cluster, c) {
			continue
		}
		for ns, space := range t.Namespaces {
			if g, ok := t.Groups[group]; ok {
				out[ns] = append(out[ns], g.Role)
			} else if g, ok := space.Access[group]; ok {
				out[ns] = append(out[ns], g.Role)
			}
		}
	}
	return out
}

// groups asks for every group alone, for two together, and for none.
func (r *authnRun) groups(ctx context.Context, t *testing.T) {
	all := map[string]bool{}
	spaces := []string{"default", "kube-system", "flux-system"}
	for g := range r.platform.Access.Groups {
		all[g] = true
	}
	for _, team := range r.platform.Teams {
		for g := range team.Groups {
			all[g] = true
		}
		for ns := range team.Namespaces {
			spaces = append(spaces, ns)
		}
	}
	slices.Sort(spaces)
	names := slices.Sorted(maps.Keys(all))
	people := [][]string{{}, {"acme-strangers"}, {"acme-payments", "acme-audit"}}
	// As names that others may hope to pass for a group.
	people = append(people, []string{"oidc:acme-sre"}, []string{"ACME-SRE"}, []string{"acme-sre "}, []string{"/acme-sre"})
	for _, g := range names {
		people = append(people, []string{g})
	}
	for _, groups := range people {
		r.ask(ctx, t, r.client(t, r.token(t, r.claims(r.audience, map[string]any{"groups": groups}))), groups, spaces)
	}
	// One group may come as a string, and numbers as JSON's.
	single := r.claims(r.audience, map[string]any{"groups": "acme-audit", "exp": float64(time.Now().Unix()) + 3600.5})
	r.ask(ctx, t, r.client(t, r.token(t, single)), []string{"acme-audit"}, spaces)

	for _, role := range append(slices.Clone(r.platform.Roles), slices.Collect(maps.Keys(r.platform.Access.Roles))...) {
		if !r.held[role] {
			t.Errorf("role %s was never asked for by somebody who has it", role)
		}
	}
}

// ask compares what somebody of these groups may with what is described.
func (r *authnRun) ask(ctx context.Context, t *testing.T, c *kubernetes.Clientset, groups, spaces []string) {
	t.Helper()
	roles := map[string][]string{}
	for _, g := range groups {
		for ns, rs := range r.described(g) {
			roles[ns] = append(roles[ns], rs...)
		}
	}
	for _, q := range rights {
		in := spaces
		if q.cluster {
			in = []string{""}
		}
		for _, ns := range in {
			have := slices.Concat(roles[""], roles[ns])
			want := slices.ContainsFunc(have, func(role string) bool { return slices.Contains(q.roles, role) })
			if got := r.may(ctx, t, c, q, ns); got != want {
				t.Errorf("groups %q: %s %s.%s in %q: allowed is %t, described %t by roles %v", groups, q.verb, q.resource, q.group, ns, got, want, have)
				continue
			}
			if !want {
				r.denied++
				continue
			}
			r.allowed++
			for _, role := range have {
				if slices.Contains(q.roles, role) {
					r.held[role] = true
				}
			}
		}
	}
}

func (r *authnRun) may(ctx context.Context, t *testing.T, c *kubernetes.Clientset, q right, ns string) bool {
	t.Helper()
	resource, sub, _ := strings.Cut(q.resource, "/")
	review, err := c.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: q.verb, Group: q.group, Resource: resource, Subresource: sub, Namespace: ns,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// tokens are refused before anybody asks what they may: 401, and not 403.
func (r *authnRun) tokens(ctx context.Context, t *testing.T) {
	// What is wrong with each is all that is wrong with it.
	good := r.token(t, r.claims(r.audience, map[string]any{"groups": []string{"acme-sre"}}))
	if code := r.get(ctx, t, "/api/v1/namespaces", good); code != http.StatusOK {
		t.Fatalf("a good token: %d", code)
	}
	for _, f := range r.forgeries(t, r.audience, "kubernetes-prod-us1") {
		before := len(readFile(t, r.Log("kube-apiserver")))
		if code := r.get(ctx, t, "/api/v1/namespaces", f.token); code != http.StatusUnauthorized {
			t.Errorf("%s: %d, want 401", f.name, code)
			continue
		}
		if log := string(readFile(t, r.Log("kube-apiserver"))[before:]); !strings.Contains(log, f.why) {
			t.Errorf("%s: refused for another reason than %q: %s", f.name, f.why, log)
			continue
		}
		r.refused++
	}
}

// nobody sees whether the server is well, and what kubeadm's join reads.
func (r *authnRun) nobody(ctx context.Context, t *testing.T) {
	for path, want := range map[string]int{
		"/livez": 200, "/readyz": 200, "/healthz": 200,
		"/version": 401, "/api": 401, "/apis": 401, "/metrics": 401, "/openapi/v2": 401, "/openid/v1/jwks": 401, "/livez/ping": 401,
		"/api/v1/namespaces": 401, "/api/v1/namespaces/kube-public/configmaps": 401, "/api/v1/namespaces/kube-public/configmaps/other": 401,
		// kubeadm makes the Role that lets everybody read it.
		"/api/v1/namespaces/kube-public/configmaps/cluster-info": 403,
	} {
		if code := r.get(ctx, t, path, ""); code != want {
			t.Errorf("%s without a token: %d, want %d", path, code, want)
			continue
		}
		r.anonymous++
	}
}

func (r *authnRun) get(ctx context.Context, t *testing.T, path, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Config.Host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(r.Config.CAData)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// kubeconfig is what contain prints, and client-go runs its command: in place of
// kubectl stands a script that checks what it is asked for and hands out a token,
// as kubelogin would.
func (r *authnRun) kubeconfig(ctx context.Context, t *testing.T) {
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(ca, r.Config.CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	printed := contain(t, "kubeconfig", r.cluster, example("acme"), "--ca-file", ca)
	loaded, err := clientcmd.Load([]byte(printed))
	if err != nil {
		t.Fatal(err)
	}
	if err := clientcmd.ConfirmUsable(*loaded, ""); err != nil {
		t.Fatal(err)
	}
	token := r.token(t, r.claims(r.audience, map[string]any{"groups": []string{"acme-audit"}}))
	script := fmt.Sprintf(`#!/bin/sh
test "$1 $2" = "oidc-login get-token" || exit 1
case " $* " in *" --oidc-client-id=%s "*) ;; *) exit 1 ;; esac
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "%s"}}'
`, r.audience, token)
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, c := range loaded.Clusters {
		if c.Server != "https://api.eu1.acme.example:6443" {
			t.Errorf("server is %s", c.Server)
		}
		c.Server = r.Config.Host
	}
	config, err := clientcmd.NewDefaultClientConfig(*loaded, nil).ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.RbacV1().ClusterRoleBindings().List(ctx, metav1.ListOptions{}); err != nil {
		t.Errorf("an auditor with the printed kubeconfig: %v", err)
	}
	if _, err := c.CoreV1().Secrets("kube-system").List(ctx, metav1.ListOptions{}); err == nil {
		t.Error("an auditor with the printed kubeconfig reads secrets")
	}
}

// breakGlass goes the way of docs/authentication.md: a request, approved by the
// administrator, signed by the cluster, with which the role is held that the
// platform says, and no more.
func (r *authnRun) breakGlass(ctx context.Context, t *testing.T) {
	admin, err := kubernetes.NewForConfig(r.Config)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range r.platform.BreakGlass {
		key := newKey(t)
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: b.User}}, key)
		if err != nil {
			t.Fatal(err)
		}
		seconds := int32(3600)
		csr, err := admin.CertificatesV1().CertificateSigningRequests().Create(ctx, &certificatesv1.CertificateSigningRequest{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: certificatesv1.CertificateSigningRequestSpec{
				Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
				SignerName: "kubernetes.io/kube-apiserver-client", ExpirationSeconds: &seconds,
				Usages: []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
			},
		}, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
		if err != nil {
			t.Fatal(err)
		}
		csr.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{{Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "BreakGlass"}}
		if _, err := admin.CertificatesV1().CertificateSigningRequests().UpdateApproval(ctx, name, csr, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		for len(csr.Status.Certificate) == 0 {
			if csr, err = admin.CertificatesV1().CertificateSigningRequests().Get(ctx, name, metav1.GetOptions{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		block, _ := pem.Decode(csr.Status.Certificate)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if life := time.Until(cert.NotAfter); life > time.Hour+time.Minute {
			t.Errorf("the certificate lives for %s", life)
		}
		keyDER, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		config := &rest.Config{Host: r.Config.Host, QPS: -1, TLSClientConfig: rest.TLSClientConfig{
			CAData: r.Config.CAData, CertData: csr.Status.Certificate,
			KeyData: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
		}}
		c, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range rights {
			want := slices.Contains(q.roles, b.Role)
			if got := r.may(ctx, t, c, q, ""); got != want {
				t.Errorf("%s: %s %s.%s: allowed is %t, role %s says %t", b.User, q.verb, q.resource, q.group, got, b.Role, want)
			} else if want {
				r.allowed++
			} else {
				r.denied++
			}
		}
	}
	if len(r.platform.BreakGlass) == 0 {
		t.Error("acme has no break-glass access")
	}
}

// authenticationFile is the file that the machines of a cluster's control plane
// get: it is in the artifact of the cluster that makes them.
func authenticationFile(t *testing.T, cluster string) []byte {
	t.Helper()
	for _, o := range renderTree(t, example("acme"), "mgmt-eu1").objects() {
		if o.Kind != "KubeadmControlPlane" || !strings.HasPrefix(o.Name, cluster) {
			continue
		}
		spec, _ := o.Tree()["spec"].(map[string]any)
		kubeadm, _ := spec["kubeadmConfigSpec"].(map[string]any)
		files, _ := kubeadm["files"].([]any)
		for _, f := range files {
			file := f.(map[string]any)
			if content, _ := file["content"].(string); bytes.Contains([]byte(content), []byte("kind: AuthenticationConfiguration")) {
				return []byte(content)
			}
		}
	}
	r, file, err := pipeline.Printed(t.Context(), pipeline.Input{FS: os.DirFS("../.."), Dir: "examples/acme"}, cluster, "authentication")
	if err != nil || r.Failed() {
		t.Fatalf("%v\n%v", err, r.Findings)
	}
	return file
}
