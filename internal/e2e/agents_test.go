//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/object"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"
)

const (
	agentsTimeout = 8 * time.Minute
	// agentIP is the collector's Pod: an address that nothing else is on.
	agentIP    = "127.0.99.1"
	monitoring = "monitoring"
	otel       = "opentelemetry"
	// passwords of the stacks' gateways, and the value of a target's header.
	gatewayPassword = "e2e-gateway"
	siemHeader      = "Bearer e2e-siem"
)

// agents are what one test runs: an API server with Prometheus' operator, and
// the agents as processes with the configuration that a cluster of examples/acme
// gives them. What a Pod would have and a process has not is put in its place in
// the configuration's text, and nothing else:
//
//   - files: mounts, the node's directories and the account's token are in dir;
//   - the API server is asked by a kubeconfig with the account's own token;
//   - the gateways' and the target's hosts are the receivers'.
type agents struct {
	*controlplane.ControlPlane
	client kubernetes.Interface
	bin    string
	dir    string
	acme   string // examples/acme with the receivers' CA
	*receivers
}

// TestAgents has the real programs judge what the agents of every cluster of
// examples/acme are given, and run with what one of them is.
func TestAgents(t *testing.T) {
	for _, program := range []string{"operator", "prometheus", "promtool", "collector"} {
		judge.Path(t, program)
	}
	ctx, cancel := context.WithTimeout(t.Context(), agentsTimeout)
	defer cancel()
	a := startAgents(ctx, t)
	t.Run("judges", func(t *testing.T) { a.judges(ctx, t) })
	t.Run("refusals", func(t *testing.T) { a.refuses(ctx, t) })
	t.Run("delivery", func(t *testing.T) { a.delivery(ctx, t) })
}

func startAgents(ctx context.Context, t *testing.T) *agents {
	t.Helper()
	bin, err := judge.Dir()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "contain-e2e-agents-")
	if err != nil {
		t.Fatal(err)
	}
	a := &agents{bin: bin, dir: dir}
	a.receivers = newReceivers(t, "platform/mimir", "platform/loki", "platform/tempo", "application/mimir", "application/loki", "application/tempo", "siem")
	a.acme = acmeCopy(t)
	text := "package acme\n\nplatform: observability: caBundle: \"\"\"\n\t" + strings.ReplaceAll(strings.TrimSpace(string(a.ca)), "\n", "\n\t") + "\n\t\"\"\"\n" +
		// So that a test need not wait for half a minute.
		"platform: components: \"prometheus-agent\": values: scrapeInterval: \"1s\"\n"
	if err := os.WriteFile(filepath.Join(a.acme, "e2e.cue"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}

	var crds []controlplane.CRD
	for _, c := range harness.crds {
		if group, _, _ := unstructured.NestedString(c.Object.Object, "spec", "group"); group == "monitoring.coreos.com" {
			crds = append(crds, c)
		}
	}
	a.ControlPlane, err = controlplane.Start(ctx, controlplane.Options{Bin: bin, Dir: filepath.Join(dir), CRDs: crds})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, u := range a.Stop() {
			t.Logf("%-24s %5d MiB %6.1f CPU s", u.Name, u.Memory>>20, u.CPU.Seconds())
		}
		if t.Failed() {
			t.Logf("the logs are in %s", dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if a.client, err = kubernetes.NewForConfig(a.Config); err != nil {
		t.Fatal(err)
	}
	health := freeAddress(t)
	_, err = a.Run(ctx, bin, "operator", "prometheus-operator", "http://"+health+"/healthz", []string{"KUBECONFIG=" + a.Kubeconfig},
		"--web.listen-address="+health, "--web.enable-tls=false", "--kubelet-endpoints=false")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A given is what a cluster's agents are given.
type given struct {
	cluster   string
	collector map[string]any // the chart's value alternateConfig; nil without collector
	rules     []any          // of its ClusterRole
	agents    []string       // names of PrometheusAgents
	scrapes   map[string][]string
	objects   []*object.Object // of prometheus-agent-config
	tree      tree
}

func (a *agents) given(t *testing.T, cluster string) given {
	t.Helper()
	g := given{cluster: cluster, tree: renderTree(t, a.acme, cluster), scrapes: map[string][]string{}}
	for _, o := range g.tree.objects("opentelemetry-collector") {
		if o.Kind == "HelmRelease" {
			g.collector, _, _ = unstructured.NestedMap(o.Tree(), "spec", "values", "alternateConfig")
			g.rules, _, _ = unstructured.NestedSlice(o.Tree(), "spec", "values", "clusterRole", "rules")
		}
	}
	for _, o := range g.tree.objects("prometheus-agent-config") {
		if o.Kind == "ExternalSecret" {
			continue
		}
		g.objects = append(g.objects, o)
		switch o.Kind {
		case "PrometheusAgent":
			g.agents = append(g.agents, o.Name)
		case "ScrapeConfig":
			agent, _, _ := unstructured.NestedString(o.Tree(), "metadata", "labels", "contain.platform/agent")
			g.scrapes[agent] = append(g.scrapes[agent], o.Name)
		}
	}
	if g.collector == nil || len(g.agents) == 0 {
		t.Fatalf("%s has no agents", cluster)
	}
	return g
}

// judges has promtool and the collector judge what every cluster's agents get.
func (a *agents) judges(ctx context.Context, t *testing.T) {
	var clusters []string
	for _, c := range build(t, a.acme, t.TempDir(), "").Clusters {
		clusters = append(clusters, c.Cluster)
	}
	for _, cluster := range clusters {
		g := a.given(t, cluster)
		configs := a.operate(ctx, t, g)
		for _, name := range g.agents {
			file := a.prometheusFile(ctx, t, g, name, configs[name])
			out, err := exec.CommandContext(ctx, judge.Path(t, "promtool"), "check", "config", "--agent", file).CombinedOutput()
			if err != nil {
				t.Errorf("%s: promtool refuses what the operator makes of PrometheusAgent %s: %v\n%s", cluster, name, err, out)
				continue
			}
			t.Logf("JUDGE promtool check config --agent: %s, agent %s: %d ScrapeConfigs, %d bytes by the operator: accepted", cluster, name, len(g.scrapes[name]), len(configs[name]))
		}
		if out, err := a.validate(ctx, t, a.collectorFile(t, g)); err != nil {
			t.Errorf("%s: the collector refuses its configuration: %v\n%s", cluster, err, out)
			continue
		}
		pipelines, _, _ := unstructured.NestedMap(g.collector, "service", "pipelines")
		t.Logf("JUDGE collector validate: %s: %d pipelines: accepted", cluster, len(pipelines))
	}
}

// refuses shows that the judges refuse what is wrong.
func (a *agents) refuses(ctx context.Context, t *testing.T) {
	g := a.given(t, "prod-eu1")
	file := a.collectorFile(t, g)
	for what, change := range map[string][2]string{
		"a route to no pipeline":            {"- logs/payments\n", "- logs/paiments\n"},
		"an exporter of another type":       {"otlp_http/shop.logs:\n", "otlp_htpp/shop.logs:\n"},
		"a condition that is no expression": {`attributes["tenant"] == "shop"`, `attributes["tenant"] = "shop"`},
		"a queue smaller than a batch":      {"queue_size: ", "queue_size: 1 #"},
	} {
		wrong := strings.ReplaceAll(string(readFile(t, file)), change[0], change[1])
		if wrong == string(readFile(t, file)) {
			t.Errorf("%s: nothing to change", what)
			continue
		}
		path := filepath.Join(t.TempDir(), "wrong.yaml")
		if err := os.WriteFile(path, []byte(wrong), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := a.validate(ctx, t, path)
		if err == nil {
			t.Errorf("the collector accepts %s", what)
			continue
		}
		t.Logf("JUDGE collector validate: %s: refused: %s", what, firstLine(out))
	}
	configs := a.operate(ctx, t, g)
	path := a.prometheusFile(ctx, t, g, "tenants", strings.Replace(configs["tenants"], "action: keep", "action: kepp", 1))
	out, err := exec.CommandContext(ctx, judge.Path(t, "promtool"), "check", "config", "--agent", path).CombinedOutput()
	if err == nil {
		t.Errorf("promtool accepts an action that there is not")
	} else {
		t.Logf("JUDGE promtool check config: an action that there is not: refused: %s", firstLine(out))
	}
}

func firstLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// operate applies what a cluster's agents are, and returns the configuration
// that the operator makes of each.
func (a *agents) operate(ctx context.Context, t *testing.T, g given) map[string]string {
	t.Helper()
	// Those of the cluster before.
	for _, kind := range []string{"ScrapeConfig", "PrometheusAgent"} {
		id := object.ID{Group: "monitoring.coreos.com", Version: "v1alpha1", Kind: kind, Namespace: monitoring}
		old, err := a.List(ctx, id, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range old {
			id.Name = u.GetName()
			if err := a.Delete(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
	}
	secrets := fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: stack-platform, namespace: monitoring}
stringData: {username: %[1]s, password: %[2]s}
---
apiVersion: v1
kind: Secret
metadata: {name: stack-application, namespace: monitoring}
stringData: {username: %[1]s, password: %[2]s}
`, g.cluster, gatewayPassword)
	if err := a.Apply(ctx, append(objectsOf(t, secrets), g.objects...)); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range g.agents {
		id := object.ID{Version: "v1", Kind: "Secret", Namespace: monitoring, Name: "prom-agent-" + name}
		if _, err := a.Wait(ctx, id, "made of this cluster's objects", func(u *unstructured.Unstructured) bool {
			text, err := gunzipped(u, "prometheus.yaml.gz")
			out[name] = text
			if err != nil || !strings.Contains(text, "cluster: "+g.cluster+"\n") {
				return false
			}
			for _, s := range g.scrapes[name] {
				if !strings.Contains(text, "job_name: scrapeConfig/monitoring/"+s+"\n") {
					return false
				}
			}
			return strings.Count(text, "job_name: scrapeConfig/") == len(g.scrapes[name])
		}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func gunzipped(u *unstructured.Unstructured, key string) (string, error) {
	text, _, _ := unstructured.NestedString(u.Object, "data", key)
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", err
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	b, err = io.ReadAll(z)
	return string(b), err
}

// hosts replaces the hosts of the cluster's stacks and of payments' target by the
// receivers'.
func (a *agents) hosts() *strings.Replacer {
	e := a.endpoints
	return strings.NewReplacer(
		"https://mimir.obs.acme.example", e["platform/mimir"].url(),
		"https://loki.obs.acme.example", e["platform/loki"].url(),
		"https://tempo.obs.acme.example", e["platform/tempo"].url(),
		"https://mimir.telemetry.acme.example", e["application/mimir"].url(),
		"https://loki.telemetry.acme.example", e["application/loki"].url(),
		"https://tempo.telemetry.acme.example", e["application/tempo"].url(),
		"https://siem.acme.example:4318", e["siem"].url(),
	)
}

func (a *agents) write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// collectorFile writes the collector's configuration as its process gets it.
func (a *agents) collectorFile(t *testing.T, g given) string {
	t.Helper()
	config := runtime.DeepCopyJSON(g.collector)
	k8s := config["processors"].(map[string]any)["k8s_attributes"].(map[string]any)
	k8s["auth_type"] = "kubeConfig"
	b, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(a.dir, "node")
	for _, dir := range []string{"pods", "queues"} {
		if err := os.MkdirAll(filepath.Join(at, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	a.write(t, "node/etc/stack-platform/password", []byte(gatewayPassword))
	a.write(t, "node/etc/stack-application/password", []byte(gatewayPassword))
	a.write(t, "node/etc/forward/payments.siem", []byte(siemHeader))
	a.write(t, "node/etc/ca/ca.crt", a.ca)
	text := strings.NewReplacer("/var/lib/otelcol", at+"/queues", "/var/log/pods", at+"/pods", "/etc/otelcol", at+"/etc").Replace(string(b))
	return a.write(t, "collector-"+g.cluster+".yaml", []byte(a.hosts().Replace(text)))
}

func (a *agents) collectorEnv() []string {
	return []string{
		"MY_POD_IP=" + agentIP, "OTEL_K8S_NODE_NAME=" + nodeName,
		"KUBECONFIG=" + filepath.Join(a.dir, "collector.kubeconfig"),
		// The target's certificate is of a public CA, which is the test's here.
		"SSL_CERT_FILE=" + filepath.Join(a.dir, "node/etc/ca/ca.crt"),
	}
}

func (a *agents) validate(ctx context.Context, t *testing.T, file string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, judge.Path(t, "collector"), "validate", "--config="+file)
	cmd.Env = append(os.Environ(), a.collectorEnv()...)
	return cmd.CombinedOutput()
}

// prometheusFile writes the configuration of one agent as its process gets it.
func (a *agents) prometheusFile(ctx context.Context, t *testing.T, g given, name, text string) string {
	t.Helper()
	at := filepath.Join(a.dir, "prometheus", name)
	// The operator copies what the objects refer to into a Secret that it mounts.
	assets, err := a.client.CoreV1().Secrets(monitoring).Get(ctx, "prom-agent-"+name+"-tls-assets-0", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for file, data := range assets.Data {
		a.write(t, filepath.Join("prometheus", name, "certs", file), data)
	}
	for _, f := range []string{"token", "ca.crt"} {
		a.write(t, filepath.Join("prometheus", name, "account", f), a.ca)
	}
	text = strings.NewReplacer(
		"/etc/prometheus/certs/", at+"/certs/",
		"/var/run/secrets/kubernetes.io/serviceaccount/", at+"/account/",
		// What the config reloader puts in: there is one shard.
		"$(SHARD)", "0",
	).Replace(a.hosts().Replace(text))
	var config map[string]any
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	scrapes, _ := config["scrape_configs"].([]any)
	for _, s := range scrapes {
		discoveries, _ := s.(map[string]any)["kubernetes_sd_configs"].([]any)
		for _, d := range discoveries {
			d.(map[string]any)["kubeconfig_file"] = a.dir + "/" + name + ".kubeconfig"
		}
	}
	b, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return a.write(t, "prometheus-"+g.cluster+"-"+name+".yaml", b)
}

// account writes a kubeconfig with a token of a ServiceAccount: what the agent
// may ask is what its own roles say.
func (a *agents) account(ctx context.Context, t *testing.T, namespace, name, file string) {
	t.Helper()
	token, err := a.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(a.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for user := range config.AuthInfos {
		config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	}
	if err := clientcmd.WriteToFile(*config, filepath.Join(a.dir, file+".kubeconfig")); err != nil {
		t.Fatal(err)
	}
}

// tenantOf is the tenant of a namespace of this test, by acme's description.
func tenantOf(namespace string) string {
	switch {
	case strings.HasPrefix(namespace, "payments-"):
		return "payments"
	case namespace == "shop-web":
		return "shop"
	case namespace == "data-lake":
		return "data"
	}
	return "platform"
}

// prometheusArgs are those of the StatefulSet that the operator made, with the
// agent's files where they are here.
func (a *agents) prometheusArgs(ctx context.Context, t *testing.T, name, file, listen string) []string {
	t.Helper()
	id := object.ID{Group: "apps", Version: "v1", Kind: "StatefulSet", Namespace: monitoring, Name: "prom-agent-" + name}
	u, err := a.Wait(ctx, id, "made", func(*unstructured.Unstructured) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	var args []string
	for _, c := range containers {
		container := c.(map[string]any)
		if container["name"] != "prometheus" {
			continue
		}
		given, _, _ := unstructured.NestedStringSlice(container, "args")
		for _, arg := range given {
			flag, _, _ := strings.Cut(arg, "=")
			switch flag {
			case "--config.file":
				arg = flag + "=" + file
			case "--storage.agent.path":
				arg = flag + "=" + filepath.Join(a.dir, "prometheus", name, "wal")
			case "--web.config.file", "--web.listen-address":
				continue
			}
			args = append(args, arg)
		}
	}
	if !slices.Contains(args, "--agent") || !slices.Contains(args, "--storage.agent.retention.max-time=4h") {
		t.Fatalf("the operator starts agent %s with %q", name, args)
	}
	return append(args, "--web.listen-address="+listen)
}
