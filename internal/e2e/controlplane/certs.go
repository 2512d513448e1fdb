package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity of every certificate; no test run lasts longer.
const validity = 24 * time.Hour

// authority signs the certificates of one control plane. Only what processes need
// is written to files.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificate(1, pkix.Name{CommonName: "contain-e2e"})
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key, pem: encode("CERTIFICATE", der)}, nil
}

// server issues a serving certificate for 127.0.0.1 and localhost.
func (a *authority) server() (certPEM, keyPEM []byte, err error) {
	template := certificate(2, pkix.Name{CommonName: "kube-apiserver"})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	template.DNSNames = []string{"localhost"}
	return a.issue(template)
}

// admin issues a client certificate of the group that RBAC always allows
// everything, see
// https://kubernetes.io/docs/reference/access-authn-authz/rbac/#user-facing-roles.
func (a *authority) admin() (certPEM, keyPEM []byte, err error) {
	template := certificate(3, pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(template)
}

func (a *authority) issue(template *x509.Certificate) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err = encodeKey(key)
	if err != nil {
		return nil, nil, err
	}
	return encode("CERTIFICATE", der), keyPEM, nil
}

func certificate(serial int64, subject pkix.Name) *x509.Certificate {
	// An hour back, for clocks that step.
	from := time.Now().Add(-time.Hour)
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      subject,
		NotBefore:    from,
		NotAfter:     from.Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return encode("EC PRIVATE KEY", der), nil
}

// pki is where one control plane's certificates are.
type pki struct {
	ca, caKey         string // signs all of them
	cert, key         string // the API server's
	serviceAccountKey string // signs and verifies service account tokens

	caPEM, adminCert, adminKey []byte
}

func newPKI(dir string) (*pki, error) {
	ca, err := newAuthority()
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	cert, key, err := ca.server()
	if err != nil {
		return nil, fmt.Errorf("serving certificate: %w", err)
	}
	p := &pki{
		ca:                filepath.Join(dir, "ca.crt"),
		caKey:             filepath.Join(dir, "ca.key"),
		cert:              filepath.Join(dir, "apiserver.crt"),
		key:               filepath.Join(dir, "apiserver.key"),
		serviceAccountKey: filepath.Join(dir, "service-account.key"),
		caPEM:             ca.pem,
	}
	if p.adminCert, p.adminKey, err = ca.admin(); err != nil {
		return nil, fmt.Errorf("admin certificate: %w", err)
	}
	tokens, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tokensPEM, err := encodeKey(tokens)
	if err != nil {
		return nil, err
	}
	caKeyPEM, err := encodeKey(ca.key)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		path string
		data []byte
	}{{p.ca, ca.pem}, {p.caKey, caKeyPEM}, {p.cert, cert}, {p.key, key}, {p.serviceAccountKey, tokensPEM}} {
		if err := os.WriteFile(f.path, f.data, 0o600); err != nil {
			return nil, err
		}
	}
	return p, nil
}
