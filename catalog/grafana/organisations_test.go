package grafana_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const password = "the gateway's"

// A job is the script of organisations with its files.
type job struct{ python, dir string }

// prepare writes the files that the job's container has, of what #Config says of
// the tenants.
func prepare(t *testing.T, tenants ...tenant) job {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no python3 to run the script with, and CI skips nothing")
		}
		t.Skip("no python3 to run the script with")
	}
	list := []any{}
	for _, s := range tenants {
		data := s.data()
		delete(data, "groups")
		list = append(list, data)
	}
	all := objects(t, "#Config", map[string]any{"gateway": map[string]any{"path": "gateway"}, "tenants": list, "values": map[string]any{}})
	spec := at[map[string]any](t, all["job"], "spec", "jobTemplate", "spec", "template", "spec")
	dir := t.TempDir()
	for _, v := range at[[]any](t, spec, "volumes") {
		sources := []any{v}
		if p, ok := v.(map[string]any)["projected"]; ok {
			sources = at[[]any](t, p, "sources")
		}
		for _, s := range sources {
			mount(t, filepath.Join(dir, at[string](t, v, "name")), at[map[string]any](t, s, "configMap"), all)
		}
	}
	return job{python, dir}
}

// run has the script bring the job's tenants about, and returns its exit code
// and all that it wrote.
func (j job) run(t *testing.T, f *fake, secret string) (int, string) {
	t.Helper()
	server := httptest.NewServer(f)
	defer server.Close()
	cmd := exec.Command(j.python, "-B", filepath.Join(j.dir, "desired", "organisations.py"))
	cmd.Env = []string{
		"GRAFANA_URL=" + server.URL, "GRAFANA_USER=" + f.user, "GRAFANA_PASSWORD=" + "break glass", "GATEWAY_PASSWORD=" + secret,
		"DESIRED=" + filepath.Join(j.dir, "desired", "organisations.json"), "DASHBOARDS=" + filepath.Join(j.dir, "dashboards"), "PAUSE=0",
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for _, s := range []string{secret, "break glass", "Traceback"} {
		if strings.Contains(out.String(), s) {
			t.Errorf("%q is in what it wrote:\n%s", s, &out)
		}
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// mount writes the files of a ConfigMap as a volume has them.
func mount(t *testing.T, dir string, source map[string]any, all map[string]object) {
	t.Helper()
	for _, o := range all {
		if o["kind"] != "ConfigMap" || at[string](t, o, "metadata", "name") != source["name"] {
			continue
		}
		paths := map[string]string{}
		if items, ok := source["items"].([]any); ok {
			for _, i := range items {
				paths[at[string](t, i, "key")] = at[string](t, i, "path")
			}
		}
		for key, text := range at[map[string]any](t, o, "data") {
			file := filepath.Join(dir, key)
			if p, ok := paths[key]; ok {
				file = filepath.Join(dir, p)
			}
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text.(string)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	t.Errorf("no ConfigMap %v", source["name"])
}

var (
	shop     = tenant{name: "shop", id: "shop"}
	lake     = tenant{name: "data", id: "data-lake", dashboards: map[string]string{"lake": `{"title": "Lake", "panels": [{"id": 1, "type": "table"}]}`}}
	number   = tenant{name: "2", id: "2"}
	payments = tenant{name: strings.Repeat("payments-", 6) + "x", id: "payments"}
)

func TestOrganisations(t *testing.T) {
	f := newFake()
	if code, out := prepare(t, lake, shop).run(t, f, password); code != 0 {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	var names []string
	for _, o := range f.orgs {
		names = append(names, o.Name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"Main Org.", "data", "shop"}, names); diff != "" {
		t.Error(diff)
	}
	for _, o := range f.orgs {
		want := map[string]string{"data": "data-lake", "shop": "shop"}[o.Name]
		if want == "" && len(o.Sources) > 0 {
			t.Errorf("%s: data sources in no tenant's organisation", o.Name)
		}
		for uid, s := range o.Sources {
			if at[string](t, s, "jsonData", "httpHeaderName1") != "X-Scope-OrgID" || o.Secrets[uid]["httpHeaderValue1"] != want || o.Secrets[uid]["basicAuthPassword"] != password {
				t.Errorf("%s: %s goes to tenant %v, want %s", o.Name, uid, o.Secrets[uid]["httpHeaderValue1"], want)
			}
		}
		if want != "" && len(o.Sources) != 4 {
			t.Errorf("%s: %d data sources, want 4", o.Name, len(o.Sources))
		}
	}

	t.Run("again", func(t *testing.T) {
		before := f.state()
		f.calls = nil
		if code, out := prepare(t, lake, shop).run(t, f, password); code != 0 {
			t.Fatalf("exit %d:\n%s", code, out)
		}
		if w := f.writes(); len(w) > 0 {
			t.Errorf("wrote though nothing had changed: %v", w)
		}
		if diff := cmp.Diff(before, f.state()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("two tenants more", func(t *testing.T) {
		f.calls = nil
		if code, out := prepare(t, number, lake, payments, shop).run(t, f, password); code != 0 {
			t.Fatalf("exit %d:\n%s", code, out)
		}
		want := slices.Repeat(append([]string{"POST /api/orgs"}, slices.Repeat([]string{"POST /api/datasources"}, 4)...), 2)
		if diff := cmp.Diff(want, f.writes()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("tenants that leave", func(t *testing.T) {
		before := f.state()
		if code, out := prepare(t, lake).run(t, f, password); code != 0 {
			t.Fatalf("exit %d:\n%s", code, out)
		}
		if diff := cmp.Diff(before, f.state()); diff != "" {
			t.Errorf("took something away:\n%s", diff)
		}
	})
	t.Run("another password", func(t *testing.T) {
		f.calls = nil
		if code, out := prepare(t, lake).run(t, f, "new"); code != 0 {
			t.Fatalf("exit %d:\n%s", code, out)
		}
		w := f.writes()
		if len(w) != 4 || slices.ContainsFunc(w, func(c string) bool { return !strings.HasPrefix(c, "PUT /api/datasources/uid/") }) {
			t.Errorf("wrote %v, want its four data sources", w)
		}
	})
	t.Run("another dashboard of the name", func(t *testing.T) {
		f.calls = nil
		changed := lake
		changed.dashboards = map[string]string{"lake": `{"title": "Lake", "panels": []}`}
		if code, out := prepare(t, changed).run(t, f, "new"); code != 0 {
			t.Fatalf("exit %d:\n%s", code, out)
		}
		if diff := cmp.Diff([]string{"POST /api/dashboards/db"}, f.writes()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhatSomebodyElseMade(t *testing.T) {
	f := newFake()
	id := f.add("shop")
	o := f.orgs[id]
	// The administrator has left the organisation, which has a data source and a
	// dashboard of people's own, one under a name that the job would take.
	o.Users = map[string]string{"jo": "Admin"}
	o.Sources["metrics-shop"] = map[string]any{"name": "mine", "uid": "metrics-shop"}
	o.Sources["own"] = map[string]any{"name": "own", "uid": "own"}
	o.Dashboards["sales"] = &board{Model: map[string]any{"title": "Sales"}, Folder: "", Notes: []string{"by hand"}}
	with := shop
	with.dashboards = map[string]string{"sales": `{"title": "Sales", "refresh": "1m"}`, "stock": `{"title": "Stock", "uid": "stock"}`}
	code, out := prepare(t, lake, with).run(t, f, password)
	if code != 1 {
		t.Errorf("exit %d, want 1:\n%s", code, out)
	}
	for _, want := range []string{
		"shop: data source metrics-shop: somebody else made one with this UID\n",
		"shop: dashboard sales: somebody else made one with the UID sales\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("does not say %q:\n%s", want, out)
		}
	}
	if o.Sources["metrics-shop"]["name"] != "mine" || o.Sources["own"] == nil || o.Dashboards["sales"].Model["refresh"] != nil || o.Users["jo"] != "Admin" {
		t.Errorf("touched what it did not make:\n%s", f.state())
	}
	// All the rest is there.
	if len(o.Sources) != 5 || o.Dashboards["stock"] == nil || len(f.orgs) != 3 {
		t.Errorf("left something out:\n%s", f.state())
	}
	if o.Users[f.user] != "Admin" {
		t.Errorf("the administrator is %q of the organisation", o.Users[f.user])
	}
}

func TestEditsAreUndone(t *testing.T) {
	f := newFake()
	if code, out := prepare(t, lake).run(t, f, password); code != 0 {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	before := f.orgs[2].Dashboards["lake"].Model["title"]
	f.orgs[2].Dashboards["lake"].Model["title"] = "mine"
	f.orgs[2].Dashboards["lake"].Notes = append(f.orgs[2].Dashboards["lake"].Notes, "by hand")
	at[map[string]any](t, f.orgs[2].Sources["logs-data"], "jsonData")["httpHeaderName1"] = "X-Other"
	f.calls = nil
	if code, out := prepare(t, lake).run(t, f, password); code != 0 {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	if diff := cmp.Diff([]string{"PUT /api/datasources/uid/logs-data", "POST /api/dashboards/db"}, f.writes()); diff != "" {
		t.Error(diff)
	}
	if got := f.orgs[2].Dashboards["lake"].Model["title"]; got != before {
		t.Errorf("title %v", got)
	}
}

func TestFailures(t *testing.T) {
	both := prepare(t, lake, shop)
	whole := newFake()
	if code, out := both.run(t, whole, password); code != 0 {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	t.Run("one answer", func(t *testing.T) {
		f := newFake()
		seen := map[string]bool{}
		f.fail = func(call string) int {
			if seen[call] {
				return 0
			}
			seen[call] = true
			return 503
		}
		if code, out := both.run(t, f, password); code != 0 {
			t.Fatalf("exit %d:\n%s", code, out)
		}
		if diff := cmp.Diff(byName(whole), byName(f)); diff != "" {
			t.Errorf("-whole +mended:\n%s", diff)
		}
	})
	// Each call in turn fails for the whole of a run, which the next run mends. The
	// runs are processes of their own.
	for _, call := range slices.Compact(slices.Sorted(slices.Values(whole.calls))) {
		t.Run(strings.ReplaceAll(call, "/", "."), func(t *testing.T) {
			f := newFake()
			f.fail = func(got string) int {
				if got == call {
					return 500
				}
				return 0
			}
			if code, out := both.run(t, f, password); code != 1 {
				t.Fatalf("exit %d, want 1:\n%s", code, out)
			}
			f.fail = nil
			if code, out := both.run(t, f, password); code != 0 {
				t.Fatalf("the next run: exit %d:\n%s", code, out)
			}
			if diff := cmp.Diff(byName(whole), byName(f)); diff != "" {
				t.Errorf("-whole +mended:\n%s", diff)
			}
		})
	}
	t.Run("another administrator's password", func(t *testing.T) {
		f := newFake()
		f.password = "another"
		code, out := prepare(t, shop).run(t, f, password)
		if want := "Grafana does not know the administrator's password"; code != 1 || !strings.Contains(out, want) {
			t.Errorf("exit %d, want 1 and %q:\n%s", code, want, out)
		}
	})
}

// byName is a state without IDs, which depend on the order of calls.
func byName(f *fake) map[string]string {
	out := map[string]string{}
	for _, o := range f.orgs {
		b, err := json.Marshal(o)
		if err != nil {
			panic(err)
		}
		out[o.Name] = string(b)
	}
	return out
}
