package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/contain-platform/contain/internal/object"
)

// gatekeeperManager is the program; its module makes gator as well.
const gatekeeperManager = "gatekeeper"

// GatekeeperNamespace is where Gatekeeper's own objects are. Start makes it.
const GatekeeperNamespace = "gatekeeper-system"

// gatekeeperPod owns what Gatekeeper writes about its state: the garbage
// collector would take that away from an owner that there is not.
const gatekeeperPod = "gatekeeper-e2e"

// gatekeeperModule is where Gatekeeper's own webhook configurations are, at the
// version that build.sh builds (TestPins).
func gatekeeperModule() Module {
	return Module{"github.com/open-policy-agent/gatekeeper/v3", "v3.23.1", []string{"deploy/gatekeeper.yaml"}}
}

// startGatekeeper starts Gatekeeper's manager as its chart does: the webhooks
// and their controllers, without the audit. It serves the certificate of the
// API server, which is for 127.0.0.1 too.
func (cp *ControlPlane) startGatekeeper(ctx context.Context, bin string, port func() int, keys *pki) error {
	if err := cp.ensureNamespace(ctx, GatekeeperNamespace); err != nil {
		return err
	}
	if err := cp.ensurePod(ctx, GatekeeperNamespace, gatekeeperPod); err != nil {
		return err
	}
	certs := filepath.Join(cp.dir, gatekeeperManager)
	if err := os.MkdirAll(certs, 0o700); err != nil {
		return err
	}
	for from, to := range map[string]string{keys.cert: "tls.crt", keys.key: "tls.key"} {
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(certs, to), b, 0o600); err != nil {
			return err
		}
	}
	webhook, health := port(), port()
	p, err := cp.run(bin, gatekeeperManager, []string{"KUBECONFIG=" + cp.Kubeconfig, "POD_NAMESPACE=" + GatekeeperNamespace, "POD_NAME=" + gatekeeperPod},
		"--disable-cert-rotation",
		"--cert-dir="+certs,
		"--host=127.0.0.1",
		fmt.Sprintf("--port=%d", webhook),
		fmt.Sprintf("--health-addr=127.0.0.1:%d", health),
		"--metrics-addr=0",
		fmt.Sprintf("--prometheus-port=%d", port()),
		"--operation=webhook",
		"--operation=mutation-webhook",
		"--operation=mutation-controller",
		"--operation=mutation-status",
		"--operation=status",
		"--operation=generate",
		"--exempt-namespace="+GatekeeperNamespace,
		"--disable-opa-builtin={http.send}",
		"--log-denies",
	)
	if err != nil {
		return err
	}
	cp.webhooks = fmt.Sprintf("https://127.0.0.1:%d", webhook)
	cp.authority = keys.caPEM
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(keys.caPEM)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}}
	defer transport.CloseIdleConnections()
	return p.waitHTTP(ctx, http.DefaultClient, fmt.Sprintf("http://127.0.0.1:%d/readyz", health))
}

// ensurePod makes a Pod that nothing runs, once its namespace has the account
// that every Pod gets.
func (cp *ControlPlane) ensurePod(ctx context.Context, namespace, name string) error {
	id := object.ID{Version: "v1", Kind: "ServiceAccount", Namespace: namespace, Name: "default"}
	if _, err := cp.Wait(ctx, id, "there", func(*unstructured.Unstructured) bool { return true }); err != nil {
		return err
	}
	pod, err := object.FromTree("", map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": name, "namespace": namespace},
		"spec": map[string]any{
			"automountServiceAccountToken": false,
			"containers":                   []any{map[string]any{"name": "manager", "image": "e2e"}},
		},
	})
	if err != nil {
		return err
	}
	return cp.cluster.patch(ctx, pod, nil)
}

// GatekeeperWebhooks are Gatekeeper's webhook configurations as it ships them,
// answered by the process that Start started. exempt are names of namespaces
// that the webhooks leave alone. failurePolicy is Fail, so that a test cannot
// take silence for consent.
func (cp *ControlPlane) GatekeeperWebhooks(ctx context.Context, exempt []string) ([]*object.Object, error) {
	dirs, err := downloadModules(ctx, []Module{gatekeeperModule()})
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dirs[0], filepath.FromSlash(gatekeeperModule().Files[0])))
	if err != nil {
		return nil, err
	}
	shipped, err := decodeYAML(b)
	if err != nil {
		return nil, err
	}
	var out []*object.Object
	for _, u := range shipped {
		if kind := u.GetKind(); kind != "ValidatingWebhookConfiguration" && kind != "MutatingWebhookConfiguration" {
			continue
		}
		if err := cp.answerHere(u, exempt); err != nil {
			return nil, err
		}
		o, err := object.FromTree("", u.Object)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// answerHere points a webhook configuration at the process.
func (cp *ControlPlane) answerHere(u *unstructured.Unstructured, exempt []string) error {
	hooks, _, err := unstructured.NestedSlice(u.Object, "webhooks")
	if err != nil {
		return err
	}
	names := make([]any, len(exempt))
	for i, n := range exempt {
		names[i] = n
	}
	for _, h := range hooks {
		hook := h.(map[string]any)
		path, _, err := unstructured.NestedString(hook, "clientConfig", "service", "path")
		if err != nil {
			return err
		}
		hook["clientConfig"] = map[string]any{"url": cp.webhooks + path, "caBundle": base64.StdEncoding.EncodeToString(cp.authority)}
		hook["failurePolicy"] = "Fail"
		hook["timeoutSeconds"] = int64(30)
		hook["namespaceSelector"] = map[string]any{"matchExpressions": []any{map[string]any{
			"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": names,
		}}}
	}
	return unstructured.SetNestedSlice(u.Object, hooks, "webhooks")
}
