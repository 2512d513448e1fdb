package catalog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	strict "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/pipeline"
)

// allObjects are those of the goldens and of every cluster of the examples whose
// apiVersion begins with one of the groups.
func allObjects(t *testing.T, groups ...string) []map[string]any {
	t.Helper()
	var out []map[string]any
	keep := func(o map[string]any) {
		version, _ := o["apiVersion"].(string)
		if slices.ContainsFunc(groups, func(g string) bool { return strings.HasPrefix(version, g+"/") }) {
			out = append(out, o)
		}
	}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if path.Base(f.Name) == "want.yaml" {
				for _, text := range strings.Split(string(f.Data), "--- # ") {
					_, text, _ = strings.Cut(text, "\n")
					// A golden of a function has documents that are no objects.
					var o map[string]any
					if yaml.Unmarshal([]byte(text), &o) == nil {
						keep(o)
					}
				}
			}
		}
	}
	for _, dir := range []string{"examples/acme", "examples/minimal"} {
		r, err := pipeline.Run(t.Context(), pipeline.Input{FS: os.DirFS(".."), Dir: dir}, pipeline.Render)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Clusters {
			for _, u := range c.Units {
				for _, o := range u.Objects {
					keep(o.Tree())
				}
			}
		}
	}
	return out
}

// TestCloudNativePGAdmits has CloudNativePG's own types and webhooks, and its
// Barman plugin's, judge every object that is theirs.
func TestCloudNativePGAdmits(t *testing.T) {
	bin := judge.Path(t, "cnpg-admits")
	admits := func(objects []map[string]any) []string {
		var in bytes.Buffer
		e := json.NewEncoder(&in)
		for _, o := range objects {
			if err := e.Encode(o); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), bin)
		cmd.Stdin, cmd.Stderr = &in, os.Stderr
		b, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for d := json.NewDecoder(bytes.NewReader(b)); ; {
			var a struct {
				Kind, Name string
				Problems   []string
			}
			if err := d.Decode(&a); err == io.EOF {
				return out
			} else if err != nil {
				t.Fatal(err)
			}
			for _, p := range a.Problems {
				out = append(out, a.Kind+" "+a.Name+": "+p)
			}
		}
	}

	// It does refuse.
	database := func(change func(spec map[string]any)) map[string]any {
		spec := map[string]any{
			"instances": 3, "storage": map[string]any{"size": "1Gi"},
			"imageName": "ghcr.io/cloudnative-pg/postgresql:18.6-standard-trixie",
		}
		change(spec)
		return map[string]any{"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": map[string]any{"name": "bad"}, "spec": spec}
	}
	got := admits([]map[string]any{
		database(func(map[string]any) {}),
		database(func(s map[string]any) { s["instancse"] = 3 }),
		database(func(s map[string]any) { s["storage"] = map[string]any{"size": "much"} }),
		database(func(s map[string]any) {
			s["postgresql"] = map[string]any{"parameters": map[string]any{"shared_buffers": "2GB"}}
			s["resources"] = map[string]any{"requests": map[string]any{"memory": "1Gi"}}
		}),
		{"apiVersion": "postgresql.cnpg.io/v1", "kind": "ScheduledBackup", "metadata": map[string]any{"name": "bad"}, "spec": map[string]any{"schedule": "0 1 * * * * *", "cluster": map[string]any{"name": "x"}, "method": "plugin"}},
		{"apiVersion": "barmancloud.cnpg.io/v1", "kind": "ObjectStore", "metadata": map[string]any{"name": "bad"}, "spec": map[string]any{"retentionPolicy": "720h", "configuration": map[string]any{"destinationPath": "s3://b", "s3Credentials": map[string]any{"accessKeyId": map[string]any{"name": "a", "key": "b"}}}}},
	})
	refused := map[string]bool{}
	for _, g := range got {
		refused[strings.SplitN(g, ":", 2)[0]] = true
		t.Logf("refused: %s", g)
	}
	if len(got) < 5 || len(refused) != 3 {
		t.Errorf("the judge refuses %d times, of which kinds %v: it is no judge", len(got), refused)
	}

	objects := allObjects(t, "postgresql.cnpg.io", "barmancloud.cnpg.io")
	for _, p := range admits(objects) {
		t.Error(p)
	}
	t.Logf("CLOUDNATIVEPG: %d objects judged by its types and webhooks", len(objects))
	if len(objects) < 10 {
		t.Errorf("%d objects were judged", len(objects))
	}
}

// queueFields are the fields of RabbitmqCluster that the catalog sets, with their
// types: rabbitmq/cluster-operator v2.22.3 docs/api/rabbitmq.com.ref.asciidoc. No
// Go module ships the CRD. What are Kubernetes' own types is held against those.
var queueFields = map[string]any{
	"replicas":                      float64(0),
	"image":                         "",
	"persistence.storage":           "",
	"persistence.storageClassName":  "",
	"resources":                     &corev1.ResourceRequirements{},
	"affinity":                      &corev1.Affinity{},
	"tls.secretName":                "",
	"tls.disableNonTLSListeners":    true,
	"rabbitmq.additionalConfig":     "",
	"terminationGracePeriodSeconds": float64(0),
	"override.statefulSet.spec.template.metadata": &metav1.ObjectMeta{},
	"override.statefulSet.spec.template.spec":     &corev1.PodSpec{},
}

// TestRabbitmqClusters holds queues against the fields that their kind has.
func TestRabbitmqClusters(t *testing.T) {
	objects := allObjects(t, "rabbitmq.com")
	for _, o := range objects {
		if o["apiVersion"] != "rabbitmq.com/v1beta1" || o["kind"] != "RabbitmqCluster" {
			t.Errorf("%v %v is no kind of RabbitMQ's operator", o["apiVersion"], o["kind"])
		}
		spec, _ := o["spec"].(map[string]any)
		for _, p := range wrongFields("", spec) {
			t.Error(p)
		}
	}
	t.Logf("RABBITMQ: %d objects judged by a table of fields", len(objects))
	if len(objects) < 3 {
		t.Errorf("%d objects were judged", len(objects))
	}
	got := wrongFields("", map[string]any{
		"replica": 3.0, "image": 1.0,
		"override": map[string]any{"statefulSet": map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"container": []any{}}}}}},
	})
	want := []string{
		"image: float64, want string",
		`override.statefulSet.spec.template.spec: unknown field "container"`,
		"replica: no such field",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is wrong (-want +got):\n%s", diff)
	}
}

// wrongFields are sorted.
func wrongFields(at string, fields map[string]any) []string {
	var out []string
	for k, v := range fields {
		here := strings.TrimPrefix(at+"."+k, ".")
		want, known := queueFields[here]
		inner, isMap := v.(map[string]any)
		if n, ok := v.(json.Number); ok {
			v, _ = n.Float64()
		}
		switch {
		case !known && isMap && slices.ContainsFunc(fieldNames(), func(f string) bool { return strings.HasPrefix(f, here+".") }):
			out = append(out, wrongFields(here, inner)...)
		case !known:
			out = append(out, here+": no such field")
		case isMap:
			b, err := json.Marshal(v)
			if err != nil {
				panic(err) // it came from JSON
			}
			unknown, err := strict.UnmarshalStrict(b, want)
			if err != nil {
				unknown = append(unknown, err)
			}
			for _, u := range unknown {
				out = append(out, fmt.Sprintf("%s: %v", here, u))
			}
		case fmt.Sprintf("%T", v) != fmt.Sprintf("%T", want):
			out = append(out, fmt.Sprintf("%s: %T, want %T", here, v, want))
		}
	}
	slices.Sort(out) // for determinism
	return out
}

func fieldNames() []string {
	var out []string
	for f := range queueFields {
		out = append(out, f)
	}
	return out
}
