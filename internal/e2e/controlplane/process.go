package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	// startTimeout bounds how long one process may take to get ready. The API
	// server needs 4 s on an idle machine with 2 cores.
	startTimeout = 2 * time.Minute
	// logTail is how many lines of a log an error quotes.
	logTail = 15
)

// A process is one running program.
type process struct {
	name string
	log  string

	proc   *os.Process
	memory int64 // see Usage; set by stop

	done chan struct{} // closed when the process has ended
	// How it ended; set before done is closed.
	state *os.ProcessState
	err   error
}

// run starts the program name of bin, or of PATH, with its output in
// dir/<name>.log. extraEnv is added to this process's environment.
func run(dir, bin, name string, extraEnv []string, args ...string) (*process, error) {
	return runAs(dir, bin, name, name, extraEnv, args...)
}

// runAs is run for a program of which more than one runs: name is this one's,
// and its log's.
func runAs(dir, bin, prog, name string, extraEnv []string, args ...string) (*process, error) {
	path, err := program(bin, prog)
	if err != nil {
		return nil, err
	}
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), extraEnv...)
	cmd.Stdout, cmd.Stderr = log, log
	isolate(cmd)

	started := make(chan error)
	go func() {
		// The kernel watches the thread that started the process, not the
		// process around it: keep the thread until the process has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer log.Close()
		err := cmd.Start()
		p.proc = cmd.Process
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		p.state = cmd.ProcessState
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// program finds name in bin. The distribution's etcd is found on PATH too; the
// others are not, so that no other version is tested by accident.
func program(bin, name string) (string, error) {
	path, err := filepath.Abs(filepath.Join(bin, name))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if name != etcd {
		return "", fmt.Errorf("no %s in %s: run internal/e2e/controlplane/build.sh all", name, bin)
	}
	if path, err = exec.LookPath(name); err != nil {
		return "", fmt.Errorf("no etcd on PATH (Debian: apt-get install etcd-server): %w", err)
	}
	return path, nil
}

// waitHTTP returns once url answers 200. It fails, with the end of the log, when
// the process ends first or startTimeout is over.
func (p *process) waitHTTP(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var last error
	for {
		if last = probe(ctx, client, url); last == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready: %v%s", p.name, p.err, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (%v)%s", p.name, last, context.Cause(ctx), p.tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func probe(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", url, resp.Status, bytes.TrimSpace(body))
	}
	return nil
}

// stop kills the process group and waits until the process is gone. Nothing
// that it holds is kept, so there is no need to ask first.
func (p *process) stop() {
	select {
	case <-p.done:
		// Its group may have more members.
	default:
		p.memory = peakMemory(p.proc.Pid)
	}
	killGroup(p.proc)
	<-p.done
}

// tail is the end of the log, indented, for an error message.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	if len(lines) > logTail {
		lines = lines[len(lines)-logTail:]
	}
	return "\n\t" + strings.Join(lines, "\n\t") + "\n\t(" + p.log + ")"
}

// freePorts picks n distinct ports that are free on 127.0.0.1. They are all
// held until the last is picked; between that and their use another program may
// take one, and its owner then fails to start with a clear log.
func freePorts(n int) ([]int, error) {
	var ports []int
	var errs []error
	for range n {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			errs = append(errs, err)
			break
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, errors.Join(errs...)
}
