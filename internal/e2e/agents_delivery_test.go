//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/contain-platform/contain/internal/object"
	"sigs.k8s.io/yaml"
)

// A delivery is one run: what was sent, and who should have it.
type delivery struct {
	*agents
	given     given
	collector *controlplane.Program

	senders []*source // of OTLP and log files
	nobody  []*source // senders of OTLP whose telemetry is no one's
	scraped []*source

	// owners are the tenants that must have each item, by ID; none may have it
	// beside them. An empty list: nobody may.
	owners map[string][]string
	sent   int // how many of each signal each sender has sent
}

// delivery runs prod-eu1's agents: two tenants' namespaces and the platform's,
// each of whose pods claims to be of another. Then the stacks go away, the
// collector is killed, and the stacks come back.
func (a *agents) delivery(ctx context.Context, t *testing.T) {
	d := &delivery{agents: a, given: a.given(t, "prod-eu1"), owners: map[string][]string{}}
	d.cluster(ctx, t)
	d.sources(ctx, t)
	d.start(ctx, t)

	d.send(ctx, t, 40)
	d.arrives(ctx, t, "while all is well", 2*time.Minute)

	// The application stack answers 503; the platform's is not there at all.
	for name, e := range d.endpoints {
		if strings.HasPrefix(name, "application/") {
			e.breaks(true)
		} else {
			e.close()
		}
	}
	before := len(d.all())
	t0 := time.Now()
	d.send(ctx, t, 120)
	time.Sleep(4 * time.Second)
	d.collector.Kill()
	d.startCollector(ctx, t)
	d.send(ctx, t, 40)
	time.Sleep(4 * time.Second)
	if n := len(d.all()) - before; n != 0 {
		t.Errorf("%d items arrived at stacks that are away", n)
	}
	for name, e := range d.endpoints {
		if strings.HasPrefix(name, "application/") {
			e.breaks(false)
		} else {
			d.open(t, e)
		}
	}
	away := time.Since(t0)
	d.arrives(ctx, t, "after the stacks came back", 3*time.Minute)
	d.verdict(t, away)
}

// cluster makes what is there before the agents: the teams' namespaces as the
// cluster's artifact has them, one of the platform's, and one of a team whose
// telemetry nobody collects.
func (d *delivery) cluster(ctx context.Context, t *testing.T) {
	t.Helper()
	var objs []*object.Object
	for _, o := range d.given.tree.objects() {
		if o.Kind == "Namespace" {
			objs = append(objs, o)
		}
	}
	rules, err := yaml.Marshal(d.given.rules)
	if err != nil {
		t.Fatal(err)
	}
	objs = append(objs, objectsOf(t, `
apiVersion: v1
kind: Namespace
metadata: {name: e2e-tools}
---
apiVersion: v1
kind: Namespace
metadata: {name: e2e-silent, labels: {contain.platform/team: silent}}
---
# What the collector's chart makes of the values.
apiVersion: v1
kind: ServiceAccount
metadata: {name: opentelemetry-collector, namespace: opentelemetry}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: opentelemetry-collector}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: opentelemetry-collector}
subjects: [{kind: ServiceAccount, name: opentelemetry-collector, namespace: opentelemetry}]
---
# shop tries to have payments' Pods scraped, and its own for payments.
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: own, namespace: shop-web}
spec:
  namespaceSelector: {any: true}
  selector: {matchLabels: {app.kubernetes.io/name: web}}
  podMetricsEndpoints:
  - port: metrics
    path: /e2e_monitored
    honorLabels: true
    relabelings: [{targetLabel: namespace, replacement: payments-api}, {targetLabel: tenant, replacement: payments}]
    metricRelabelings: [{targetLabel: namespace, replacement: payments-api}, {targetLabel: tenant, replacement: payments}]
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: spy, namespace: shop-web}
spec:
  namespaceSelector: {matchNames: [payments-api]}
  selector: {matchLabels: {app.kubernetes.io/name: api}}
  podMetricsEndpoints: [{port: metrics, path: /e2e_spied}]
---
# This one is refused by the operator: it reads the agent's own token.
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: thief, namespace: shop-web}
spec:
  selector: {}
  endpoints: [{port: metrics, bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: opentelemetry-collector}
rules:
`+string(rules))...)
	if err := d.Apply(ctx, objs); err != nil {
		t.Fatal(err)
	}
}

// sources makes the Pods.
func (d *delivery) sources(ctx context.Context, t *testing.T) {
	t.Helper()
	pods := filepath.Join(d.dir, "node", "pods")
	make := func(s *source, port string, annotations, labels map[string]string, metrics ...exposed) *source {
		s.listen(t, port, metrics...)
		all := map[string]string{}
		maps.Copy(all, annotations)
		if slices.ContainsFunc(metrics, func(e exposed) bool { return e.name == "e2e_scraped" }) {
			all["prometheus.io/scrape"] = "true"
			all["prometheus.io/port"] = fmt.Sprint(s.port)
			all["prometheus.io/path"] = "/e2e_scraped"
			d.scraped = append(d.scraped, s)
		}
		s.create(ctx, t, d.client, pods, all, labels)
		return s
	}
	scraped := func(namespace, claims string) exposed {
		return exposed{"e2e_scraped", []string{fmt.Sprintf("source=%q,namespace=%q,tenant=%q,cluster=\"elsewhere\",job=\"kubelet\"", namespace, claims, tenantOf(claims))}}
	}
	name := func(n string) map[string]string { return map[string]string{"app.kubernetes.io/name": n} }
	d.senders = []*source{
		make(&source{namespace: "payments-api", name: "api", ip: "127.0.10.1", claims: "shop-web"}, "0", nil, name("api"),
			scraped("payments-api", "shop-web"), exposed{"e2e_spied", []string{`source="payments-api"`}}),
		// A name that k8s_attributes would ignore if it were not told otherwise.
		make(&source{namespace: "payments-batch", name: "jaeger-agent", ip: "127.0.10.2", claims: "e2e-tools"}, "0", nil, name("batch")),
		make(&source{namespace: "shop-web", name: "web", ip: "127.0.20.1", claims: "payments-api"}, "0", nil, name("web"),
			scraped("shop-web", "payments-api"), exposed{"e2e_monitored", []string{`source="shop-web",namespace="payments-api",tenant="payments"`}}),
		make(&source{namespace: "e2e-tools", name: "tool", ip: "127.0.30.1", claims: "payments-api"}, "0", nil, name("tool"), scraped("e2e-tools", "payments-api")),
	}
	make(&source{namespace: monitoring, name: "kube-state-metrics", ip: "127.0.40.1"}, "8080", nil, name("kube-state-metrics"), exposed{"metrics", []string{
		`source="payments-api",namespace="payments-api"`, `source="shop-web",namespace="shop-web"`, `source="e2e-tools",namespace="e2e-tools"`,
	}})
	d.scraped = append(d.scraped, d.senders[2])
	d.nobody = []*source{
		make(&source{namespace: "e2e-silent", name: "silent", ip: "127.0.50.2", claims: "e2e-tools"}, "0", nil, nil),
		{namespace: "e2e-nowhere", name: "stranger", ip: "127.0.50.3", claims: "payments-api"},
	}
}

// start starts the agents.
func (d *delivery) start(ctx context.Context, t *testing.T) {
	t.Helper()
	d.account(ctx, t, otel, "opentelemetry-collector", "collector")
	d.startCollector(ctx, t)
	configs := d.operate(ctx, t, d.given)
	if n := strings.Count(configs["tenants"], "job_name: podMonitor/shop-web/"); n != 2 || strings.Contains(configs["tenants"], "serviceMonitor/shop-web/thief") {
		t.Errorf("the operator took %d PodMonitors of shop-web, and thief: %t", n, strings.Contains(configs["tenants"], "thief"))
	}
	if strings.Contains(configs["platform"], "shop-web/own") {
		t.Errorf("a team's monitor is in the platform's agent")
	}
	for _, name := range d.given.agents {
		d.account(ctx, t, monitoring, "prometheus-agent-"+name, name)
		listen := freeAddress(t)
		_, err := d.Run(ctx, d.bin, "prometheus", "prometheus-"+name, "http://"+listen+"/-/ready", nil,
			d.prometheusArgs(ctx, t, name, d.prometheusFile(ctx, t, d.given, name, configs[name]), listen)...)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (d *delivery) startCollector(ctx context.Context, t *testing.T) {
	t.Helper()
	var err error
	d.collector, err = d.Run(ctx, d.bin, "collector", "collector", "http://"+agentIP+":13133/", d.collectorEnv(), "--config="+d.collectorFile(t, d.given))
	if err != nil {
		t.Fatal(err)
	}
}

// send has every source send n of each signal.
func (d *delivery) send(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	for _, s := range d.senders {
		for _, id := range slices.Concat(s.send(ctx, t, agentIP, d.sent, n), s.writeLog(t, d.sent, n)) {
			d.owners[id] = []string{tenantOf(s.namespace)}
		}
	}
	for _, s := range d.nobody {
		for _, id := range s.send(ctx, t, agentIP, d.sent, n) {
			d.owners[id] = nil
		}
	}
	d.sent += n
}

// arrives waits until every item has arrived, of those scraped until now as well.
func (d *delivery) arrives(ctx context.Context, t *testing.T, when string, patience time.Duration) {
	t.Helper()
	for _, s := range d.scraped {
		for metric, n := range s.scrapes {
			for v := int64(1); v <= n.Load(); v++ {
				d.owners[fmt.Sprintf("%s/%s/%d", s.namespace, metric, v)] = []string{tenantOf(s.namespace)}
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := eventually(ctx, func() error {
		missing := d.missing()
		if len(missing) == 0 {
			return nil
		}
		return fmt.Errorf("%d items are missing, as %v", len(missing), missing[:min(len(missing), 8)])
	})
	if err != nil {
		t.Errorf("%s: %v; %v", when, err, d.Check())
	}
}

// missing are the items that a tenant has not got, sorted.
func (d *delivery) missing() []string {
	got := map[string]bool{}
	for _, a := range d.all() {
		got[a.Org+" "+a.ID] = true
	}
	var out []string
	for id, tenants := range d.owners {
		for _, tenant := range tenants {
			if !got[tenant+" "+id] {
				out = append(out, tenant+" "+id)
			}
		}
	}
	slices.Sort(out)
	return out
}
