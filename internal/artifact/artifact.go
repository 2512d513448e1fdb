// Package artifact turns the objects of clusters into OCI artifacts that
// Flux's source-controller pulls, joins those of one build in a release, and
// writes and reads the OCI image layout that holds them.
//
// Invariants:
//   - Bytes follow from content alone: the same clusters in any order, on any
//     machine, under any umask, time zone or GOMAXPROCS give the same digests
//     and the same layout. Nothing reads the clock or the environment.
//   - The digests of artifacts and of the release do not depend on signatures.
//     ECDSA signatures are random, so a signed layout differs from build to
//     build in the signature manifests, their bundles and their entries in
//     index.json, and in nothing else.
//   - Everything is made in memory; only [Layout.Write] touches a disk, and it
//     replaces its directory in one step or not at all.
//   - What [Open] returns was checked against its digests and sizes.
//
// # Inside an artifact
//
//	flux/kustomization.yaml           lists the files below
//	flux/<kind>-<namespace>-<name>.yaml
//	                                  the graph: one Flux Kustomization per unit
//	units/<unit>/kustomization.yaml   lists the files below
//	units/<unit>/<kind>-<namespace>-<name>.yaml
//
// One object per file, so that a diff of two artifacts is a diff of objects;
// where two would have one name in lower case, both get a hash of their
// identity behind a '_'.
// kustomization.yaml is written although kustomize-controller would make one:
// what is applied then stands in the artifact, `kustomize build` reads it, and
// the controller need not parse every file to find out what is an object.
package artifact

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/contain-platform/contain/internal/object"
)

// Media types that Flux gives its artifacts: fluxcd/pkg/oci,
// CanonicalConfigMediaType and CanonicalContentMediaType.
const (
	ConfigMediaType types.MediaType = "application/vnd.cncf.flux.config.v1+json"
	LayerMediaType  types.MediaType = "application/vnd.cncf.flux.content.v1.tar+gzip"
)

// Annotations of manifests and index entries. Flux copies those of a manifest
// to status.artifact.metadata of the OCIRepository.
const (
	AnnotationCreated  = "org.opencontainers.image.created" // RFC 3339, UTC
	AnnotationTitle    = "org.opencontainers.image.title"
	AnnotationRefName  = "org.opencontainers.image.ref.name"
	AnnotationCluster  = "contain.platform/cluster"
	AnnotationPlatform = "contain.platform/platform"
)

// ReleaseName is the name of the release among the names of the clusters: in
// the layout and as last element of its repository. No cluster may have it.
const ReleaseName = "release"

// Cluster is everything that one cluster pulls.
type Cluster struct {
	// Name is a DNS label, unique in a release.
	Name  string
	Units []Unit
	// Flux is the graph that applies the units.
	Flux []*object.Object
	// Annotations go to the manifest beside created, title and cluster, which
	// they cannot replace. They must follow from the content: no commit, no
	// builder, no time.
	Annotations map[string]string
}

// Unit is what one Flux Kustomization applies.
type Unit struct {
	// Name is a DNS label, unique in its cluster.
	Name    string
	Objects []*object.Object
}

// Options are the inputs of packing beside the objects.
type Options struct {
	// Created is written in UTC, whole seconds; the zero Time stands for
	// 1970-01-01T00:00:00Z.
	Created time.Time
}

func (o Options) created() string {
	if o.Created.IsZero() {
		return time.Unix(0, 0).UTC().Format(time.RFC3339)
	}
	return o.Created.UTC().Format(time.RFC3339)
}

// maxEpoch is 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
const maxEpoch = 253402300799

// ParseEpoch reads the value of SOURCE_DATE_EPOCH: decimal seconds since 1970
// (reproducible-builds.org/specs/source-date-epoch). The empty string gives
// the zero Time.
func ParseEpoch(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxEpoch {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q, not a number of seconds since 1970", s)
	}
	return time.Unix(n, 0).UTC(), nil
}

// Blob is one piece of content with what a descriptor says about it.
type Blob struct {
	MediaType types.MediaType
	Digest    v1.Hash
	Data      []byte
}

func newBlob(mt types.MediaType, data []byte) Blob {
	h, _, _ := v1.SHA256(bytes.NewReader(data)) // reading from memory does not fail
	return Blob{MediaType: mt, Digest: h, Data: data}
}

// Size is the length in bytes.
func (b Blob) Size() int64 { return int64(len(b.Data)) }

// Descriptor names the blob in a manifest or an index.
func (b Blob) Descriptor() v1.Descriptor {
	return v1.Descriptor{MediaType: b.MediaType, Digest: b.Digest, Size: b.Size()}
}

// Artifact is the OCI artifact of one cluster.
type Artifact struct {
	Cluster     string
	Manifest    Blob
	Config      Blob
	Layer       Blob
	Annotations map[string]string
}

// Digest is what a cluster pulls and what is signed: "sha256:…".
func (a *Artifact) Digest() string { return a.Manifest.Digest.String() }

// Size is the number of bytes that a registry stores for it.
func (a *Artifact) Size() int64 { return a.Manifest.Size() + a.Config.Size() + a.Layer.Size() }

// Blobs are config and layer: what must exist before the manifest.
func (a *Artifact) Blobs() []Blob { return []Blob{a.Config, a.Layer} }

// Image is the artifact in go-containerregistry's form.
func (a *Artifact) Image() v1.Image {
	img, _ := partial.CompressedToImage(core{a}) // never fails
	return img
}

// core is the part of v1.Image that go-containerregistry completes.
type core struct{ a *Artifact }

func (c core) RawManifest() ([]byte, error)        { return c.a.Manifest.Data, nil }
func (c core) RawConfigFile() ([]byte, error)      { return c.a.Config.Data, nil }
func (c core) MediaType() (types.MediaType, error) { return c.a.Manifest.MediaType, nil }
func (c core) Manifest() (*v1.Manifest, error)     { return partial.Manifest(c) }
func (c core) ConfigFile() (*v1.ConfigFile, error) { return partial.ConfigFile(c) }
func (c core) ConfigLayer() (v1.Layer, error)      { return c.a.Config.Layer(), nil }
func (c core) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	for _, b := range c.a.Blobs() {
		if b.Digest == h {
			return blobLayer{b}, nil
		}
	}
	return nil, fmt.Errorf("no blob %s in artifact %s", h, c.a.Cluster)
}

// Layer is the blob in go-containerregistry's form.
func (b Blob) Layer() v1.Layer {
	l, _ := partial.CompressedToLayer(blobLayer{b}) // never fails
	return l
}

type blobLayer struct{ b Blob }

func (l blobLayer) Digest() (v1.Hash, error)            { return l.b.Digest, nil }
func (l blobLayer) Size() (int64, error)                { return l.b.Size(), nil }
func (l blobLayer) MediaType() (types.MediaType, error) { return l.b.MediaType, nil }
func (l blobLayer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l.b.Data)), nil
}

// dnsLabel reports whether s is an RFC 1123 label of at most 63 characters.
// Such names are safe as file names and repository elements, and none of
// source-controller's default exclusions (*.zip, .git/, cloudbuild.yaml, …)
// matches them: those all have a dot.
func dnsLabel(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

func checkClusterName(s string) error {
	if !dnsLabel(s) {
		return fmt.Errorf("cluster name %q is not a DNS label (lower-case letters, digits and '-', at most 63)", s)
	}
	if s == ReleaseName {
		return errors.New(`a cluster cannot be called "release": that is the repository of the release index`)
	}
	return nil
}
