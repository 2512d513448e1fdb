package pipeline_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/pipeline"
)

// said is what Cluster API and its providers say to an object.
type said struct {
	Kind, Webhook bool
	Refused       string
}

type question struct {
	Object json.RawMessage `json:"object"`
	Old    json.RawMessage `json:"old,omitempty"`
}

// clusterAPI asks the program that knows the kind.
func clusterAPI(t *testing.T, questions []question) []said {
	t.Helper()
	var in bytes.Buffer
	for _, q := range questions {
		if err := json.NewEncoder(&in).Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	out := make([]said, len(questions))
	for _, bin := range []string{judge.Path(t, "cluster-api"), judge.Path(t, "cluster-api-providers")} {
		cmd := exec.Command(bin)
		cmd.Stdin = bytes.NewReader(in.Bytes())
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		b, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, &stderr)
		}
		d := json.NewDecoder(bytes.NewReader(b))
		for i := range out {
			var s said
			if err := d.Decode(&s); err != nil {
				t.Fatal(err)
			}
			if s.Kind {
				out[i] = s
			}
		}
	}
	return out
}

// made are the objects of Cluster API's groups on the management cluster of
// examples/acme, by kind and name.
func made(t *testing.T, fsys fstest.MapFS) map[string]*object.Object {
	t.Helper()
	in := pipeline.Input{FS: os.DirFS(root), Dir: acme, Clusters: []string{"mgmt-eu1"}}
	if fsys != nil {
		in.FS = fsys
	}
	r := run(t, in, pipeline.Render)
	if r.Failed() {
		t.Fatal(r.Findings)
	}
	out := map[string]*object.Object{}
	for _, u := range r.Clusters[0].Units {
		for _, o := range u.Objects {
			if strings.HasSuffix(o.Group, "cluster.x-k8s.io") && o.Group != "operator.cluster.x-k8s.io" {
				out[o.Kind+" "+o.Name] = o
			}
		}
	}
	return out
}

// TestClusterAPI: Cluster API's and its providers' own types decode every object
// strictly, and their own webhooks let it in; what is wrong they refuse.
func TestClusterAPI(t *testing.T) {
	objects := made(t, nil)
	var questions []question
	var names []string
	for n, o := range objects {
		names, questions = append(names, n), append(questions, question{Object: o.JSON})
	}
	validated, refused := 0, 0
	for i, s := range clusterAPI(t, questions) {
		switch {
		case !s.Kind:
			t.Errorf("%s: nobody knows the kind", names[i])
		case s.Refused != "":
			refused++
			t.Errorf("%s: %s", names[i], s.Refused)
		case s.Webhook:
			validated++
		}
	}

	wrong := []struct{ kind, prefix, patch, want string }{
		{"Cluster", "prod-eu1", `{"spec": {"clusterNetwork": {"pods": {"cidrBlock": ["10.0.0.0/8"]}}}}`, "unknown field"},
		{"Cluster", "prod-eu1", `{"spec": {"clusterNetwork": {"pods": {"cidrBlocks": ["10.0.0.0/99"]}}}}`, "invalid CIDR"},
		{"KubeadmControlPlane", "prod-eu1", `{"spec": {"replicas": 2}}`, "cannot be an even number"},
		{"KubeadmControlPlane", "prod-eu1", `{"spec": {"version": "1.36"}}`, "must be a valid semantic version"},
		{"KubeadmControlPlane", "prod-eu1", `{"spec": {"kubeadmConfigSpec": {"files": [{"path": "/a", "content": "x"}, {"path": "/a", "content": "y"}]}}}`, "path"},
		{"MachineDeployment", "prod-eu1-eu1-a", `{"spec": {"template": {"metadata": {"labels": {"cluster.x-k8s.io/deployment-name": "other"}}}}}`, "selector"},
		{"VSphereFailureDomain", "prod-eu1.eu1-a", `{"spec": {"topology": {"computeCluster": null}}}`, "cannot be nil"},
		{"AWSMachineTemplate", "test-eu1-workers", `{"spec": {"template": {"spec": {"providerID": "aws:///x"}}}}`, "cannot be set in templates"},
		{"AWSMachineTemplate", "test-eu1-workers", `{"spec": {"template": {"spec": {"type": "m6i.large"}}}}`, "unknown field"},
		{"AWSCluster", "test-eu1", `{"spec": {"network": {"vpc": {"cidrBlock": "10.0.0.0"}}}}`, "CIDR block is invalid"},
	}
	questions = nil
	find := func(kind, prefix string) *object.Object {
		for n, o := range objects {
			if strings.HasPrefix(n, kind+" "+prefix) {
				return o
			}
		}
		t.Fatalf("no %s %s", kind, prefix)
		return nil
	}
	for _, w := range wrong {
		b, err := jsonpatch.MergePatch(find(w.kind, w.prefix).JSON, []byte(w.patch))
		if err != nil {
			t.Fatal(err)
		}
		questions = append(questions, question{Object: b})
	}
	caught := 0
	for i, s := range clusterAPI(t, questions) {
		if w := wrong[i]; s.Refused == "" || !strings.Contains(s.Refused, w.want) {
			t.Errorf("%s %s with %s: %q, want a refusal with %q", w.kind, w.prefix, w.patch, s.Refused, w.want)
			continue
		}
		caught++
	}
	t.Logf("CLUSTER API: %d objects decoded strictly, %d validated by webhooks, %d refused; %d wrong ones refused", len(names), validated, refused, caught)
	if len(names) < 50 || validated < 40 {
		t.Error("too few objects to say much")
	}
}

// TestClusterAPIUpdate: a larger machine is a template of another name, which the
// webhooks let in as new, and what refers to it changes as they allow. The same
// change in place they refuse.
func TestClusterAPIUpdate(t *testing.T) {
	before := made(t, nil)
	fsys := module(t, acme)
	file := acme + "/clusters.cue"
	text := strings.Replace(string(fsys[file].Data), `cpus: 8, memory: "32Gi"`, `cpus: 16, memory: "64Gi"`, 1)
	if text == string(fsys[file].Data) {
		t.Fatal("nothing to change in " + file)
	}
	fsys[file] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	after := made(t, fsys)
	var questions []question
	var names []string
	var fresh, old *object.Object
	for n, o := range after {
		switch was := before[n]; {
		case was == nil:
			fresh = o
			names, questions = append(names, "new "+n), append(questions, question{Object: o.JSON})
		case !bytes.Equal(was.JSON, o.JSON):
			names, questions = append(names, "changed "+n), append(questions, question{Object: o.JSON, Old: was.JSON})
		}
	}
	for n, o := range before {
		if after[n] == nil {
			old = o
		}
	}
	if fresh == nil || old == nil || fresh.Kind != "VSphereMachineTemplate" || len(questions) != 4 {
		t.Fatalf("a machine size changes one template's name and the three pools that use it, not %v", names)
	}
	for i, s := range clusterAPI(t, questions) {
		if !s.Kind || s.Refused != "" {
			t.Errorf("%s: %s", names[i], s.Refused)
		}
	}
	inPlace, err := jsonpatch.MergePatch(fresh.JSON, []byte(`{"metadata": {"name": "`+old.Name+`"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if s := clusterAPI(t, []question{{Object: inPlace, Old: old.JSON}}); !strings.Contains(s[0].Refused, "immutable") {
		t.Errorf("the template changed in place: %q, want a refusal", s[0].Refused)
	}
}
