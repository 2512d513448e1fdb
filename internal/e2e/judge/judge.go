// Package judge finds programs that others wrote, so that tests can compare our
// output with their verdict: cosign, gator, cue, crane, opa. They are built by
//
//	internal/e2e/controlplane/build.sh judges
//
// and never taken from PATH: a verdict counts for the version that is pinned.
package judge

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Path is the absolute path of a judge. A test that needs one which is not
// built is skipped on a developer's machine, with the command that builds it,
// and fails where the environment variable CI is set: there nothing is skipped.
func Path(t testing.TB, name string) string {
	t.Helper()
	bin, err := Dir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(bin, name)
	if _, err := os.Stat(path); err != nil {
		message := fmt.Sprintf("no %s in %s: run internal/e2e/controlplane/build.sh judges", name, bin)
		if os.Getenv("CI") != "" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	return path
}

// Dir is the absolute path of the directory that build.sh fills: the value of
// CONTAIN_E2E_BIN, or .cache/e2e/bin under the root of the repository that the
// working directory is in. It need not exist.
func Dir() (string, error) {
	if dir := os.Getenv("CONTAIN_E2E_BIN"); dir != "" {
		return filepath.Abs(dir)
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".cache", "e2e", "bin"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in %s or above it", wd)
		}
	}
}
