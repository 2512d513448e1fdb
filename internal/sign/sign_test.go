package sign

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func pkcs8(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func newSigner(t testing.TB) *Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := LoadSigner(pkcs8(t, key), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pair is made once: scrypt is slow on purpose.
var pair = sync.OnceValue(func() (p struct{ private, public []byte }) {
	var err error
	if p.private, p.public, err = GenerateKey([]byte("secret")); err != nil {
		panic(err)
	}
	return p
})

func TestGenerateKey(t *testing.T) {
	p := pair()
	if !bytes.HasPrefix(p.private, []byte("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")) || !Encrypted(p.private) {
		t.Errorf("private key: %.60s", p.private)
	}
	s, err := LoadSigner(p.private, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Verifier().PublicKey(), p.public) {
		t.Error("the public key is not the private key's")
	}
	v, err := LoadVerifier(p.public)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := s.Sign(context.Background(), digestA)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.VerifyBundle(bundle, digestA); err != nil {
		t.Error(err)
	}
	if v.Fingerprint() != s.Verifier().Fingerprint() {
		t.Error("fingerprints differ")
	}
}

func TestLoadSigner(t *testing.T) {
	p := pair()
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	der, _ := x509.MarshalPKCS8PrivateKey(p256)
	sealed, err := encrypted.Encrypt(der, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	cosign2 := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED COSIGN PRIVATE KEY", Bytes: sealed})
	damaged := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: []byte(`{"kdf":{}}`)})
	ec, _ := x509.MarshalECPrivateKey(p256)

	for name, c := range map[string]struct {
		key  []byte
		pass string
		want string // error; "" for none
	}{
		"ours":           {p.private, "secret", ""},
		"cosign 2":       {cosign2, "secret", ""},
		"PKCS #8":        {pkcs8(t, p256), "", ""},
		"with blanks":    {append(bytes.Clone(p.private), " \n"...), "secret", ""},
		"wrong password": {p.private, "Secret", "wrong password for the private key"},
		"no password":    {p.private, "", "wrong password for the private key"},
		"public key":     {p.public, "", "not a key that contain can use: this is a public key, a private one is needed"},
		"text":           {[]byte("hello"), "", "not a key that contain can use: the file is not PEM"},
		"nothing":        {nil, "", "not a key that contain can use: the file is not PEM"},
		"two keys":       {append(bytes.Clone(p.private), p.public...), "secret", "not a key that contain can use: the file has something after the key"},
		"damaged":        {damaged, "secret", "not a key that contain can use: the encrypted private key is damaged"},
		"SEC 1":          {pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ec}), "", `not a key that contain can use: PEM type "EC PRIVATE KEY"; convert it with cosign import-key-pair`},
		"certificate":    {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ec}), "", `not a key that contain can use: PEM type "CERTIFICATE"`},
		"garbage":        {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), "", "not a key that contain can use: the private key is not PKCS #8"},
		"P-384":          {pkcs8(t, p384), "", "not a key that contain can use: the private key is ECDSA P-384, not ECDSA P-256"},
		"RSA":            {pkcs8(t, rsaKey), "", "not a key that contain can use: the private key is RSA, not ECDSA P-256"},
		"Ed25519":        {pkcs8(t, edKey), "", "not a key that contain can use: the private key is Ed25519, not ECDSA P-256"},
		"large":          {bytes.Repeat([]byte("x"), maxKeyFile+1), "", "not a key that contain can use: the file is too large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadSigner(c.key, []byte(c.pass))
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || err.Error() != c.want || !errors.Is(err, ErrNotKey) && !errors.Is(err, ErrPassword) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestLoadVerifier(t *testing.T) {
	p := pair()
	for name, c := range map[string]struct {
		key  []byte
		want string
	}{
		"private key": {p.private, "not a key that contain can use: this is a private key, the public one is needed"},
		"text":        {[]byte("ssh-ed25519 AAAA"), "not a key that contain can use: the file is not PEM"},
		"garbage":     {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), "not a key that contain can use: the public key is not PKIX"},
		"certificate": {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"}), `not a key that contain can use: PEM type "CERTIFICATE"`},
	} {
		if _, err := LoadVerifier(c.key); err == nil || err.Error() != c.want || !errors.Is(err, ErrNotKey) {
			t.Errorf("%s:\ngot  %v\nwant %s", name, err, c.want)
		}
	}
	// Flux takes RSA and Ed25519 keys, so that we do.
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	edKey, _, _ := ed25519.GenerateKey(rand.Reader)
	for _, key := range []any{&rsaKey.PublicKey, edKey} {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := LoadVerifier(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})); err != nil {
			t.Errorf("%T: %v", key, err)
		}
	}
}

// No error shows anything of the key or the password.
func TestErrorsKeepSecrets(t *testing.T) {
	p := pair()
	block, _ := pem.Decode(p.private)
	for _, pass := range []string{"hunter2-hunter2", ""} {
		_, err := LoadSigner(p.private, []byte(pass))
		if err == nil {
			t.Fatal("no error")
		}
		if pass != "" && strings.Contains(err.Error(), pass) || strings.Contains(err.Error(), string(block.Bytes[:20])) {
			t.Errorf("%v", err)
		}
	}
}

func TestSignRefusesDigests(t *testing.T) {
	s := newSigner(t)
	for _, d := range []string{"", "sha256:", "sha256:aa", "sha512:" + digestA[7:], strings.ToUpper(digestA), digestA + "a", "sha256:" + strings.Repeat("g", 64)} {
		if _, err := s.Sign(context.Background(), d); err == nil {
			t.Errorf("signed %q", d)
		}
	}
}

// edit changes a bundle's JSON.
func edit(t *testing.T, bundle []byte, change func(m map[string]any)) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(bundle, &m); err != nil {
		t.Fatal(err)
	}
	change(m)
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func envelope(m map[string]any) map[string]any { return m["dsseEnvelope"].(map[string]any) }

func TestVerify(t *testing.T) {
	s, other := newSigner(t), newSigner(t)
	sign := func(s *Signer, digest string) []byte {
		b, err := s.Sign(context.Background(), digest)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := sign(s, digestA)
	for name, c := range map[string]struct {
		bundle []byte
		want   error
	}{
		"good":          {good, nil},
		"other key":     {sign(other, digestA), ErrOtherKey},
		"other digest":  {sign(s, digestB), ErrMismatch},
		"not JSON":      {[]byte("{"), ErrMalformed},
		"empty":         {[]byte("{}"), ErrMalformed},
		"other subject": {edit(t, good, func(m map[string]any) { envelope(m)["payload"] = envelope(decode(t, sign(s, digestB)))["payload"] }), ErrMismatch},
		"other payload type": {edit(t, good, func(m map[string]any) {
			envelope(m)["payloadType"] = "text/plain"
		}), ErrMalformed},
		"no signature": {edit(t, good, func(m map[string]any) { envelope(m)["signatures"] = []any{} }), ErrMalformed},
		"two signatures": {edit(t, good, func(m map[string]any) {
			sigs := envelope(m)["signatures"].([]any)
			envelope(m)["signatures"] = append(sigs, sigs[0])
		}), ErrMalformed},
		"changed signature": {edit(t, good, func(m map[string]any) {
			sig := envelope(m)["signatures"].([]any)[0].(map[string]any)
			raw, _ := base64.StdEncoding.DecodeString(sig["sig"].(string))
			raw[len(raw)-1] ^= 1
			sig["sig"] = base64.StdEncoding.EncodeToString(raw)
		}), ErrMismatch},
		"old version": {edit(t, good, func(m map[string]any) { m["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2" }), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.Verifier().VerifyBundle(c.bundle, digestA)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func decode(t *testing.T, bundle []byte) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(bundle, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// An attestation by the same key about the same digest is no signature.
func TestVerifyRefusesAttestations(t *testing.T) {
	s := newSigner(t)
	err := s.Verifier().VerifyBundle(attestation(t, s, "https://slsa.dev/provenance/v1"), digestA)
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "slsa.dev") {
		t.Error(err)
	}
	if err := s.Verifier().VerifyBundle(attestation(t, s, predicateType), digestA); err != nil {
		t.Errorf("the same with the right type: %v", err)
	}
}

func attestation(t *testing.T, s *Signer, predicate string) []byte {
	t.Helper()
	payload := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":%q}}],"predicateType":%q,"predicate":{}}`, digestA[7:], predicate)
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
	sig, _, err := keypair{s}.SignData(context.Background(), pae)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Sign(context.Background(), digestA)
	if err != nil {
		t.Fatal(err)
	}
	return edit(t, b, func(m map[string]any) {
		envelope(m)["payload"] = base64.StdEncoding.EncodeToString(payload)
		envelope(m)["signatures"] = []any{map[string]any{"sig": base64.StdEncoding.EncodeToString(sig)}}
	})
}

func TestVerifySimple(t *testing.T) {
	s, other := newSigner(t), newSigner(t)
	payload := func(digest, kind string) []byte {
		return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"r/a"},"image":{"docker-manifest-digest":%q},"type":%q},"optional":null}`, digest, kind)
	}
	const kind = "cosign container image signature"
	sig := func(s *Signer, payload []byte) string {
		raw, _, err := keypair{s}.SignData(context.Background(), payload)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(raw)
	}
	good := payload(digestA, kind)
	for name, c := range map[string]struct {
		payload []byte
		sig     string
		want    error
	}{
		"good":         {good, sig(s, good), nil},
		"other key":    {good, sig(other, good), ErrOtherKey},
		"other digest": {payload(digestB, kind), sig(s, payload(digestB, kind)), ErrMismatch},
		"other type":   {payload(digestA, "x"), sig(s, payload(digestA, "x")), ErrMalformed},
		"changed":      {payload(digestA, kind+" "), sig(s, good), ErrOtherKey},
		"no base64":    {good, "?", ErrMalformed},
		"empty":        {good, "", ErrMalformed},
		"not JSON":     {[]byte("x"), sig(s, []byte("x")), ErrMalformed},
	} {
		if err := s.Verifier().VerifySimple(c.payload, c.sig, digestA); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// Bundles are written without the white space that protojson varies.
func TestSignForm(t *testing.T) {
	b, err := newSigner(t).Sign(context.Background(), digestA)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, b); err != nil || !bytes.Equal(compact.Bytes(), b) {
		t.Errorf("not compact: %s", b)
	}
	m := decode(t, b)
	if m["mediaType"] != "application/vnd.dev.sigstore.bundle.v0.3+json" {
		t.Errorf("media type %v", m["mediaType"])
	}
	payload, err := base64.StdEncoding.DecodeString(envelope(m)["payload"].(string))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"` + digestA[7:] + `"}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}`
	if string(payload) != want {
		t.Errorf("got  %s\nwant %s", payload, want)
	}
}

func FuzzLoadKeys(f *testing.F) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	plain := pkcs8(f, key)
	public, _ := publicPEM(&key.PublicKey)
	f.Add(plain)
	f.Add(public)
	f.Add([]byte("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\ne30=\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := LoadSigner(data, nil); err == nil {
			if _, err := s.Sign(context.Background(), digestA); err != nil {
				t.Errorf("a key that does not sign: %v", err)
			}
		} else if !errors.Is(err, ErrNotKey) && !errors.Is(err, ErrPassword) {
			t.Errorf("untyped: %v", err)
		}
		if _, err := LoadVerifier(data); err != nil && !errors.Is(err, ErrNotKey) {
			t.Errorf("untyped: %v", err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	s := newSigner(f)
	good, err := s.Sign(context.Background(), digestA)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`))
	f.Fuzz(func(t *testing.T, bundle []byte) {
		// Nothing made from a signature of A is one of B.
		if s.Verifier().VerifyBundle(bundle, digestB) == nil {
			t.Error("accepted for another digest")
		}
		if err := s.Verifier().VerifyBundle(bundle, digestA); err != nil &&
			!errors.Is(err, ErrMalformed) && !errors.Is(err, ErrMismatch) && !errors.Is(err, ErrOtherKey) {
			t.Errorf("untyped: %v", err)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	s := newSigner(b)
	for b.Loop() {
		if _, err := s.Sign(context.Background(), digestA); err != nil {
			b.Fatal(err)
		}
	}
}
