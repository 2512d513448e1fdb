package controlplane

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestReadCRDs(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// As in prometheus-operator: YAML 1.1 has a type of its own for a bare =.
	one := write("1.yaml", `---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: a.example.com}
spec:
  enum:
  - '!='
  - =
---
# Nothing but a comment.
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a.example.com}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: b.example.com}
`)
	two := write("2.yaml", `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: b.example.com}
`)
	crds, err := ReadCRDs(one, two)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range crds {
		got[c.Name()] = filepath.Base(c.File)
	}
	if diff := cmp.Diff(map[string]string{"a.example.com": "1.yaml", "b.example.com": "1.yaml"}, got); diff != "" {
		t.Errorf("name to file (-want +got):\n%s", diff)
	}
	enum, _, err := unstructured.NestedStringSlice(crds[0].Object.Object, "spec", "enum")
	if diff := cmp.Diff([]string{"!=", "="}, enum); err != nil || diff != "" {
		t.Errorf("enum (-want +got): %v\n%s", err, diff)
	}
}

func TestReadCRDsTellsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(path, []byte("a: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := ReadCRDs(path)
	want := path + ": error converting YAML to JSON: yaml: line 1: did not find expected node content"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
