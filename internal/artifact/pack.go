package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/contain-platform/contain/internal/object"
)

// Pack makes the artifact of one cluster. It fails where [Files] does.
func Pack(c Cluster, o Options) (*Artifact, error) {
	files, err := Files(c)
	if err != nil {
		return nil, err
	}
	archive, err := archive(files)
	if err != nil {
		return nil, err
	}
	compressed, err := compress(archive)
	if err != nil {
		return nil, err
	}
	a := &Artifact{
		Cluster: c.Name,
		Layer:   newBlob(LayerMediaType, compressed),
	}
	config, err := object.Canonical(imageConfig{
		Created: o.created(),
		Config:  struct{}{},
		RootFS:  rootFS{Type: "layers", DiffIDs: []v1.Hash{newBlob("", archive).Digest}},
	})
	if err != nil {
		return nil, err
	}
	a.Config = newBlob(ConfigMediaType, config)

	a.Annotations = maps.Clone(c.Annotations)
	if a.Annotations == nil {
		a.Annotations = map[string]string{}
	}
	a.Annotations[AnnotationCreated] = o.created()
	a.Annotations[AnnotationTitle] = c.Name
	a.Annotations[AnnotationCluster] = c.Name
	manifest, err := object.Canonical(v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		Config:        a.Config.Descriptor(),
		Layers:        []v1.Descriptor{a.Layer.Descriptor()},
		Annotations:   a.Annotations,
	})
	if err != nil {
		return nil, err
	}
	a.Manifest = newBlob(types.OCIManifestSchema1, manifest)
	return a, nil
}

// imageConfig is the config that `flux push artifact` writes: an image config
// without platform. Own types keep its bytes apart from changes in libraries.
type imageConfig struct {
	Architecture string   `json:"architecture"`
	Created      string   `json:"created"`
	OS           string   `json:"os"`
	RootFS       rootFS   `json:"rootfs"`
	Config       struct{} `json:"config"`
}

type rootFS struct {
	Type    string    `json:"type"`
	DiffIDs []v1.Hash `json:"diff_ids"`
}

// archive is a USTAR archive of regular files: mode 0644, zero times, no
// owner. Directories have no entries: fluxcd/pkg/tar makes them.
func archive(files []File) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		err := w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg,
			Name:     f.Path,
			Size:     int64(len(f.Data)),
			Mode:     0o644,
			ModTime:  time.Unix(0, 0),
			Format:   tar.FormatUSTAR,
		})
		if err != nil {
			return nil, fmt.Errorf("archive %s: %w", f.Path, err)
		}
		if _, err := w.Write(f.Data); err != nil {
			return nil, fmt.Errorf("archive %s: %w", f.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// compress leaves the gzip header as it is: no name, no comment, no time, and
// operating system 255, unknown (RFC 1952).
func compress(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
