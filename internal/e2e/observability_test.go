//go:build e2e

package e2e

import (
	"encoding/json"
	"testing"

	"github.com/contain-platform/contain/internal/object"
)

// stacks of examples/acme, with the clusters that write for each tenant's ID:
// what the description says, worked out by hand. dev-eu1 does without customers'
// telemetry, and data is not on prod-us1.
var stacks = map[string]map[string][]string{
	"obs-apps": {
		"payments":  {"prod-eu1", "prod-us1", "test-eu1"},
		"shop":      {"prod-eu1", "prod-us1", "test-eu1"},
		"data-lake": {"prod-eu1", "test-eu1"},
	},
	"obs-platform": {
		"platform": {"dev-eu1", "obs-apps", "obs-platform", "prod-eu1", "prod-us1", "test-eu1"},
	},
}

// rendered are the objects of a cluster of examples/acme.
func rendered(t *testing.T, cluster string) []*object.Object {
	t.Helper()
	return objectsOf(t, contain(t, "render", example("acme"), "--cluster", cluster))
}

// chartValues are the values of the HelmRelease of a name.
func chartValues(t *testing.T, objs []*object.Object, name string) map[string]any {
	t.Helper()
	for _, o := range objs {
		if o.Kind != "HelmRelease" || o.Name != name {
			continue
		}
		var release struct {
			Spec struct{ Values map[string]any }
		}
		if err := json.Unmarshal(o.JSON, &release); err != nil {
			t.Fatal(err)
		}
		return release.Spec.Values
	}
	t.Fatalf("no HelmRelease %s", name)
	return nil
}

// valueAt follows keys through mappings.
func valueAt(t *testing.T, v any, keys ...string) any {
	t.Helper()
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok || m[k] == nil {
			t.Fatalf("no %q of %v", k, keys)
		}
		v = m[k]
	}
	return v
}
