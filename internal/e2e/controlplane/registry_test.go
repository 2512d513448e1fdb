package controlplane

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestRegistryServesReferrers: signatures of cosign v3 are referrers of what
// they sign.
func TestRegistryServesReferrers(t *testing.T) {
	r, err := StartRegistry()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	signed, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := name.NewRepository(r.Host+"/signed", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(repo.Tag("latest"), signed); err != nil {
		t.Fatal(err)
	}
	subject, err := remote.Head(repo.Tag("latest"))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	signature = mutate.Subject(signature, *subject).(v1.Image)
	want, err := signature.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(repo.Digest(want.String()), signature); err != nil {
		t.Fatal(err)
	}
	index, err := remote.Referrers(repo.Digest(subject.Digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Digest != want {
		t.Errorf("referrers %v, want %s alone", manifest.Manifests, want)
	}
}
