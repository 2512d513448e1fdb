//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/object"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A refusal is the same cluster's artifact as somebody would like Flux to take
// it, and what Flux says instead.
type refusal struct {
	name string
	// offer puts the artifact somewhere, and returns the host and the path for
	// contain bootstrap.
	offer func(context.Context, *testing.T, *platformRun) (host, path string)
	// condition is False, with the words want in its message.
	condition, want string
}

func refusalCases() []refusal {
	const unsigned = "failed to verify the signature using provider 'cosign': no matching signatures were found"
	return []refusal{
		{"unsigned", offerUnsigned, "SourceVerified", unsigned},
		{"signed with another key", offerForeign, "SourceVerified", unsigned},
		{"one byte of the layer changed, and the manifest to match", offerForged, "SourceVerified", unsigned},
		{"one byte of the layer changed on the way", offerTampered, "Ready", "error verifying sha256 checksum"},
	}
}

// refusals points the cluster at one bad artifact after the other. Each leaves
// the API server as it was.
func (r *platformRun) refusals(ctx context.Context, t *testing.T) {
	for _, c := range refusalCases() {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(ctx, testTimeout)
			defer cancel()
			t0 := time.Now()
			host, path := c.offer(ctx, t, r)
			r.bootstrap(ctx, t, host, path)
			got, err := r.WaitRefused(ctx, ociRepository("platform"), c.condition)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got.Message, c.want) {
				t.Errorf("%s\nwant a message with %q", got, c.want)
			}
			kustomizations, err := r.List(ctx, object.ID{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"}, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range kustomizations {
				if k.GetName() != "platform" {
					t.Errorf("Flux made the Kustomization %s", k.GetName())
				}
			}
			r.nothingOf(ctx, t, "the artifact is refused")
			t.Logf("REFUSED in %.1f s: %s", time.Since(t0).Seconds(), got)
		})
	}
}

func offerUnsigned(_ context.Context, t *testing.T, r *platformRun) (host, path string) {
	layout := filepath.Join(t.TempDir(), "dist")
	if got, want := build(t, r.acme, layout, "").digest(t, r.cluster), r.report.digest(t, r.cluster); got != want {
		t.Errorf("unsigned it is %s, signed %s", got, want)
	}
	contain(t, "push", layout, "oci://"+harness.registry.Host+"/unsigned", "--unsigned")
	return harness.registry.Host, "unsigned"
}

func offerForeign(_ context.Context, t *testing.T, r *platformRun) (host, path string) {
	private, _ := keygen(t)
	layout := filepath.Join(t.TempDir(), "dist")
	build(t, r.acme, layout, private)
	contain(t, "push", layout, "oci://"+harness.registry.Host+"/foreign", "--key", private)
	return harness.registry.Host, "foreign"
}

// offerForged is an artifact in order, but for its signature: the changed layer
// has its own digest, and the manifest names it.
func offerForged(ctx context.Context, t *testing.T, r *platformRun) (host, path string) {
	contain(t, "push", r.layout, "oci://"+harness.registry.Host+"/forged", "--key", r.private)
	repository, m, raw := manifest(ctx, t, r, "forged")
	layer, err := remote.Layer(repository.Digest(m.Layers[0].Digest.String()), remote.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	content, err := layer.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	flip(data)
	forged := static.NewLayer(data, m.Layers[0].MediaType)
	if err := remote.WriteLayer(repository, forged, remote.WithContext(ctx)); err != nil {
		t.Fatal(err)
	}
	digest, err := forged.Digest()
	if err != nil {
		t.Fatal(err)
	}
	raw = bytes.ReplaceAll(raw, []byte(m.Layers[0].Digest.String()), []byte(digest.String()))
	if err := remote.Put(repository.Tag("latest"), rawManifest(raw), remote.WithContext(ctx)); err != nil {
		t.Fatal(err)
	}
	return harness.registry.Host, "forged"
}

// offerTampered is the signed artifact behind a registry that changes a byte of
// the layer on its way to Flux.
func offerTampered(ctx context.Context, t *testing.T, r *platformRun) (host, path string) {
	contain(t, "push", r.layout, "oci://"+harness.registry.Host+"/tampered", "--key", r.private)
	_, m, _ := manifest(ctx, t, r, "tampered")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: harness.registry.Host})
	proxy.ModifyResponse = func(resp *http.Response) error {
		if resp.Request.Method != http.MethodGet || !strings.HasSuffix(resp.Request.URL.Path, "/blobs/"+m.Layers[0].Digest.String()) {
			return nil
		}
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		flip(data)
		resp.Body = io.NopCloser(bytes.NewReader(data))
		return nil
	}
	server := httptest.NewServer(proxy)
	// Flux still asks it when the subtest is over.
	r.cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), "tampered"
}

// flip changes one bit of one byte.
func flip(data []byte) { data[len(data)/2] ^= 1 }

// rawManifest is bytes that are pushed as they are.
type rawManifest []byte

func (m rawManifest) RawManifest() ([]byte, error)        { return m, nil }
func (m rawManifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// manifest reads that of the cluster's artifact under a path of the registry.
func manifest(ctx context.Context, t *testing.T, r *platformRun, path string) (name.Repository, *v1.Manifest, []byte) {
	t.Helper()
	repository, err := name.NewRepository(fmt.Sprintf("%s/%s/%s", harness.registry.Host, path, r.cluster), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(repository.Tag("latest"), remote.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	m, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := image.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	return repository, m, raw
}
