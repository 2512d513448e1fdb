//go:build e2e

package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// An issuer is an identity provider as far as an API server looks at one:
// discovery (OpenID Connect Discovery 1.0) and keys (RFC 7517) over TLS. Tokens
// are signed with ES256 (RFC 7518).
type issuer struct {
	url string // what tokens say, and discovery
	ca  string // PEM
	key *ecdsa.PrivateKey
	// others have keys that discovery does not name.
	others *ecdsa.PrivateKey
}

const keyID = "first"

func startIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{key: newKey(t), others: newKey(t)}
	mux := http.NewServeMux()
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	i.url = s.URL + "/realms/platform"
	i.ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	answer := func(path string, v any) {
		mux.HandleFunc("GET /realms/platform/"+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v)
		})
	}
	answer(".well-known/openid-configuration", map[string]any{
		"issuer": i.url, "jwks_uri": i.url + "/certs",
		"id_token_signing_alg_values_supported": []string{"ES256"},
	})
	answer("certs", map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": keyID,
		"x": coordinate(i.key.X), "y": coordinate(i.key.Y),
	}}})
	return i
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func coordinate(n *big.Int) string { return encoded(n.FillBytes(make([]byte, 32))) }

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// claims of a token that a cluster accepts, for an hour; changes lay over them,
// and nil takes a claim out.
func (i *issuer) claims(audience string, changes ...map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": i.url, "aud": audience, "sub": "8d5f6f0e-5a52-4a07-9c25-33f5b6a7b001",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "preferred_username": "somebody",
	}
	for _, change := range changes {
		for k, v := range change {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
	}
	return c
}

// token is a signed one.
func (i *issuer) token(t *testing.T, claims map[string]any) string {
	t.Helper()
	return signed(t, map[string]any{"alg": "ES256", "kid": keyID, "typ": "JWT"}, claims, es256(t, i.key))
}

// signed is a JWS in compact form (RFC 7515).
func signed(t *testing.T, header, claims map[string]any, sign func([]byte) []byte) string {
	t.Helper()
	var parts []string
	for _, v := range []map[string]any{header, claims} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, encoded(b))
	}
	input := strings.Join(parts, ".")
	return input + "." + encoded(sign([]byte(input)))
}

func es256(t *testing.T, key *ecdsa.PrivateKey) func([]byte) []byte {
	return func(input []byte) []byte {
		digest := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
}

// hs256 signs with what everybody knows: the public key.
func hs256(t *testing.T, key crypto.PublicKey) func([]byte) []byte {
	return func(input []byte) []byte {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		mac.Write(input)
		return mac.Sum(nil)
	}
}

// A forgery is a token that no cluster may accept, and what of the API server's
// log says why.
type forgery struct{ name, token, why string }

// forgeries for a cluster of this audience; other is that of another cluster.
func (i *issuer) forgeries(t *testing.T, audience, other string) []forgery {
	t.Helper()
	groups := map[string]any{"groups": []string{"acme-sre"}}
	with := func(changes ...map[string]any) string {
		return i.token(t, i.claims(audience, append([]map[string]any{groups}, changes...)...))
	}
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	good := i.claims(audience, groups)
	header := map[string]any{"alg": "ES256", "kid": keyID}

	genuine := strings.Split(i.token(t, good), ".")
	raised, err := json.Marshal(i.claims(audience, map[string]any{"groups": []string{"acme-sre", "acme-audit"}}))
	if err != nil {
		t.Fatal(err)
	}
	return []forgery{
		{"an audience of nobody's", with(map[string]any{"aud": "grafana"}), "expected audience"},
		{"the audience of another cluster", with(map[string]any{"aud": other}), "expected audience"},
		{"the audience of another cluster, authorised for this one", with(map[string]any{"aud": other, "azp": audience}), "expected audience"},
		{"the audience before the cluster's name", with(map[string]any{"aud": "kubernetes"}), "expected audience"},
		{"no audience", with(map[string]any{"aud": nil}), "expected audience"},
		{"expired", with(map[string]any{"iat": in(-2 * time.Hour), "exp": in(-time.Minute)}), "token is expired"},
		{"no end", with(map[string]any{"exp": nil}), "token is expired"},
		// go-oidc lets five minutes pass, for clocks.
		{"not yet valid", with(map[string]any{"nbf": in(10 * time.Minute)}), "before the nbf"},
		{"too long-lived", with(map[string]any{"exp": in(24*time.Hour + time.Minute)}), "lives for 24h at most"},
		{"too long-lived, issued long ago", with(map[string]any{"iat": in(-30 * 24 * time.Hour)}), "lives for 24h at most"},
		{"no beginning", with(map[string]any{"iat": nil}), "says when it was issued"},
		{"signed by a key of nobody's", signed(t, header, good, es256(t, i.others)), "failed to verify signature"},
		{"signed by a key that discovery does not name", signed(t, map[string]any{"alg": "ES256", "kid": "second"}, good, es256(t, i.others)), "failed to verify signature"},
		{"claims changed after signing", genuine[0] + "." + encoded(raised) + "." + genuine[2], "failed to verify signature"},
		{"no signature", genuine[0] + "." + genuine[1] + ".", "failed to verify signature"},
		{"alg none", signed(t, map[string]any{"alg": "none"}, good, func([]byte) []byte { return nil }), "unsupported algorithm"},
		{"alg none, in capitals", signed(t, map[string]any{"alg": "NoNe", "kid": keyID}, good, func([]byte) []byte { return nil }), "unsupported algorithm"},
		{"signed with the public key as a password", signed(t, map[string]any{"alg": "HS256", "kid": keyID}, good, hs256(t, i.key.Public())), "unsupported algorithm"},
		{"another issuer", with(map[string]any{"iss": "https://login.example/realms/platform"}), "invalid bearer token"},
		{"another realm of the issuer", with(map[string]any{"iss": strings.TrimSuffix(i.url, "platform") + "master"}), "invalid bearer token"},
		{"no user", with(map[string]any{"sub": nil}), "claim not present"},
		{"a user that Kubernetes reserves", with(map[string]any{"sub": "system:admin"}), "a name that Kubernetes reserves"},
		{"a service account as user", with(map[string]any{"sub": "system:serviceaccount:flux-system:kustomize-controller"}), "a name that Kubernetes reserves"},
		{"system:masters", with(map[string]any{"groups": []string{"system:masters"}}), "a group that Kubernetes reserves"},
		{"system:masters among others", with(map[string]any{"groups": []string{"acme-audit", "system:masters"}}), "a group that Kubernetes reserves"},
		{"system:masters as a string", with(map[string]any{"groups": "system:masters"}), "a group that Kubernetes reserves"},
		{"system:nodes", with(map[string]any{"groups": []string{"system:nodes"}}), "a group that Kubernetes reserves"},
		{"groups that are none", with(map[string]any{"groups": map[string]any{"acme-sre": true}}), "parse groups claim"},
		{"not a token", "acme-sre", "invalid bearer token"},
	}
}
