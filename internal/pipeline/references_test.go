package pipeline_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/render"
)

// TestSecretPolicies holds every cluster's policy of examples/acme against what
// the cluster's own objects, rendered and patched, refer to: all of it, with the
// capabilities that it takes, and nothing besides. A policy has no wildcard, so
// it is the set of its paths.
func TestSecretPolicies(t *testing.T) {
	r, err := pipeline.Run(context.Background(), pipeline.Input{FS: os.DirFS(root), Dir: "examples/acme"}, pipeline.Render)
	if err != nil || r.Failed() {
		t.Fatalf("%v\n%v", err, r.Findings)
	}
	files := planFiles(t, r.Clusters)
	reads, writes := 0, 0
	for _, c := range r.Clusters {
		want := map[string][]string{
			"auth/token/lookup-self": {"read"}, "auth/token/renew-self": {"update"}, "auth/token/revoke-self": {"update"},
		}
		for path, write := range asked(t, c) {
			if want["secret/data/"+path] = []string{"read"}; write {
				want["secret/data/"+path] = []string{"create", "read", "update"}
				want["secret/metadata/"+path] = []string{"create", "read", "update"}
				writes++
			} else {
				reads++
			}
		}
		if diff := cmp.Diff(want, policyOf(t, files, c.Name, "secrets")); diff != "" {
			t.Errorf("%s (-asked for +allowed):\n%s", c.Name, diff)
		}
		if len(want) == 3 {
			t.Errorf("%s asks for nothing: the test looks at the wrong objects", c.Name)
		}
		for path := range policyOf(t, files, c.Name, "signs") {
			if !strings.HasPrefix(path, "auth/token/") && path != "pki-"+c.Name+"/sign/platform" {
				t.Errorf("%s: cert-manager may %s", c.Name, path)
			}
		}
	}
	t.Logf("%d clusters: %d paths read, %d written", len(r.Clusters), reads, writes)
}

// A cluster that is rendered alone has the policies of all.
func TestPoliciesOfOneCluster(t *testing.T) {
	run := func(clusters ...string) map[string]string {
		r, err := pipeline.Run(context.Background(), pipeline.Input{FS: os.DirFS(root), Dir: "examples/acme", Clusters: clusters}, pipeline.Render)
		if err != nil || r.Failed() {
			t.Fatalf("%v\n%v", err, r.Findings)
		}
		if len(clusters) > 0 && len(r.Clusters) != len(clusters) {
			t.Fatalf("%d clusters, want %v", len(r.Clusters), clusters)
		}
		return planFiles(t, r.Clusters)
	}
	if diff := cmp.Diff(run(), run("mgmt-eu1")); diff != "" {
		t.Errorf("-of all +of one:\n%s", diff)
	}
}

// planFiles are the files that the store's job mounts.
func planFiles(t *testing.T, clusters []render.Cluster) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, c := range clusters {
		for _, u := range c.Units {
			for _, o := range u.Objects {
				if u.Name != "openbao-config" || o.Kind != "ConfigMap" {
					continue
				}
				var v struct{ Data map[string]string }
				if err := json.Unmarshal(o.JSON, &v); err != nil {
					t.Fatal(err)
				}
				maps.Copy(files, v.Data)
			}
		}
	}
	return files
}

func policyOf(t *testing.T, files map[string]string, cluster, kind string) map[string][]string {
	t.Helper()
	var v struct {
		Path map[string]struct{ Capabilities []string }
	}
	if err := json.Unmarshal([]byte(files["cluster-"+cluster+"."+kind+".json"]), &v); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for p, c := range v.Path {
		if strings.ContainsAny(p, "*+") {
			t.Errorf("%s: %s is a pattern", cluster, p)
		}
		slices.Sort(c.Capabilities)
		out[p] = c.Capabilities
	}
	return out
}

// asked are the keys of the platform's store that objects name, and whether they
// write them: read from the objects as they are, apart from what the compiler
// does.
func asked(t *testing.T, c render.Cluster) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, u := range c.Units {
		for _, o := range u.Objects {
			if o.Kind != "ExternalSecret" && o.Kind != "PushSecret" {
				continue
			}
			var v map[string]any
			if err := json.Unmarshal(o.JSON, &v); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(o.JSON), `"kind":"ClusterSecretStore","name":"platform"`) {
				continue
			}
			for _, d := range v["spec"].(map[string]any)["data"].([]any) {
				d := d.(map[string]any)
				if o.Kind == "PushSecret" {
					out[d["match"].(map[string]any)["remoteRef"].(map[string]any)["remoteKey"].(string)] = true
				} else if key := d["remoteRef"].(map[string]any)["key"].(string); !out[key] {
					out[key] = false
				}
			}
		}
	}
	return out
}
