package catalog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"
)

// A chart is what upstream says that can be set.
type chart struct {
	values map[string]any
	// schema is values.schema.json; nil where the chart has none.
	schema map[string]any
	// commented are the values, as paths, that values.yaml only has in a comment.
	commented map[string]bool
}

// TestHelmValuesExist holds every value that a HelmRelease sets, of the goldens
// and of every cluster of the examples, against the chart's own values.yaml and values.schema.json: the name exists, and the
// type is the default's. What a chart leaves empty takes anything, unless its
// schema is closed there, and so does what its schema leaves open. CONTAIN_UPSTREAM is a directory with, per project,
// facts.json (chart and otherCharts, each with a name) and the charts' files.
func TestHelmValuesExist(t *testing.T) {
	dir := os.Getenv("CONTAIN_UPSTREAM")
	if dir == "" {
		t.Skip("CONTAIN_UPSTREAM is not set: no chart's values to hold the catalog's against")
	}
	charts := readCharts(t, dir)
	skipped := map[string]bool{}
	for _, from := range []struct {
		what     string
		releases []release
	}{
		{"goldens", goldenReleases(t)},
		{"examples", exampleReleases(t)},
	} {
		checked, unknown := 0, 0
		seen := map[string]bool{}
		for _, r := range from.releases {
			c, ok := charts[r.chart+" "+r.version]
			if !ok {
				c, ok = charts[r.chart]
			}
			if !ok {
				skipped[r.chart] = true
				continue
			}
			seen[r.chart] = true
			var problems []string
			checked += c.check("", r.values, c.values, c.schema, &problems)
			unknown += len(problems)
			for _, p := range problems {
				t.Errorf("%s: chart %s: %s", r.from, r.chart, p)
			}
		}
		t.Logf("HELM VALUES of the %s: %d checked in %d HelmReleases of %d charts, %d unknown", from.what, checked, len(from.releases), len(seen), unknown)
		if checked == 0 {
			t.Errorf("%s: nothing was checked", from.what)
		}
	}
	t.Logf("charts that CONTAIN_UPSTREAM has no values of: %v", slices.Sorted(maps.Keys(skipped)))
}

// freeform are values whose default is an example of a Kubernetes type, or of
// a custom resource's spec, which the API server judges instead, and Grafana's
// settings, which catalog/grafana's tests judge.
func freeform(at string) bool {
	switch path.Base(at) {
	case "resources", "securityContext", "podSecurityContext", "containerSecurityContext":
		return true
	}
	return at == "/cephClusterSpec/storage" || at == "/grafana.ini"
}

var (
	keyLine     = regexp.MustCompile(`^( *)([\w.-]+):( |$)`)
	commentLine = regexp.MustCompile(`^( *)# ?([\w.-]+):( |$)`)
)

// commented finds what a values.yaml has as "# name: default" among the keys of
// a mapping, which charts do with values that have no default.
func commented(text string) map[string]bool {
	out := map[string]bool{}
	type key struct {
		indent int
		at     string
	}
	var within []key
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		m := keyLine.FindStringSubmatch(line)
		isComment := m == nil
		if isComment {
			if m = commentLine.FindStringSubmatch(line); m == nil {
				continue
			}
		}
		for len(within) > 0 && within[len(within)-1].indent >= len(m[1]) {
			within = within[:len(within)-1]
		}
		at := "/" + m[2]
		if len(within) > 0 {
			at = within[len(within)-1].at + at
		}
		if isComment {
			out[at] = true
		} else {
			within = append(within, key{len(m[1]), at})
		}
	}
	return out
}

// check returns how many values it compared, and appends what is wrong.
func (c chart) check(at string, set, known, schema map[string]any, problems *[]string) int {
	n := 0
	// Sorted for determinism.
	for _, k := range slices.Sorted(maps.Keys(set)) {
		here, v := at+"/"+k, set[k]
		sub := property(schema, k)
		def, ok := known[k]
		if subchart(here) {
			continue
		}
		if !ok && sub == nil && !open(schema) && !c.commented[here] {
			*problems = append(*problems, fmt.Sprintf("%s: no such value", here))
			continue
		}
		n++
		inner, isMap := v.(map[string]any)
		defaults, _ := def.(map[string]any)
		switch {
		case freeform(here):
		case isMap && (len(defaults) > 0 || sub["additionalProperties"] == false):
			n += c.check(here, inner, defaults, sub, problems)
		case def != nil && kind(v) != kind(def) && !allows(sub, kind(v)):
			*problems = append(*problems, fmt.Sprintf("%s: %s, where the chart has %s", here, kind(v), kind(def)))
		}
	}
	return n
}

// subchart reports whether a value is one that the chart hands on to a chart in
// it, and which it says nothing of: kube-state-metrics 8.4.0's own.
func subchart(at string) bool { return at == "/kube-state-metrics/collectorsExclude" }

// open reports whether a chart's schema says of an object only that it may have
// any field: the configuration of the program itself, which judges that better.
func open(schema map[string]any) bool {
	return schema["additionalProperties"] == true && schema["properties"] == nil
}

func property(schema map[string]any, name string) map[string]any {
	properties, _ := schema["properties"].(map[string]any)
	p, _ := properties[name].(map[string]any)
	return p
}

// allows reports whether a JSON schema names the kind among its types.
func allows(schema map[string]any, kind string) bool {
	types, ok := schema["type"].([]any)
	if !ok {
		types = []any{schema["type"]}
	}
	for _, t := range types {
		if t == kind || t == "integer" && kind == "number" {
			return true
		}
	}
	return false
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "number"
}

// subcharts are values of a chart's dependencies, which its own values.yaml does
// not list: of the chart kube-state-metrics as Flux's monitoring example sets
// them (fluxcd/flux2-monitoring-example, kube-state-metrics-config.yaml), and of
// all where their images are, with the defaults of kube-state-metrics 8.4.0,
// prometheus-node-exporter 4.56.1, rollout-operator 0.51.1 and ceph-csi-operator
// 1.0.4.
var subcharts = map[string]map[string]map[string]any{
	"kube-prometheus-stack": {
		"kube-state-metrics": {
			"rbac":                map[string]any{"extraRules": []any{}},
			"customResourceState": map[string]any{"enabled": false, "config": map[string]any{}},
			"image":               map[string]any{"registry": "registry.k8s.io", "repository": "kube-state-metrics/kube-state-metrics", "tag": ""},
		},
		"prometheus-node-exporter": {
			"image": map[string]any{"registry": "quay.io", "repository": "prometheus/node-exporter", "tag": ""},
		},
	},
	"mimir-distributed": {"rollout_operator": {
		"image": map[string]any{"repository": "grafana/rollout-operator", "tag": ""},
	}},
	"rook-ceph": {"ceph-csi-operator": {
		"controllerManager": map[string]any{"manager": map[string]any{
			"env":   map[string]any{"csiServiceAccountPrefix": ""},
			"image": map[string]any{"repository": "quay.io/cephcsi/ceph-csi-operator", "tag": "v1.0.4"},
		}},
	}},
}

// readCharts are the charts of dir by name, and by name and version those that
// it has another version of as well.
func readCharts(t *testing.T, dir string) map[string]chart {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "facts.json"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]chart{}
	for _, file := range files {
		type named struct{ Name, Version string }
		var facts struct {
			Chart       *named
			OtherCharts []named
		}
		read(t, file, &facts)
		at := filepath.Dir(file)
		for _, other := range facts.OtherCharts {
			var c chart
			if read(t, filepath.Join(at, other.Name+".values.yaml"), &c.values) {
				out[other.Name] = c
			}
			if c = (chart{}); read(t, filepath.Join(at, other.Name+"-"+other.Version+".values.yaml"), &c.values) {
				out[other.Name+" "+other.Version] = c
			}
		}
		if facts.Chart != nil {
			var c chart
			read(t, filepath.Join(at, "values.schema.json"), &c.schema)
			if file := filepath.Join(at, "values.yaml"); read(t, file, &c.values) {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				c.commented = commented(string(text))
				for name, values := range subcharts[facts.Chart.Name] {
					sub, _ := c.values[name].(map[string]any)
					maps.Copy(sub, values)
				}
				out[facts.Chart.Name] = c
			}
		}
	}
	return out
}

// read decodes a YAML or JSON file and reports whether it is there.
func read(t *testing.T, file string, into any) bool {
	t.Helper()
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err == nil {
		err = yaml.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return true
}

// A release is one HelmRelease of a golden file or of an example's cluster.
type release struct {
	from, chart, version string
	values               map[string]any
}

func goldenReleases(t *testing.T) []release {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var out []release
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if path.Base(f.Name) != "want.yaml" {
				continue
			}
			out = append(out, releasesOf(path.Join(file, f.Name), documents(t, f))...)
		}
	}
	return out
}

// exampleReleases are those of every cluster of the examples, with what their
// platforms set.
func exampleReleases(t *testing.T) []release {
	t.Helper()
	var out []release
	for _, dir := range []string{"examples/acme", "examples/minimal"} {
		r, err := pipeline.Run(t.Context(), pipeline.Input{FS: os.DirFS(".."), Dir: dir}, pipeline.Render)
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed() {
			t.Fatalf("%s: %v", dir, r.Findings)
		}
		for _, c := range r.Clusters {
			for _, u := range c.Units {
				var docs []document
				for _, o := range u.Objects {
					docs = append(docs, decode(t, o.JSON)...)
				}
				out = append(out, releasesOf(path.Join(dir, c.Name, u.Name), docs)...)
			}
		}
	}
	return out
}

func releasesOf(from string, docs []document) []release {
	type source struct{ chart, version string }
	sources := map[string]source{}
	for _, o := range docs {
		if o.Kind == "OCIRepository" {
			sources[o.Metadata.Name] = source{path.Base(o.Spec.URL), o.Spec.Ref.Tag}
		}
	}
	var out []release
	for _, o := range docs {
		if o.Kind != "HelmRelease" {
			continue
		}
		of := source{o.Spec.Chart.Spec.Chart, o.Spec.Chart.Spec.Version}
		if of.chart == "" {
			of = sources[o.Spec.ChartRef.Name]
		}
		out = append(out, release{from, of.chart, of.version, o.Spec.Values})
	}
	return out
}

type document struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		URL      string
		Ref      struct{ Tag string }
		ChartRef struct{ Name string }
		Chart    struct {
			Spec struct{ Chart, Version string }
		}
		Values map[string]any
	}
}

// documents decodes the Flux objects of a golden file; others have other specs.
func documents(t *testing.T, f txtar.File) []document {
	t.Helper()
	var out []document
	for _, text := range strings.Split(string(f.Data), "--- # ") {
		_, text, _ = strings.Cut(text, "\n")
		raw, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		out = append(out, decode(t, raw)...)
	}
	return out
}

// decode is the object if it is one of Flux's, else nothing: goldens of shared
// definitions hold values that are no objects too.
func decode(t *testing.T, raw []byte) []document {
	t.Helper()
	if !bytes.HasPrefix(raw, []byte("{")) {
		return nil
	}
	var head struct{ Kind string }
	// A golden of a function has documents that are no objects.
	if bytes.HasPrefix(raw, []byte("{")) {
		if err := json.Unmarshal(raw, &head); err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
	}
	if head.Kind != "HelmRelease" && head.Kind != "OCIRepository" {
		return nil
	}
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	return []document{d}
}
