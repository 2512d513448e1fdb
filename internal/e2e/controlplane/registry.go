package controlplane

import (
	"io"
	"log"
	"net"
	"net/http"

	"github.com/google/go-containerregistry/pkg/registry"
)

// A Registry is an OCI registry in this process's memory, over plain HTTP on
// loopback, with the referrers API of OCI 1.1. An OCIRepository that reads from
// it needs insecure: true.
type Registry struct {
	// Host is 127.0.0.1:<port>: an artifact is <Host>/<repository>:<tag>.
	Host string

	server *http.Server
}

// StartRegistry starts an empty registry. Callers close it.
func StartRegistry() (*Registry, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Registry{
		Host: l.Addr().String(),
		server: &http.Server{Handler: registry.New(
			registry.Logger(log.New(io.Discard, "", 0)),
			registry.WithReferrersSupport(true),
		)},
	}
	go func() {
		// Always ends with an error: http.ErrServerClosed after Close.
		_ = r.server.Serve(l)
	}()
	return r, nil
}

// Close stops the registry and forgets what it holds.
func (r *Registry) Close() error { return r.server.Close() }
