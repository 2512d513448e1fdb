// Package sign makes and checks the signatures that Flux's source-controller
// accepts: cosign's, with a key pair, offline, in process.
//
// What is signed is the digest of a manifest. The signature is a Sigstore
// bundle (v0.3) around a DSSE envelope around an in-toto statement whose
// subject is the digest: the form that cosign 3 writes by default and that
// source-controller 1.9 looks for first. The older form, "simple signing", is
// read but not written.
//
// Invariants:
//   - No network, no transparency log, no clock: Flux ignores the log when it
//     verifies with a key.
//   - Private keys and passwords are in no error and no output.
//   - A Verifier accepts nothing that source-controller refuses. It is
//     stricter in two places: a bundle must be cosign's signature and no other
//     attestation by the same key, and the payload of the older form must name
//     the digest, which source-controller 1.9.4 does not check.
package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// PEM types of private keys. cosign 3 writes the first and reads both of the
// encrypted ones; the last is PKCS #8 as openssl writes it.
const (
	pemSigstore = "ENCRYPTED SIGSTORE PRIVATE KEY"
	pemCosign   = "ENCRYPTED COSIGN PRIVATE KEY"
	pemPKCS8    = "PRIVATE KEY"
	pemPublic   = "PUBLIC KEY"
)

// Errors of key files, wrapped with what was found instead.
var (
	// ErrPassword: the private key is encrypted and the password is not its.
	ErrPassword = errors.New("wrong password for the private key")
	// ErrNotKey: the data is not a key of the kind asked for.
	ErrNotKey = errors.New("not a key that contain can use")
)

// maxKeyFile bounds what is parsed as a key. The encrypted form is under 1 KiB.
const maxKeyFile = 64 << 10

// GenerateKey makes an ECDSA P-256 key pair in the form of `cosign
// generate-key-pair`: the private key as PKCS #8 encrypted with the password
// (scrypt and NaCl secretbox), the public key as PKIX, both PEM. An empty
// password is allowed, as in cosign.
func GenerateKey(password []byte) (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := encrypted.Encrypt(der, password)
	if err != nil {
		return nil, nil, err
	}
	public, err = publicPEM(&key.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemSigstore, Bytes: sealed}), public, nil
}

// Encrypted reports whether the private key file asks for a password.
func Encrypted(private []byte) bool {
	block, _ := pem.Decode(private)
	return block != nil && (block.Type == pemSigstore || block.Type == pemCosign)
}

// LoadSigner reads a private key: cosign's encrypted form or unencrypted
// PKCS #8, in PEM. The password is ignored for the latter. Only ECDSA P-256 is
// accepted: source-controller hashes with SHA-256 whatever the key, and cosign
// does so for P-256 alone. Errors wrap [ErrPassword] or [ErrNotKey].
func LoadSigner(private, password []byte) (*Signer, error) {
	der, err := privateDER(private, password)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: the private key is not PKCS #8", ErrNotKey)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: the private key is %s, not ECDSA P-256", ErrNotKey, keyType(parsed))
	}
	v, err := newVerifier(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	return &Signer{key: key, verifier: v}, nil
}

func privateDER(private, password []byte) ([]byte, error) {
	block, err := onePEM(private)
	if err != nil {
		return nil, err
	}
	switch block.Type {
	case pemSigstore, pemCosign:
		der, err := encrypted.Decrypt(block.Bytes, password)
		if err != nil {
			return nil, decryptError(err)
		}
		return der, nil
	case pemPKCS8:
		return block.Bytes, nil
	case pemPublic:
		return nil, fmt.Errorf("%w: this is a public key, a private one is needed", ErrNotKey)
	case "EC PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("%w: PEM type %q; convert it with cosign import-key-pair", ErrNotKey, block.Type)
	}
	return nil, fmt.Errorf("%w: PEM type %q", ErrNotKey, block.Type)
}

// decryptError tells a wrong password from a damaged file. The library has
// no error values: its only message about the password is this one.
func decryptError(err error) error {
	if err.Error() == "encrypted: decryption failed" {
		return ErrPassword
	}
	return fmt.Errorf("%w: the encrypted private key is damaged", ErrNotKey)
}

// LoadVerifier reads a public key, PKIX in PEM, as in the entries of the
// Secret that Flux's spec.verify refers to. ECDSA, RSA and Ed25519 are
// accepted, with SHA-256 as source-controller has it. Errors wrap [ErrNotKey].
func LoadVerifier(public []byte) (*Verifier, error) {
	block, err := onePEM(public)
	if err != nil {
		return nil, err
	}
	switch block.Type {
	case pemPublic:
	case pemSigstore, pemCosign, pemPKCS8:
		return nil, fmt.Errorf("%w: this is a private key, the public one is needed", ErrNotKey)
	default:
		return nil, fmt.Errorf("%w: PEM type %q", ErrNotKey, block.Type)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: the public key is not PKIX", ErrNotKey)
	}
	return newVerifier(key)
}

func newVerifier(key crypto.PublicKey) (*Verifier, error) {
	v, err := signature.LoadVerifier(key, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("%w: the public key is %s", ErrNotKey, keyType(key))
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("%w: the public key is %s", ErrNotKey, keyType(key))
	}
	sum := sha256.Sum256(der)
	public, err := publicPEM(key)
	if err != nil {
		return nil, err
	}
	return &Verifier{
		verifier: v,
		hint:     base64.StdEncoding.EncodeToString(sum[:]),
		public:   public,
	}, nil
}

// onePEM reads a file that holds exactly one PEM block.
func onePEM(data []byte) (*pem.Block, error) {
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%w: the file is too large", ErrNotKey)
	}
	block, rest := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%w: the file is not PEM", ErrNotKey)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%w: the file has something after the key", ErrNotKey)
	}
	return block, nil
}

func publicPEM(key crypto.PublicKey) ([]byte, error) {
	return cryptoutils.MarshalPublicKeyToPEM(key)
}

// keyType names a key for people, without its content.
func keyType(key any) string {
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return "ECDSA " + k.Curve.Params().Name
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case *rsa.PrivateKey, *rsa.PublicKey:
		return "RSA"
	case ed25519.PrivateKey, ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", key)
}
