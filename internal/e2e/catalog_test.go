//go:build e2e

package e2e

import (
	"context"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestCatalogGoldensAreAccepted has the API server judge every object that the
// catalog's own golden files hold: each component in each variant that has one,
// not only those that an example happens to use.
func TestCatalogGoldensAreAccepted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	files, err := filepath.Glob(filepath.Join("..", "..", "catalog", "testdata", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// Each comment names the definition, and what of it the file holds where that
		// is not a template's objects; units are descriptions.
		header := strings.Fields(string(archive.Comment))
		if len(header) < 2 || header[1] == "#Units" || len(header) > 2 && header[2] != "objects" {
			continue
		}
		for _, f := range archive.Files {
			if path.Base(f.Name) != "want.yaml" {
				continue
			}
			objs, err := controlplane.ReadYAML(f.Data)
			if err != nil {
				t.Fatalf("%s: %s: %v", file, f.Name, err)
			}
			total += len(objs)
			made, err := constraintCRDs(ctx, objs)
			if err != nil {
				t.Fatalf("%s: %s: %v", file, f.Name, err)
			}
			if err := harness.ApplyCRDs(ctx, made); err != nil {
				t.Fatalf("%s: %s: %v", file, f.Name, err)
			}
			refused, err := harness.DryRun(ctx, objs)
			if err != nil {
				t.Fatalf("%s: %s: %v", file, f.Name, err)
			}
			for _, r := range refused {
				t.Errorf("%s: %s: %s", strings.TrimSuffix(filepath.Base(file), ".txtar"), path.Dir(f.Name), r)
			}
		}
	}
	if total == 0 {
		t.Errorf("no objects in %d files", len(files))
	}
	t.Logf("%d objects of %d files", total, len(files))
}
