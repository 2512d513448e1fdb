package sign

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	sigstoresign "github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/protobuf/encoding/protojson"
)

// Why a signature is not accepted. Errors of this package wrap one of these.
var (
	// ErrNone: there is no signature at all.
	ErrNone = errors.New("no signature")
	// ErrOtherKey: there is a signature, by none of the given keys.
	ErrOtherKey = errors.New("signed by another key")
	// ErrMismatch: the signature is by the key, but of something else, or it
	// was changed.
	ErrMismatch = errors.New("signature does not match the content")
	// ErrMalformed: what is stored as a signature cannot be read as one.
	ErrMalformed = errors.New("not a signature")
)

// Verifier checks signatures against one public key. It is safe for
// concurrent use.
type Verifier struct {
	verifier signature.Verifier
	hint     string
	public   []byte
}

// PublicKey is the key as PEM, as it goes into Flux's Secret.
func (v *Verifier) PublicKey() []byte { return bytes.Clone(v.public) }

// Fingerprint names the key for people: the SHA-256 of its PKIX form, base64,
// which Sigstore bundles carry as hint.
func (v *Verifier) Fingerprint() string { return "SHA256:" + v.hint }

// ReadBundle reads a Sigstore bundle as Flux does when it looks for
// signatures; it fails with [ErrMalformed] on what Flux passes over: no
// bundle, or one older than v0.3.
func ReadBundle(data []byte) (*Bundle, error) {
	pb := &protobundle.Bundle{}
	if err := protojson.Unmarshal(data, pb); err != nil {
		return nil, fmt.Errorf("%w: not a Sigstore bundle", ErrMalformed)
	}
	b, err := bundle.NewBundle(pb)
	if err != nil {
		return nil, fmt.Errorf("%w: not a valid Sigstore bundle", ErrMalformed)
	}
	if !b.MinVersion("v0.3") {
		return nil, fmt.Errorf("%w: a Sigstore bundle older than v0.3", ErrMalformed)
	}
	return &Bundle{b}, nil
}

// Bundle is a Sigstore bundle that nothing was verified of.
type Bundle struct{ b *bundle.Bundle }

// VerifyBundle is [ReadBundle] and [Verifier.Verify].
func (v *Verifier) VerifyBundle(data []byte, digest string) error {
	b, err := ReadBundle(data)
	if err != nil {
		return err
	}
	return v.Verify(b, digest)
}

// Verify checks that the bundle is a signature of the digest by the key. The
// error wraps [ErrOtherKey], [ErrMismatch] or [ErrMalformed].
func (v *Verifier) Verify(b *Bundle, digest string) error {
	hexDigest, err := parseDigest(digest)
	if err != nil {
		return err
	}
	if err := v.verifyEnvelope(b.b.Bundle, hexDigest); err != nil {
		return err
	}
	// The steps above give each failure its name. What counts is that the
	// library that cosign and Flux use agrees.
	raw, err := hex.DecodeString(hexDigest)
	if err != nil {
		return err
	}
	key := root.NewExpiringKey(v.verifier, time.Time{}, time.Time{})
	material := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return key, nil })
	verifier, err := verify.NewVerifier(material, verify.WithNoObserverTimestamps())
	if err != nil {
		return err
	}
	policy := verify.NewPolicy(verify.WithArtifactDigest("sha256", raw), verify.WithKey())
	if _, err := verifier.Verify(b.b, policy); err != nil {
		return fmt.Errorf("%w: refused by Sigstore's rules", ErrMismatch)
	}
	return nil
}

func (v *Verifier) verifyEnvelope(pb *protobundle.Bundle, hexDigest string) error {
	envelope := pb.GetDsseEnvelope()
	if envelope == nil || envelope.PayloadType != payloadType || len(envelope.Signatures) != 1 {
		return fmt.Errorf("%w: the bundle has no in-toto statement with one signature", ErrMalformed)
	}
	content := sigstoresign.DSSEData{Data: envelope.Payload, PayloadType: envelope.PayloadType}
	sig := bytes.NewReader(envelope.Signatures[0].Sig)
	if err := v.verifier.VerifySignature(sig, bytes.NewReader(content.PreAuthEncoding())); err != nil {
		if hint := pb.GetVerificationMaterial().GetPublicKey().GetHint(); hint == v.hint {
			return fmt.Errorf("%w: it was changed after signing", ErrMismatch)
		}
		return ErrOtherKey
	}
	var st struct {
		PredicateType string `json:"predicateType"`
		Subject       []struct {
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
	}
	if err := json.Unmarshal(envelope.Payload, &st); err != nil {
		return fmt.Errorf("%w: the statement is not JSON", ErrMalformed)
	}
	if st.PredicateType != predicateType {
		return fmt.Errorf("%w: it is an attestation of type %q", ErrMalformed, st.PredicateType)
	}
	for _, s := range st.Subject {
		if s.Digest["sha256"] == hexDigest {
			return nil
		}
	}
	return fmt.Errorf("%w: it signs another digest", ErrMismatch)
}

// VerifySimple checks cosign's older form: payload is the JSON of "simple
// signing", sig its signature in base64 from the annotation
// dev.cosignproject.cosign/signature. Errors are those of [Verifier.Verify].
func (v *Verifier) VerifySimple(payload []byte, sig, digest string) error {
	if _, err := parseDigest(digest); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(sig)
	if err != nil || len(raw) == 0 {
		return fmt.Errorf("%w: the signature is not base64", ErrMalformed)
	}
	if err := v.verifier.VerifySignature(bytes.NewReader(raw), bytes.NewReader(payload)); err != nil {
		return ErrOtherKey
	}
	var p struct {
		Critical struct {
			Type  string `json:"type"`
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	if err := json.Unmarshal(payload, &p); err != nil || p.Critical.Type != "cosign container image signature" {
		return fmt.Errorf("%w: the payload is not cosign's", ErrMalformed)
	}
	if p.Critical.Image.Digest != digest {
		return fmt.Errorf("%w: it signs another digest", ErrMismatch)
	}
	return nil
}
