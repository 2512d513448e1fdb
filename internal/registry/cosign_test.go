package registry

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/contain-platform/contain/internal/sign"
)

// judge is a cosign binary in a directory of its own.
type judge struct{ bin, dir string }

// newJudge finds cosign 3.1.3 in $CONTAIN_E2E_BIN or in PATH. Without it the
// test is skipped, but not on CI.
func newJudge(t *testing.T) judge {
	t.Helper()
	var bin string
	if dir := os.Getenv("CONTAIN_E2E_BIN"); dir != "" {
		bin = filepath.Join(dir, "cosign")
		if _, err := os.Stat(bin); err != nil {
			bin = ""
		}
	} else if p, err := exec.LookPath("cosign"); err == nil {
		bin = p
	}
	if bin == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("cosign is neither in CONTAIN_E2E_BIN nor in PATH")
		}
		t.Skip("needs the cosign binary in CONTAIN_E2E_BIN or PATH as judge of signatures")
	}
	return judge{bin, t.TempDir()}
}

func (j judge) run(args ...string) (string, error) {
	cmd := exec.Command(j.bin, args...)
	cmd.Dir = j.dir
	// A proxy that refuses: nothing but the registry on loopback is needed.
	cmd.Env = []string{"HOME=" + j.dir, "COSIGN_PASSWORD=secret", "HTTPS_PROXY=http://127.0.0.1:1", "NO_PROXY=127.0.0.1"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (j judge) must(t *testing.T, args ...string) {
	t.Helper()
	if out, err := j.run(args...); err != nil {
		t.Fatalf("cosign %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// Keys that contain makes sign with cosign, and cosign accepts what Push
// signed, on registries with and without the referrers API.
func TestCosignVerifiesPush(t *testing.T) {
	j := newJudge(t)
	private, public, err := sign.GenerateKey([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := sign.LoadSigner(private, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	pub, otherPub := writeFile(t, "cosign.pub", public), writeFile(t, "other.pub", keys().other.Verifier().PublicKey())
	for name, s := range map[string]*server{"referrers API": newServer(t, nil), "referrers tag": newServer(t, noReferrers(t))} {
		t.Run(name, func(t *testing.T) {
			l := layout(t, "dev=1", "prod=1")
			mustPush(t, l, s.ref, pushOptions(signer))
			for _, p := range []string{"dev", "prod", "release"} {
				ref := strings.TrimPrefix(s.ref, Scheme) + "/" + p + ":latest"
				if out, err := j.run("verify", "--key", pub, "--insecure-ignore-tlog=true", "--allow-http-registry", ref); err != nil {
					t.Errorf("%s: %v\n%s", p, err, out)
				}
				if out, err := j.run("verify", "--key", otherPub, "--insecure-ignore-tlog=true", "--allow-http-registry", ref); err == nil {
					t.Errorf("%s: accepted with another key\n%s", p, out)
				}
			}
			// cosign can sign with our private key as well.
			unsigned := layout(t, "dev=2")
			mustPush(t, unsigned, s.ref, PushOptions{Remote: quick, Unsigned: true})
			key := writeFile(t, "cosign.key", private)
			ref := strings.TrimPrefix(s.ref, Scheme) + "/dev@" + unsigned.Release.Artifacts[0].Digest()
			j.must(t, slices.Concat(cosignSign, []string{key, ref})...)
			if _, err := Verify(context.Background(), s.ref+"/dev", []*sign.Verifier{signer.Verifier()}, quick); err != nil {
				t.Error(err)
			}
		})
	}
}

// cosignSign signs offline: no signing configuration from Sigstore's servers,
// hence neither log nor timestamp.
var cosignSign = []string{"sign", "--yes", "--use-signing-config=false", "--tlog-upload=false", "--allow-http-registry", "--key"}

// Verify accepts what cosign signed with its own key in either form, and Push
// with that key then adds no signature.
func TestVerifyAcceptsCosign(t *testing.T) {
	j := newJudge(t)
	j.must(t, "generate-key-pair")
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(j.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	signer, err := sign.LoadSigner(read("cosign.key"), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := sign.LoadVerifier(read("cosign.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if string(verifier.PublicKey()) != string(read("cosign.pub")) {
		t.Error("the public key is not written as cosign writes it")
	}
	for name, h := range map[string]http.Handler{"referrers API": nil, "referrers tag": noReferrers(t)} {
		for form, flags := range map[string][]string{FormBundle: nil, FormSimple: {"--new-bundle-format=false"}} {
			t.Run(name+"/"+form, func(t *testing.T) {
				s := newServer(t, h)
				l := layout(t, "dev="+form)
				mustPush(t, l, s.ref, PushOptions{Remote: quick, Unsigned: true})
				for _, sub := range l.Release.Subjects() {
					ref := strings.TrimPrefix(s.ref, Scheme) + "/" + sub.Name + "@" + sub.Digest()
					j.must(t, slices.Concat(cosignSign, []string{"cosign.key"}, flags, []string{ref})...)
				}
				r, err := Verify(context.Background(), s.ref+"/dev", []*sign.Verifier{keys().other.Verifier(), verifier}, quick)
				if err != nil {
					t.Fatal(err)
				}
				if want := (Signature{verifier.Fingerprint(), form}); r.Signature != want {
					t.Errorf("got %v, want %v", r.Signature, want)
				}
				_, err = Verify(context.Background(), s.ref+"/dev", []*sign.Verifier{keys().other.Verifier()}, quick)
				wantError(t, err, Unverified, s.ref+"/dev@"+l.Release.Artifacts[0].Digest()+": signed by another key")

				if r := mustPush(t, l, s.ref, pushOptions(signer)); r.Unchanged() != 1 || !r.Release.Unchanged {
					t.Errorf("push added to cosign's signature: %+v", r)
				}
			})
		}
	}
}

// noReferrers is a registry of before OCI 1.1: clients keep the list of
// referrers under a tag.
func noReferrers(t *testing.T) http.Handler {
	t.Helper()
	h, err := Handler(ServeOptions{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/referrers/") {
			http.NotFound(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}
