//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/e2e/cuetest"
)

// A gateway is what the catalog tells a chart's nginx, and who may do what.
type gateway struct {
	http, server string

	// writers of each tenant's ID, and users that write for all of them.
	writers   map[string][]string
	everyones []string

	// Paths that are written to, read, and neither.
	writes, reads, others []string
}

// paths of each part of a stack.
var gateways = map[string]gateway{
	"mimir": {
		everyones: []string{"tempo"},
		writes:    []string{"/api/v1/push", "/otlp/v1/metrics"},
		reads:     []string{"/prometheus/api/v1/query_range", "/prometheus/api/v1/labels"},
		others:    []string{"/distributor/ring", "/api/v1/upload/block/x", "/multitenant_alertmanager/configs"},
	},
	"loki": {
		writes: []string{"/otlp/v1/logs"},
		reads:  []string{"/loki/api/v1/query_range", "/loki/api/v1/tail"},
		others: []string{"/loki/api/v1/push", "/loki/api/v1/delete", "/loki/api/v1/rules", "/flush", "/config"},
	},
	"tempo": {
		writes: []string{"/v1/traces"},
		reads:  []string{"/api/search", "/api/v2/traces/1f"},
		others: []string{"/shutdown", "/flush", "/api/overrides", "/jaeger/api/traces"},
	},
}

// TestGateways has a real nginx, with the configuration that the observability
// clusters of examples/acme get, answer every user for every tenant on every kind
// of path.
func TestGateways(t *testing.T) {
	nginx := nginxProgram(t)
	for cluster, writers := range stacks {
		objs := rendered(t, cluster)
		for part, g := range gateways {
			values := chartValues(t, objs, part)
			config := []string{"gateway", "nginxConfig"}
			if part == "mimir" {
				config = []string{"gateway", "nginx", "config"}
			}
			g.http = valueAt(t, values, append(config, "httpSnippet")...).(string)
			g.server = valueAt(t, values, append(config, "serverSnippet")...).(string)
			g.writers = writers
			t.Run(cluster+" "+part, func(t *testing.T) { g.test(t, nginx) })
		}
	}
}

// TestGatewayOfMany has IDs with whatever a tenant's ID may have, and more
// clusters than fit one word of nginx' configuration.
func TestGatewayOfMany(t *testing.T) {
	nginx := nginxProgram(t)
	g := gateways["loki"]
	all := make([]string, 70)
	for i := range all {
		all[i] = fmt.Sprintf("cluster-%s-%02d", strings.Repeat("x", 50), i)
	}
	g.writers = map[string][]string{
		"a.b*(c)":                all,
		"aXbb(c)":                {all[0]},
		"it's-!_":                {all[69]},
		"Case":                   {all[1]},
		"case":                   {all[2]},
		strings.Repeat(".", 150): {all[3]},
		"nobody's":               {},
	}
	g.http, g.server = snippets(t, g)
	g.test(t, nginx)
}

// snippets evaluates the catalog's definition for what g says.
func snippets(t *testing.T, g gateway) (http, server string) {
	t.Helper()
	type tenant struct {
		ID      string   `json:"id"`
		Writers []string `json:"writers"`
	}
	var tenants []tenant
	for id, writers := range g.writers {
		tenants = append(tenants, tenant{id, writers})
	}
	in, err := json.Marshal(map[string]any{"tenants": tenants, "host": "loki.example", "credentials": map[string]any{"path": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	src := fmt.Sprintf("import \"github.com/contain-platform/contain/catalog/gateway\"\n_in: %s\nout: gateway.#Snippets & {#in: _in, #writes: [\"/otlp/v1/logs\"], #reads: [\"/loki/api/v1/query\", \"/loki/api/v1/tail\"]}\n", in)
	var v struct{ Out struct{ HTTP, Server string } }
	if err := cuetest.Value(t, src).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v.Out.HTTP, v.Out.Server
}

// A request is one cell of the matrix. want is the status, and passed whether the
// program behind the gateway sees it.
type request struct {
	user, password, tenant, path string
	want                         int
	passed                       bool
}

// matrix is every user, tenant and path, with the answer that follows from who
// may do what.
func (g gateway) matrix() []request {
	users := []string{"grafana", "tempo", "stranger"}
	tenants := []string{"", "unknown", "platform", "payments", "data", "*", ".*"}
	for id, writers := range g.writers {
		users = append(users, writers...)
		tenants = append(tenants, id, strings.ToUpper(id), id+"x", id+"|"+id, id+":k=v")
	}
	slices.Sort(users)
	users = slices.Compact(users)
	slices.Sort(tenants)
	tenants = slices.Compact(tenants)

	out := []request{{path: "/", want: 200}}
	for _, tenant := range tenants {
		writers, ours := g.writers[tenant]
		for _, path := range slices.Concat(g.writes, g.reads, g.others, g.disguised()) {
			plain, _, _ := strings.Cut(path, "?")
			out = append(out, request{tenant: tenant, path: path, want: 401})
			for _, user := range users {
				may := false
				switch {
				case user == "grafana":
					may = ours && slices.Contains(g.reads, plain)
				case slices.Contains(writers, user), ours && slices.Contains(g.everyones, user):
					may = slices.Contains(g.writes, plain)
				}
				r := request{user: user, password: "right", tenant: tenant, path: path, want: 403}
				if may {
					r.want, r.passed = 200, true
					out = append(out, request{user: user, password: "wrong", tenant: tenant, path: path, want: 401})
				}
				out = append(out, r)
			}
		}
	}
	return out
}

// disguised are paths that mean another than they begin with, and one that means
// what it says.
func (g gateway) disguised() []string {
	return []string{
		g.writes[0] + "?x=y",
		g.reads[0] + "?x=y",
		"/x/.." + g.writes[0],
		"/x%2f.." + g.writes[0],
		g.writes[0] + "/.." + g.others[0],
		g.writes[0] + "x",
	}
}

func (g gateway) test(t *testing.T, nginx string) {
	var mu sync.Mutex
	seen := map[string]int{} // what the program behind the gateway was asked
	behind := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		user, _, _ := r.BasicAuth()
		seen[user+" "+strings.Join(r.Header.Values("X-Scope-OrgID"), ",")+" "+r.RequestURI]++
	}))
	defer behind.Close()

	requests := g.matrix()
	users := map[string]bool{}
	for _, r := range requests {
		if r.user != "" {
			users[r.user] = true
		}
	}
	address := g.serve(t, nginx, strings.TrimPrefix(behind.URL, "http://"), users)

	counts, passed, wrong := map[int]int{}, 0, 0
	for _, r := range requests {
		got := askGateway(t, address, r)
		counts[got]++
		if got != r.want {
			if wrong++; wrong <= 10 {
				t.Errorf("user %q, password %q, tenant %q, %s: %d, want %d", r.user, r.password, r.tenant, r.path, got, r.want)
			}
		}
		key := r.user + " " + r.tenant + " " + r.path
		if r.passed {
			passed++
			seen[key]--
			if seen[key] == 0 {
				delete(seen, key)
			}
		}
	}
	if len(seen) != 0 {
		t.Errorf("behind the gateway, what should be there or should not: %v", seen)
	}
	t.Logf("GATEWAY: %d requests of %d users: %d answered 200, %d of them by what is behind; 401 %d, 403 %d; %d wrong", len(requests), len(users), counts[200], passed, counts[401], counts[403], wrong)
}

// askGateway sends the path as it is written.
func askGateway(t *testing.T, address string, r request) int {
	t.Helper()
	req := &http.Request{
		Method: http.MethodPost,
		URL:    &url.URL{Scheme: "http", Host: address, Opaque: r.path},
		Header: http.Header{},
	}
	if r.user != "" {
		req.SetBasicAuth(r.user, r.password)
	}
	if r.tenant != "" {
		req.Header.Set("X-Scope-OrgID", r.tenant)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// serve runs nginx with a configuration of the charts' shape: basic auth over
// everything but the probes' path. It passes on every path, where the charts name
// theirs, so that what is refused is refused by the snippets.
func (g gateway) serve(t *testing.T, nginx, behind string, users map[string]bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	var passwords strings.Builder
	for u := range users {
		fmt.Fprintf(&passwords, "%s:{PLAIN}right\n", u)
	}
	config := fmt.Sprintf(`
daemon off;
master_process off;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 128; }
http {
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  access_log off;
  keepalive_requests 1000000;
%[2]s
  server {
    listen %[3]s;
    auth_basic "Test";
    auth_basic_user_file %[1]s/.htpasswd;
    location = / {
      return 200 'OK';
      auth_basic off;
    }
    location / {
      set $behind %[4]s;
      proxy_pass http://$behind$request_uri;
    }
%[5]s
  }
}
`, dir, g.http, address, behind, g.server)
	for name, text := range map[string]string{"nginx.conf": config, ".htpasswd": passwords.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, nginx, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	for range 100 {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return address
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
	t.Fatalf("nginx does not listen:\n%s%s", &stderr, log)
	return ""
}

// nginxProgram is Debian's nginx. A test without one is skipped on a developer's
// machine and fails in CI.
func nginxProgram(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	message := "no nginx (Debian: nginx-light): nothing answers for the gateways"
	if os.Getenv("CI") != "" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}
