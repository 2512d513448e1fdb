package registry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/contain-platform/contain/internal/artifact"
	"github.com/contain-platform/contain/internal/sign"
)

const (
	// maxLayer and maxUnpacked bound what Verify reads of a layer.
	// source-controller has no limit of its own.
	maxLayer    = 256 << 20
	maxUnpacked = 1 << 30
)

// Report is what a cluster gets under a reference.
type Report struct {
	// Ref is the reference by digest, "oci://HOST/PATH@sha256:…".
	Ref    string `json:"ref"`
	Digest string `json:"digest"`
	// Cluster and Platform are the manifest's annotations; "" for artifacts
	// that contain did not make.
	Cluster     string            `json:"cluster,omitempty"`
	Platform    string            `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Signature   Signature         `json:"signature"`
	// Files are the files in the artifact, in its order. Objects counts the
	// YAML files without kustomization.yaml: contain writes one object each.
	Files   []FileInfo `json:"files,omitempty"`
	Objects int        `json:"objects"`
	// Size is the layer's, in bytes, as it is pulled.
	Size int64 `json:"size"`
	// Members are the artifacts of a release, which has no files.
	Members []Member `json:"members,omitempty"`
}

// FileInfo is a file in an artifact.
type FileInfo struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
}

// Member is an artifact in a release.
type Member struct {
	Cluster string `json:"cluster"`
	Digest  string `json:"digest"`
}

// Verify pulls what ref names, "oci://HOST/PATH" with optional ":TAG" or
// "@sha256:…", and checks it as Flux's source-controller would: a signature of
// the resolved digest by one of the keys, then the first layer, which must be
// Flux's gzip tar. A release index is accepted too, and its members listed.
// The error is an [*Error] of any kind.
func Verify(ctx context.Context, ref string, keys []*sign.Verifier, r Remote) (*Report, error) {
	host, rest, err := split(ref)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, &Error{Kind: Invalid, Ref: ref, Problem: "verifying needs a public key"}
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout())
	defer cancel()
	c, err := newClient(host, r)
	if err != nil {
		return nil, &Error{Kind: Invalid, Ref: ref, Problem: err.Error()}
	}
	defer c.close()
	parsed, err := name.ParseReference(host+"/"+rest, c.names...)
	if err != nil {
		return nil, &Error{Kind: Invalid, Ref: ref, Problem: "not a reference: oci://HOST/PATH, then :TAG or @sha256:DIGEST or nothing"}
	}
	m, err := c.get(ctx, parsed)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, &Error{Kind: NotFound, Ref: display(parsed), Problem: "not found"}
	}
	repo := parsed.Context()
	out := &Report{Ref: display(repo.Digest(m.Digest.String())), Digest: m.Digest.String()}
	if out.Signature, err = c.verifySignature(ctx, repo, m.Digest, keys); err != nil {
		return nil, err
	}
	if m.MediaType == types.OCIImageIndex {
		return out, out.readIndex(m)
	}
	return out, out.readArtifact(ctx, c, repo, m)
}

func (out *Report) refused(problem string) error {
	return &Error{Kind: Refused, Ref: out.Ref, Problem: problem}
}

func (out *Report) annotations(a map[string]string) {
	out.Annotations = a
	out.Cluster, out.Platform = a[artifact.AnnotationCluster], a[artifact.AnnotationPlatform]
}

func (out *Report) readIndex(m *artifact.Blob) error {
	var index v1.IndexManifest
	if err := json.Unmarshal(m.Data, &index); err != nil {
		return out.refused("not an image index")
	}
	out.annotations(index.Annotations)
	for _, d := range index.Manifests {
		cluster := d.Annotations[artifact.AnnotationCluster]
		if cluster == "" {
			return out.refused("an image index, but not a release of contain: Flux would pick one image of it by platform")
		}
		out.Members = append(out.Members, Member{cluster, d.Digest.String()})
	}
	return nil
}

func (out *Report) readArtifact(ctx context.Context, c *client, repo name.Repository, m *artifact.Blob) error {
	var parsed v1.Manifest
	if err := json.Unmarshal(m.Data, &parsed); err != nil || len(parsed.Layers) == 0 {
		return out.refused("not an image manifest with a layer")
	}
	out.annotations(parsed.Annotations)
	layer := parsed.Layers[0]
	if layer.MediaType != artifact.LayerMediaType {
		return out.refused(fmt.Sprintf("its first layer is %q, not %q", layer.MediaType, artifact.LayerMediaType))
	}
	data, err := c.blob(ctx, repo, layer, maxLayer)
	if err != nil {
		return err
	}
	out.Size = layer.Size
	if err := out.list(data); err != nil {
		return out.refused("its layer is not a gzip tar that Flux can unpack: " + err.Error())
	}
	return nil
}

// list reads the archive to its end.
func (out *Report) list(layer []byte) error {
	z, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		return err
	}
	limited := &io.LimitedReader{R: z, N: maxUnpacked}
	t := tar.NewReader(limited)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if limited.N <= 0 {
			return fmt.Errorf("it is larger than %d bytes", maxUnpacked)
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		p := path.Clean(h.Name)
		if path.IsAbs(h.Name) || p == ".." || strings.HasPrefix(p, "../") {
			return fmt.Errorf("it has a file outside of it: %q", h.Name)
		}
		if _, err := io.Copy(io.Discard, t); err != nil {
			return err
		}
		out.Files = append(out.Files, FileInfo{p, h.Size})
		base, ext := path.Base(p), path.Ext(p)
		if (ext == ".yaml" || ext == ".yml") && base != "kustomization.yaml" && base != "kustomization.yml" {
			out.Objects++
		}
	}
	// The gzip checksum stands behind the archive's end.
	_, err = io.Copy(io.Discard, limited)
	return err
}
