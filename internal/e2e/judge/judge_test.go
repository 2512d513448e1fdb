package judge

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestDir(t *testing.T) {
	t.Setenv("CONTAIN_E2E_BIN", "")
	got, err := Dir()
	if err != nil {
		t.Fatal(err)
	}
	want, err := filepath.Abs(filepath.Join("..", "..", "..", ".cache", "e2e", "bin"))
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("without CONTAIN_E2E_BIN: %s, want %s", got, want)
	}
	bin := t.TempDir()
	t.Setenv("CONTAIN_E2E_BIN", bin)
	if got, err := Dir(); err != nil || got != bin {
		t.Errorf("with CONTAIN_E2E_BIN: %s, %v, want %s", got, err, bin)
	}
}

// A recorder ends like a test and tells how.
type recorder struct {
	testing.TB
	fatal, skip string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatal(args ...any) {
	r.fatal = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Skip(args ...any) {
	r.skip = fmt.Sprint(args...)
	runtime.Goexit()
}

func TestPath(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("CONTAIN_E2E_BIN", bin)
	path := func(ci string) (path string, r *recorder) {
		t.Setenv("CI", ci)
		r = &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			path = Path(r, "cosign")
		}()
		<-done
		return path, r
	}
	missing := "no cosign in " + bin + ": run internal/e2e/controlplane/build.sh judges"
	if _, r := path(""); r.skip != missing || r.fatal != "" {
		t.Errorf("not built: %+v, want a skip: %s", r, missing)
	}
	if _, r := path("true"); r.fatal != missing || r.skip != "" {
		t.Errorf("not built, in CI: %+v, want a failure: %s", r, missing)
	}
	want := filepath.Join(bin, "cosign")
	if err := os.WriteFile(want, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, _ := path("true"); got != want {
		t.Errorf("built: %s, want %s", got, want)
	}
}
