//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/contain-platform/contain/internal/e2e/judge"
)

// testTimeout bounds what one test waits for. Flux needs a second or two.
const testTimeout = 2 * time.Minute

// harness is what the tests of this package share. Each test keeps to
// namespaces and repositories of its own.
var harness struct {
	*controlplane.ControlPlane
	registry *controlplane.Registry
	crds     []controlplane.CRD
}

// TestMain starts one control plane for the package, because that takes as long
// as all tests together.
func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir, err := os.MkdirTemp("", "contain-e2e-")
	if err != nil {
		return fail(err)
	}
	if err := start(ctx, dir); err != nil {
		return fail(err)
	}
	defer harness.registry.Close()
	code := m.Run()
	for _, u := range harness.Stop() {
		fmt.Fprintf(os.Stderr, "e2e: %-24s %5d MiB %6.1f CPU s\n", u.Name, u.Memory>>20, u.CPU.Seconds())
	}
	if code != 0 {
		fmt.Fprintf(os.Stderr, "e2e: the logs are in %s\n", dir)
		return code
	}
	if err := os.RemoveAll(dir); err != nil {
		return fail(err)
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "e2e:", err)
	return 1
}

func start(ctx context.Context, dir string) error {
	bin, err := judge.Dir()
	if err != nil {
		return err
	}
	t0 := time.Now()
	if harness.crds, err = loadCRDs(ctx); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "e2e: read %d CRDs in %.1f s\n", len(harness.crds), time.Since(t0).Seconds())
	if harness.registry, err = controlplane.StartRegistry(); err != nil {
		return err
	}
	harness.ControlPlane, err = controlplane.Start(ctx, controlplane.Options{Bin: bin, Dir: dir, Flux: true, CRDs: harness.crds})
	if err != nil {
		return err
	}
	for _, s := range harness.Started {
		fmt.Fprintf(os.Stderr, "e2e: %-24s %5.1f s\n", s.Name, s.Duration.Seconds())
	}
	return nil
}

// loadCRDs prefers the files under CONTAIN_UPSTREAM; what is not there comes
// from the modules that ship it, so that a machine with neither tests as much.
func loadCRDs(ctx context.Context) ([]controlplane.CRD, error) {
	dir := os.Getenv("CONTAIN_UPSTREAM")
	if dir == "" {
		return controlplane.ModuleCRDs(ctx, slices.Concat(controlplane.FluxModules(), controlplane.PluginModules(), controlplane.ComponentModules())...)
	}
	upstream, err := controlplane.UpstreamCRDs(dir)
	if err != nil {
		return nil, fmt.Errorf("CONTAIN_UPSTREAM: %w", err)
	}
	// Those of the controllers that run come first: they are the ones that
	// the controllers were built with.
	built, err := controlplane.ModuleCRDs(ctx, slices.Concat(controlplane.FluxModules(), controlplane.PluginModules())...)
	if err != nil {
		return nil, err
	}
	return controlplane.MergeCRDs(built, upstream), nil
}
