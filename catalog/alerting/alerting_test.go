package alerting_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"text/template"

	"cuelang.org/go/cue"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/contain-platform/contain/internal/e2e/cuetest"
)

// hostile is a credential that would be configuration, or a template, if it were
// not one string.
const hostile = "https://x.example/\", \"send_resolved\": false}\n- name: evil\n  # {{ .channel_b_key }} 'é\u2028\\"

// every channel there is, and routes whose values need quoting.
const given = `
#alerts: [{
	channel: "a"
	groupBy: ["alertname", "cluster", "alertname"]
	repeatInterval: "4h"
	routes: {
		z: {match: {severity: "critical", team: "a\"b\\c\nd"}, channel: "b-c", continue: true}
		m: {match: who: "{{ $secret }} {\"$secret\": \"channel_a_url\"}", channel: "e", continue: false}
		n: {match: who: "p", channel: "p", continue: false}
		o: {match: who: "t", channel: "t", continue: false}
		w: {match: who: "w", channel: "w", continue: false}
		x: {match: who: "f", channel: "f", continue: false}
	}
}]
#channels: {
	a: slack: {channel: "#x", url: {path: "a", property: "u"}}
	"b-c": opsgenie: {key: {path: "b", store: "s"}, region: "eu"}
	p: pagerduty: routingKey: path: "p"
	t: msteams: url: path: "t"
	w: webhook: url: path: "w"
	e: email: {to: ["a@b.c", "d@b.c"], from: "x@y.z", smarthost: "s:587", credentials: path: "e"}
	f: email: {to: ["a@b.c"], from: "x@y.z", smarthost: "s:587"}
	unused: webhook: url: path: "nobody-asked"
}
`

// TestTemplate renders the template as External Secrets does: what comes out is
// the configuration with each secret as exactly one string, and Alertmanager's
// own templates as they were.
func TestTemplate(t *testing.T) {
	v := config(t, given)
	keys := decode[map[string]any](t, v, "keys")
	if d := cmp.Diff(map[string]any{
		"channel_a_url":        map[string]any{"path": "a", "property": "u"},
		"channel_b_c_key":      map[string]any{"path": "b", "store": "s"},
		"channel_e_password":   map[string]any{"path": "e", "property": "password"},
		"channel_e_username":   map[string]any{"path": "e", "property": "username"},
		"channel_p_routingKey": map[string]any{"path": "p"},
		"channel_t_url":        map[string]any{"path": "t"},
		"channel_w_url":        map[string]any{"path": "w"},
	}, keys); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
	secrets := map[string]string{}
	for k := range keys {
		secrets[k] = k + hostile
	}
	text := render(t, decode[string](t, v, "template"), secrets)
	want := withSecrets(decode[any](t, v, "config"), secrets)
	for name, unmarshal := range map[string]func([]byte, any) error{"JSON": json.Unmarshal, "YAML": yaml.Unmarshal} {
		var got any
		if err := unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	if !strings.Contains(text, `{{ range .Alerts }}`) {
		t.Errorf("Alertmanager's templates are gone:\n%s", text)
	}
}

// TestRoutes holds the routing tree: routes in the order of their names, labels
// quoted, and what no route takes to the tenant's channel.
func TestRoutes(t *testing.T) {
	var want any
	if err := json.Unmarshal([]byte(`{
		"receiver": "a",
		"group_by": ["alertname", "cluster"],
		"repeat_interval": "4h",
		"routes": [
			{"receiver": "e", "matchers": ["who=\"{{ $secret }} {\\\"$secret\\\": \\\"channel_a_url\\\"}\""], "continue": false},
			{"receiver": "p", "matchers": ["who=\"p\""], "continue": false},
			{"receiver": "t", "matchers": ["who=\"t\""], "continue": false},
			{"receiver": "w", "matchers": ["who=\"w\""], "continue": false},
			{"receiver": "f", "matchers": ["who=\"f\""], "continue": false},
			{"receiver": "b-c", "matchers": ["severity=\"critical\"", "team=\"a\\\"b\\\\c\\nd\""], "continue": true}
		]
	}`), &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, decode[any](t, config(t, given), "config.route")); d != "" {
		t.Errorf("route (-want +got):\n%s", d)
	}
}

// TestNobody: a tenant that nobody is told of has a configuration still, so that
// Mimir's fallback is not taken for it.
func TestNobody(t *testing.T) {
	v := config(t, "#alerts: []\n#channels: {}\n")
	want := map[string]any{
		"route":     map[string]any{"receiver": "(nobody)"},
		"receivers": []any{map[string]any{"name": "(nobody)"}},
	}
	if d := cmp.Diff(any(want), decode[any](t, v, "config")); d != "" {
		t.Errorf("config (-want +got):\n%s", d)
	}
	if keys := decode[map[string]any](t, v, "keys"); len(keys) > 0 {
		t.Errorf("keys: %v", keys)
	}
}

// render does what External Secrets' engine v2 does (runtime/template/v2):
// strings by key, an error for a key that is not there. Of its functions, which
// are sprig's, templates here use toJson alone.
func render(t *testing.T, text string, secrets map[string]string) string {
	t.Helper()
	tmpl, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"toJson": func(v any) string { b, _ := json.Marshal(v); return string(b) },
	}).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := tmpl.Execute(&out, secrets); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// withSecrets replaces {"$secret": key} by the secret.
func withSecrets(v any, secrets map[string]string) any {
	switch v := v.(type) {
	case map[string]any:
		if key, ok := v["$secret"].(string); ok {
			return secrets[key]
		}
		for k := range v {
			v[k] = withSecrets(v[k], secrets)
		}
	case []any:
		for i := range v {
			v[i] = withSecrets(v[i], secrets)
		}
	}
	return v
}

func decode[T any](t *testing.T, v cue.Value, path string) T {
	t.Helper()
	var out T
	b, err := v.LookupPath(cue.ParsePath(path)).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func config(t *testing.T, given string) cue.Value {
	t.Helper()
	src := fmt.Sprintf("import \"github.com/contain-platform/contain/catalog/alerting\"\nalerting.#Config & {%s}\n", given)
	return cuetest.Value(t, src)
}
