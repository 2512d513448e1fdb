package artifact

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/contain-platform/contain/internal/object"
)

// annotationLayout marks, in index.json, a layout that contain wrote and may
// replace. Its value is the version of what stands below.
const (
	annotationLayout = "contain.platform/layout"
	layoutVersion    = "1"
)

// ociLayout is the file oci-layout (OCI image layout specification 1.0.0).
const ociLayout = `{"imageLayoutVersion":"1.0.0"}`

// Layout is one release with its artifacts and signatures, as on disk.
//
// index.json lists the manifests of all artifacts (ref.name is the cluster),
// the release index (ref.name is [ReleaseName]) and the signatures' manifests
// (artifactType is the bundle's, no ref.name), in this order.
type Layout struct {
	Release *Release
	// Signatures are sorted by subject and digest. They may be missing.
	Signatures []*Signature
}

// SignaturesOf are the signatures of the manifest with this digest.
func (l *Layout) SignaturesOf(digest v1.Hash) []*Signature {
	var out []*Signature
	for _, s := range l.Signatures {
		if s.Subject == digest {
			out = append(out, s)
		}
	}
	return out
}

// ErrForeign tells that a directory holds something else than a layout that
// contain wrote, and is left alone.
var ErrForeign = errors.New("is not empty and not a layout written by contain")

// Write writes the layout to dir, which must not exist, be empty or hold a
// layout written by Write ([ErrForeign] otherwise). It is written beside dir
// and moved there when complete, so that nobody sees half of it and an error
// leaves dir as it was. Files are 0644 and directories 0755 under any umask.
func (l *Layout) Write(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if p, err := filepath.EvalSymlinks(dir); err == nil {
		dir = p // replace what a link points to, not the link
	}
	if err := replaceable(dir); err != nil {
		return err
	}
	files, err := l.files()
	if err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	staged := filepath.Join(tmp, "layout")
	if err := writeTree(staged, files); err != nil {
		return err
	}
	return replace(staged, dir, filepath.Join(tmp, "old"))
}

// replaceable refuses directories with anything that Write did not make.
func replaceable(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) == 0:
		return nil
	}
	ours := map[string]bool{"oci-layout": true, "index.json": true, "blobs": true}
	for _, e := range entries {
		if !ours[e.Name()] {
			return fmt.Errorf("%s %w: it has %s", filepath.Base(dir), ErrForeign, e.Name())
		}
	}
	if _, err := readIndex(os.DirFS(dir)); err != nil {
		return fmt.Errorf("%s %w: %v", filepath.Base(dir), ErrForeign, err)
	}
	return nil
}

// files are all files of the layout by path.
func (l *Layout) files() ([]File, error) {
	index := v1.IndexManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIImageIndex,
		Manifests:     []v1.Descriptor{},
		Annotations:   map[string]string{annotationLayout: layoutVersion},
	}
	blobs := map[v1.Hash][]byte{}
	add := func(bs ...Blob) {
		for _, b := range bs {
			blobs[b.Digest] = b.Data
		}
	}
	for _, a := range l.Release.Artifacts {
		index.Manifests = append(index.Manifests, a.entry())
		add(a.Manifest)
		add(a.Blobs()...)
	}
	release := l.Release.Index.Descriptor()
	release.Annotations = map[string]string{AnnotationRefName: ReleaseName, AnnotationPlatform: l.Release.Platform}
	index.Manifests = append(index.Manifests, release)
	add(l.Release.Index)

	sigs := slices.Clone(l.Signatures)
	slices.SortFunc(sigs, compareSignatures) // for determinism
	sigs = slices.CompactFunc(sigs, func(a, b *Signature) bool { return a.Manifest.Digest == b.Manifest.Digest })
	for _, s := range sigs {
		if _, ok := blobs[s.Subject]; !ok {
			return nil, fmt.Errorf("a signature is of %s, which is not in the release", s.Subject)
		}
		index.Manifests = append(index.Manifests, s.entry())
		add(s.Manifest)
		add(s.Blobs()...)
	}
	data, err := object.Canonical(index)
	if err != nil {
		return nil, err
	}
	files := []File{{"index.json", data}, {"oci-layout", []byte(ociLayout)}}
	for h, b := range blobs {
		files = append(files, File{blobPath(h), b})
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return files, nil
}

func compareSignatures(a, b *Signature) int {
	return cmp.Or(
		cmp.Compare(a.Subject.Hex, b.Subject.Hex),
		cmp.Compare(a.Manifest.Digest.Hex, b.Manifest.Digest.Hex),
	)
}

func blobPath(h v1.Hash) string { return path.Join("blobs", h.Algorithm, h.Hex) }

// writeTree writes files below dir. Modes are set apart from creation, since
// the umask applies to the latter.
func writeTree(dir string, files []File) error {
	for _, d := range []string{dir, filepath.Join(dir, "blobs"), filepath.Join(dir, "blobs", "sha256")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(d, 0o755); err != nil {
			return err
		}
	}
	for _, f := range files {
		p := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.WriteFile(p, f.Data, 0o644); err != nil {
			return err
		}
		if err := os.Chmod(p, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// replace moves staged to dir, and what was there to old, from where the
// caller removes it.
func replace(staged, dir, old string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return os.Rename(staged, dir)
	}
	if swap(staged, dir) == nil {
		return nil
	}
	// No exchange in one step on this system: dir is missing for a moment.
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	if err := os.Rename(staged, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return nil
}
