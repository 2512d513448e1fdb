package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/contain-platform/contain/internal/artifact"
)

// ServeOptions say what a served registry holds.
type ServeOptions struct {
	// Layout is offered from the start; nil is nothing.
	Layout *artifact.Layout
	// Path and Tag place it as [Push] would: PATH/<cluster>:TAG. Path "" puts
	// the clusters at the top; Tag "" is [DefaultTag].
	Path, Tag string
	// Writable takes pushes. They live in memory only.
	Writable bool
}

// Serve answers on the listener until ctx ends, and then returns nil after at
// most a second for requests under way. There is neither TLS nor a login: the
// listener should be on a loopback address.
func Serve(ctx context.Context, ln net.Listener, o ServeOptions) error {
	h, err := Handler(o)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := s.Shutdown(stop); err != nil {
		return s.Close()
	}
	return nil
}

// Handler is the registry that [Serve] serves: the OCI distribution API with
// referrers, everything in memory.
func Handler(o ServeOptions) (http.Handler, error) {
	blobs := registry.NewInMemoryBlobHandler()
	h := registry.New(
		registry.WithBlobHandler(blobs),
		registry.WithReferrersSupport(true),
		registry.Logger(log.New(io.Discard, "", 0)),
	)
	if o.Layout != nil {
		p := preload{handler: h, blobs: blobs.(registry.BlobPutHandler), o: o}
		if err := p.run(); err != nil {
			return nil, err
		}
	}
	if o.Writable {
		return h, nil
	}
	return readOnly{h}, nil
}

// readOnly refuses everything but reading.
type readOnly struct{ next http.Handler }

func (h readOnly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		h.next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusMethodNotAllowed)
	io.WriteString(w, `{"errors":[{"code":"UNSUPPORTED","message":"this registry is read-only"}]}`)
}

// preload fills a registry with a layout: blobs through its storage, manifests
// through its own handler, which is the only way in.
type preload struct {
	handler http.Handler
	blobs   registry.BlobPutHandler
	o       ServeOptions
}

func (p preload) run() error {
	release := p.repository(artifact.ReleaseName)
	for _, a := range p.o.Layout.Release.Artifacts {
		for _, b := range a.Blobs() {
			if err := p.blob(b); err != nil {
				return err
			}
		}
		if err := p.manifest(release, a.Manifest, a.Digest()); err != nil {
			return err
		}
	}
	tag := p.o.Tag
	if tag == "" {
		tag = DefaultTag
	}
	for _, s := range p.o.Layout.Release.Subjects() {
		repo := p.repository(s.Name)
		if _, err := name.NewTag("localhost/"+repo+":"+tag, name.StrictValidation); err != nil {
			return &Error{Kind: Invalid, Ref: repo + ":" + tag, Problem: "not a repository and tag"}
		}
		if err := p.manifest(repo, s.Manifest, tag); err != nil {
			return err
		}
		for _, sig := range p.o.Layout.SignaturesOf(s.Manifest.Digest) {
			for _, b := range sig.Blobs() {
				if err := p.blob(b); err != nil {
					return err
				}
			}
			if err := p.manifest(repo, sig.Manifest, sig.Manifest.Digest.String()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p preload) repository(cluster string) string {
	if p.o.Path == "" {
		return cluster
	}
	return p.o.Path + "/" + cluster
}

func (p preload) blob(b artifact.Blob) error {
	return p.blobs.Put(context.Background(), "", b.Digest, io.NopCloser(bytes.NewReader(b.Data)))
}

func (p preload) manifest(repo string, m artifact.Blob, target string) error {
	r, err := http.NewRequest(http.MethodPut, "/v2/"+repo+"/manifests/"+target, bytes.NewReader(m.Data))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", string(m.MediaType))
	w := &statusWriter{header: http.Header{}}
	p.handler.ServeHTTP(w, r)
	if w.status != http.StatusCreated {
		return fmt.Errorf("load %s@%s: status %d", repo, m.Digest, w.status)
	}
	return nil
}

// statusWriter keeps the status of a request that never leaves the process.
type statusWriter struct {
	header http.Header
	status int
}

func (w *statusWriter) Header() http.Header         { return w.header }
func (w *statusWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *statusWriter) WriteHeader(status int)      { w.status = status }
