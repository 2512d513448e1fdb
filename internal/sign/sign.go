package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"google.golang.org/protobuf/encoding/protojson"
)

const (
	payloadType   = "application/vnd.in-toto+json"
	statementType = "https://in-toto.io/Statement/v1"
	// predicateType is how cosign 3 marks a signature among attestations
	// (pkg/types, CosignSignPredicateType).
	predicateType = "https://sigstore.dev/cosign/sign/v1"
)

// Signer signs digests with one private key. It is safe for concurrent use.
type Signer struct {
	key      *ecdsa.PrivateKey
	verifier *Verifier
}

// Verifier checks what this signer signs.
func (s *Signer) Verifier() *Verifier { return s.verifier }

// statement is an in-toto statement v1 about one subject.
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     struct{}  `json:"predicate"`
}

type subject struct {
	Digest map[string]string `json:"digest"`
}

// Sign returns a Sigstore bundle, as JSON, that signs the digest ("sha256:"
// and 64 hexadecimal digits). Two bundles for one digest differ, since ECDSA
// signatures are random.
func (s *Signer) Sign(ctx context.Context, digest string) ([]byte, error) {
	hexDigest, err := parseDigest(digest)
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(statement{
		Type:          statementType,
		Subject:       []subject{{Digest: map[string]string{"sha256": hexDigest}}},
		PredicateType: predicateType,
	})
	if err != nil {
		return nil, err
	}
	bundle, err := sign.Bundle(
		&sign.DSSEData{Data: payload, PayloadType: payloadType},
		keypair{s},
		sign.BundleOptions{Context: ctx},
	)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", digest, err)
	}
	data, err := protojson.Marshal(bundle)
	if err != nil {
		return nil, err
	}
	// protojson varies its white space on purpose.
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		return nil, err
	}
	if err := s.verifier.VerifyBundle(out.Bytes(), digest); err != nil {
		return nil, fmt.Errorf("sign %s: the new signature does not verify: %w", digest, err)
	}
	return out.Bytes(), nil
}

func parseDigest(digest string) (string, error) {
	h, ok := strings.CutPrefix(digest, "sha256:")
	if b, err := hex.DecodeString(h); !ok || err != nil || len(b) != sha256.Size || strings.ToLower(h) != h {
		return "", fmt.Errorf("%q is not a sha256 digest", digest)
	}
	return h, nil
}

// keypair is the signer in sigstore-go's form.
type keypair struct{ s *Signer }

func (k keypair) GetHashAlgorithm() protocommon.HashAlgorithm {
	return protocommon.HashAlgorithm_SHA2_256
}
func (k keypair) GetSigningAlgorithm() protocommon.PublicKeyDetails {
	return protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256
}
func (k keypair) GetHint() []byte                  { return []byte(k.s.verifier.hint) }
func (k keypair) GetKeyAlgorithm() string          { return "ECDSA" }
func (k keypair) GetPublicKey() crypto.PublicKey   { return k.s.key.Public() }
func (k keypair) GetPublicKeyPem() (string, error) { return string(k.s.verifier.public), nil }
func (k keypair) SignData(_ context.Context, data []byte) (sig, digest []byte, err error) {
	sum := sha256.Sum256(data)
	sig, err = k.s.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	return sig, sum[:], err
}
