//go:build unix

package controlplane

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script writes an executable shell script name in a new directory.
func script(t *testing.T, name, body string) (bin string) {
	t.Helper()
	bin = t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return bin
}

func TestProcessThatEndsTellsItsLog(t *testing.T) {
	bin, dir := script(t, "prog", "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i >&2; done; exit 3\n"), t.TempDir()
	p, err := run(dir, bin, "prog", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	// Nothing listens there: port 1 needs privileges and has a service of old.
	err = p.waitHTTP(t.Context(), http.DefaultClient, "http://127.0.0.1:1/")
	var lines []string
	for i := 26; i <= 40; i++ {
		lines = append(lines, "\tline "+strconv.Itoa(i))
	}
	want := "prog ended before it was ready: exit status 3\n" + strings.Join(lines, "\n") + "\n\t(" + filepath.Join(dir, "prog.log") + ")"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	bin, dir := script(t, "prog", "sleep 300 >fifo & wait\n"), t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := run(dir, bin, "prog", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop() // A second time does no harm.
	// Opens when the child has opened it, and ends when the child has ended.
	f, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p.stop()
	if err := f.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the child outlives its group: %v", err)
	}
}

func TestMissingProgram(t *testing.T) {
	bin := t.TempDir()
	_, err := run(t.TempDir(), bin, kubeAPIServer, nil)
	want := "no kube-apiserver in " + bin + ": run internal/e2e/controlplane/build.sh all"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	t.Setenv("PATH", bin)
	_, err = run(t.TempDir(), bin, etcd, nil)
	want = `no etcd on PATH (Debian: apt-get install etcd-server): exec: "etcd": executable file not found in $PATH`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestFreePortsAreDistinct(t *testing.T) {
	ports, err := freePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if p == 0 || seen[p] {
			t.Errorf("port %d of %v", p, ports)
		}
		seen[p] = true
	}
}
