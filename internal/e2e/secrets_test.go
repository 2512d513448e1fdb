//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/object"
)

// TestSecrets has a real secret store take what examples/acme emits, by the very
// script that the job runs, and asks it as every cluster's service accounts what
// they may.
//
// The program is the one that the environment variable CONTAIN_BAO names: an
// OpenBao, whose command line the script speaks. OpenBao's own module is not to be
// had from module proxies, so nothing here builds it, and without it the test is
// skipped; TestSecretPolicies of internal/pipeline needs no program.
func TestSecrets(t *testing.T) {
	bao := os.Getenv("CONTAIN_BAO")
	if bao == "" {
		t.Skip("CONTAIN_BAO names no OpenBao")
	}
	clusters := map[string][]*object.Object{}
	for _, name := range []string{"mgmt-eu1", "obs-platform", "obs-apps", "dev-eu1", "test-eu1", "prod-eu1", "prod-us1"} {
		clusters[name] = rendered(t, name)
	}
	s := startStore(t, bao)
	t.Run("configuration", func(t *testing.T) { serves(t, bao, clusters["mgmt-eu1"]) })
	s.plans(t, clusters["mgmt-eu1"])
	for name := range clusters {
		s.cluster(t, name)
	}
	s.configure(t, "start")
	s.configure(t)
	first := s.state(t)
	s.configure(t) // nothing changes
	if again := s.state(t); again != first {
		t.Errorf("the second run changed something:\n%s\nwas:\n%s", again, first)
	}

	needs, domains := map[string]need{}, map[string]string{}
	for name, objs := range clusters {
		needs[name] = needsOf(t, objs)
		domains[name] = s.domain(t, name)
	}
	all := map[string]bool{"elsewhere": true, "clusters": true}
	for _, n := range needs {
		for p := range n.read {
			all[p] = true
		}
		for p := range n.write {
			all[p] = true
		}
	}
	root := client{s.addr, s.root}
	for p := range all {
		root.must(t, "POST", "secret/data/"+p, map[string]any{"data": map[string]string{"value": "x"}})
	}

	var reads, writes, refused, signed, unsigned int
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		eso := s.login(t, name, "contain", "external-secrets", "external-secrets", nil)
		for p := range all {
			want := needs[name].read[p] || needs[name].write[p]
			if got := eso.allowed(t, "GET", "secret/data/"+p, nil); got != want {
				t.Errorf("%s reads %s: %v, want %v", name, p, got, want)
			}
			if want {
				reads++
			} else {
				refused++
			}
			want = needs[name].write[p]
			if got := eso.allowed(t, "POST", "secret/data/"+p, map[string]any{"data": map[string]string{"value": "y"}}); got != want {
				t.Errorf("%s writes %s: %v, want %v", name, p, got, want)
			}
			if want {
				writes++
			} else {
				refused++
			}
			if eso.allowed(t, "LIST", "secret/metadata/"+p, nil) {
				t.Errorf("%s lists %s", name, p)
			}
			refused++
		}
		for _, r := range []struct{ method, path string }{
			{"LIST", "secret/metadata/"}, {"GET", "sys/mounts"}, {"GET", "sys/policies/acl/contain-secrets-" + name},
			{"LIST", "sys/policies/acl"}, {"GET", "auth/kubernetes/" + name + "/config"}, {"POST", "auth/token/create"},
			{"POST", "pki-" + name + "/sign/platform"},
		} {
			if eso.allowed(t, r.method, r.path, map[string]any{}) {
				t.Errorf("External Secrets of %s: %s %s is allowed", name, r.method, r.path)
			}
			refused++
		}

		cm := s.login(t, name, "cert-manager", "cert-manager", "cert-manager", []string{"vault://platform"})
		var asked []string
		for n := range needs[name].names {
			asked = append(asked, n)
		}
		for _, n := range append(asked, domains[name], "x."+domains[name], "*."+domains[name]) {
			if err := cm.sign(t, name, n); err != nil {
				t.Errorf("cert-manager of %s: %s: %v", name, n, err)
			}
			signed++
		}
		for other := range clusters {
			if other == name {
				continue
			}
			// Another's name of one's own authority, and one's own of another's.
			for _, c := range []struct{ authority, name string }{{name, "x." + domains[other]}, {name, domains[other]}, {other, "x." + domains[name]}, {other, "x." + domains[other]}} {
				if err := cm.sign(t, c.authority, c.name); err == nil {
					t.Errorf("cert-manager of %s: the authority of %s signed %s", name, c.authority, c.name)
				}
				unsigned++
			}
		}
		for _, n := range []string{"example.org", "kubernetes.default.svc", "localhost", "x" + domains[name]} {
			if err := cm.sign(t, name, n); err == nil {
				t.Errorf("cert-manager of %s: %s was signed", name, n)
			}
			unsigned++
		}
		if cm.allowed(t, "GET", "secret/data/elsewhere", nil) || cm.allowed(t, "POST", "pki/root/sign-intermediate", map[string]any{}) {
			t.Errorf("cert-manager of %s reaches more than its path", name)
		}
		refused += 2

		// Who is not who the roles say.
		other := "prod-eu1"
		if name == other {
			other = "prod-us1"
		}
		for what, err := range map[string]error{
			"another namespace's account": s.tryLogin(name, "contain", "shop", "external-secrets", nil, name),
			"another account":             s.tryLogin(name, "contain", "external-secrets", "default", nil, name),
			"another cluster's token":     s.tryLogin(name, "contain", "external-secrets", "external-secrets", nil, other),
			"a token for the API server":  s.tryLogin(name, "cert-manager", "cert-manager", "cert-manager", nil, name),
			"the job's role":              s.tryLogin("mgmt-eu1", "contain-configuration", "external-secrets", "external-secrets", nil, "mgmt-eu1"),
		} {
			if err == nil {
				t.Errorf("%s: %s logs in", name, what)
			}
			refused++
		}
	}
	s.leaves(t, "dev-eu1")
	t.Logf("SECRETS: %d reads and %d writes allowed, %d certificates signed; %d requests and %d certificates refused, of %d clusters and %d paths, by %s",
		reads, writes, signed, refused, unsigned, len(clusters), len(all), s.version)
}

// need is what a cluster's objects ask for, read here once more and in another
// way than the compiler does.
type need struct{ read, write, names map[string]bool }

func needsOf(t *testing.T, objs []*object.Object) need {
	t.Helper()
	n := need{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, o := range objs {
		var v any
		if err := json.Unmarshal(o.JSON, &v); err != nil {
			t.Fatal(err)
		}
		switch o.Kind {
		case "ExternalSecret":
			// Stores of teams' own are this cluster's API server, and what a generator
			// makes has none.
			ref, _ := v.(map[string]any)["spec"].(map[string]any)["secretStoreRef"].(map[string]any)
			if ref["kind"] != "ClusterSecretStore" || ref["name"] != "platform" {
				continue
			}
			walk(v, "remoteRef", func(r map[string]any) { n.read[r["key"].(string)] = true })
		case "PushSecret":
			walk(v, "remoteRef", func(r map[string]any) { n.write[r["remoteKey"].(string)] = true })
		case "Certificate":
			spec := v.(map[string]any)["spec"].(map[string]any)
			if spec["issuerRef"].(map[string]any)["name"] != "platform" {
				continue
			}
			for _, d := range spec["dnsNames"].([]any) {
				n.names[d.(string)] = true
			}
		}
	}
	return n
}

func walk(v any, field string, each func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if m, ok := e.(map[string]any); ok && k == field {
				each(m)
				continue
			}
			walk(e, field, each)
		}
	case []any:
		for _, e := range v {
			walk(e, field, each)
		}
	}
}

// A store is a server in development mode, its clusters' API servers, which know
// their own tokens alone, and the job's files.
type store struct {
	bao, addr, root, version string
	data, home               string
	apis                     map[string]*api
}

func startStore(t *testing.T, bao string) *store {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	l.Close()
	s := &store{bao: bao, addr: "http://" + listen, root: "root-of-the-test", data: t.TempDir(), home: t.TempDir(), apis: map[string]*api{}}
	version, err := exec.Command(bao, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	s.version = strings.TrimSpace(string(version))

	// The script calls it by this name.
	if err := os.Symlink(bao, filepath.Join(s.home, "bao")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bao, "server", "-dev", "-dev-root-token-id="+s.root, "-dev-listen-address="+listen, "-dev-no-store-token")
	cmd.Env = []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH")}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		r, err := http.Get(s.addr + "/v1/sys/health")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(end) {
			t.Fatalf("no answer from %s: %v\n%s", bao, err, &log)
		}
	}

	// A development server has a mount of that name; ours is to be made.
	client{s.addr, s.root}.must(t, "DELETE", "sys/mounts/secret", nil)
	return s
}

// plans are the files of the ConfigMaps that the job mounts.
func (s *store) plans(t *testing.T, objs []*object.Object) {
	t.Helper()
	for _, o := range objs {
		if o.Kind != "ConfigMap" || o.Namespace != "openbao" {
			continue
		}
		var v struct{ Data map[string]string }
		if err := json.Unmarshal(o.JSON, &v); err != nil {
			t.Fatal(err)
		}
		for name, text := range v.Data {
			path := filepath.Join(s.data, name)
			if _, err := os.Stat(path); err == nil {
				t.Fatalf("two ConfigMaps have %s", name)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// cluster starts the API server of a cluster and says so where the plans say
// another address: the one thing that is not as it is emitted.
func (s *store) cluster(t *testing.T, name string) {
	t.Helper()
	a := startAPI(t)
	s.apis[name] = a
	file := filepath.Join(s.data, "cluster-"+name+".login.json")
	if name == "mgmt-eu1" {
		file = filepath.Join(s.data, "start.login.json")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	v["kubernetes_host"] = a.server.URL
	v["kubernetes_ca_cert"] = a.ca
	if b, err = json.Marshal(v); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// configure runs the job's script: with "start" as people do.
func (s *store) configure(t *testing.T, args ...string) {
	t.Helper()
	if out, err := s.run(t, args...); err != nil {
		t.Fatalf("configure.sh %v: %v\n%s", args, err, out)
	}
}

func (s *store) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	token := filepath.Join(s.home, "token")
	if err := os.WriteFile(token, []byte(s.apis["mgmt-eu1"].token("openbao", "openbao-configuration", nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", append([]string{filepath.Join(s.data, "configure.sh")}, args...)...)
	cmd.Env = []string{
		"PATH=" + s.home + ":" + os.Getenv("PATH"), "HOME=" + s.home, "TMPDIR=" + s.home, "BAO_ADDR=" + s.addr,
		"DATA=" + s.data, "AUTHORITIES=" + s.home, "LOGIN=kubernetes/mgmt-eu1", "AUTH_MOUNT=kubernetes", "TOKEN_FILE=" + token,
	}
	if len(args) > 0 {
		cmd.Env = append(cmd.Env, "BAO_TOKEN="+s.root)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// state is what the script makes: mounts, logins, policies and authorities.
func (s *store) state(t *testing.T) string {
	t.Helper()
	root := client{s.addr, s.root}
	var out strings.Builder
	for _, path := range []string{"sys/mounts", "sys/auth"} {
		var v struct{ Data map[string]any }
		root.get(t, path, &v)
		fmt.Fprintln(&out, path, slices.Sorted(maps.Keys(v.Data)))
	}
	var v struct{ Data struct{ Keys []string } }
	root.list(t, "sys/policies/acl", &v)
	fmt.Fprintln(&out, v.Data.Keys)
	for name := range s.apis {
		root.list(t, "pki-"+name+"/issuers", &v)
		slices.Sort(v.Data.Keys)
		fmt.Fprintln(&out, len(v.Data.Keys))
	}
	return out.String()
}

func (s *store) domain(t *testing.T, cluster string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.data, "cluster-"+cluster+".platform.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Domains []string `json:"allowed_domains"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v.Domains[0]
}

// leaves: without its plan a cluster has no login and no policy, and keeps its
// authority.
func (s *store) leaves(t *testing.T, cluster string) {
	t.Helper()
	if err := os.Remove(filepath.Join(s.data, "cluster-"+cluster+".plan")); err != nil {
		t.Fatal(err)
	}
	s.configure(t)
	if err := s.tryLogin(cluster, "contain", "external-secrets", "external-secrets", nil, cluster); err == nil {
		t.Errorf("%s left and still logs in", cluster)
	}
	root := client{s.addr, s.root}
	if root.allowed(t, "GET", "sys/policies/acl/contain-secrets-"+cluster, nil) {
		t.Errorf("%s left and its policy is there", cluster)
	}
	if !root.allowed(t, "GET", "pki-"+cluster+"/issuer/default", nil) {
		t.Errorf("%s left and its authority is gone", cluster)
	}

	// A step that fails is said, and nothing is removed after it.
	plan := filepath.Join(s.data, "cluster-prod-eu1.plan")
	b, err := os.ReadFile(plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(plan, append([]byte("write nowhere/at/all start.role.json\n"), b...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.data, "cluster-test-eu1.plan")); err != nil {
		t.Fatal(err)
	}
	out, err := s.run(t)
	if err == nil || !strings.Contains(out, "failed: write nowhere/at/all") || !strings.Contains(out, "1 steps failed; nothing is removed") {
		t.Errorf("a step that cannot be done: %v\n%s", err, out)
	}
	if err := s.tryLogin("test-eu1", "contain", "external-secrets", "external-secrets", nil, "test-eu1"); err != nil {
		t.Errorf("a cluster lost its login although a step failed: %v", err)
	}
}

// serves: a server takes the configuration that the chart is given, with its
// paths, addresses and peers those of this machine, is initialised, opens its own
// seal, audits, and gives metrics where metrics are.
func serves(t *testing.T, bao string, objs []*object.Object) {
	config := valueAt(t, chartValues(t, objs, "openbao"), "server", "ha", "raft", "config").(string)
	dir := t.TempDir()
	api := startAPI(t)
	key, err := x509.MarshalPKCS8PrivateKey(api.server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"tls/tls.crt": []byte(api.ca), "tls/ca.crt": []byte(api.ca),
		"tls/tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"seal/key":    []byte(strings.Repeat("k", 32)), "data/x": nil,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	addrs := map[string]string{}
	for _, port := range []string{"8200", "8201", "8210", "8211"} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs[port] = l.Addr().String()
		config = strings.ReplaceAll(config, `"[::]:`+port+`"`, `"`+addrs[port]+`"`)
		l.Close()
	}
	config = strings.ReplaceAll(config, "/openbao/", dir+"/")
	config = strings.ReplaceAll(config, "openbao-0.openbao-internal:8200", addrs["8200"])
	config = strings.ReplaceAll(config, "service_registration \"kubernetes\" {}\n", "")
	file := filepath.Join(dir, "config.hcl")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bao, "server", "-config="+file)
	cmd.Env = []string{"HOME=" + dir, "BAO_API_ADDR=https://" + addrs["8200"], "BAO_CLUSTER_ADDR=https://" + addrs["8201"], "BAO_RAFT_NODE_ID=openbao-0"}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	defer stop()
	get := func(method, addr, path, body string) int {
		req, err := http.NewRequestWithContext(context.Background(), method, "https://"+addr+"/v1/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r, err := api.server.Client().Do(req)
		if err != nil {
			return 0
		}
		r.Body.Close()
		return r.StatusCode
	}
	wait := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(40 * time.Second); !ok(); time.Sleep(200 * time.Millisecond) {
			if time.Now().After(end) {
				stop()
				t.Fatalf("%s: not in time\n%s", what, &log)
			}
		}
	}
	wait("listens", func() bool { return get("GET", addrs["8200"], "sys/health", "") == http.StatusNotImplemented })
	wait("is initialised", func() bool {
		return get("PUT", addrs["8200"], "sys/init", `{"recovery_shares": 1, "recovery_threshold": 1}`) == http.StatusOK
	})
	wait("is open and active", func() bool { return get("GET", addrs["8200"], "sys/health", "") == http.StatusOK })
	if got := get("GET", addrs["8210"], "sys/metrics?format=prometheus", ""); got != http.StatusOK {
		t.Errorf("metrics: %d", got)
	}
	if got := get("GET", addrs["8200"], "sys/metrics?format=prometheus", ""); got == http.StatusOK {
		t.Error("the clients' listener gives metrics to everybody")
	}
	if got := get("GET", addrs["8210"], "sys/health", ""); got == http.StatusOK {
		t.Error("the metrics' listener answers more than metrics")
	}
	stop()
	if !strings.Contains(log.String(), `"path":"sys/init"`) && !strings.Contains(log.String(), `"type":"request"`) {
		t.Errorf("nothing was audited:\n%s", &log)
	}
}

// login as a service account of a cluster; the cluster's API server says so.
func (s *store) login(t *testing.T, cluster, role, namespace, account string, audiences []string) client {
	t.Helper()
	token, err := s.tokenFor(cluster, role, s.apis[cluster].token(namespace, account, audiences))
	if err != nil {
		t.Fatalf("%s: %s/%s as %s: %v", cluster, namespace, account, role, err)
	}
	return client{s.addr, token}
}

// tryLogin is a login at cluster with a token of another cluster, from.
func (s *store) tryLogin(cluster, role, namespace, account string, audiences []string, from string) error {
	_, err := s.tokenFor(cluster, role, s.apis[from].token(namespace, account, audiences))
	return err
}

func (s *store) tokenFor(cluster, role, jwt string) (string, error) {
	status, body, err := client{addr: s.addr}.do("POST", "auth/kubernetes/"+cluster+"/login", map[string]any{"role": role, "jwt": jwt})
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		return "", fmt.Errorf("%d: %s", status, body)
	}
	var v struct {
		Auth struct {
			Token    string   `json:"client_token"`
			Policies []string `json:"policies"`
		} `json:"auth"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return "", err
	}
	if len(v.Auth.Policies) != 1 {
		return "", fmt.Errorf("policies %v, want one", v.Auth.Policies)
	}
	return v.Auth.Token, nil
}

// client asks the store.
type client struct{ addr, token string }

func (c client) do(method, path string, body map[string]any) (int, []byte, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, c.addr+"/v1/"+path, in)
	if err != nil {
		return 0, nil, err
	}
	if c.token != "" {
		req.Header.Set("X-Vault-Token", c.token)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r.StatusCode, b, err
}

func (c client) must(t *testing.T, method, path string, body map[string]any) {
	t.Helper()
	if status, b, err := c.do(method, path, body); err != nil || status >= 300 {
		t.Fatalf("%s %s: %d %v\n%s", method, path, status, err, b)
	}
}

// allowed: an answer other than yes and 403 is a mistake of the test's.
func (c client) allowed(t *testing.T, method, path string, body map[string]any) bool {
	t.Helper()
	status, b, err := c.do(method, path, body)
	switch {
	case err != nil:
		t.Fatal(err)
	case status == http.StatusForbidden, status == http.StatusNotFound:
		return false
	case status >= 300:
		t.Fatalf("%s %s: %d\n%s", method, path, status, b)
	}
	return true
}

func (c client) get(t *testing.T, path string, v any) { c.read(t, "GET", path, v) }

func (c client) list(t *testing.T, path string, v any) { c.read(t, "LIST", path, v) }

func (c client) read(t *testing.T, method, path string, v any) {
	t.Helper()
	status, b, err := c.do(method, path, nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s %s: %d %v\n%s", method, path, status, err, b)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// sign has a request signed as cert-manager does, and verifies the certificate up
// to the platform's authority.
func (c client) sign(t *testing.T, authority, name string) error {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})
	status, body, err := c.do("POST", "pki-"+authority+"/sign/platform", map[string]any{"csr": string(text), "alt_names": name, "ttl": "2160h", "exclude_cn_from_sans": "true"})
	if err != nil {
		t.Fatal(err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("%d: %s", status, body)
	}
	var v struct {
		Data struct {
			Certificate string   `json:"certificate"`
			Chain       []string `json:"ca_chain"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	if len(v.Data.Chain) != 2 {
		return fmt.Errorf("%d certificates above it, want the cluster's and the platform's", len(v.Data.Chain))
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	between.AppendCertsFromPEM([]byte(v.Data.Chain[0]))
	roots.AppendCertsFromPEM([]byte(v.Data.Chain[1]))
	block, _ := pem.Decode([]byte(v.Data.Certificate))
	if block == nil {
		return errors.New("no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: strings.Replace(name, "*", "any", 1)})
	return err
}

// An api is as much of a cluster's API server as the store asks: TokenReview. It
// knows the tokens that it has signed, as a real one does, and takes no reviewer
// that it does not know.
type api struct {
	server *httptest.Server
	key    *ecdsa.PrivateKey
	ca     string
}

// apiAudience is what tokens are for that name nothing else.
const apiAudience = "https://kubernetes.default.svc.cluster.local"

func startAPI(t *testing.T) *api {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &api{key: key}
	a.server = httptest.NewTLSServer(http.HandlerFunc(a.review))
	t.Cleanup(a.server.Close)
	a.ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw}))
	return a
}

// claims of a service account's token.
type claims struct {
	Issuer     string    `json:"iss"`
	Subject    string    `json:"sub"`
	Audience   []string  `json:"aud"`
	Expires    int64     `json:"exp"`
	NotBefore  int64     `json:"nbf"`
	IssuedAt   int64     `json:"iat"`
	Kubernetes kubeClaim `json:"kubernetes.io"`
}

type kubeClaim struct {
	Namespace      string      `json:"namespace"`
	ServiceAccount kubeAccount `json:"serviceaccount"`
}

type kubeAccount struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// token of a service account: for audiences, beside which the issuer of
// another cluster than OpenBao's names the API server's.
func (a *api) token(namespace, name string, audiences []string) string {
	now := time.Now().Unix()
	header, _ := json.Marshal(map[string]string{"alg": "ES256", "typ": "JWT"})
	body, _ := json.Marshal(claims{
		Issuer: apiAudience, Subject: "system:serviceaccount:" + namespace + ":" + name,
		Audience: append(slices.Clone(audiences), apiAudience), Expires: now + 600, NotBefore: now - 5, IssuedAt: now - 5,
		Kubernetes: kubeClaim{namespace, kubeAccount{name, "00000000-0000-4000-8000-000000000001"}},
	})
	enc := base64.RawURLEncoding
	text := enc.EncodeToString(header) + "." + enc.EncodeToString(body)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, a.key, sum[:])
	if err != nil {
		panic(err)
	}
	sig := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return text + "." + enc.EncodeToString(sig)
}

// known are the claims of a token that this API server has signed.
func (a *api) known(token string) (claims, bool) {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, false
	}
	enc := base64.RawURLEncoding
	sig, err := enc.DecodeString(parts[2])
	if err != nil || len(sig) != 64 {
		return c, false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(&a.key.PublicKey, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return c, false
	}
	body, err := enc.DecodeString(parts[1])
	return c, err == nil && json.Unmarshal(body, &c) == nil
}

func (a *api) review(w http.ResponseWriter, r *http.Request) {
	reviewer, ok := a.known(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if !ok || !slices.Contains(reviewer.Audience, apiAudience) {
		http.Error(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}`, http.StatusUnauthorized)
		return
	}
	var review struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Spec       struct {
			Token     string   `json:"token"`
			Audiences []string `json:"audiences,omitempty"`
		} `json:"spec"`
		Status map[string]any `json:"status"`
	}
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil || r.URL.Path != "/apis/authentication.k8s.io/v1/tokenreviews" {
		http.Error(w, "not a TokenReview", http.StatusBadRequest)
		return
	}
	c, ok := a.known(review.Spec.Token)
	asked := review.Spec.Audiences
	if len(asked) == 0 {
		asked = []string{apiAudience}
	}
	var both []string
	for _, x := range asked {
		if slices.Contains(c.Audience, x) {
			both = append(both, x)
		}
	}
	review.Status = map[string]any{"authenticated": false}
	if ok && len(both) > 0 {
		review.Status = map[string]any{
			"authenticated": true, "audiences": both,
			"user": map[string]any{"username": c.Subject, "uid": c.Kubernetes.ServiceAccount.UID, "groups": []string{"system:serviceaccounts"}},
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(review)
}
