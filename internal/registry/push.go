package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/contain-platform/contain/internal/artifact"
	"github.com/contain-platform/contain/internal/sign"
)

// jobs is how many clusters are worked on at once.
const jobs = 4

// PushOptions say what to push beside the layout.
type PushOptions struct {
	Remote
	// Tag is moved at the end; "" is [DefaultTag].
	Tag string
	// Signer signs what has no signature by its key yet. Without it the
	// signatures of the layout are used, and those in the registry accepted.
	Signer *sign.Signer
	// Keys are those that clusters verify with: before any tag moves, each
	// digest has a signature by one of them. Empty stands for Signer's.
	Keys []*sign.Verifier
	// Unsigned pushes without signatures, and excludes Signer and Keys.
	Unsigned bool
	// Progress is told of each step that is done, from several goroutines but
	// never from two at once. It may be nil.
	Progress func(Event)
}

// Event is one finished step on one cluster or the release.
type Event struct {
	Name string // cluster or artifact.ReleaseName
	Step string // "staged", "tagged"
}

// How a digest came by its signature.
const (
	SignatureAdded    = "added"    // made now
	SignatureCopied   = "copied"   // from the layout
	SignatureExisting = "existing" // found in the registry
	SignatureNone     = "none"     // pushed with Unsigned
)

// Pushed is what became of one artifact or of the release.
type Pushed struct {
	// Name is the cluster, or [artifact.ReleaseName].
	Name string `json:"name"`
	// Repository is "oci://HOST/PATH/<name>".
	Repository string `json:"repository"`
	Digest     string `json:"digest"`
	// Pushed tells that the registry did not have the manifest.
	Pushed bool `json:"pushed"`
	// Signature is one of the constants above; "" when it did not come to it.
	Signature string `json:"signature"`
	// TagMoved tells that the tag was elsewhere or missing and now is here.
	TagMoved bool `json:"tagMoved"`
	// Unchanged: the tag was on the digest with a good signature, and nothing
	// was sent.
	Unchanged bool `json:"unchanged"`
}

// Result is the outcome of a push.
type Result struct {
	Tag string `json:"tag"`
	// Clusters are sorted by name.
	Clusters []Pushed `json:"clusters"`
	Release  Pushed   `json:"release"`
}

// Unchanged counts the clusters for which nothing was sent.
func (r *Result) Unchanged() int {
	n := 0
	for _, p := range r.Clusters {
		if p.Unchanged {
			n++
		}
	}
	return n
}

// Push brings a layout to the repositories below ref, "oci://HOST/PATH", in
// two phases; see the package's invariants. The result tells how far it came,
// also when there is an error, which is an [*Error] of any kind but NotFound.
func Push(ctx context.Context, l *artifact.Layout, ref string, o PushOptions) (*Result, error) {
	p, err := newPush(l, ref, o)
	if err != nil {
		return nil, err
	}
	defer p.client.close()
	if err := p.stage(ctx); err != nil {
		return p.result(), err
	}
	if err := p.tag(ctx); err != nil {
		return p.result(), err
	}
	return p.result(), nil
}

// push is one run of the transaction.
type push struct {
	o       PushOptions
	client  *client
	layout  *artifact.Layout
	tagName string
	keys    []*sign.Verifier
	targets []*target // clusters, sorted, and then the release
	mu      sync.Mutex
}

// target is an artifact or the release on its way to its repository.
type target struct {
	subject artifact.Subject
	repo    name.Repository
	// before are the manifests that this one refers to, for the release.
	before []member
	blobs  []artifact.Blob
	tagged bool // the tag is on the digest already
	out    Pushed
}

// member is an artifact in the release's repository.
type member struct {
	artifact *artifact.Artifact
	from     name.Repository // where its blobs are already
}

func newPush(l *artifact.Layout, ref string, o PushOptions) (*push, error) {
	host, path, err := split(ref)
	if err != nil {
		return nil, err
	}
	invalid := func(problem string) error { return &Error{Kind: Invalid, Ref: ref, Problem: problem} }
	if strings.ContainsAny(path, ":@") {
		return nil, invalid("push takes oci://HOST/PATH without tag or digest: each cluster has its own")
	}
	p := &push{o: o, layout: l, tagName: o.Tag, keys: o.Keys}
	if p.tagName == "" {
		p.tagName = DefaultTag
	}
	if len(p.keys) == 0 && o.Signer != nil {
		p.keys = []*sign.Verifier{o.Signer.Verifier()}
	}
	if o.Unsigned && len(p.keys) > 0 {
		return nil, invalid("an unsigned push takes no keys")
	}
	if !o.Unsigned && len(p.keys) == 0 {
		return nil, invalid("a push needs a private key to sign with, or the public key that clusters verify with")
	}
	if p.client, err = newClient(host, o.Remote); err != nil {
		return nil, invalid(err.Error())
	}
	return p, p.plan(path)
}

// plan lists the targets.
func (p *push) plan(path string) error {
	release := &target{}
	for _, a := range p.layout.Release.Artifacts {
		repo, err := p.client.repository(path + "/" + a.Cluster)
		if err != nil {
			return err
		}
		p.targets = append(p.targets, &target{
			subject: artifact.Subject{Name: a.Cluster, Manifest: a.Manifest},
			repo:    repo,
			blobs:   a.Blobs(),
		})
		release.before = append(release.before, member{a, repo})
	}
	repo, err := p.client.repository(path + "/" + artifact.ReleaseName)
	if err != nil {
		return err
	}
	release.subject = artifact.Subject{Name: artifact.ReleaseName, Manifest: p.layout.Release.Index}
	release.repo = repo
	p.targets = append(p.targets, release)
	for _, t := range p.targets {
		t.out = Pushed{Name: t.subject.Name, Repository: Scheme + t.repo.Name(), Digest: t.subject.Digest()}
	}
	if _, err := name.NewTag(repo.Name()+":"+p.tagName, name.StrictValidation); err != nil {
		return &Error{Kind: Invalid, Ref: Scheme + repo.Name(), Problem: fmt.Sprintf("%q is not a tag", p.tagName)}
	}
	return nil
}

func (p *push) result() *Result {
	r := &Result{Tag: p.tagName, Clusters: []Pushed{}}
	for _, t := range p.targets {
		t.out.Unchanged = t.tagged && !t.out.Pushed && (t.out.Signature == SignatureExisting || t.out.Signature == SignatureNone)
		if t.subject.Name == artifact.ReleaseName {
			r.Release = t.out
		} else {
			r.Clusters = append(r.Clusters, t.out)
		}
	}
	return r
}

func (p *push) progress(t *target, step string) {
	if p.o.Progress == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.o.Progress(Event{t.subject.Name, step})
}

// stage brings every digest and its signature to the registry and verifies
// them there. No tag moves.
func (p *push) stage(ctx context.Context) error {
	clusters, release := p.targets[:len(p.targets)-1], p.targets[len(p.targets)-1]
	// The first one goes alone: what is wrong with the registry or the
	// credentials is found once, and always in the same place.
	if len(clusters) > 0 {
		if err := p.stageOne(ctx, clusters[0]); err != nil {
			return err
		}
		if err := p.stageRest(ctx, clusters[1:]); err != nil {
			return err
		}
	}
	return p.stageOne(ctx, release)
}

func (p *push) stageRest(ctx context.Context, targets []*target) error {
	type failure struct {
		name string
		err  error
	}
	var failures []failure
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for _, t := range targets {
		g.Go(func() error {
			err := p.stageOne(ctx, t)
			if err != nil {
				p.mu.Lock()
				defer p.mu.Unlock()
				failures = append(failures, failure{t.subject.Name, err})
			}
			return err
		})
	}
	if g.Wait() == nil {
		return nil
	}
	// The cause before those that were canceled because of it.
	slices.SortFunc(failures, func(a, b failure) int {
		canceled := func(f failure) int {
			if e := (*Error)(nil); errors.As(f.err, &e) && e.Kind == Canceled {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(canceled(a), canceled(b)), cmp.Compare(a.name, b.name))
	})
	return failures[0].err
}

func (p *push) stageOne(ctx context.Context, t *target) error {
	ctx, cancel := context.WithTimeout(ctx, p.o.timeout())
	defer cancel()
	current, err := p.client.get(ctx, t.repo.Tag(p.tagName))
	if err != nil {
		return err
	}
	t.tagged = current != nil && current.Digest == t.subject.Manifest.Digest
	if err := p.content(ctx, t); err != nil {
		return err
	}
	if err := p.signature(ctx, t); err != nil {
		return err
	}
	if err := p.readBack(ctx, t); err != nil {
		return err
	}
	p.progress(t, "staged")
	return nil
}

// content stores what the target's manifest refers to, and then the manifest
// by its digest, so far as the registry lacks them.
func (p *push) content(ctx context.Context, t *target) error {
	digest := t.repo.Digest(t.subject.Digest())
	there, err := p.client.get(ctx, digest)
	if err != nil {
		return err
	}
	if there == nil {
		for _, m := range t.before {
			if err := p.member(ctx, t.repo, m); err != nil {
				return err
			}
		}
	}
	// Asked for even when the manifest is there: a registry that lost a blob
	// gets it back.
	for _, b := range t.blobs {
		if err := p.client.upload(ctx, t.repo, b, name.Repository{}); err != nil {
			return err
		}
	}
	if there != nil {
		return nil
	}
	if err := p.client.put(ctx, digest, t.subject.Manifest); err != nil {
		return err
	}
	t.out.Pushed = true
	return nil
}

// member stores an artifact in the release's repository.
func (p *push) member(ctx context.Context, repo name.Repository, m member) error {
	digest := repo.Digest(m.artifact.Digest())
	there, err := p.client.get(ctx, digest)
	if err != nil || there != nil {
		return err
	}
	for _, b := range m.artifact.Blobs() {
		if err := p.client.upload(ctx, repo, b, m.from); err != nil {
			return err
		}
	}
	return p.client.put(ctx, digest, m.artifact.Manifest)
}

// signature sees to it that the target has a signature by the signer, or
// without signer by one of the keys. It adds none where there is one.
func (p *push) signature(ctx context.Context, t *target) error {
	if p.o.Unsigned {
		t.out.Signature = SignatureNone
		return nil
	}
	wanted := p.keys
	if p.o.Signer != nil {
		wanted = []*sign.Verifier{p.o.Signer.Verifier()}
	}
	_, err := p.client.verifySignature(ctx, t.repo, t.subject.Manifest.Digest, wanted)
	if err == nil {
		t.out.Signature = SignatureExisting
		return nil
	}
	var e *Error
	if !errors.As(err, &e) || e.Kind != Unverified {
		return err
	}
	s, how, err := p.makeSignature(ctx, t, wanted)
	if err != nil {
		return err
	}
	if s == nil {
		e.Hint = "build or push with the private key"
		return e
	}
	if err := p.client.attach(ctx, t.repo, s); err != nil {
		return err
	}
	t.out.Signature = how
	return nil
}

// makeSignature takes the layout's signature if it is by a wanted key, and
// signs otherwise. Without either it returns nil.
func (p *push) makeSignature(ctx context.Context, t *target, wanted []*sign.Verifier) (*artifact.Signature, string, error) {
	for _, s := range p.layout.SignaturesOf(t.subject.Manifest.Digest) {
		for _, k := range wanted {
			if k.VerifyBundle(s.Bundle.Data, t.subject.Digest()) == nil {
				return s, SignatureCopied, nil
			}
		}
	}
	if p.o.Signer == nil {
		return nil, "", nil
	}
	bundle, err := p.o.Signer.Sign(ctx, t.subject.Digest())
	if err != nil {
		return nil, "", &Error{Kind: Invalid, Ref: t.out.Repository, Problem: err.Error(), cause: err}
	}
	s, err := artifact.NewSignature(t.subject, bundle)
	if err != nil {
		return nil, "", &Error{Kind: Invalid, Ref: t.out.Repository, Problem: err.Error(), cause: err}
	}
	return s, SignatureAdded, nil
}

// readBack fetches the target as a cluster would. Blobs are read when they
// were pushed now; upload asked for the others.
func (p *push) readBack(ctx context.Context, t *target) error {
	digest := t.repo.Digest(t.subject.Digest())
	m, err := p.client.get(ctx, digest)
	if err != nil {
		return err
	}
	if m == nil || !bytes.Equal(m.Data, t.subject.Manifest.Data) || m.MediaType != t.subject.Manifest.MediaType {
		return &Error{Kind: Refused, Ref: display(digest), Problem: "the registry does not give back what was pushed"}
	}
	if t.out.Pushed {
		for _, b := range t.blobs {
			d := v1.Descriptor{Digest: b.Digest, Size: b.Size()}
			if _, err := p.client.blob(ctx, t.repo, d, b.Size()); err != nil {
				return err
			}
		}
	}
	if p.o.Unsigned {
		return nil
	}
	_, err = p.client.verifySignature(ctx, t.repo, t.subject.Manifest.Digest, p.keys)
	return err
}

// tag moves the tags of all clusters and then the release's.
func (p *push) tag(ctx context.Context) error {
	for _, t := range p.targets {
		if t.tagged {
			continue
		}
		if err := p.tagOne(ctx, t); err != nil {
			return err
		}
		t.out.TagMoved = true
		p.progress(t, "tagged")
	}
	return nil
}

func (p *push) tagOne(ctx context.Context, t *target) error {
	ctx, cancel := context.WithTimeout(ctx, p.o.timeout())
	defer cancel()
	return p.client.put(ctx, t.repo.Tag(p.tagName), t.subject.Manifest)
}
