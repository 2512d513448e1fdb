package registry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/oci"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/contain-platform/contain/internal/artifact"
	"github.com/contain-platform/contain/internal/sign"
)

func TestVerifyReport(t *testing.T) {
	s := newServer(t, nil)
	k := keys().signer
	l := layout(t, "dev=1", "prod=1")
	mustPush(t, l, s.ref, pushOptions(k))
	dev := l.Release.Artifacts[0]
	want := &Report{
		Ref:         s.ref + "/dev@" + dev.Digest(),
		Digest:      dev.Digest(),
		Cluster:     "dev",
		Annotations: dev.Annotations,
		Signature:   Signature{k.Verifier().Fingerprint(), FormBundle},
		Files: []FileInfo{
			{"units/base/configmap-default-a.yaml", 91},
			{"units/base/kustomization.yaml", 102},
		},
		Objects: 1,
		Size:    dev.Layer.Size(),
	}
	for _, ref := range []string{"/dev", "/dev:latest", "/dev@" + dev.Digest()} {
		got, err := Verify(context.Background(), s.ref+ref, []*sign.Verifier{k.Verifier()}, quick)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", ref, d)
		}
	}
	got, err := Verify(context.Background(), s.ref+"/release", []*sign.Verifier{k.Verifier()}, quick)
	if err != nil {
		t.Fatal(err)
	}
	members := []Member{{"dev", dev.Digest()}, {"prod", l.Release.Artifacts[1].Digest()}}
	if d := cmp.Diff(members, got.Members); d != "" || got.Platform != "acme" {
		t.Errorf("%+v", got)
	}
}

// What Flux's own client pulls is what was packed.
func TestFluxPulls(t *testing.T) {
	l := signed(t, layout(t, "dev=1"), keys().signer)
	for name, s := range map[string]*server{"pushed": newServer(t, nil), "served": newServer(t, served(t, l))} {
		t.Run(name, func(t *testing.T) {
			if name == "pushed" {
				mustPush(t, l, s.ref, pushOptions(keys().signer))
			}
			dir := t.TempDir()
			client := oci.NewClient([]crane.Option{crane.Insecure})
			url := strings.TrimPrefix(s.ref, Scheme) + "/dev:latest"
			m, err := client.Pull(context.Background(), url, dir)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(m.Digest, l.Release.Artifacts[0].Digest()) || m.Created != "1970-01-01T00:00:00Z" {
				t.Errorf("%+v", m)
			}
			got, err := os.ReadFile(filepath.Join(dir, "units", "base", "configmap-default-a.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if want := configMap(t, "a", "1").YAML(); !bytes.Equal(got, want) {
				t.Errorf("got %s", got)
			}
		})
	}
}

func served(t testing.TB, l *artifact.Layout) http.Handler {
	t.Helper()
	h, err := Handler(ServeOptions{Layout: l, Path: "fleet"})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestServe(t *testing.T) {
	k := keys().signer
	l := signed(t, layout(t, "dev=1", "prod=1"), k)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- Serve(ctx, ln, ServeOptions{Layout: l, Tag: "v1"}) }()

	base := Scheme + ln.Addr().String()
	for _, ref := range []string{"/dev:v1", "/prod:v1", "/release:v1", "/dev@" + l.Release.Artifacts[0].Digest()} {
		if _, err := Verify(context.Background(), base+ref, []*sign.Verifier{k.Verifier()}, quick); err != nil {
			t.Error(err)
		}
	}
	_, err = Push(context.Background(), layout(t, "dev=2"), base+"/fleet", pushOptions(k))
	var e *Error
	if !errors.As(err, &e) || e.Kind != Refused || !strings.Contains(e.Error(), "405 Method Not Allowed: UNSUPPORTED this registry is read-only") {
		t.Errorf("push to a read-only registry: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := Handler(ServeOptions{Layout: l, Path: "UPPER"}); err == nil {
		t.Error("served under a path that is no repository")
	}
}

// put stores an image that contain did not make, signed with our key.
func (s *server) put(t *testing.T, img v1.Image) string {
	t.Helper()
	repo, err := name.NewRepository(strings.TrimPrefix(s.ref, Scheme)+"/x", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(repo.Tag("latest"), img); err != nil {
		t.Fatal(err)
	}
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	mt, _ := img.MediaType()
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return s.signIn(t, repo, artifact.Blob{MediaType: mt, Digest: h, Data: raw})
}

func (s *server) signIn(t *testing.T, repo name.Repository, m artifact.Blob) string {
	t.Helper()
	subject := artifact.Subject{Name: "x", Manifest: m}
	bundle, err := keys().signer.Sign(context.Background(), subject.Digest())
	if err != nil {
		t.Fatal(err)
	}
	sig, err := artifact.NewSignature(subject, bundle)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newClient(repo.RegistryStr(), quick)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.attach(context.Background(), repo, sig); err != nil {
		t.Fatal(err)
	}
	return s.ref + "/x@" + subject.Digest()
}

func tarGzip(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, n := range names {
		if err := w.WriteHeader(&tar.Header{Name: n, Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestVerifyRefuses(t *testing.T) {
	k := []*sign.Verifier{keys().signer.Verifier()}
	image := func(mt types.MediaType, data []byte) v1.Image {
		img, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), mutate.Addendum{Layer: static.NewLayer(data, mt)})
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	good := tarGzip(t, "a.yaml")
	for name, c := range map[string]struct {
		image v1.Image
		want  string // after the reference
	}{
		"good":          {image(artifact.LayerMediaType, good), ""},
		"other layer":   {image("application/x", good), `: its first layer is "application/x", not "application/vnd.cncf.flux.content.v1.tar+gzip"`},
		"no layer":      {mutate.MediaType(empty.Image, types.OCIManifestSchema1), ": not an image manifest with a layer"},
		"not gzip":      {image(artifact.LayerMediaType, []byte("hello, world")), ": its layer is not a gzip tar that Flux can unpack: gzip: invalid header"},
		"cut off":       {image(artifact.LayerMediaType, good[:len(good)-9]), ": its layer is not a gzip tar that Flux can unpack: unexpected EOF"},
		"outside":       {image(artifact.LayerMediaType, tarGzip(t, "../a.yaml")), `: its layer is not a gzip tar that Flux can unpack: it has a file outside of it: "../a.yaml"`},
		"absolute path": {image(artifact.LayerMediaType, tarGzip(t, "/a.yaml")), `: its layer is not a gzip tar that Flux can unpack: it has a file outside of it: "/a.yaml"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, nil)
			ref := s.put(t, c.image)
			_, err := Verify(context.Background(), s.ref+"/x", k, quick)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, Refused, ref+c.want)
		})
	}

	t.Run("image index of something else", func(t *testing.T) {
		s := newServer(t, nil)
		index, err := random.Index(10, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		index = mutate.IndexMediaType(index, types.OCIImageIndex)
		repo, _ := name.NewRepository(strings.TrimPrefix(s.ref, Scheme)+"/x", name.Insecure)
		if err := remote.WriteIndex(repo.Tag("latest"), index); err != nil {
			t.Fatal(err)
		}
		raw, _ := index.RawManifest()
		h, _ := index.Digest()
		ref := s.signIn(t, repo, artifact.Blob{MediaType: types.OCIImageIndex, Digest: h, Data: raw})
		_, err = Verify(context.Background(), s.ref+"/x", k, quick)
		wantError(t, err, Refused, ref+": an image index, but not a release of contain: Flux would pick one image of it by platform")
	})
	t.Run("unsigned", func(t *testing.T) {
		s := newServer(t, nil)
		l := layout(t, "dev=1")
		mustPush(t, l, s.ref, PushOptions{Remote: quick, Unsigned: true})
		_, err := Verify(context.Background(), s.ref+"/dev", k, quick)
		wantError(t, err, Unverified, s.ref+"/dev@"+l.Release.Artifacts[0].Digest()+": no signature")
		if !errors.Is(err, sign.ErrNone) {
			t.Error("not ErrNone")
		}
	})
	t.Run("signature of something else", func(t *testing.T) {
		// A good signature of dev's digest hung onto prod's.
		s := newServer(t, nil)
		l := layout(t, "dev=1", "prod=2")
		mustPush(t, l, s.ref, PushOptions{Remote: quick, Unsigned: true})
		bundle, err := keys().signer.Sign(context.Background(), l.Release.Artifacts[0].Digest())
		if err != nil {
			t.Fatal(err)
		}
		prod := l.Release.Subjects()[1]
		sig, err := artifact.NewSignature(prod, bundle)
		if err != nil {
			t.Fatal(err)
		}
		repo, _ := name.NewRepository(strings.TrimPrefix(s.ref, Scheme)+"/prod", name.Insecure)
		c, err := newClient(repo.RegistryStr(), quick)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.attach(context.Background(), repo, sig); err != nil {
			t.Fatal(err)
		}
		_, err = Verify(context.Background(), s.ref+"/prod", k, quick)
		wantError(t, err, Unverified, s.ref+"/prod@"+prod.Digest()+": signature does not match the content: it signs another digest")
	})
	t.Run("changed in the registry", func(t *testing.T) {
		s := newServer(t, nil)
		l := layout(t, "dev=1")
		mustPush(t, l, s.ref, pushOptions(keys().signer))
		layer := l.Release.Artifacts[0].Layer
		s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/blobs/"+layer.Digest.String()) {
				return false
			}
			changed := bytes.Clone(layer.Data)
			changed[20] ^= 1
			w.Write(changed)
			return true
		})
		_, err := Verify(context.Background(), s.ref+"/dev", k, quick)
		wantError(t, err, Refused, s.ref+"/dev@"+layer.Digest.String()+": content does not match its digest")
	})
}

func TestErrors(t *testing.T) {
	k := []*sign.Verifier{keys().signer.Verifier()}
	s := newServer(t, nil)
	host := strings.TrimSuffix(s.ref, "/fleet")
	closed := newServer(t, nil)
	closed.Close()
	closedHost := strings.TrimSuffix(closed.ref, "/fleet")
	via := func(f func(*http.Request) (*http.Response, error)) Remote {
		r := quick
		r.Transport = roundTripper(f)
		return r
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	slow := quick
	slow.Timeout = 50 * time.Millisecond

	for name, c := range map[string]struct {
		ctx    context.Context
		ref    string
		remote Remote
		fault  func(w http.ResponseWriter, r *http.Request)
		kind   Kind
		want   string
	}{
		"no scheme":    {ref: "registry.example/fleet", kind: Invalid, want: `registry.example/fleet: a reference starts with "oci://"`},
		"no path":      {ref: "oci://registry.example", kind: Invalid, want: "oci://registry.example: a reference is oci://HOST/PATH"},
		"no host":      {ref: "oci://fleet/dev", kind: Invalid, want: `oci://fleet/dev: "fleet" is not a host name: it has neither a dot nor a port`},
		"upper case":   {ref: host + "/Fleet", kind: Invalid, want: host + "/Fleet: not a reference: oci://HOST/PATH, then :TAG or @sha256:DIGEST or nothing"},
		"not found":    {ref: s.ref + "/none", kind: NotFound, want: s.ref + "/none:latest: not found"},
		"closed":       {ref: closed.ref, kind: Unreachable, want: closedHost + ": cannot reach the registry: connection refused"},
		"canceled":     {ctx: canceled, ref: s.ref, kind: Canceled, want: s.ref + ":latest: canceled"},
		"unauthorized": {ref: s.ref, fault: status(401), kind: Unauthorized, want: s.ref + ": the registry denies access (401 Unauthorized)"},
		"forbidden":    {ref: s.ref, fault: status(403), kind: Unauthorized, want: s.ref + ": the registry denies access (403 Forbidden)"},
		"failing":      {ref: s.ref, fault: status(503), kind: Unreachable, want: host + ": the registry fails with 503 Service Unavailable"},
		"too many":     {ref: s.ref, fault: status(429), kind: Unreachable, want: host + ": the registry fails with 429 Too Many Requests"},
		"refusing":     {ref: s.ref, fault: status(418), kind: Refused, want: s.ref + ":latest: the registry refuses with 418 I'm a teapot"},
		"hanging":      {ref: s.ref, remote: slow, fault: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, kind: Unreachable, want: host + ": cannot reach the registry: timed out"},
		"dropping":     {ref: s.ref, fault: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, kind: Unreachable, want: host + ": cannot reach the registry: connection lost"},
		"no such host": {ref: "oci://registry.example/a", remote: via(func(*http.Request) (*http.Response, error) {
			return nil, &net.DNSError{Name: "registry.example", IsNotFound: true}
		}), kind: Unreachable, want: "oci://registry.example: cannot reach the registry: no such host"},
		"private plain": {ref: "oci://10.1.2.3:5000/a", remote: via(plainOnly), kind: Unreachable, want: "oci://10.1.2.3:5000: cannot reach the registry: it speaks HTTP, not HTTPS"},
		"other plain":   {ref: "oci://registry.example/a", remote: via(plainOnly), kind: Unreachable, want: "oci://registry.example: cannot reach the registry: it speaks HTTP, not HTTPS"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.fault != nil {
				s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool { c.fault(w, r); return true })
				defer s.setFault(nil)
			}
			ctx, r := c.ctx, c.remote
			if ctx == nil {
				ctx = context.Background()
			}
			if r == (Remote{}) {
				r = quick
			}
			_, err := Verify(ctx, c.ref, k, r)
			wantError(t, err, c.kind, c.want)
		})
	}
}

func TestUntrustedCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	host := Scheme + strings.TrimPrefix(s.URL, "https://")
	_, err := Verify(context.Background(), host+"/a", []*sign.Verifier{keys().signer.Verifier()}, quick)
	wantError(t, err, Unreachable, host+": cannot reach the registry: its TLS certificate is not trusted")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// plainOnly is a registry that speaks HTTP. It must not be asked anything over
// that, and panics: credentials would be on the wire already.
func plainOnly(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		panic("was sent a request over plain HTTP: " + r.URL.String())
	}
	return nil, errors.New("http: server gave HTTP response to HTTPS client")
}

// With leave, plain HTTP reaches hosts that are not loopback ones.
func TestPlainHTTP(t *testing.T) {
	l := signed(t, layout(t, "dev=1"), keys().signer)
	s := newServer(t, served(t, l))
	r := quick
	r.PlainHTTP = true
	r.Transport = &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
	}}
	if _, err := Verify(context.Background(), "oci://registry.example:5000/fleet/dev", []*sign.Verifier{keys().signer.Verifier()}, r); err != nil {
		t.Error(err)
	}
}

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestPushInvalid(t *testing.T) {
	l := layout(t, "dev=1")
	k := keys().signer
	for want, c := range map[string]struct {
		ref string
		o   PushOptions
	}{
		"oci://r.example/a:v1: push takes oci://HOST/PATH without tag or digest: each cluster has its own":                       {"oci://r.example/a:v1", pushOptions(k)},
		"oci://r.example/a: a push needs a private key to sign with, or the public key that clusters verify with":                {"oci://r.example/a", PushOptions{}},
		"oci://r.example/a: an unsigned push takes no keys":                                                                      {"oci://r.example/a", PushOptions{Unsigned: true, Signer: k}},
		`oci://r.example/a/release: "a b" is not a tag`:                                                                          {"oci://r.example/a", PushOptions{Signer: k, Tag: "a b"}},
		"oci://r.example/A/dev: not a repository: path elements are lower-case letters and digits, separated by '.', '_' or '-'": {"oci://r.example/A", pushOptions(k)},
	} {
		_, err := Push(context.Background(), l, c.ref, c.o)
		wantError(t, err, Invalid, want)
	}
}

// A registry that gives back something else than it was given moves no tag.
func TestPushReadsBack(t *testing.T) {
	s := newServer(t, nil)
	l := layout(t, "dev=1")
	a := l.Release.Artifacts[0]
	for what, suffix := range map[string]string{"layer": "/blobs/" + a.Layer.Digest.String(), "manifest": "/manifests/" + a.Digest()} {
		puts := 0
		s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/"+a.Digest()) {
				puts++
			}
			if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, suffix) || what == "manifest" && puts == 0 {
				return false
			}
			w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
			w.Write([]byte("{}"))
			return true
		})
		_, err := Push(context.Background(), l, s.ref, pushOptions(keys().signer))
		if e := (*Error)(nil); !errors.As(err, &e) || e.Kind != Refused {
			t.Errorf("%s: %v", what, err)
		}
		noTags(t, s, "dev", "release")
		s = newServer(t, nil)
	}
}
