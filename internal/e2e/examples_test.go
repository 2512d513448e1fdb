//go:build e2e

package e2e

import (
	"context"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/contain-platform/contain/internal/object"
)

// TestExamplesAreAccepted has the API server judge every object of every
// cluster of the examples, and those that contain bootstrap prints for it, by
// strict server-side dry run.
func TestExamplesAreAccepted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	crds := "the modules that ship them"
	if os.Getenv("CONTAIN_UPSTREAM") != "" {
		crds = "CONTAIN_UPSTREAM"
	}
	_, public := keygen(t)
	total, refusals := 0, 0
	for _, platform := range []string{"minimal", "acme"} {
		for _, c := range build(t, example(platform), t.TempDir(), "").Clusters {
			objs := objectsOf(t, contain(t, "render", example(platform), "--cluster", c.Cluster))
			if len(objs) != c.Objects {
				t.Errorf("%s %s: contain render has %d objects, contain build %d", platform, c.Cluster, len(objs), c.Objects)
			}
			boot := objectsOf(t, contain(t, "bootstrap", c.Cluster, example(platform), "--url", "oci://registry.example/"+platform, "--key", public))
			n, refused := accepted(ctx, t, platform+" "+c.Cluster, append(objs, boot...))
			total += n
			refusals += refused
		}
	}
	t.Logf("STRICT DRY RUN: %d objects of examples/minimal and examples/acme, %d refused; CRDs from %s", total, refusals, crds)
}

// unshipped are the groups of the catalog's whose CRDs no Go module ships. Where
// CONTAIN_UPSTREAM has none either the API server knows none of their kinds:
// their objects are counted and named, and other tests judge them
// (catalog.TestRabbitmqClusters, catalog.TestRealm).
var unshipped = []string{"k8s.keycloak.org", "rabbitmq.com"}

// served are the objects that the API server can judge; the others are logged.
func served(ctx context.Context, t *testing.T, name string, objs []*object.Object) []*object.Object {
	t.Helper()
	missing := map[string]int{}
	out := slices.DeleteFunc(slices.Clone(objs), func(o *object.Object) bool {
		if !slices.Contains(unshipped, o.Group) {
			return false
		}
		kind := o.APIVersion() + " " + o.Kind
		if _, ok := missing[kind]; !ok {
			if _, err := harness.List(ctx, o.ID, ""); err == nil {
				return false
			}
		}
		missing[kind]++
		return true
	})
	for _, kind := range slices.Sorted(maps.Keys(missing)) {
		t.Logf("%s: NOT JUDGED: %d objects of %s, a kind that is not served here", name, missing[kind], kind)
	}
	return out
}

// accepted fails the test with each refusal and counts objects and refusals.
func accepted(ctx context.Context, t *testing.T, name string, objs []*object.Object) (total, refusals int) {
	t.Helper()
	made, err := constraintCRDs(ctx, objs)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := harness.ApplyCRDs(ctx, made); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	objs = served(ctx, t, name, objs)
	refused, err := harness.DryRun(ctx, objs)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, r := range refused {
		t.Errorf("%s: %s", name, r)
	}
	t.Logf("%s: %d objects, %d refused", name, len(objs), len(refused))
	return len(objs), len(refused)
}
