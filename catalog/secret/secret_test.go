package secret_test

import (
	"fmt"
	"testing"

	"cuelang.org/go/cue"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/e2e/cuetest"
)

// TestExternal holds the whole object, for every way in which keys can name
// stores.
func TestExternal(t *testing.T) {
	for _, c := range []struct {
		name, keys string
		store      string
		data       string
	}{
		{
			"platform", `{a: path: "x"}`, "platform", `
  - remoteRef: {key: x}
    secretKey: a
`,
		},
		{
			"property", `{a: {path: "x", property: "p"}, b: {path: "x"}}`, "platform", `
  - remoteRef: {key: x, property: p}
    secretKey: a
  - remoteRef: {key: x}
    secretKey: b
`,
		},
		{
			"own store", `{a: {path: "x", store: "s"}, b: {path: "y", store: "s"}}`, "s", `
  - remoteRef: {key: x}
    secretKey: a
  - remoteRef: {key: "y"}
    secretKey: b
`,
		},
		{
			"two stores", `{a: {path: "x"}, b: {path: "y", store: "s"}}`, "platform", `
  - remoteRef: {key: x}
    secretKey: a
  - remoteRef: {key: "y"}
    secretKey: b
    sourceRef: {storeRef: {kind: ClusterSecretStore, name: s}}
`,
		},
		{
			"default second", `{a: {path: "x", store: "s"}, b: {path: "y"}}`, "s", `
  - remoteRef: {key: x}
    secretKey: a
  - remoteRef: {key: "y"}
    secretKey: b
    sourceRef: {storeRef: {kind: ClusterSecretStore, name: platform}}
`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := fmt.Sprintf(`
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: credentials, namespace: apps}
spec:
  refreshInterval: 1h
  secretStoreRef: {kind: ClusterSecretStore, name: %s}
  target: {name: credentials, creationPolicy: Owner}
  data:%s`, c.store, c.data)
			var w, g any
			if err := yaml.Unmarshal([]byte(want), &w); err != nil {
				t.Fatal(err)
			}
			raw, err := external(t, c.keys).MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal(raw, &g); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(w, g); d != "" {
				t.Errorf("object (-want +got):\n%s", d)
			}
		})
	}
}

func external(t *testing.T, keys string) cue.Value {
	t.Helper()
	src := fmt.Sprintf("import \"github.com/contain-platform/contain/catalog/secret\"\nsecret.#External & {#name: \"credentials\", #namespace: \"apps\", #keys: %s}\n", keys)
	return cuetest.Value(t, src)
}

// TestTemplates: a Secret that is rendered holds what its templates make, and
// no secret beside it.
func TestTemplates(t *testing.T) {
	var got, want any
	raw, err := external(t, "{a: path: \"x\"}, #templates: {\"f.yaml\": \"k: {{ .a | toJson }}\"}").MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(`
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: credentials, namespace: apps}
spec:
  refreshInterval: 1h
  secretStoreRef: {kind: ClusterSecretStore, name: platform}
  target:
    name: credentials
    creationPolicy: Owner
    template: {engineVersion: v2, mergePolicy: Replace, data: {f.yaml: "k: {{ .a | toJson }}"}}
  data:
  - remoteRef: {key: x}
    secretKey: a
`), &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("object (-want +got):\n%s", d)
	}
}
