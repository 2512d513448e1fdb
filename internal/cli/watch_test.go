package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watch runs again when a file changed, is new or is gone, and never for a
// hidden one; what check finds wrong does not end it.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.cue", "one")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, w := io.Pipe()
	ran := make(chan int, 10)
	done := make(chan error, 1)
	e := Env{Stdout: io.Discard, Stderr: w}
	go func() {
		n := 0
		done <- e.watch(ctx, os.DirFS(dir), func() error {
			n++
			ran <- n
			return errors.New("wrong")
		})
		_ = w.Close()
	}()
	said := make(chan string, 100)
	go func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			said <- lines.Text()
		}
		close(said)
	}()

	for n, change := range []func(){
		func() {},
		func() { write("a.cue", "three") },
		func() { write("sub/b.cue", "new") },
		func() { write(".git/c", "hidden"); _ = os.Remove(filepath.Join(dir, "a.cue")) },
	} {
		change()
		if got := <-ran; got != n+1 {
			t.Errorf("run %d, want %d", got, n+1)
		}
		for line := range said {
			if line == "watching for changes" {
				break
			}
		}
	}
	write(".git/c", "hidden and longer")
	select {
	case n := <-ran:
		t.Errorf("run %d for a hidden file", n)
	case <-time.After(3 * watchEvery):
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	var rest []string
	for line := range said {
		rest = append(rest, line)
	}
	if text := strings.Join(rest, "\n"); strings.Contains(text, "wrong") {
		t.Errorf("after the last run: %s", text)
	}
}
