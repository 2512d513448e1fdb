package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxcd/pkg/oci"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/contain-platform/contain/internal/cli"
)

// TestMain lets the test binary stand in for contain: scripts run it as a
// process of its own, with its own directory and environment.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"contain": func() { os.Exit(cli.Main(cli.OS())) },
	})
}

// TestScripts runs the contract: each script in testdata/script is a mistake
// or a path that works, with the exit code and the whole output.
// CONTAIN_UPDATE=1 rewrites the outputs.
//
// Commands beside testscript's own:
//
//	platform DIR             a fresh platform p in DIR; files that are there stay
//	acme DIR                 examples/acme with the module around it in DIR; files that are there stay
//	difference OLD NEW FILE  write the difference of two trees that contain render wrote to FILE
//	exitcode N PROGRAM ARG…  run a program and want this exit code
//	registry [deny]          an empty registry at $REGISTRY, which refuses everybody when told so
//	artifact DIR NAME        push DIR to $REGISTRY/NAME as flux push artifact does; $ARTIFACT is its reference
//	writes N                 the registry took N writes since it was last asked
//	tags TAG…                the registry holds these tags, NAME:TAG, and no others
//	replace FILE OLD NEW     replace the one OLD in FILE
//	flip FILE                change the last byte of the one file that matches
//	digests NAME             keep "name digest" lines of the last build's stdout in NAME
//	mask FILE NAME           keep FILE in NAME without what differs from run to run
//	listening                a free address at $ADDRESS; with an argument, wait until it answers
func TestScripts(t *testing.T) {
	base := filepath.Join(t.TempDir(), "platform")
	env := cli.Env{
		Args: []string{"init", base, "--name", "p"}, Stdin: strings.NewReader(""),
		Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" },
	}
	if code := cli.Main(env); code != cli.ExitDone {
		t.Fatalf("contain init: exit code %d", code)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		UpdateScripts:       os.Getenv("CONTAIN_UPDATE") == "1",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("COSIGN_PASSWORD", "a password")
			e.Setenv("HOME", e.WorkDir)
			root, err := filepath.Abs(filepath.Join("..", ".."))
			e.Setenv("ROOT", root)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"platform": func(ts *testscript.TestScript, neg bool, args []string) {
				arguments(ts, neg, args, 1, "platform DIR")
				ts.Check(copyTree(ts.MkAbs(args[0]), base))
			},
			"acme":       acme,
			"difference": difference,
			"exitcode":   exitcode,
			"registry":   startRegistry,
			"artifact":   pushArtifact,
			"writes":     writes,
			"tags":       tags,
			"replace":    replace,
			"flip":       flip,
			"digests":    digests,
			"mask":       mask,

			"listening": listening,
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %s", cond)
		},
	})
}

func arguments(ts *testscript.TestScript, neg bool, args []string, atLeast int, usage string) {
	if neg || len(args) < atLeast {
		ts.Fatalf("usage: %s", usage)
	}
}

// copyTree copies what is not there yet.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(at, 0o755)
		}
		if _, err := os.Lstat(at); err == nil {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(at, b, 0o644)
	})
}

func acme(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "acme DIR")
	for _, d := range []string{"cue.mod", "schema", "catalog", "examples/acme"} {
		ts.Check(copyTree(filepath.Join(ts.MkAbs(args[0]), d), filepath.Join(ts.Getenv("ROOT"), d)))
	}
}

// difference shows each file that differs once, with the clusters where it
// differs in this way, and without line numbers, which say nothing in a tree.
func difference(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 3, "difference OLD NEW FILE")
	texts := map[string]map[string]string{} // file below the cluster -> its difference -> clusters
	count := 0
	for _, name := range files(ts, args[0], args[1]) {
		was, _ := os.ReadFile(filepath.Join(ts.MkAbs(args[0]), name))
		is, _ := os.ReadFile(filepath.Join(ts.MkAbs(args[1]), name))
		d := diff.Diff("", was, "", is)
		if d == nil {
			continue
		}
		count++
		var text strings.Builder
		for i, line := range strings.SplitAfter(string(d), "\n") {
			switch {
			case i < 3: // the names of the files
			case strings.HasPrefix(line, "@@"):
				text.WriteString("@@\n")
			default:
				text.WriteString(line)
			}
		}
		cluster, below, _ := strings.Cut(name, "/")
		if texts[below] == nil {
			texts[below] = map[string]string{}
		}
		texts[below][text.String()] += " " + cluster
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%d files differ\n", count)
	for _, below := range slices.Sorted(maps.Keys(texts)) {
		for _, text := range slices.Sorted(maps.Keys(texts[below])) {
			fmt.Fprintf(&out, "\n%s in%s\n%s", below, texts[below][text], text)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(out.String()), 0o644))
}

// files are those of the trees, with slashes, sorted.
func files(ts *testscript.TestScript, trees ...string) []string {
	names := map[string]bool{}
	for _, tree := range trees {
		root := ts.MkAbs(tree)
		ts.Check(filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(root, p)
			names[filepath.ToSlash(rel)] = true
			return err
		}))
	}
	return slices.Sorted(maps.Keys(names))
}

func exitcode(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "exitcode N PROGRAM ARG…")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	ts.Logf("[exit code %d]\n%s%s", got, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// counter is a registry that counts what is written to it.
type counter struct {
	mu     sync.Mutex
	writes int
	tagged map[string]bool
}

// registries holds each script's, by its directory.
var registries sync.Map

func startRegistry(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 0, "registry [deny]")
	c := &counter{tagged: map[string]bool{}}
	next := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	deny := len(args) > 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if deny {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		c.note(r)
		next.ServeHTTP(w, r)
	}))
	ts.Defer(s.Close)
	ts.Setenv("REGISTRY", strings.TrimPrefix(s.URL, "http://"))
	registries.Store(ts.Getenv("WORK"), c)
}

func (c *counter) note(r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	name, ref, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
	if ok && r.Method == http.MethodPut && !strings.HasPrefix(ref, "sha256") {
		c.tagged[name+":"+ref] = true
	}
}

func of(ts *testscript.TestScript) *counter {
	c, ok := registries.Load(ts.Getenv("WORK"))
	if !ok {
		ts.Fatalf("start a registry first")
	}
	return c.(*counter)
}

func pushArtifact(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "artifact DIR NAME")
	c := oci.NewClient(oci.DefaultOptions())
	ref, err := c.Push(context.Background(), ts.Getenv("REGISTRY")+"/"+args[1]+":v1", ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Setenv("ARTIFACT", ref)
}

func writes(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, false, args, 1, "[!] writes N")
	c := of(ts)
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := strconv.Itoa(c.writes); (got == args[0]) == neg {
		ts.Fatalf("%s writes", got)
	}
	c.writes = 0
}

func tags(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 0, "tags NAME:TAG…")
	c := of(ts)
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(args)
	if got := slices.Sorted(maps.Keys(c.tagged)); !slices.Equal(got, args) {
		ts.Fatalf("tags are %q", got)
	}
}

func replace(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 3, "replace FILE OLD NEW")
	text := ts.ReadFile(args[0])
	if n := strings.Count(text, args[1]); n != 1 {
		ts.Fatalf("%q is %d times in %s", args[1], n, args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o644))
}

func flip(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "flip FILE")
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(found) == 0 {
		ts.Fatalf("no file is %s", args[0])
	}
	b, err := os.ReadFile(found[0])
	ts.Check(err)
	b[len(b)-1] ^= 1
	ts.Check(os.WriteFile(found[0], b, 0o644))
}

func digests(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "digests NAME")
	var out strings.Builder
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		f := strings.Fields(line)
		if len(f) > 1 && strings.HasPrefix(f[len(f)-1], "sha256:") {
			fmt.Fprintf(&out, "%s %s\n", f[0], f[len(f)-1])
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(out.String()), 0o644))
}

// varying is what differs from run to run, or with every edit of the catalog.
var varying = []struct {
	text *regexp.Regexp
	mask string
}{
	{regexp.MustCompile(`sha256([:/-])[0-9a-f]{64}`), "sha256${1}DIGEST"},
	{regexp.MustCompile(`SHA256:[A-Za-z0-9+/]{43}=?`), "SHA256:FINGERPRINT"},
	{regexp.MustCompile(`[0-9]+\.[0-9] [KM]iB`), "N KiB"},
	{regexp.MustCompile(`"size": [0-9]+`), `"size": N`},
	{regexp.MustCompile(`\.pub: [A-Za-z0-9+/=]+`), ".pub: PUBLIC KEY"},
	{regexp.MustCompile(`contain \S+ go\S+ \S+`), "contain VERSION GO OS/ARCH"},
	{regexp.MustCompile(`127\.0\.0\.1:[0-9]+`), "REGISTRY"},
}

func mask(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "mask FILE NAME")
	text := ts.ReadFile(args[0])
	for _, v := range varying {
		text = v.text.ReplaceAllString(text, v.mask)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

func listening(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 0, "listening [now]")
	if len(args) == 0 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		ts.Setenv("ADDRESS", ln.Addr().String())
		ts.Check(ln.Close())
		return
	}
	for range 200 {
		if c, err := net.Dial("tcp", ts.Getenv("ADDRESS")); err == nil {
			ts.Check(c.Close())
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("nothing listens on %s", ts.Getenv("ADDRESS"))
}
