package harbor_test

import (
	"bytes"
	"errors"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A job is the script of projects with its files.
type job struct{ python, dir string }

// everything is an input of #Config that has one of all.
func everything() map[string]any {
	return map[string]any{
		"admin":    map[string]any{"path": "registry/admin"},
		"robots":   map[string]any{"path": "registry/robots"},
		"clusters": []any{"prod-eu1"},
		"proxies": []any{
			map[string]any{"name": "docker.io", "kind": "docker-hub", "credentials": map[string]any{"path": "registry/hub"}},
			map[string]any{"name": "quay.io", "kind": "docker-registry"},
		},
		"projects": []any{
			map[string]any{"name": "mirror", "public": true, "scan": false},
			map[string]any{"name": "docker.io", "public": true, "scan": false, "proxy": "docker.io"},
			map[string]any{"name": "quay.io", "public": true, "scan": false, "proxy": "quay.io"},
			map[string]any{
				"name": "42", "public": false, "scan": true, "prevent": "critical", "quota": "10Gi",
				"groups": map[string]any{"acme-shop": "developer", "acme audit": "guest"},
				"robots": map[string]any{"ci": true}, "immutable": []any{"v*"}, "keep": 20,
			},
		},
		"values": map[string]any{},
	}
}

// secrets are what the secret store has for everything.
func secrets() map[string]string {
	return map[string]string{
		"robots/prod-eu1": "Pull-Secret-1", "robots/42.ci": "Push-Secret-1",
		"proxies/docker.io.username": "acme", "proxies/docker.io.password": "Hub-Secret-1",
	}
}

// prepare writes the files that the job's container has.
func prepare(t *testing.T, in map[string]any, secrets map[string]string) job {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no python3 to run the script with, and CI skips nothing")
		}
		t.Skip("no python3 to run the script with")
	}
	all := objects(t, "#Config", in)
	j := job{python, t.TempDir()}
	for name, text := range at[map[string]any](t, all, "projects", "data") {
		j.write(t, "desired/"+name, text.(string))
	}
	for name, text := range secrets {
		j.write(t, name, text+"\n")
	}
	return j
}

func (j job) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(j.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run has the script do its work, and returns its exit code and all that it wrote.
func (j job) run(t *testing.T, f *fake) (int, string) {
	t.Helper()
	server := httptest.NewServer(f)
	defer server.Close()
	cmd := exec.Command(j.python, "-B", filepath.Join(j.dir, "desired", "projects.py"))
	cmd.Env = []string{
		"HARBOR_URL=" + server.URL, "HARBOR_PASSWORD=break Glass 1", "DESIRED=" + filepath.Join(j.dir, "desired", "projects.json"),
		"ROBOTS=" + filepath.Join(j.dir, "robots"), "PROXIES=" + filepath.Join(j.dir, "proxies"), "PAUSE=0",
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for _, s := range []string{"Secret", "break Glass", "Traceback"} {
		if strings.Contains(out.String(), s) {
			t.Errorf("%q is in what it wrote:\n%s", s, &out)
		}
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

func (j job) succeeds(t *testing.T, f *fake) {
	t.Helper()
	if code, out := j.run(t, f); code != 0 {
		t.Fatalf("exit %d:\n%s", code, out)
	}
}

func TestProjects(t *testing.T) {
	f := newFake(t)
	prepare(t, everything(), secrets()).succeeds(t, f)
	p := f.Projects["42"]
	if p == nil || p.Quota != 10<<30 || p.Metadata["prevent_vul"] != "true" || p.Metadata["severity"] != "critical" || p.Metadata["public"] != "false" || len(p.Members) != 2 || len(p.Immutable) != 1 || p.Metadata["retention_id"] == nil {
		t.Errorf("project 42: %+v", p)
	}
	if q := f.Projects["docker.io"]; q == nil || q.Registry == 0 || q.Metadata["public"] != "true" || q.Quota != -1 {
		t.Errorf("project docker.io: %+v", q)
	}
	if got := f.Registries["docker.io"]["access"]; got != "basic acme:Hub-Secret-1" {
		t.Errorf("docker.io is asked as %q", got)
	}
	passwords := map[string]any{}
	for _, r := range f.Robots {
		passwords[r["name"].(string)] = r["secret"]
	}
	if diff := cmp.Diff(map[string]any{"robot$prod-eu1": "Pull-Secret-1", "robot$42+ci": "Push-Secret-1"}, passwords); diff != "" {
		t.Error(diff)
	}

	t.Run("again", func(t *testing.T) {
		f.calls = nil
		prepare(t, everything(), secrets()).succeeds(t, f)
		if w := f.writes(); len(w) > 0 {
			t.Errorf("wrote though nothing had changed: %v", w)
		}
	})
	for _, c := range []struct {
		name   string
		change func(in map[string]any, project map[string]any, secrets map[string]string)
		want   []string
	}{
		{"a group leaves", func(_, p map[string]any, _ map[string]string) { delete(p["groups"].(map[string]any), "acme audit") }, []string{"DELETE /projects/42/members/N"}},
		{"another role", func(_, p map[string]any, _ map[string]string) {
			p["groups"] = map[string]any{"acme-shop": "maintainer"}
		}, []string{"PUT /projects/42/members/N"}},
		{"another quota", func(_, p map[string]any, _ map[string]string) { p["quota"] = "20Gi" }, []string{"PUT /quotas/N"}},
		{"public", func(_, p map[string]any, _ map[string]string) { p["public"] = true }, []string{"PUT /projects/42"}},
		{"keeps more", func(_, p map[string]any, _ map[string]string) { p["keep"] = 30 }, []string{"PUT /retentions/N"}},
		{"another pattern", func(_, p map[string]any, _ map[string]string) { p["immutable"] = []any{"r*", "v*"} }, []string{"POST /projects/42/immutabletagrules"}},
		{"another password", func(_, _ map[string]any, s map[string]string) { s["robots/prod-eu1"] = "Pull-Secret-2" }, []string{"PATCH /robots/N", "PUT /robots/N"}},
		{"a robot that pulls only", func(_, p map[string]any, _ map[string]string) { p["robots"] = map[string]any{"ci": false} }, []string{"PATCH /robots/N", "PUT /robots/N"}},
		{"another upstream password", func(_, _ map[string]any, s map[string]string) { s["proxies/docker.io.password"] = "Hub-Secret-2" }, []string{"PUT /registries/N"}},
		{"a project leaves", func(in, _ map[string]any, _ map[string]string) { in["projects"] = in["projects"].([]any)[:3] }, nil},
		{"a cluster leaves", func(in, _ map[string]any, _ map[string]string) { in["clusters"] = []any{} }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			prepare(t, everything(), secrets()).succeeds(t, f)
			f.calls = nil
			in, s := everything(), secrets()
			if c.name == "another role" {
				// The group that it leaves out is not what this is about.
				p := in["projects"].([]any)[3].(map[string]any)
				delete(p["groups"].(map[string]any), "acme audit")
				prepare(t, in, s).succeeds(t, f)
				f.calls = nil
			}
			c.change(in, in["projects"].([]any)[3].(map[string]any), s)
			j := prepare(t, in, s)
			j.succeeds(t, f)
			if diff := cmp.Diff(c.want, numbered(f.writes())); diff != "" {
				t.Error(diff)
			}
			f.calls = nil
			j.succeeds(t, f)
			if w := f.writes(); len(w) > 0 {
				t.Errorf("the second time: %v", w)
			}
		})
	}
}

// numbered puts N for IDs; 42 is a project's name.
func numbered(calls []string) []string {
	for i, c := range calls {
		parts := strings.Split(c, "/")
		if last := parts[len(parts)-1]; last != "42" && strings.Trim(last, "0123456789") == "" {
			parts[len(parts)-1] = "N"
		}
		calls[i] = strings.Join(parts, "/")
	}
	if len(calls) == 0 {
		return nil
	}
	return calls
}

func TestWhatSomebodyElseMade(t *testing.T) {
	f := newFake(t)
	f.Registries["quay.io"] = map[string]any{"id": f.id(), "name": "quay.io", "url": "https://quay.example", "type": "harbor", "description": ""}
	f.Robots[900] = map[string]any{"id": 900, "name": "robot$prod-eu1", "project": 0, "level": "system", "description": "mine", "secret": "theirs", "permissions": []any{}}
	f.Projects["42"] = &project{ID: f.id(), Metadata: map[string]any{"public": "true"}, Quota: -1, Members: map[int]map[string]any{
		700: {"id": 700, "entity_name": "jo", "entity_type": "u", "role_id": 1},
		701: {"id": 701, "entity_name": "acme-guests", "entity_type": "g", "role_id": 1},
	}}
	code, out := prepare(t, everything(), secrets()).run(t, f)
	if code != 1 {
		t.Errorf("exit %d, want 1:\n%s", code, out)
	}
	for _, want := range []string{
		"proxies quay.io: somebody else made a registry of this name\n",
		"projects quay.io: its registry is not there\n",
		"robots prod-eu1: robot$prod-eu1: somebody else made a robot of this name\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("does not say %q:\n%s", want, out)
		}
	}
	if f.Robots[900]["secret"] != "theirs" || f.Registries["quay.io"]["url"] != "https://quay.example" || f.Projects["quay.io"] != nil {
		t.Errorf("touched what it did not make:\n%s", f.state())
	}
	// All the rest is there; a group that nobody described has lost its role.
	p := f.Projects["42"]
	if p.Members[700] == nil || p.Members[701] != nil || len(p.Members) != 3 || p.Metadata["public"] != "false" || len(f.Robots) != 2 {
		t.Errorf("left something out:\n%s", f.state())
	}
}

func TestFailures(t *testing.T) {
	j := prepare(t, everything(), secrets())
	whole := newFake(t)
	j.succeeds(t, whole)
	t.Run("one answer", func(t *testing.T) {
		f := newFake(t)
		seen := map[string]bool{}
		f.fail = func(call string) int {
			if seen[call] {
				return 0
			}
			seen[call] = true
			return 503
		}
		j.succeeds(t, f)
		if diff := cmp.Diff(whole.state(), f.state()); diff != "" {
			t.Errorf("-whole +mended:\n%s", diff)
		}
	})
	// Each call in turn fails for the whole of a run, which the next run mends. The
	// runs are processes of their own.
	kinds := map[string]bool{}
	for _, call := range slices.Compact(slices.Sorted(slices.Values(whole.calls))) {
		kinds[call] = true
		t.Run(strings.ReplaceAll(call, "/", "."), func(t *testing.T) {
			f := newFake(t)
			f.fail = func(got string) int {
				if got == call {
					return 500
				}
				return 0
			}
			if code, out := j.run(t, f); code != 1 {
				t.Fatalf("exit %d, want 1:\n%s", code, out)
			}
			f.fail = nil
			if code, out := j.run(t, f); code != 0 {
				t.Fatalf("the next run: exit %d:\n%s", code, out)
			}
			if diff := cmp.Diff(whole.state(), f.state()); diff != "" {
				t.Errorf("-whole +mended:\n%s", diff)
			}
		})
	}
	t.Logf("CALLS that failed in turn: %d", len(kinds))
	t.Run("another administrator's password", func(t *testing.T) {
		f := newFake(t)
		f.password = "another"
		code, out := j.run(t, f)
		if want := "Harbor does not know the administrator's password"; code != 1 || !strings.Contains(out, want) {
			t.Errorf("exit %d, want 1 and %q:\n%s", code, want, out)
		}
	})
	t.Run("a password that is not there", func(t *testing.T) {
		s := maps.Clone(secrets())
		delete(s, "robots/prod-eu1")
		f := newFake(t)
		code, out := prepare(t, everything(), s).run(t, f)
		if want := "robots prod-eu1: there is no secret prod-eu1"; code != 1 || !strings.Contains(out, want) || f.Projects["42"] == nil {
			t.Errorf("exit %d, want 1 and %q:\n%s", code, want, out)
		}
	})
	t.Run("a password that Harbor refuses", func(t *testing.T) {
		s := maps.Clone(secrets())
		s["robots/prod-eu1"] = "short"
		f := newFake(t)
		for range 2 {
			code, out := prepare(t, everything(), s).run(t, f)
			if want := "the secret must be 8-128"; code != 1 || strings.Count(out, want) != 1 {
				t.Errorf("exit %d, want 1 and %q:\n%s", code, want, out)
			}
		}
	})
}

// TestPages: more than a page of robots.
func TestPages(t *testing.T) {
	in, s := everything(), secrets()
	var clusters []any
	for i := range 120 {
		name := "c" + strings.Repeat("x", i)
		clusters = append(clusters, name)
		s["robots/"+name] = "Pull-Secret-1"
	}
	in["clusters"] = clusters
	f := newFake(t)
	j := prepare(t, in, s)
	j.succeeds(t, f)
	f.calls = nil
	j.succeeds(t, f)
	if w := f.writes(); len(w) > 0 || len(f.Robots) != 121 {
		t.Errorf("%d robots, writes %v", len(f.Robots), w)
	}
}
