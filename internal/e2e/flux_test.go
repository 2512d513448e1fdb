//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/object"
	"github.com/fluxcd/pkg/oci"
	"github.com/google/go-containerregistry/pkg/crane"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// push pushes files (name to content) as Flux's own client does and returns the
// digest, "sha256:…".
func push(ctx context.Context, t *testing.T, ref string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url, err := oci.NewClient([]crane.Option{crane.Insecure}).Push(ctx, ref, dir)
	if err != nil {
		t.Fatal(err)
	}
	_, digest, _ := strings.Cut(url, "@")
	return digest
}

// apply stores YAML and fails the test at the first refusal.
func apply(ctx context.Context, t *testing.T, stream string) {
	t.Helper()
	objs, err := controlplane.ReadYAML([]byte(stream))
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Apply(ctx, objs); err != nil {
		t.Fatal(err)
	}
}

func ociRepository(name string) object.ID {
	return object.ID{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "OCIRepository", Namespace: controlplane.FluxNamespace, Name: name}
}

func kustomization(name string) object.ID {
	return object.ID{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization", Namespace: controlplane.FluxNamespace, Name: name}
}

// revision is the artifact that a Kustomization has applied.
func revision(u *unstructured.Unstructured) string {
	r, _, _ := unstructured.NestedString(u.Object, "status", "lastAppliedRevision")
	return r
}

// TestFluxAppliesAndPrunes takes one small artifact the whole way: pulled,
// applied, replaced by a second push, and what the second lacks is gone, a whole
// namespace included.
func TestFluxAppliesAndPrunes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	const namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n"
	const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\ndata: {push: %q}\n"

	ref := harness.registry.Host + "/prune:latest"
	first := push(ctx, t, ref, map[string]string{
		"kept.yaml": fmt.Sprintf(namespace+"---\n"+configMap, "prune-kept", "kept", "prune-kept", "first"),
		"gone.yaml": fmt.Sprintf(namespace+"---\n"+configMap, "prune-gone", "gone", "prune-gone", "first"),
	})
	apply(ctx, t, fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: prune, namespace: flux-system}
spec:
  interval: 1h
  insecure: true
  url: oci://%s/prune
  ref: {tag: latest}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: prune, namespace: flux-system}
spec:
  interval: 1h
  prune: true
  wait: true
  path: ./
  sourceRef: {kind: OCIRepository, name: prune}
`, harness.registry.Host))

	// kustomize-controller writes the revision after the condition.
	_, err := harness.Wait(ctx, kustomization("prune"), "at "+first, func(u *unstructured.Unstructured) bool {
		return revision(u) == "latest@"+first
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := harness.WaitCondition(ctx, kustomization("prune"), controlplane.Ready); err != nil {
		t.Fatal(err)
	}
	gone := object.ID{Version: "v1", Kind: "ConfigMap", Namespace: "prune-gone", Name: "gone"}
	if _, err := harness.Get(ctx, gone); err != nil {
		t.Errorf("after the first push: %v", err)
	}

	second := push(ctx, t, ref, map[string]string{
		"kept.yaml": fmt.Sprintf(namespace+"---\n"+configMap, "prune-kept", "kept", "prune-kept", "second"),
	})
	if _, err := harness.Reconcile(ctx, ociRepository("prune")); err != nil {
		t.Fatal(err)
	}
	// The source tells the Kustomization by itself.
	_, err = harness.Wait(ctx, kustomization("prune"), "at "+second, func(u *unstructured.Unstructured) bool {
		return revision(u) == "latest@"+second
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.WaitGone(ctx, gone); err != nil {
		t.Error(err)
	}
	if err := harness.WaitGone(ctx, object.ID{Version: "v1", Kind: "Namespace", Name: "prune-gone"}); err != nil {
		t.Error(err)
	}
	kept, err := harness.Get(ctx, object.ID{Version: "v1", Kind: "ConfigMap", Namespace: "prune-kept", Name: "kept"})
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ := unstructured.NestedString(kept.Object, "data", "push"); got != "second" {
		t.Errorf("ConfigMap kept says %q, want %q", got, "second")
	}
}

// cosign runs the judge in dir, with an empty password for its keys.
func cosign(ctx context.Context, t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, judge.Path(t, "cosign"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "COSIGN_PASSWORD=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cosign %s: %v\n%s", args[0], err, out)
	}
}

// TestFluxVerifies shows the harness on both sides of a signature, with a signer
// and a verifier that are not ours: an artifact without one is not pulled where
// a key is demanded, and once cosign has signed it, it is.
func TestFluxVerifies(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	keys := t.TempDir()
	cosign(ctx, t, keys, "generate-key-pair")
	public, err := os.ReadFile(filepath.Join(keys, "cosign.pub"))
	if err != nil {
		t.Fatal(err)
	}
	repository := harness.registry.Host + "/verify"
	digest := push(ctx, t, repository+":latest", map[string]string{
		"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: verify, namespace: default}\n",
	})
	apply(ctx, t, fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: verify-key, namespace: flux-system}
stringData: {cosign.pub: %q}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: verify, namespace: flux-system}
spec:
  interval: 1h
  insecure: true
  url: oci://%s
  ref: {tag: latest}
  verify: {provider: cosign, secretRef: {name: verify-key}}
`, public, repository))

	refused, err := harness.WaitRefused(ctx, ociRepository("verify"), "SourceVerified")
	if err != nil {
		t.Fatal(err)
	}
	want := "SourceVerified=False (VerificationError): failed to verify the signature using provider 'cosign': no matching signatures were found for '" + repository + "@" + digest + "'"
	if refused.String() != want {
		t.Errorf("unsigned: %s\nwant %s", refused, want)
	}
	u, err := harness.Get(ctx, ociRepository("verify"))
	if err != nil {
		t.Fatal(err)
	}
	if a, ok, _ := unstructured.NestedMap(u.Object, "status", "artifact"); ok {
		t.Errorf("unsigned, and source-controller stored the artifact %v", a)
	}

	// A key needs no transparency log, and the test has no network.
	cosign(ctx, t, keys, "sign", "--key=cosign.key", "--use-signing-config=false", "--tlog-upload=false", "--yes", repository+"@"+digest)
	if _, err := harness.Reconcile(ctx, ociRepository("verify")); err != nil {
		t.Fatal(err)
	}
	if _, err := harness.WaitCondition(ctx, ociRepository("verify"), "SourceVerified"); err != nil {
		t.Fatal(err)
	}
	if u, err = harness.WaitCondition(ctx, ociRepository("verify"), controlplane.Ready); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := unstructured.NestedString(u.Object, "status", "artifact", "revision"); got != "latest@"+digest {
		t.Errorf("signed: artifact %q, want %q", got, "latest@"+digest)
	}
}
