package registry

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/contain-platform/contain/internal/artifact"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/sign"
)

// keys are not encrypted: scrypt is slow on purpose.
var keys = sync.OnceValue(func() (k struct{ signer, other *sign.Signer }) {
	for _, s := range []**sign.Signer{&k.signer, &k.other} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			panic(err)
		}
		private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		if *s, err = sign.LoadSigner(private, nil); err != nil {
			panic(err)
		}
	}
	return k
})

func configMap(t testing.TB, name, value string) *object.Object {
	t.Helper()
	o, err := object.FromTree("", map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name, "namespace": "default"},
		"data":     map[string]any{"value": value},
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// layout is a release of the given clusters, name=value.
func layout(t testing.TB, clusters ...string) *artifact.Layout {
	t.Helper()
	var as []*artifact.Artifact
	for _, c := range clusters {
		name, value, _ := strings.Cut(c, "=")
		a, err := artifact.Pack(artifact.Cluster{
			Name:  name,
			Units: []artifact.Unit{{Name: "base", Objects: []*object.Object{configMap(t, "a", value)}}},
		}, artifact.Options{})
		if err != nil {
			t.Fatal(err)
		}
		as = append(as, a)
	}
	r, err := artifact.NewRelease("acme", as, artifact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &artifact.Layout{Release: r}
}

// signed adds the signatures that build makes when it has a key.
func signed(t testing.TB, l *artifact.Layout, by *sign.Signer) *artifact.Layout {
	t.Helper()
	for _, s := range l.Release.Subjects() {
		bundle, err := by.Sign(context.Background(), s.Digest())
		if err != nil {
			t.Fatal(err)
		}
		sig, err := artifact.NewSignature(s, bundle)
		if err != nil {
			t.Fatal(err)
		}
		l.Signatures = append(l.Signatures, sig)
	}
	return l
}

// server is a registry on loopback whose requests a test can watch and break.
type server struct {
	*httptest.Server
	ref string // oci://127.0.0.1:PORT/fleet

	mu       sync.Mutex
	requests []string
	// fault may answer request number n (from 1) instead of the registry, by
	// returning true.
	fault func(n int, w http.ResponseWriter, r *http.Request) bool
}

func newServer(t testing.TB, h http.Handler) *server {
	t.Helper()
	if h == nil {
		var err error
		if h, err = Handler(ServeOptions{Writable: true}); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		n, fault := len(s.requests), s.fault
		s.mu.Unlock()
		if fault == nil || !fault(n, w, r) {
			h.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	s.ref = "oci://" + strings.TrimPrefix(s.URL, "http://") + "/fleet"
	return s
}

// writes are the requests since the last call that change something.
func (s *server) writes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.requests {
		if !strings.HasPrefix(r, "GET ") && !strings.HasPrefix(r, "HEAD ") {
			out = append(out, r)
		}
	}
	s.requests = nil
	return out
}

func (s *server) setFault(f func(n int, w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.fault = nil, f
}

var quick = Remote{Keychain: authn.NewMultiKeychain(), Retries: -1, RetryDelay: time.Millisecond}

func pushOptions(k *sign.Signer) PushOptions { return PushOptions{Remote: quick, Signer: k} }

func mustPush(t testing.TB, l *artifact.Layout, ref string, o PushOptions) *Result {
	t.Helper()
	r, err := Push(context.Background(), l, ref, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPush(t *testing.T) {
	s := newServer(t, nil)
	k := keys()
	one := layout(t, "dev=1", "prod=1", "test=1")

	var events []Event
	o := pushOptions(k.signer)
	o.Progress = func(e Event) { events = append(events, e) }
	r := mustPush(t, one, s.ref, o)
	want := &Result{Tag: "latest"}
	for _, sub := range one.Release.Subjects() {
		p := Pushed{Name: sub.Name, Repository: s.ref + "/" + sub.Name, Digest: sub.Digest(), Pushed: true, Signature: SignatureAdded, TagMoved: true}
		if sub.Name == artifact.ReleaseName {
			want.Release = p
		} else {
			want.Clusters = append(want.Clusters, p)
		}
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Fatalf("first push (-want +got):\n%s", d)
	}
	if len(events) != 8 || slices.ContainsFunc(events[:4], func(e Event) bool { return e.Step != "staged" }) {
		t.Errorf("events %v: everything is staged before the first tag", events)
	}

	// Nothing changed: nothing is written.
	s.writes()
	r = mustPush(t, layout(t, "test=1", "prod=1", "dev=1"), s.ref, pushOptions(k.signer))
	if w := s.writes(); len(w) != 0 || r.Unchanged() != 3 || !r.Release.Unchanged {
		t.Errorf("second push wrote %v, unchanged %d", w, r.Unchanged())
	}

	// One cluster changed: its repository and the release's alone are written.
	r = mustPush(t, layout(t, "dev=2", "prod=1", "test=1"), s.ref, pushOptions(k.signer))
	for _, w := range s.writes() {
		if strings.Contains(w, "/prod/") || strings.Contains(w, "/test/") {
			t.Errorf("third push wrote %s", w)
		}
	}
	if r.Unchanged() != 2 || !r.Clusters[0].TagMoved || !r.Release.TagMoved {
		t.Errorf("third push: %+v", r)
	}
	// The old digest stays, for rollback.
	for _, ref := range []string{"/dev@" + one.Release.Artifacts[0].Digest(), "/dev:latest", "/release"} {
		if _, err := Verify(context.Background(), s.ref+ref, []*sign.Verifier{k.signer.Verifier()}, quick); err != nil {
			t.Error(err)
		}
	}
}

func TestPushSignatures(t *testing.T) {
	k := keys()
	signer, other := []*sign.Verifier{k.signer.Verifier()}, []*sign.Verifier{k.other.Verifier()}

	t.Run("copied from the layout", func(t *testing.T) {
		s := newServer(t, nil)
		l := signed(t, layout(t, "dev=1"), k.signer)
		r := mustPush(t, l, s.ref, PushOptions{Remote: quick, Keys: signer})
		if r.Clusters[0].Signature != SignatureCopied || r.Release.Signature != SignatureCopied {
			t.Errorf("%+v", r)
		}
	})
	t.Run("the layout's by another key", func(t *testing.T) {
		s := newServer(t, nil)
		l := signed(t, layout(t, "dev=1"), k.other)
		_, err := Push(context.Background(), l, s.ref, PushOptions{Remote: quick, Keys: signer})
		wantError(t, err, Unverified, s.ref+"/dev@"+l.Release.Artifacts[0].Digest()+": no signature")
		noTags(t, s, "dev", "release")
	})
	t.Run("missing signature is repaired", func(t *testing.T) {
		s := newServer(t, nil)
		l := layout(t, "dev=1", "prod=1")
		if r := mustPush(t, l, s.ref, PushOptions{Remote: quick, Unsigned: true}); r.Clusters[0].Signature != SignatureNone {
			t.Errorf("%+v", r)
		}
		r := mustPush(t, l, s.ref, pushOptions(k.signer))
		if c := r.Clusters[0]; c.Signature != SignatureAdded || c.Pushed || c.TagMoved || c.Unchanged {
			t.Errorf("%+v", c)
		}
	})
	t.Run("clusters verify with another key than we sign with", func(t *testing.T) {
		s := newServer(t, nil)
		l := layout(t, "dev=1")
		o := pushOptions(k.signer)
		o.Keys = other
		_, err := Push(context.Background(), l, s.ref, o)
		wantError(t, err, Unverified, s.ref+"/dev@"+l.Release.Artifacts[0].Digest()+": signed by another key")
		if !errors.Is(err, sign.ErrOtherKey) {
			t.Error("not ErrOtherKey")
		}
		noTags(t, s, "dev", "release")
	})
	t.Run("a new key adds its signature", func(t *testing.T) {
		s := newServer(t, nil)
		l := layout(t, "dev=1")
		mustPush(t, l, s.ref, pushOptions(k.signer))
		if r := mustPush(t, l, s.ref, pushOptions(k.other)); r.Clusters[0].Signature != SignatureAdded {
			t.Errorf("%+v", r)
		}
		for _, key := range [][]*sign.Verifier{signer, other, {other[0], signer[0]}} {
			if _, err := Verify(context.Background(), s.ref+"/dev", key, quick); err != nil {
				t.Error(err)
			}
		}
	})
}

func wantError(t *testing.T, err error, kind Kind, message string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if e.Kind != kind || e.Error() != message {
		t.Errorf("got  %v: %s\nwant %v: %s", e.Kind, e, kind, message)
	}
}

func noTags(t *testing.T, s *server, clusters ...string) {
	t.Helper()
	for _, c := range clusters {
		if d := s.tag(t, c); d != "" {
			t.Errorf("%s:latest is on %s", c, d)
		}
	}
}

// tag is the digest under a cluster's tag, read without the code under test.
func (s *server) tag(t testing.TB, cluster string) string {
	t.Helper()
	s.setFault(nil)
	resp, err := http.Head(s.URL + "/v2/fleet/" + cluster + "/manifests/latest")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return ""
	}
	return resp.Header.Get("Docker-Content-Digest")
}

// Whatever request fails, and however: no tag is on a digest that a cluster
// would refuse, and running again completes the push.
func TestPushFaults(t *testing.T) {
	k := keys()
	verifier := []*sign.Verifier{k.signer.Verifier()}
	faults := map[string]func(w http.ResponseWriter){
		"refused":      func(w http.ResponseWriter) { http.Error(w, `{"errors":[{"code":"DENIED","message":"no"}]}`, 400) },
		"unavailable":  func(w http.ResponseWriter) { w.WriteHeader(503) },
		"lost":         func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"unauthorized": func(w http.ResponseWriter) { w.WriteHeader(401) },
	}
	clusters := []string{"dev", "prod", artifact.ReleaseName}
	before, next := signed(t, layout(t, "dev=1", "prod=1"), k.signer), layout(t, "dev=2", "prod=2")
	check := func(t *testing.T, s *server) {
		t.Helper()
		moved := false
		for i, c := range clusters {
			moved = moved || s.tag(t, c) != before.Release.Subjects()[i].Digest()
			if _, err := Verify(context.Background(), s.ref+"/"+c, verifier, quick); err != nil {
				t.Errorf("tag of %s: %v", c, err)
			}
		}
		if !moved {
			return
		}
		// One tag moved, so that everything is there to follow.
		for _, sub := range next.Release.Subjects() {
			if _, err := Verify(context.Background(), s.ref+"/"+sub.Name+"@"+sub.Digest(), verifier, quick); err != nil {
				t.Errorf("a tag moved before %s was ready: %v", sub.Name, err)
			}
		}
	}
	for name, answer := range faults {
		for _, still := range []bool{false, true} { // every later request fails too
			stride := 7
			if name == "refused" && !still || name == "lost" && still {
				stride = 1
			}
			t.Run(fmt.Sprintf("%s/still=%v", name, still), func(t *testing.T) {
				t.Parallel()
				for n := 1; ; n += stride {
					h, err := Handler(ServeOptions{Layout: before, Path: "fleet", Writable: true})
					if err != nil {
						t.Fatal(err)
					}
					s := newServer(t, h)
					fired := false
					s.setFault(func(i int, w http.ResponseWriter, r *http.Request) bool {
						if i < n || i > n && !still {
							return false
						}
						fired = true
						answer(w)
						return true
					})
					_, err = Push(context.Background(), next, s.ref, pushOptions(k.signer))
					s.mu.Lock()
					done := !fired
					s.mu.Unlock()
					if done {
						if err != nil {
							t.Fatal(err)
						}
						if n < 50 {
							t.Fatalf("only %d requests", n)
						}
						return
					}
					if e := (*Error)(nil); err != nil && !errors.As(err, &e) {
						t.Fatalf("request %d: %T: %v", n, err, err)
					}
					check(t, s)
					mustPush(t, next, s.ref, pushOptions(k.signer))
					for _, sub := range next.Release.Subjects() {
						if got := s.tag(t, sub.Name); got != sub.Digest() {
							t.Errorf("request %d: %s is on %s after the second run", n, sub.Name, got)
						}
					}
					check(t, s)
					s.Close()
				}
			})
		}
	}
}
