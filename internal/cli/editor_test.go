package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/e2e/judge"
)

const extension = `package platform

#Web: {
	#in: {cluster: {...}, values: {...}}
	objects: {
		namespace: {apiVersion: "v1", kind: "Namespace", metadata: {name: "web", labels: "contain.platform/team": "web"}}
		pod: {
			apiVersion: "v1"
			kind:       "Pod"
			metadata: {name: "web", namespace: "web", labels: "app.kubernetes.io/name": "web"}
			spec: {
				automountServiceAccountToken: false
				securityContext: {runAsNonRoot: true, seccompProfile: type: "RuntimeDefault"}
				containers: [{
					name:  "web"
					image: #in.values.image
					resources: {requests: {cpu: "50m", memory: "64Mi"}, limits: {cpu: "200m", memory: "128Mi"}}
					securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: drop: ["ALL"]}
					readinessProbe: httpGet: {path: "/", port: 8080}
					livenessProbe: httpGet: {path: "/", port: 8080}
				}]
			}
		}
	}
}

platform: extensions: web: {
	#component: #Web
	values: image: "registry.k8s.io/web:v1"
}
`

// cue's own language server shows contain's findings for text that is not
// saved, at the line of CUE that they are about, and takes them away again.
func TestEditor(t *testing.T) {
	cue := judge.Path(t, "cue")
	repo := repositoryWithPlatform(t)
	config := filepath.Join(repo, ".git", "contain-editor.cue")

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	served := make(chan error, 1)
	stderr, log := io.Pipe()
	e := Env{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: log, Getenv: func(string) string { return "" }}
	go func() { served <- e.serveEditor(ctx, filepath.Join(repo, "platform"), "127.0.0.1:0", config) }()
	lines := bufio.NewScanner(stderr)
	said := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("contain editor never said %q", want)
	}
	said("waiting for cue lsp")
	if info, err := os.Stat(config); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v (%v): the token is for the user alone", info, err)
	}

	s := startServer(ctx, t, cue, config, repo)
	file := "file://" + filepath.Join(repo, "platform", "web.cue")
	s.notify("textDocument/didOpen", map[string]any{"textDocument": map[string]any{
		"uri": file, "languageId": "cue", "version": 1, "text": extension,
	}})
	said("is here")
	go func() { // what it says from here on is not looked at
		for lines.Scan() {
			_ = lines.Text()
		}
	}()

	mistake := strings.Replace(extension, "web:v1", "web:latest", 1)
	want := []string{`29:10 image "registry.k8s.io/web:latest" of container "web": tag "latest" is not allowed [images/pinned] · clusters.dev-1 · unit web · Pod web/web · spec.containers[0].image`}
	for version, step := range []struct {
		text string
		want []string
	}{{mistake, want}, {extension, nil}, {mistake, want}} {
		s.notify("textDocument/didChange", map[string]any{
			"textDocument":   map[string]any{"uri": file, "version": version + 2},
			"contentChanges": []any{map[string]any{"text": step.text}},
		})
		s.validated(file, step.want)
	}
	cancel()
	_ = log.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// repositoryWithPlatform is what the language server asks for: a git repository
// with a commit and a remote.
func repositoryWithPlatform(t *testing.T) string {
	t.Helper()
	repo, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	platform := filepath.Join(repo, "platform")
	env := Env{
		Args: []string{"init", platform, "--name", "p"}, Stdin: strings.NewReader(""),
		Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" },
	}
	if code := Main(env); code != ExitDone {
		t.Fatalf("contain init: exit code %d", code)
	}
	if err := os.WriteFile(filepath.Join(platform, "web.cue"), []byte(extension), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "-A"}, {"remote", "add", "origin", "https://git.example/platform.git"},
		{"-c", "user.name=t", "-c", "user.email=t@example", "commit", "-qm", "platform"},
	} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = repo
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return repo
}

// session is an editor's side of the language server protocol over stdio
// (microsoft.github.io/language-server-protocol, 3.17).
type session struct {
	t        *testing.T
	in       io.Writer
	messages chan message
	id       int
}

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

func startServer(ctx context.Context, t *testing.T, cue, config, repo string) *session {
	t.Helper()
	cmd := exec.CommandContext(ctx, cue, "lsp", "-extconfig", config)
	cmd.Env = append(os.Environ(), "CUE_CACHE_DIR="+t.TempDir(), "CUE_REGISTRY=none")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	s := &session{t: t, in: in, messages: make(chan message, 100)}
	go s.read(bufio.NewReader(out))
	s.request("initialize", map[string]any{
		"processId": nil, "rootUri": "file://" + repo,
		"capabilities":     map[string]any{"workspace": map[string]any{"codeLens": map[string]any{"refreshSupport": true}}},
		"workspaceFolders": []any{map[string]any{"uri": "file://" + repo, "name": "p"}},
	})
	s.notify("initialized", map[string]any{})
	return s
}

// read takes what the server says and answers what it asks with null, which is
// enough for all that it asks.
func (s *session) read(r *bufio.Reader) {
	defer close(s.messages)
	for {
		header, err := textproto.NewReader(r).ReadMIMEHeader()
		if err != nil {
			return
		}
		n, _ := strconv.Atoi(header.Get("Content-Length"))
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		var m message
		if json.Unmarshal(body, &m) != nil {
			return
		}
		if m.Method != "" && m.ID != nil {
			s.send(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": nil})
		}
		s.messages <- m
	}
}

func (s *session) send(m map[string]any) {
	b, _ := json.Marshal(m)
	fmt.Fprintf(s.in, "Content-Length: %d\r\n\r\n%s", len(b), b)
}

func (s *session) notify(method string, params any) {
	s.send(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
}

// request asks and waits for the answer.
func (s *session) request(method string, params any) {
	s.t.Helper()
	s.id++
	s.send(map[string]any{"jsonrpc": "2.0", "id": s.id, "method": method, "params": params})
	for m := range s.messages {
		if m.Method == "" && string(m.ID) == strconv.Itoa(s.id) {
			return
		}
	}
	s.t.Fatalf("the language server ended before it answered %s", method)
}

// validated runs the server's command until the file has these diagnostics of
// contain's: the server may not be connected at the first.
func (s *session) validated(file string, want []string) {
	s.t.Helper()
	run := func() {
		s.id++
		s.send(map[string]any{"jsonrpc": "2.0", "id": s.id, "method": "workspace/executeCommand", "params": map[string]any{
			"command": "cuelsp.externalvalidate", "arguments": []any{file},
		}})
	}
	run()
	again := time.NewTicker(3 * time.Second)
	defer again.Stop()
	var got []string
	for {
		select {
		case m, ok := <-s.messages:
			if !ok {
				s.t.Fatalf("the language server ended; last seen %q, want %q", got, want)
			}
			if m.Method != "textDocument/publishDiagnostics" {
				continue
			}
			var p struct {
				URI         string
				Diagnostics []struct {
					Range struct {
						Start struct{ Line, Character int }
					}
					Message string
				}
			}
			if err := json.Unmarshal(m.Params, &p); err != nil || p.URI != file {
				continue
			}
			got = nil
			for _, d := range p.Diagnostics {
				got = append(got, fmt.Sprintf("%d:%d %s", d.Range.Start.Line+1, d.Range.Start.Character+1, d.Message))
			}
			if fmt.Sprint(got) == fmt.Sprint(want) {
				return
			}
		case <-again.C:
			run()
		case <-s.t.Context().Done():
			return
		}
	}
}
