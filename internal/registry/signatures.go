package registry

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/contain-platform/contain/internal/artifact"
	"github.com/contain-platform/contain/internal/sign"
)

// Forms in which signatures are stored.
const (
	// FormBundle is a Sigstore bundle as referrer: cosign 3.
	FormBundle = "bundle"
	// FormSimple is simple signing under the tag sha256-….sig: cosign 2.
	FormSimple = "simple"
)

const (
	bundlePrefix        = "application/vnd.dev.sigstore.bundle"
	annotationSignature = "dev.cosignproject.cosign/signature"

	// maxSignature bounds bundles and payloads; those of a key are under 2 KiB.
	maxSignature = 4 << 20
	// maxSignatures bounds how many are looked at, so that someone who can
	// write to the repository cannot keep us busy.
	maxSignatures = 256
)

// Signature tells which key signed, and how the signature is stored.
type Signature struct {
	Fingerprint string `json:"fingerprint"`
	Form        string `json:"form"`
}

// verifySignature looks for signatures of digest as source-controller 1.9.4
// does (internal/oci/cosign): bundles among the referrers, by the referrers
// API or else the referrers tag; only when there is none, simple signing.
// One signature by one of the keys is enough.
func (c *client) verifySignature(ctx context.Context, repo name.Repository, digest v1.Hash, keys []*sign.Verifier) (Signature, error) {
	ref := repo.Digest(digest.String())
	bundles, err := c.bundles(ctx, ref)
	if err != nil {
		return Signature{}, err
	}
	form := FormBundle
	check := func(k *sign.Verifier, i int) error { return k.Verify(bundles[i], digest.String()) }
	n := len(bundles)
	if n == 0 {
		simple, err := c.simpleSignatures(ctx, repo, digest)
		if err != nil {
			return Signature{}, err
		}
		form, n = FormSimple, len(simple)
		check = func(k *sign.Verifier, i int) error {
			return k.VerifySimple(simple[i].payload, simple[i].signature, digest.String())
		}
	}
	worst := sign.ErrNone
	for i := range n {
		for _, k := range keys {
			err := check(k, i)
			if err == nil {
				return Signature{Fingerprint: k.Fingerprint(), Form: form}, nil
			}
			worst = tell(worst, err)
		}
	}
	return Signature{}, &Error{Kind: Unverified, Ref: display(ref), Problem: worst.Error(), cause: worst}
}

// tell picks the failure that says most: a signature by the right key that
// does not match says more than one by another key, and that more than
// something unreadable.
func tell(a, b error) error {
	rank := func(err error) int {
		switch {
		case errors.Is(err, sign.ErrMismatch):
			return 3
		case errors.Is(err, sign.ErrOtherKey):
			return 2
		case errors.Is(err, sign.ErrMalformed):
			return 1
		}
		return 0
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// bundles are the Sigstore bundles that refer to the digest. What is no
// bundle, or cannot be read as one, is passed over, as Flux does.
func (c *client) bundles(ctx context.Context, ref name.Digest) ([]*sign.Bundle, error) {
	index, err := remote.Referrers(ref, remote.WithContext(ctx), remote.Reuse(c.puller))
	if err != nil {
		return nil, classify(ref, err)
	}
	im, err := index.IndexManifest()
	if err != nil {
		return nil, classify(ref, err)
	}
	var out []*sign.Bundle
	for i, d := range im.Manifests {
		if i >= maxSignatures {
			break
		}
		layers, err := c.layers(ctx, ref.Context().Digest(d.Digest.String()))
		if err != nil {
			return nil, err
		}
		if len(layers) != 1 || !strings.HasPrefix(string(layers[0].MediaType), bundlePrefix) {
			continue
		}
		data, err := c.blob(ctx, ref.Context(), layers[0], maxSignature)
		if err != nil {
			if missing(err) {
				continue
			}
			return nil, err
		}
		if b, err := sign.ReadBundle(data); err == nil {
			out = append(out, b)
		}
	}
	return out, nil
}

type simpleSignature struct {
	payload   []byte
	signature string
}

// simpleSignatures are the layers of the manifest under cosign's tag.
func (c *client) simpleSignatures(ctx context.Context, repo name.Repository, digest v1.Hash) ([]simpleSignature, error) {
	layers, err := c.layers(ctx, repo.Tag(digest.Algorithm+"-"+digest.Hex+".sig"))
	if err != nil {
		return nil, err
	}
	var out []simpleSignature
	for i, d := range layers {
		if i >= maxSignatures {
			break
		}
		sig, ok := d.Annotations[annotationSignature]
		if !ok {
			continue
		}
		payload, err := c.blob(ctx, repo, d, maxSignature)
		if err != nil {
			if missing(err) {
				continue
			}
			return nil, err
		}
		out = append(out, simpleSignature{payload, sig})
	}
	return out, nil
}

// layers are those of the manifest under ref; none when there is no such
// manifest or it is none of an image.
func (c *client) layers(ctx context.Context, ref name.Reference) ([]v1.Descriptor, error) {
	m, err := c.get(ctx, ref)
	if err != nil || m == nil || !m.MediaType.IsImage() {
		return nil, err
	}
	var parsed v1.Manifest
	if json.Unmarshal(m.Data, &parsed) != nil {
		return nil, nil
	}
	return parsed.Layers, nil
}

// missing reports whether content is not there, or not what it should be,
// rather than out of reach.
func missing(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Kind == NotFound || e.Kind == Refused)
}

// attach stores a signature beside what it signs.
func (c *client) attach(ctx context.Context, repo name.Repository, s *artifact.Signature) error {
	for _, b := range s.Blobs() {
		if err := c.upload(ctx, repo, b, name.Repository{}); err != nil {
			return err
		}
	}
	return c.put(ctx, repo.Digest(s.Manifest.Digest.String()), s.Manifest)
}
