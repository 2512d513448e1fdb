// Package registry moves releases between layouts and OCI registries: it
// pushes, verifies as Flux's source-controller would, and serves a layout on a
// listener.
//
// Invariants:
//   - A tag that people and clusters follow moves only after the digest it
//     will point to was pushed, signed, read back and verified, and only after
//     that was so for every cluster and the release. A failure before moves no
//     tag; a failure while tags move leaves each tag on a verified digest, and
//     the next run moves the rest.
//   - What is there already is not sent again, and a missing signature is
//     made up for even when the content is unchanged.
//   - Plain HTTP is spoken to loopback addresses, and elsewhere only when asked.
//   - Errors are [*Error], fit for people: no URLs of single requests, no
//     credentials.
//
// # Repositories
//
// Below oci://HOST/PATH each cluster has a repository of its own,
// HOST/PATH/<cluster>, so that a cluster's pull secret can be good for its
// artifact alone. The release index is in HOST/PATH/release, not in HOST/PATH:
// where PATH is one element it is a project, not a repository, to some
// registries (Harbor). Registries accept an index only beside its members, so
// the members are in the release's repository too, by digest and without a
// tag, their blobs mounted from the clusters' repositories where the registry
// can.
package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/contain-platform/contain/internal/artifact"
)

// Scheme is the prefix of every reference, as in Flux's OCIRepository.
const Scheme = "oci://"

// DefaultTag is what Flux follows when an OCIRepository has no ref.
const DefaultTag = "latest"

// Remote says how to talk to a registry. The zero value is good.
type Remote struct {
	// PlainHTTP allows HTTP to hosts other than loopback ones.
	PlainHTTP bool
	// Keychain finds credentials; nil is Docker's: ~/.docker/config.json,
	// credential helpers, REGISTRY_AUTH_FILE.
	Keychain authn.Keychain
	// Transport sends requests; nil is one with timeouts for connecting (10 s)
	// and for the answer's start (30 s).
	Transport http.RoundTripper
	// Timeout bounds the work on one cluster; 0 is five minutes.
	Timeout time.Duration
	// Retries is how often a request is tried again after a failure that may
	// pass, half a second after the first and three times as long after each
	// further one; 0 is 2, negative is none.
	Retries int
	// RetryDelay replaces the half second.
	RetryDelay time.Duration
	// UserAgent is sent with each request; "" is "contain".
	UserAgent string
}

func (r Remote) timeout() time.Duration {
	if r.Timeout > 0 {
		return r.Timeout
	}
	return 5 * time.Minute
}

// client talks to one registry.
type client struct {
	host   string
	names  []name.Option
	puller *remote.Puller
	pusher *remote.Pusher
	// close gives up connections; the client may be used again.
	close func()
}

func newClient(host string, r Remote) (*client, error) {
	c := &client{host: host, close: func() {}}
	plain := r.PlainHTTP || loopback(hostname(host))
	if plain {
		c.names = append(c.names, name.Insecure)
	}
	next := r.Transport
	if next == nil {
		t := newTransport()
		next, c.close = t, t.CloseIdleConnections
	}
	keychain := r.Keychain
	if keychain == nil {
		keychain = authn.DefaultKeychain
	}
	backoff := remote.Backoff{Duration: 500 * time.Millisecond, Factor: 3, Jitter: 0.1, Steps: 3}
	if r.Retries != 0 {
		backoff.Steps = max(r.Retries, 0) + 1
	}
	if r.RetryDelay > 0 {
		backoff.Duration = r.RetryDelay
	}
	agent := r.UserAgent
	if agent == "" {
		agent = "contain"
	}
	options := []remote.Option{
		remote.WithTransport(guard{next: next, plain: r.PlainHTTP}),
		remote.WithAuthFromKeychain(keychain),
		remote.WithRetryBackoff(backoff),
		remote.WithUserAgent(agent),
	}
	var err error
	if c.puller, err = remote.NewPuller(options...); err != nil {
		return nil, err
	}
	if c.pusher, err = remote.NewPusher(options...); err != nil {
		return nil, err
	}
	return c, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   2 * jobs,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// guard refuses plain HTTP that nobody asked for: go-containerregistry falls
// back to it for private addresses, and a redirect may lead there.
type guard struct {
	next  http.RoundTripper
	plain bool
}

var errPlainHTTP = errors.New("plain HTTP refused")

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" && !g.plain && !loopback(r.URL.Hostname()) {
		return nil, errPlainHTTP
	}
	return g.next.RoundTrip(r)
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func hostname(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return strings.Trim(hostport, "[]")
}

// split cuts "oci://HOST/PATH…" after the host.
func split(ref string) (host, rest string, err error) {
	invalid := func(problem string) (string, string, error) {
		return "", "", &Error{Kind: Invalid, Ref: ref, Problem: problem}
	}
	s, ok := strings.CutPrefix(ref, Scheme)
	if !ok {
		return invalid(`a reference starts with "oci://"`)
	}
	host, rest, _ = strings.Cut(s, "/")
	if host == "" || strings.Trim(rest, "/") == "" {
		return invalid("a reference is oci://HOST/PATH")
	}
	if !strings.ContainsAny(host, ".:") && host != "localhost" {
		return invalid(fmt.Sprintf("%q is not a host name: it has neither a dot nor a port", host))
	}
	return host, strings.TrimSuffix(rest, "/"), nil
}

func (c *client) repository(path string) (name.Repository, error) {
	r, err := name.NewRepository(c.host+"/"+path, append(c.names, name.StrictValidation)...)
	if err != nil {
		return r, &Error{Kind: Invalid, Ref: Scheme + c.host + "/" + path, Problem: "not a repository: path elements are lower-case letters and digits, separated by '.', '_' or '-'"}
	}
	return r, nil
}

// get reads a manifest by tag or digest; nil without error when there is none.
func (c *client) get(ctx context.Context, ref name.Reference) (*artifact.Blob, error) {
	d, err := c.puller.Get(ctx, ref)
	if notFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, classify(ref, err)
	}
	return &artifact.Blob{MediaType: d.MediaType, Digest: d.Digest, Data: d.Manifest}, nil
}

// blob reads a blob and checks its digest and size.
func (c *client) blob(ctx context.Context, repo name.Repository, d v1.Descriptor, limit int64) ([]byte, error) {
	ref := repo.Digest(d.Digest.String())
	if d.Size > limit {
		return nil, &Error{Kind: Refused, Ref: display(ref), Problem: fmt.Sprintf("blob of %d bytes is larger than %d", d.Size, limit)}
	}
	layer, err := c.puller.Layer(ctx, ref)
	if err != nil {
		return nil, classify(ref, err)
	}
	r, err := layer.Compressed()
	if err != nil {
		return nil, classify(ref, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, d.Size+1))
	if err != nil {
		return nil, classify(ref, err)
	}
	if h, n, _ := v1.SHA256(bytes.NewReader(data)); n != d.Size || h != d.Digest {
		return nil, &Error{Kind: Refused, Ref: display(ref), Problem: "content does not match its digest"}
	}
	return data, nil
}

// put stores a manifest under its digest or a tag.
func (c *client) put(ctx context.Context, ref name.Reference, m artifact.Blob) error {
	if err := c.pusher.Put(ctx, ref, manifest{m}); err != nil {
		return classify(ref, err)
	}
	return nil
}

// upload stores a blob unless the repository has it. from, when not empty, is
// a repository of the same registry to mount it from.
func (c *client) upload(ctx context.Context, repo name.Repository, b artifact.Blob, from name.Repository) error {
	layer := b.Layer()
	if from != (name.Repository{}) {
		layer = &remote.MountableLayer{Layer: layer, Reference: from.Digest(b.Digest.String())}
	}
	if err := c.pusher.Upload(ctx, repo, layer); err != nil {
		return classify(repo.Digest(b.Digest.String()), err)
	}
	return nil
}

// manifest is a blob in the form that go-containerregistry puts.
type manifest struct{ b artifact.Blob }

func (m manifest) RawManifest() ([]byte, error)        { return m.b.Data, nil }
func (m manifest) MediaType() (types.MediaType, error) { return m.b.MediaType, nil }

func notFound(err error) bool {
	var te *transport.Error
	return errors.As(err, &te) && te.StatusCode == http.StatusNotFound
}
