//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/e2e/judge"
)

// alertmanagerVerdict is a verdict of the program of controlplane/alertmanager.
type alertmanagerVerdict struct {
	Default   string
	Receivers []string
	Error     string
}

// alertmanagerConfig is a configuration of the Alertmanager beside a stack, as
// an ExternalSecret renders it or as a ConfigMap has it.
type alertmanagerConfig struct {
	text    string
	secrets map[string]string
}

// TestAlertmanagerReadsItsConfiguration has Alertmanager's own code load what the
// stacks of examples/acme give theirs, and what the catalog's golden files have.
func TestAlertmanagerReadsItsConfiguration(t *testing.T) {
	configs := map[string]alertmanagerConfig{}
	for _, c := range build(t, example("acme"), t.TempDir(), "").Clusters {
		for _, o := range objectsOf(t, contain(t, "render", example("acme"), "--cluster", c.Cluster)) {
			if o.Namespace == "alertmanager" {
				addAlertmanager(t, configs, c.Cluster, o.JSON)
			}
		}
	}
	if len(configs) != 2 {
		t.Fatalf("Alertmanager is configured on %d clusters, want those of both stacks", len(configs))
	}
	a, err := txtar.ParseFile(filepath.Join("..", "..", "catalog", "testdata", "alertmanager.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		name, ok := strings.CutSuffix(f.Name, "/want.yaml")
		if !ok {
			continue
		}
		for _, doc := range strings.Split("\n"+string(f.Data), "\n--- ")[1:] {
			b, err := yaml.YAMLToJSON([]byte("# " + doc))
			if err != nil {
				t.Fatal(err)
			}
			addAlertmanager(t, configs, name, b)
		}
	}
	want := map[string]alertmanagerVerdict{
		"obs-apps":     {Default: "sre-oncall", Receivers: []string{"(nobody)", "sre-oncall"}},
		"obs-platform": {Default: "sre-oncall", Receivers: []string{"(nobody)", "sre-oncall"}},
		"channel":      {Default: "sre-oncall", Receivers: []string{"(nobody)", "sre-oncall"}},
		"mail":         {Default: "sre-mail", Receivers: []string{"(nobody)", "sre-mail"}},
		"nobody":       {Default: "(nobody)", Receivers: []string{"(nobody)"}},
	}
	got := map[string]alertmanagerVerdict{}
	for name, c := range configs {
		v := judgeAlertmanager(t, c)
		slices.Sort(v.Receivers)
		got[name] = v
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	t.Logf("ALERTMANAGER: %d configurations loaded by its own code", len(configs))

	// It finds what is wrong.
	c := configs["obs-apps"]
	c.text = strings.Replace(c.text, `"receiver": "sre-oncall"`, `"receiver": "nowhere"`, 1)
	if v := judgeAlertmanager(t, c); v.Error == "" {
		t.Error("a receiver that there is not was let through")
	}
}

func addAlertmanager(t *testing.T, into map[string]alertmanagerConfig, name string, text []byte) {
	t.Helper()
	var o struct {
		Kind     string
		Metadata struct{ Name string }
		Data     map[string]string
		Spec     struct {
			Data   []struct{ SecretKey string }
			Target struct {
				Template struct{ Data map[string]string }
			}
		}
	}
	var kind struct{ Kind string }
	if err := json.Unmarshal(text, &kind); err != nil {
		t.Fatal(err)
	}
	if kind.Kind != "ConfigMap" && kind.Kind != "ExternalSecret" {
		return
	}
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	if o.Metadata.Name != "alertmanager-config" {
		return
	}
	c := alertmanagerConfig{text: o.Data["alertmanager.yml"], secrets: map[string]string{}}
	if o.Kind == "ExternalSecret" {
		c.text = o.Spec.Target.Template.Data["alertmanager.yml"]
	}
	for _, d := range o.Spec.Data {
		c.secrets[d.SecretKey] = `https://secret.example/"{{ }}"`
	}
	into[name] = c
}

func judgeAlertmanager(t *testing.T, c alertmanagerConfig) alertmanagerVerdict {
	t.Helper()
	request, err := json.Marshal(map[string]any{"templates": map[string]string{"it": c.text}, "secrets": c.secrets})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(judge.Path(t, "alertmanager"))
	cmd.Stdin = bytes.NewReader(request)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var verdicts map[string]alertmanagerVerdict
	if err := json.Unmarshal(out, &verdicts); err != nil {
		t.Fatal(err)
	}
	return verdicts["it"]
}
