//go:build e2e

package e2e

import (
	"context"
	"testing"

	"github.com/contain-platform/contain/internal/object"
)

// TestCRDsAreServed looks at the API server's own list of what Start loaded.
func TestCRDsAreServed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	listed, err := harness.List(ctx, object.ID{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}, "")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, u := range listed {
		served[u.GetName()] = true
	}
	for _, c := range harness.crds {
		if !served[c.Name()] {
			t.Errorf("%s of %s is not in the API server", c.Name(), c.File)
		}
	}
	if len(listed) < 100 {
		t.Errorf("%d CRDs, and even without CONTAIN_UPSTREAM there are more than 100", len(listed))
	}
}
