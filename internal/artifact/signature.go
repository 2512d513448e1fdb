package artifact

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/contain-platform/contain/internal/object"
)

// What cosign 3 writes beside a bundle in a registry (pkg/oci/remote), and
// what it and source-controller look for: an OCI 1.1 referrer with one layer.
const (
	BundleMediaType types.MediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	emptyMediaType  types.MediaType = "application/vnd.oci.empty.v1+json"

	annotationBundleContent   = "dev.sigstore.bundle.content"
	annotationBundlePredicate = "dev.sigstore.bundle.predicateType"
	signaturePredicate        = "https://sigstore.dev/cosign/sign/v1"
)

// Signature is a Sigstore bundle as an OCI 1.1 referrer of what it signs.
type Signature struct {
	Manifest Blob // its subject is what is signed
	Config   Blob // the empty object
	Bundle   Blob
	Subject  v1.Hash
}

// Blobs are config and bundle: what must exist before the manifest.
func (s *Signature) Blobs() []Blob { return []Blob{s.Config, s.Bundle} }

// NewSignature wraps a bundle, which is not looked into, as referrer of
// subject. It sets no time of creation: signing twice is no new fact.
func NewSignature(subject Subject, bundle []byte) (*Signature, error) {
	s := &Signature{
		Config:  newBlob(emptyMediaType, []byte("{}")),
		Bundle:  newBlob(BundleMediaType, bundle),
		Subject: subject.Manifest.Digest,
	}
	target := subject.Manifest.Descriptor()
	manifest, err := object.Canonical(v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		ArtifactType:  string(BundleMediaType),
		Config:        s.Config.Descriptor(),
		Layers:        []v1.Descriptor{s.Bundle.Descriptor()},
		Subject:       &target,
		Annotations: map[string]string{
			annotationBundleContent:   "dsse-envelope",
			annotationBundlePredicate: signaturePredicate,
		},
	})
	if err != nil {
		return nil, err
	}
	s.Manifest = newBlob(types.OCIManifestSchema1, manifest)
	return s, nil
}

// entry is the signature's descriptor in the layout.
func (s *Signature) entry() v1.Descriptor {
	d := s.Manifest.Descriptor()
	d.ArtifactType = string(BundleMediaType)
	return d
}
