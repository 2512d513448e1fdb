// Package editor answers cue's language server, so that contain's findings
// appear in an editor at the line of CUE that they are about.
//
// The language server (cue lsp -extconfig FILE) dials "<serverURL>/ws/lsp", sends
// the tracked files of the git repository as a zip, with what the editor has not
// saved yet, and shows the errors that come back. That protocol is experimental
// (cuelang.org/go/unstable/lspaux, v0.17.1): this package is all that knows it.
//
// Invariants:
//   - Nobody gets an answer without the token: what an editor sends is source
//     code, and any page in a browser can dial loopback.
//   - A request that another follows is given up, and each request that is not
//     given up gets its results and then exactly one end.
//   - Files are read from the request first and from disk otherwise, and nothing
//     is ever written.
package editor

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"cuelang.org/go/unstable/lspaux/protocol"
	"github.com/coder/websocket"

	"github.com/contain-platform/contain/internal/diag"
)

// wsPath is where the language server dials, below its serverURL.
const wsPath = "/ws/lsp"

// maxRequest bounds one message: a zip of a repository's tracked files.
const maxRequest = 256 << 20

// Options of Serve.
type Options struct {
	// Root is the git repository on disk, for files that are not tracked.
	Root fs.FS
	// Dir is the platform's directory in Root.
	Dir string
	// Token is what the language server has to say.
	Token string
	// Validate judges the platform in Dir of a tree like Root. The findings'
	// files are relative to Dir.
	Validate func(ctx context.Context, root fs.FS) ([]diag.Finding, error)
	// Log is told of each validation and of what went wrong.
	Log func(format string, args ...any)
}

// Serve answers until ctx ends. The error is the listener's.
func Serve(ctx context.Context, ln net.Listener, o Options) error {
	s := &http.Server{
		Handler:           o.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (o Options) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(wsPath, func(w http.ResponseWriter, r *http.Request) {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(o.Token)) != 1 {
			http.Error(w, "the token is not the one of contain editor", http.StatusUnauthorized)
			return
		}
		// Accept refuses what a browser sends from another origin.
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			o.Log("%v", err)
			return
		}
		c.SetReadLimit(maxRequest)
		conn := &connection{Options: o, ws: c}
		conn.receive(r.Context())
	})
	return mux
}

// connection is one language server.
type connection struct {
	Options
	ws *websocket.Conn
	// mu is held while a validation runs, so that one that was given up has
	// ended before the next begins.
	mu sync.Mutex
}

// receive reads requests until the language server goes.
func (c *connection) receive(ctx context.Context) {
	c.Log("the language server is here")
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() {
		cancel()
		running.Wait()
		_ = c.ws.CloseNow()
		c.Log("the language server is gone")
	}()
	giveUp := func() {}
	for {
		kind, data, err := c.ws.Read(ctx)
		if err != nil {
			giveUp()
			return
		}
		var req protocol.EvalRequestMsg
		if kind == websocket.MessageBinary {
			err = req.UnmarshalBytes(data)
		}
		if kind != websocket.MessageBinary || err != nil {
			giveUp()
			_ = c.ws.Close(websocket.StatusProtocolError, "want an evaluation request")
			return
		}
		giveUp()
		var one context.Context
		one, giveUp = context.WithCancel(ctx)
		running.Go(func() { c.answer(one, &req) })
	}
}

// answer judges one request.
func (c *connection) answer(ctx context.Context, req *protocol.EvalRequestMsg) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	result := &protocol.EvalResultMsg{RequestID: req.RequestID}
	over, err := zip.NewReader(bytes.NewReader(req.ZipData), int64(len(req.ZipData)))
	if err != nil {
		c.Log("request %s: %v", req.RequestID, err)
		return
	}
	root := overlay{over, c.Root}
	found, err := c.Validate(ctx, root)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		c.Log("request %s: %v", req.RequestID, err)
		return
	}
	result.Errors = c.errors(root, found)
	c.Log("request %s: %d findings, %d to show", req.RequestID, len(found), len(result.Errors))
	for _, msg := range [][]byte{result.MarshalBytes(), (&protocol.EvalFinishedMsg{RequestID: req.RequestID}).MarshalBytes()} {
		if err := c.ws.Write(ctx, websocket.MessageBinary, msg); err != nil {
			return
		}
	}
}

// errors are the findings as the editor shows them, each once, at the first of
// its places that is in the repository: the user's.
func (c *connection) errors(root fs.FS, found []diag.Finding) []protocol.EvalError {
	out := []protocol.EvalError{}
	lines := map[string][]byte{}
	for _, f := range found {
		if f.Severity == diag.Info {
			continue // the language server knows no severities: all would be red
		}
		e := protocol.EvalError{Message: message(f)}
		for _, p := range f.Positions {
			file := path.Join(c.Dir, p.File)
			if !fs.ValidPath(file) {
				continue // outside the repository: the catalog of another module
			}
			text, ok := lines[file]
			if !ok {
				text, _ = fs.ReadFile(root, file)
				lines[file] = text
			}
			if text == nil {
				continue
			}
			e.Coordinates = []protocol.FileCoordinate{{Path: file, ByteOffset: offset(text, p.Line, p.Column)}}
			break
		}
		out = append(out, e)
	}
	return out
}

// message is a finding on one line, as far as the editor does not show it: the
// place in the file is the squiggle's.
func message(f diag.Finding) string {
	var b strings.Builder
	if f.Severity == diag.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(strings.Join(strings.Fields(f.Message), " "))
	b.WriteString(" [" + f.ID + "]")
	if where := f.Where(); where != "" {
		b.WriteString(" · " + where)
	}
	if f.Hint != "" {
		b.WriteString(" · hint: " + strings.Join(strings.Fields(f.Hint), " "))
	}
	return b.String()
}

// offset is where a line and column, counted in bytes from 1, are in a text.
func offset(text []byte, line, column int) uint32 {
	at := 0
	for ; line > 1; line-- {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	return uint32(min(at+max(column-1, 0), len(text)))
}
