package editor

import (
	"archive/zip"
	"bytes"
	"context"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"cuelang.org/go/unstable/lspaux/protocol"
	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/diag"
)

func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func serve(t *testing.T, o Options) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Log = t.Logf
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- Serve(ctx, ln, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String() + wsPath
}

func dial(t *testing.T, url string, header http.Header) (*websocket.Conn, int) {
	t.Helper()
	c, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		return nil, resp.StatusCode
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c, resp.StatusCode
}

func TestToken(t *testing.T) {
	url := serve(t, Options{Token: "right"})
	for header, want := range map[string]int{
		"": http.StatusUnauthorized, "Bearer wrong": http.StatusUnauthorized, "right": http.StatusSwitchingProtocols, "Bearer right": http.StatusSwitchingProtocols,
	} {
		if _, got := dial(t, url, http.Header{"Authorization": {header}}); got != want {
			t.Errorf("%q: status %d, want %d", header, got, want)
		}
	}
	// A page of another origin is not served even with the token.
	if _, got := dial(t, url, http.Header{"Authorization": {"Bearer right"}, "Origin": {"https://evil.example"}}); got != http.StatusForbidden {
		t.Errorf("another origin: status %d", got)
	}
}

// What comes back is at the user's place, in the unsaved text, and of two
// requests only the second is answered when it overtakes the first.
func TestAnswer(t *testing.T) {
	started := make(chan bool)
	url := serve(t, Options{
		Root: fstest.MapFS{"p/saved.cue": {Data: []byte("saved\n")}, "p/a.cue": {Data: []byte("old")}},
		Dir:  "p", Token: "t",
		Validate: func(ctx context.Context, root fs.FS) ([]diag.Finding, error) {
			b, err := fs.ReadFile(root, "p/a.cue")
			if err != nil {
				return nil, err
			}
			if string(b) == "first" {
				started <- true
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return []diag.Finding{
				{ID: "a/b", Message: "no\ngood", Path: "x", Hint: "do better", Positions: []diag.Position{
					{File: "../../outside.cue", Line: 1, Column: 1}, {File: "a.cue", Line: 2, Column: 3}, {File: "saved.cue", Line: 1},
				}},
				{ID: "a/c", Severity: diag.Warning, Message: "old", Positions: []diag.Position{{File: "saved.cue", Line: 9, Column: 9}}},
				{ID: "a/d", Severity: diag.Info, Message: "waived"},
				{ID: "a/e", Message: "nowhere"},
			}, nil
		},
	})
	c, _ := dial(t, url, http.Header{"Authorization": {"Bearer t"}})
	ask := func(id, text string) {
		msg := (&protocol.EvalRequestMsg{RequestID: id, ZipData: zipped(t, map[string]string{"p/a.cue": text})}).MarshalBytes()
		if err := c.Write(t.Context(), websocket.MessageBinary, msg); err != nil {
			t.Fatal(err)
		}
	}
	ask("1", "first")
	<-started
	ask("2", "1\n1234")

	_, data, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got protocol.EvalResultMsg
	if err := got.UnmarshalBytes(data); err != nil {
		t.Fatal(err)
	}
	want := protocol.EvalResultMsg{RequestID: "2", Errors: []protocol.EvalError{
		{Message: "no good [a/b] · x · hint: do better", Coordinates: []protocol.FileCoordinate{{Path: "p/a.cue", ByteOffset: 4}}},
		{Message: "warning: old [a/c]", Coordinates: []protocol.FileCoordinate{{Path: "p/saved.cue", ByteOffset: 6}}},
		{Message: "nowhere [a/e]", Coordinates: []protocol.FileCoordinate{}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	_, data, err = c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var end protocol.EvalFinishedMsg
	if err := end.UnmarshalBytes(data); err != nil || end.RequestID != "2" {
		t.Errorf("%+v, %v", end, err)
	}

	// What is no request ends the connection, and the server goes on.
	if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, _, err = c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusProtocolError {
		t.Errorf("closed with %v", err)
	}
	if _, status := dial(t, url, http.Header{"Authorization": {"Bearer t"}}); status != http.StatusSwitchingProtocols {
		t.Errorf("status %d", status)
	}
}

func TestOverlay(t *testing.T) {
	r, err := zip.NewReader(bytes.NewReader(nil), 0)
	if err == nil {
		t.Fatal(r, "an empty file is no zip")
	}
	data := zipped(t, map[string]string{"d/new.cue": "new", "d/both.cue": "unsaved"})
	over, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	o := overlay{over, fstest.MapFS{
		"d/both.cue": {Data: []byte("saved, and longer")}, "d/e/old.cue": {Data: []byte("old")}, "other/x": {Data: []byte("x")},
	}}
	if err := fstest.TestFS(o, "d/new.cue", "d/both.cue", "d/e/old.cue", "other/x"); err != nil {
		t.Error(err)
	}
	for file, want := range map[string]string{"d/new.cue": "new", "d/both.cue": "unsaved", "d/e/old.cue": "old", "other/x": "x"} {
		b, err := fs.ReadFile(o, file)
		info, errStat := fs.Stat(o, file)
		if err != nil || errStat != nil || string(b) != want || info.Size() != int64(len(want)) {
			t.Errorf("%s: %q, %v, %v", file, b, err, errStat)
		}
	}
	entries, err := fs.ReadDir(o, "d")
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"both.cue", "e", "new.cue"}, names); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sub", "editor.cue")
	first, err := Config(file, "127.0.0.1:1")
	if err != nil || len(first) < 20 {
		t.Fatal(first, err)
	}
	if again, err := Config(file, "127.0.0.1:1"); err != nil || again != first {
		t.Errorf("the same address got another token (%v)", err)
	}
	if other, err := Config(file, "127.0.0.1:2"); err != nil || other == first {
		t.Errorf("another address got the same token (%v)", err)
	}
	for _, text := range []string{"no: [", `profiles: mine: {serverURL: "http://x", name: "n", token: "t"}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Config(file, "127.0.0.1:1"); err == nil || strings.Contains(err.Error(), ".go:") {
			t.Errorf("%q: %v", text, err)
		}
		if b, _ := os.ReadFile(file); string(b) != text {
			t.Errorf("%q was overwritten", text)
		}
	}
}
