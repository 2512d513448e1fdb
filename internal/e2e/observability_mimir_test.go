//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/object"
)

// mimirOf is what one cluster gives Mimir.
type mimirOf struct {
	cluster string
	values  map[string]any

	// configs are the ConfigMaps of its namespace by name, templates what its
	// ExternalSecrets render, by the Secret's name.
	configs, templates map[string]map[string]string
}

// mimirVerdict is a verdict of the program of controlplane/mimir.
type mimirVerdict struct {
	What, Target, Tenant, Error string
	Holds                       map[string]string
}

// TestMimirReadsItsConfiguration has Mimir's own code read everything that the
// observability clusters of examples/acme give it: the configuration of each of
// its parts, every tenant's limits, rules and Alertmanager configuration, which
// Alertmanager's code has loaded before.
func TestMimirReadsItsConfiguration(t *testing.T) {
	stacks := mimirs(t)
	if len(stacks) < 2 {
		t.Fatalf("Mimir on %d clusters, want those of both stacks", len(stacks))
	}
	total := 0
	for _, m := range stacks {
		tenants := map[string][]string{}
		for _, v := range m.judge(t) {
			total++
			if v.Error != "" {
				t.Errorf("%s: %s", m.cluster, v)
				continue
			}
			t.Logf("%s: %s", m.cluster, v)
			tenants[v.What] = append(tenants[v.What], v.Tenant)
		}
		want := slices.Sorted(maps.Keys(at(t, m.values, "runtimeConfig", "overrides")))
		for _, what := range []string{"overrides", "rules", "alertmanager"} {
			if d := cmp.Diff(want, tenants[what]); d != "" {
				t.Errorf("%s: %s of tenants (-described +read):\n%s", m.cluster, what, d)
			}
		}
	}
	t.Logf("MIMIR: %d configurations of %d stacks read by Mimir's own code", total, len(stacks))
}

// TestMimirRefuses shows that the judge finds what is wrong.
func TestMimirRefuses(t *testing.T) {
	var apps mimirOf
	for _, m := range mimirs(t) {
		if m.cluster == "obs-apps" {
			apps = m
		}
	}
	for _, c := range []struct {
		name   string
		change func(*testing.T, mimirOf)
		want   string
	}{
		{
			"an unknown limit",
			func(t *testing.T, m mimirOf) {
				at(t, m.values, "runtimeConfig", "overrides", "payments")["ingestion_rat"] = 1
			},
			"overrides",
		},
		{
			"a retention of another form",
			func(t *testing.T, m mimirOf) {
				at(t, m.values, "runtimeConfig", "overrides", "payments")["compactor_blocks_retention_period"] = "a month"
			},
			"overrides",
		},
		{
			"an unknown setting",
			func(t *testing.T, m mimirOf) {
				at(t, m.values, "mimir", "structuredConfig", "ruler")["pol_interval"] = "1m"
			},
			"config",
		},
		{
			"the architecture with Kafka, which there is not",
			func(t *testing.T, m mimirOf) {
				at(t, m.values, "mimir", "structuredConfig", "ingest_storage")["enabled"] = true
			},
			"config",
		},
		{
			"an expression that is none",
			func(_ *testing.T, m mimirOf) {
				m.configs["rules-payments"]["rules.yaml"] = "groups: [{name: a, rules: [{alert: A, expr: sum(}]}]"
			},
			"rules",
		},
		{
			"a receiver that there is not",
			func(_ *testing.T, m mimirOf) {
				m.templates["alertmanager-tenants"]["shop.yaml"] = `{"route": {"receiver": "nowhere"}, "receivers": []}`
			},
			"alertmanager",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := apps.clone(t)
			c.change(t, m)
			var refused []string
			for _, v := range m.judge(t) {
				if v.Error != "" {
					t.Log(v)
					refused = append(refused, v.What)
				}
			}
			if !slices.Contains(refused, c.want) {
				t.Errorf("refused: %q, want %q among them", refused, c.want)
			}
		})
	}
}

func (v mimirVerdict) String() string {
	about := strings.TrimSpace(v.What + " " + v.Target + v.Tenant)
	if v.Error != "" {
		return about + ": refused: " + v.Error
	}
	var holds []string
	for _, k := range slices.Sorted(maps.Keys(v.Holds)) {
		holds = append(holds, k+"="+v.Holds[k])
	}
	return about + ": accepted: " + strings.Join(holds, " ")
}

// mimirs finds Mimir on the clusters of examples/acme.
func mimirs(t *testing.T) []mimirOf {
	t.Helper()
	var out []mimirOf
	for _, c := range build(t, example("acme"), t.TempDir(), "").Clusters {
		m := mimirOf{cluster: c.Cluster, configs: map[string]map[string]string{}, templates: map[string]map[string]string{}}
		for _, o := range objectsOf(t, contain(t, "render", example("acme"), "--cluster", c.Cluster)) {
			if o.Namespace == "mimir" {
				m.add(t, o)
			}
		}
		if m.values != nil {
			out = append(out, m)
		}
	}
	return out
}

func (m *mimirOf) add(t *testing.T, o *object.Object) {
	t.Helper()
	var fields struct {
		Data map[string]string
		Spec struct {
			Values map[string]any
			Target struct {
				Template struct{ Data map[string]string }
			}
		}
	}
	if o.Kind != "HelmRelease" && o.Kind != "ConfigMap" && o.Kind != "ExternalSecret" {
		return
	}
	if err := json.Unmarshal(o.JSON, &fields); err != nil {
		t.Fatalf("%s: %v", o.ID, err)
	}
	switch o.Kind {
	case "HelmRelease":
		m.values = fields.Spec.Values
	case "ConfigMap":
		m.configs[o.Name] = fields.Data
	case "ExternalSecret":
		m.templates[o.Name] = fields.Spec.Target.Template.Data
	}
}

func (m mimirOf) clone(t *testing.T) mimirOf {
	t.Helper()
	out := m
	out.values, out.configs, out.templates = copied(t, m.values), copied(t, m.configs), copied(t, m.templates)
	return out
}

func copied[T any](t *testing.T, v T) T {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// judge renders the secrets, mounts the volumes and asks Mimir.
func (m mimirOf) judge(t *testing.T) []mimirVerdict {
	t.Helper()
	root := t.TempDir()
	secrets := m.render(t)
	for _, part := range []string{"ruler", "alertmanager"} {
		for _, mount := range list(t, at(t, m.values, part), "extraVolumeMounts") {
			for _, v := range list(t, at(t, m.values, part), "extraVolumes") {
				if v["name"] == mount["name"] {
					m.mount(t, filepath.Join(root, mount["mountPath"].(string)), v, secrets)
				}
			}
		}
	}
	var verdicts []mimirVerdict
	ask(t, "mimir", map[string]any{
		"values": m.values, "root": root,
		"env": map[string]string{"S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "secret"},
	}, &verdicts)
	return verdicts
}

// render has each template rendered with secrets that would break out of their
// strings if they could. A configuration that Alertmanager refuses is left as it
// is, for Mimir to say so.
func (m mimirOf) render(t *testing.T) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	for name, templates := range m.templates {
		if len(templates) == 0 {
			continue
		}
		secrets := map[string]string{}
		for _, text := range templates {
			for _, after := range strings.Split(text, "{{ .")[1:] {
				key, _, _ := strings.Cut(after, " ")
				secrets[key] = "https://hooks.example/" + key + "?a=%22&b='{{ .c }}'#\\"
			}
		}
		var rendered map[string]struct {
			Text, Error, Default string
			Receivers            []string
		}
		ask(t, "alertmanager", map[string]any{"templates": templates, "secrets": secrets}, &rendered)
		out[name] = map[string]string{}
		for key, r := range rendered {
			out[name][key] = r.Text
			verdict := fmt.Sprintf("accepted: default=%s receivers=%q", r.Default, r.Receivers)
			if r.Error != "" {
				verdict = "refused: " + r.Error
			}
			t.Logf("%s: alertmanager's own code, %s: %s", m.cluster, key, verdict)
		}
	}
	return out
}

// mount lays a projected volume out as kubelet does: files in a directory with a
// date for a name, "..data" as a link to it, and links into that.
func (m mimirOf) mount(t *testing.T, dir string, volume map[string]any, secrets map[string]map[string]string) {
	t.Helper()
	const dated = "..2026_11_22_00_00_00.0"
	for _, source := range list(t, volume["projected"].(map[string]any), "sources") {
		for kind, s := range source {
			s := s.(map[string]any)
			name := s["name"].(string)
			files := m.configs[name]
			if kind == "secret" {
				files = secrets[name]
			}
			for _, item := range list(t, s, "items") {
				text, ok := files[item["key"].(string)]
				if !ok {
					t.Fatalf("%s %s has no %s", kind, name, item["key"])
				}
				path := filepath.Join(dir, dated, item["path"].(string))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, dated))
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]string{"..data": dated}
	for _, e := range entries {
		links[e.Name()] = filepath.Join("..data", e.Name())
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// ask gives a judge one request and reads its answer.
func ask(t *testing.T, program string, request, answer any) {
	t.Helper()
	in, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), judge.Path(t, program))
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, &stderr)
	}
	if err := json.Unmarshal(out, answer); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// at is the map at a path.
func at(t *testing.T, m map[string]any, path ...string) map[string]any {
	t.Helper()
	for i, k := range path {
		next, ok := m[k].(map[string]any)
		if !ok {
			t.Fatalf("no map at %s", strings.Join(path[:i+1], "."))
		}
		m = next
	}
	return m
}

// list is the list of maps at a key.
func list(t *testing.T, m map[string]any, key string) []map[string]any {
	t.Helper()
	items, ok := m[key].([]any)
	if !ok {
		t.Fatalf("no list at %s", key)
	}
	var out []map[string]any
	for _, i := range items {
		out = append(out, i.(map[string]any))
	}
	return out
}
