package artifact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// LayoutError tells what is wrong with a layout on disk.
type LayoutError struct {
	// File is the file at fault, "blobs/sha256/…", relative to the layout.
	File    string
	Problem string
}

func (e *LayoutError) Error() string { return e.File + ": " + e.Problem }

// OpenDir reads the layout in dir; see [Open].
func OpenDir(dir string) (*Layout, error) { return Open(os.DirFS(dir)) }

// Open reads a layout that [Layout.Write] wrote, whole and into memory, and
// checks the digest and size of every blob and that index.json, the release
// index and the artifacts agree. The error is a [*LayoutError].
func Open(fsys fs.FS) (*Layout, error) {
	index, err := readIndex(fsys)
	if err != nil {
		return nil, err
	}
	r := reader{fsys: fsys}
	l := &Layout{}
	var artifacts []*Artifact
	for _, d := range index.Manifests {
		switch {
		case d.MediaType == types.OCIImageIndex && d.Annotations[AnnotationRefName] == ReleaseName:
			if l.Release != nil {
				return nil, &LayoutError{"index.json", "two release indexes"}
			}
			b, err := r.blob(d)
			if err != nil {
				return nil, err
			}
			l.Release = &Release{Index: b}
		case d.MediaType == types.OCIManifestSchema1 && d.ArtifactType == string(BundleMediaType):
			s, err := r.signature(d)
			if err != nil {
				return nil, err
			}
			l.Signatures = append(l.Signatures, s)
		case d.MediaType == types.OCIManifestSchema1 && d.ArtifactType == "":
			a, err := r.artifact(d)
			if err != nil {
				return nil, err
			}
			artifacts = append(artifacts, a)
		default:
			return nil, &LayoutError{"index.json", fmt.Sprintf("unexpected entry %s of type %q", d.Digest, d.MediaType)}
		}
	}
	if l.Release == nil {
		return nil, &LayoutError{"index.json", "no release index"}
	}
	if err := l.complete(artifacts); err != nil {
		return nil, err
	}
	return l, nil
}

// complete checks that release, artifacts and signatures belong together.
func (l *Layout) complete(artifacts []*Artifact) error {
	file := blobPath(l.Release.Index.Digest)
	var index v1.IndexManifest
	if err := json.Unmarshal(l.Release.Index.Data, &index); err != nil {
		return &LayoutError{file, "not an image index"}
	}
	l.Release.Platform = index.Annotations[AnnotationPlatform]
	l.Release.Artifacts = artifacts
	if len(index.Manifests) != len(artifacts) {
		return &LayoutError{file, fmt.Sprintf("the release has %d artifacts, index.json has %d", len(index.Manifests), len(artifacts))}
	}
	for i, a := range artifacts {
		d := index.Manifests[i]
		if d.Digest != a.Manifest.Digest || d.Annotations[AnnotationCluster] != a.Cluster {
			return &LayoutError{file, fmt.Sprintf("the release and index.json differ in cluster %q", a.Cluster)}
		}
		if i > 0 && artifacts[i-1].Cluster >= a.Cluster {
			return &LayoutError{"index.json", fmt.Sprintf("cluster %q is out of order", a.Cluster)}
		}
	}
	subjects := l.Release.Subjects()
	for _, s := range l.Signatures {
		if !slices.ContainsFunc(subjects, func(t Subject) bool { return t.Manifest.Digest == s.Subject }) {
			return &LayoutError{blobPath(s.Manifest.Digest), fmt.Sprintf("signs %s, which is not in the release", s.Subject)}
		}
	}
	slices.SortFunc(l.Signatures, compareSignatures)
	return nil
}

// readIndex reads index.json of a layout of ours, and nothing below it.
func readIndex(fsys fs.FS) (*v1.IndexManifest, error) {
	marker, err := readSmall(fsys, "oci-layout")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &LayoutError{"oci-layout", "no such file: not an OCI image layout"}
	} else if err != nil {
		return nil, err
	}
	var version struct {
		ImageLayoutVersion string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(marker, &version); err != nil || version.ImageLayoutVersion != "1.0.0" {
		return nil, &LayoutError{"oci-layout", "not an OCI image layout of version 1.0.0"}
	}
	data, err := readSmall(fsys, "index.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &LayoutError{"index.json", "no such file"}
	} else if err != nil {
		return nil, err
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, &LayoutError{"index.json", "not an image index"}
	}
	if index.Annotations[annotationLayout] != layoutVersion {
		return nil, &LayoutError{"index.json", "not written by this version of contain"}
	}
	return &index, nil
}

// maxIndex bounds files whose size nothing declares: 64 MiB are more than
// 100,000 entries.
const maxIndex = 64 << 20

func readSmall(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, readError(name, err)
	}
	if info.Size() > maxIndex {
		return nil, &LayoutError{name, "too large"}
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, readError(name, err)
	}
	return data, nil
}

// readError keeps "does not exist" recognisable and drops the machine's path.
func readError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	problem := err.Error()
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		problem = pe.Err.Error()
	}
	return &LayoutError{name, problem}
}

// reader reads blobs and believes none of them.
type reader struct{ fsys fs.FS }

func (r reader) blob(d v1.Descriptor) (Blob, error) {
	if d.Digest.Algorithm != "sha256" {
		return Blob{}, &LayoutError{"index.json", fmt.Sprintf("digest %q is not sha256", d.Digest)}
	}
	name := blobPath(d.Digest)
	info, err := fs.Stat(r.fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return Blob{}, &LayoutError{name, "missing"}
	} else if err != nil {
		return Blob{}, readError(name, err)
	}
	if info.Size() != d.Size {
		return Blob{}, &LayoutError{name, fmt.Sprintf("has %d bytes, not %d", info.Size(), d.Size)}
	}
	data, err := fs.ReadFile(r.fsys, name)
	if err != nil {
		return Blob{}, readError(name, err)
	}
	b := newBlob(d.MediaType, data)
	if b.Digest != d.Digest || b.Size() != d.Size {
		return Blob{}, &LayoutError{name, "content does not match its digest"}
	}
	return b, nil
}

func (r reader) artifact(d v1.Descriptor) (*Artifact, error) {
	b, m, err := r.manifest(d)
	if err != nil {
		return nil, err
	}
	fail := func(problem string) (*Artifact, error) {
		return nil, &LayoutError{blobPath(d.Digest), problem}
	}
	a := &Artifact{Cluster: d.Annotations[AnnotationCluster], Manifest: b, Annotations: m.Annotations}
	if err := checkClusterName(a.Cluster); err != nil {
		return fail(err.Error())
	}
	if m.Annotations[AnnotationCluster] != a.Cluster {
		return fail(fmt.Sprintf("is of cluster %q, not of %q", m.Annotations[AnnotationCluster], a.Cluster))
	}
	if m.Config.MediaType != ConfigMediaType || len(m.Layers) != 1 || m.Layers[0].MediaType != LayerMediaType {
		return fail("is no Flux artifact with one layer")
	}
	if a.Config, err = r.blob(m.Config); err != nil {
		return nil, err
	}
	if a.Layer, err = r.blob(m.Layers[0]); err != nil {
		return nil, err
	}
	return a, nil
}

func (r reader) signature(d v1.Descriptor) (*Signature, error) {
	b, m, err := r.manifest(d)
	if err != nil {
		return nil, err
	}
	if m.Subject == nil || len(m.Layers) != 1 || m.Layers[0].MediaType != BundleMediaType {
		return nil, &LayoutError{blobPath(d.Digest), "is no signature: it needs a subject and one bundle"}
	}
	s := &Signature{Manifest: b, Subject: m.Subject.Digest}
	if s.Config, err = r.blob(m.Config); err != nil {
		return nil, err
	}
	if s.Bundle, err = r.blob(m.Layers[0]); err != nil {
		return nil, err
	}
	return s, nil
}

func (r reader) manifest(d v1.Descriptor) (Blob, *v1.Manifest, error) {
	b, err := r.blob(d)
	if err != nil {
		return Blob{}, nil, err
	}
	var m v1.Manifest
	if err := json.NewDecoder(bytes.NewReader(b.Data)).Decode(&m); err != nil || m.SchemaVersion != 2 || m.MediaType != types.OCIManifestSchema1 {
		return Blob{}, nil, &LayoutError{blobPath(d.Digest), "not an OCI image manifest"}
	}
	return b, &m, nil
}
