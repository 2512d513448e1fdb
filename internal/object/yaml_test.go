package object

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	yamlv3 "go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// tricky are strings that some YAML reader takes for something else, or that
// some style of scalar does not keep.
var tricky = []string{
	"", " ", "  ", "a", "yes", "No", "ON", "off", "y", "N", "true", "False", "TRUE", "null", "Null", "NULL", "~",
	"0", "1", "-1", "+1", "007", "0o17", "0x1F", "0b101", "1_000", "1.5", "1e3", "1E400", ".5", "5.", "-.inf", ".INF", "+.inf", ".nan", ".NaN",
	"12:30", "12:30:45", "190:20:30", "2026-01-02", "2026-01-02T03:04:05Z", "2026-1-2 3:04:05 +1", "1,000", "100m", "1h", "10.0.0.0/8", "128Mi", "v1.2.3", "1.21.1",
	"=", "<<", "<", "-", "- a", "--flag=1", "---", "--- a", "...", "... a", "-a", "?", "? a", ":", ": a", "a:", "a: b", "a:b", "a #b", "a#b", "#a",
	"[a]", "{a}", "a]", "&a", "*a", "!a", "!!str a", "|", ">", "%a", "@a", "`a`", "'a'", `"a"`, `it's "so"`, `a\b`, `{"a":"b"}`, `C:\x`,
	"a\nb", "a\nb\n", "a\nb\n\n", "a\n\n\nb\n\n\n", "\na", "\n", "\n\n", " a\nb", "\ta\nb", "a\n b\n", "a\n\tb\n", "a \nb\t\nc", "a\n \nb", "a\n  ", "a\n\t", "a\n#b\n---\n", "# a\nb: c\n", "a\r\nb", "a\rb",
	"a\tb", "\ta", "a\t", "\x00", "\x01\x1f\x7f", "\u0085", "\u00a0", "\u2028a", "\u2029", "\ufeff", "\ufffe", "\uffff", "\ufffd", "é", "日本語", "日本\n語\n", "🚀", "🚀: a", "\U0010ffff", "a\u200bb", "e\u0301",
	"/spec/*", "$(x)", "${x}", "<a>&b", strings.Repeat("long ", 300), strings.Repeat("x", 3000), strings.Repeat("é\n", 700),
}

// check writes the object and reads it back with two independent readers: the
// YAML 1.2 reader of kustomize and the YAML 1.1 reader of kubectl and Flux.
func check(t *testing.T, raw []byte) {
	t.Helper()
	o, err := New("", raw)
	if err != nil {
		t.Skip(err)
	}
	var want any
	if err := json.Unmarshal(o.JSON, &want); err != nil {
		t.Skip(err) // a number that no float64 holds
	}
	y := o.YAML()
	if !utf8.Valid(y) {
		t.Fatalf("not UTF-8: %q", y)
	}

	var v3 any
	if err := yamlv3.Unmarshal(y, &v3); err != nil {
		t.Fatalf("yaml.v3: %v\n%s\n%s", err, o.JSON, y)
	}
	if d := cmp.Diff(want, floats(t, v3)); d != "" {
		t.Fatalf("yaml.v3 (-json +yaml):\n%s\n%s\n%s", d, o.JSON, y)
	}

	j, err := sigsyaml.YAMLToJSONStrict(y)
	if err != nil {
		t.Fatalf("sigs.k8s.io/yaml: %v\n%s\n%s", err, o.JSON, y)
	}
	var v2 any
	if err := json.Unmarshal(j, &v2); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, v2); d != "" {
		t.Fatalf("sigs.k8s.io/yaml (-json +yaml):\n%s\n%s\n%s", d, o.JSON, y)
	}
}

// floats brings numbers to the form that encoding/json has.
func floats(t *testing.T, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = floats(t, v[k])
		}
	case []any:
		for i := range v {
			v[i] = floats(t, v[i])
		}
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case nil, string, bool, float64:
	default:
		t.Fatalf("yaml.v3 read a %T: %v", v, v)
	}
	return v
}

func TestYAMLRoundTrip(t *testing.T) {
	for i, s := range tricky {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			tree := map[string]any{
				"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "annotations": map[string]any{s: s}},
				"data":  map[string]any{"a": s, "k" + s: s, "z": "end"},
				"list":  []any{s, []any{s, []any{}, s}, map[string]any{s: map[string]any{}, "zz": []any{s}}, nil, s},
				s + "!": s,
			}
			raw, err := json.Marshal(tree)
			if err != nil {
				t.Fatal(err)
			}
			check(t, raw)
		})
	}
}

// Every pair of tricky strings joined: what is harmless alone may not be
// beside another.
func TestYAMLRoundTripPairs(t *testing.T) {
	data := map[string]any{}
	for i, a := range tricky {
		for j, b := range tricky {
			if len(a)+len(b) < 200 {
				data[fmt.Sprintf("%d-%d", i, j)] = a + b
				data[a+b] = a
			}
		}
	}
	raw, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "A", "metadata": map[string]any{"name": "a"}, "data": data})
	if err != nil {
		t.Fatal(err)
	}
	check(t, raw)
}

func TestYAMLRoundTripRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune(" \t\n\r-:#?,[]{}&*!|>'\"%@`~=<.\\/_+0189aenoyxTZ\x00\x7f\u0085\u00a0\u2028\ufeffé🚀")
	for range 300 {
		data := map[string]any{}
		for range 20 {
			s := make([]rune, r.IntN(12))
			for i := range s {
				s[i] = alphabet[r.IntN(len(alphabet))]
			}
			data[string(s)] = []any{string(s), map[string]any{string(s): string(s)}}
		}
		raw, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "A", "metadata": map[string]any{"name": "a"}, "data": data})
		if err != nil {
			t.Fatal(err)
		}
		check(t, raw)
	}
}

func TestYAMLForm(t *testing.T) {
	o, err := New("", []byte(`{
		"spec": {"replicas": 3, "ratio": 1.50, "big": 12345678901234567890, "args": ["--a=b", "-v", "yes", ""], "empty": {}, "none": [], "nothing": null,
			"matrix": [[1, 2], []], "containers": [{"name": "c", "ports": [{"containerPort": 80}], "image": "a/b:1@sha256:00"}]},
		"kind": "Deployment", "apiVersion": "apps/v1", "data": {"on": "1.0", "script": "#!/bin/sh\n\tset -e\n", "tail": "a\nb", "more": "a\n\n", "cidr": "10.0.0.0/8"},
		"metadata": {"name": "a", "labels": {"b": "true", "a": "x y"}}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    a: x y
    b: "true"
  name: a
data:
  cidr: 10.0.0.0/8
  more: |+
    a

  "on": "1.0"
  script: |
    #!/bin/sh
    	set -e
  tail: |-
    a
    b
spec:
  args:
  - --a=b
  - -v
  - "yes"
  - ""
  big: 12345678901234567890
  containers:
  - image: a/b:1@sha256:00
    name: c
    ports:
    - containerPort: 80
  empty: {}
  matrix:
  - - 1
    - 2
  - []
  none: []
  nothing: null
  ratio: 1.50
  replicas: 3
`
	if d := cmp.Diff(want, string(o.YAML())); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// Readers other than the two in check differ about lines of blanks alone, tabs
// at the start and characters that nobody sees: no block for these.
func TestYAMLQuotes(t *testing.T) {
	for s, want := range map[string]string{
		"a\n \nb":    `"a\n \nb"`,
		"a\n\t":      `"a\n\t"`,
		"\ta\nb":     `"\ta\nb"`,
		"\na":        `"\na"`,
		"a\r\nb":     `"a\r\nb"`,
		"a\u2028b":   `"a\u2028b"`,
		"\U000e0001": `"\U000E0001"`,
		"\x01":       `"\x01"`,
		`{"a": "b"}`: `'{"a": "b"}'`,
		`it's "a"`:   `it's "a"`,
		`"it's"`:     `"\"it's\""`,
		"10.0.0.0/8": `10.0.0.0/8`,
		"1.0":        `"1.0"`,
		"=":          `"="`,
	} {
		raw, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "A", "metadata": map[string]any{"name": "a"}, "x": s})
		if err != nil {
			t.Fatal(err)
		}
		o, err := New("", raw)
		if err != nil {
			t.Fatal(err)
		}
		_, got, _ := strings.Cut(string(o.YAML()), "\nx: ")
		if got != want+"\n" {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}

// Every CRD that upstream publishes reads back: CONTAIN_UPSTREAM names the
// directory that they are below.
func TestYAMLUpstream(t *testing.T) {
	dir := os.Getenv("CONTAIN_UPSTREAM")
	if dir == "" {
		t.Skip("CONTAIN_UPSTREAM is not set: upstream's CRDs are not written and read back")
	}
	n := 0
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(p) != ".yaml" || filepath.Base(filepath.Dir(p)) != "crds" {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		raw, err := sigsyaml.YAMLToJSON(b)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		n++
		check(t, raw)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Error("no CRDs found")
	}
	t.Logf("%d CRDs", n)
}

func TestYAMLNumbers(t *testing.T) {
	for _, n := range []string{"0", "-0", "1e3", "1E-3", "-1.5e+10", "9223372036854775807", "9223372036854775808", "0.1", fmt.Sprint(math.MaxFloat64)} {
		check(t, []byte(`{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},"n":`+n+`,"l":[`+n+`]}`))
	}
}

func FuzzYAML(f *testing.F) {
	for _, s := range tricky {
		q, _ := json.Marshal(s)
		f.Add([]byte(`{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},"x":{` + string(q) + `:[` + string(q) + `,{"a":` + string(q) + `}]}}`))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { check(t, raw) })
}

// FuzzYAMLString is given strings rather than JSON, so that the engine spends
// its time on the scalar.
func FuzzYAMLString(f *testing.F) {
	for _, s := range tricky {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw, _ := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "A", "metadata": map[string]any{"name": "a"}, "x": []any{s, map[string]any{s: s}}})
		check(t, raw)
	})
}

func BenchmarkYAML(b *testing.B) {
	o, err := New("", []byte(benchObject))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(o.JSON)))
	b.ReportAllocs()
	for b.Loop() {
		o.YAML()
	}
}

const benchObject = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"payments-api","namespace":"payments","labels":{"app.kubernetes.io/name":"payments-api","app.kubernetes.io/part-of":"payments","contain.platform/unit":"payments"},"annotations":{"description":"The \"payments\" API.\nSecond line.\n"}},"spec":{"replicas":3,"selector":{"matchLabels":{"app.kubernetes.io/name":"payments-api"}},"template":{"metadata":{"labels":{"app.kubernetes.io/name":"payments-api"}},"spec":{"serviceAccountName":"payments-api","securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"api","image":"registry.example/payments/api@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","args":["--listen=:8080","--log-level=info"],"env":[{"name":"A","value":"yes"},{"name":"B","valueFrom":{"fieldRef":{"fieldPath":"metadata.namespace"}}}],"ports":[{"name":"http","containerPort":8080,"protocol":"TCP"}],"resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"memory":"256Mi"}},"readinessProbe":{"httpGet":{"path":"/readyz","port":"http"},"periodSeconds":10},"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"readOnlyRootFilesystem":true}}]}}}}`
