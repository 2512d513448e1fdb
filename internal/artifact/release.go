package artifact

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/contain-platform/contain/internal/object"
)

// Release is all artifacts of one build.
type Release struct {
	// Artifacts are sorted by cluster.
	Artifacts []*Artifact
	// Index is the OCI image index over their manifests. Each entry is
	// annotated with its cluster.
	Index    Blob
	Platform string
}

// Digest names the whole release: "sha256:…".
func (r *Release) Digest() string { return r.Index.Digest.String() }

// NewRelease joins the artifacts of one build, in any order. platform is the
// name of the platform. It fails when two artifacts are of one cluster.
func NewRelease(platform string, artifacts []*Artifact, o Options) (*Release, error) {
	if platform == "" {
		return nil, errors.New("a release needs the name of its platform")
	}
	r := &Release{Artifacts: slices.Clone(artifacts), Platform: platform}
	slices.SortFunc(r.Artifacts, func(a, b *Artifact) int { return cmp.Compare(a.Cluster, b.Cluster) }) // for determinism
	index := v1.IndexManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIImageIndex,
		Manifests:     []v1.Descriptor{},
		Annotations: map[string]string{
			AnnotationCreated:  o.created(),
			AnnotationTitle:    platform,
			AnnotationPlatform: platform,
		},
	}
	for i, a := range r.Artifacts {
		if err := checkClusterName(a.Cluster); err != nil {
			return nil, err
		}
		if i > 0 && r.Artifacts[i-1].Cluster == a.Cluster {
			return nil, fmt.Errorf("two artifacts are of cluster %q", a.Cluster)
		}
		index.Manifests = append(index.Manifests, a.entry())
	}
	data, err := object.Canonical(index)
	if err != nil {
		return nil, err
	}
	r.Index = newBlob(types.OCIImageIndex, data)
	return r, nil
}

// entry is the artifact's descriptor in the release and in the layout.
func (a *Artifact) entry() v1.Descriptor {
	d := a.Manifest.Descriptor()
	d.Annotations = map[string]string{AnnotationRefName: a.Cluster, AnnotationCluster: a.Cluster}
	return d
}

// Subject is something that can be signed: an artifact or the release.
type Subject struct {
	// Name is the cluster, or [ReleaseName].
	Name     string
	Manifest Blob
}

// Digest is what is signed: "sha256:…".
func (s Subject) Digest() string { return s.Manifest.Digest.String() }

// Subjects are the artifacts, sorted by cluster, and then the release.
func (r *Release) Subjects() []Subject {
	out := make([]Subject, 0, len(r.Artifacts)+1)
	for _, a := range r.Artifacts {
		out = append(out, Subject{a.Cluster, a.Manifest})
	}
	return append(out, Subject{ReleaseName, r.Index})
}
