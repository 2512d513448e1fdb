package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
)

// VendorDir is where fetched artifacts are, next to cue.mod: a directory for
// each, named by its digest, with the manifest and the layer that holds the
// policies, whose name is its digest as well.
const VendorDir = "vendor/policies"

// Files of an artifact's directory.
const manifestFile = "manifest.json"

// MaxLayer is how large a layer of policies may be, in bytes, packed.
const MaxLayer = 16 << 20

// MaxManifest is how large a manifest may be; registries take no larger ones
// (distribution-spec, pushing manifests).
const MaxManifest = 4 << 20

// Media types of layers that may hold policies: what flux push artifact makes,
// and what oras and gator make.
var layerTypes = []string{
	"application/vnd.cncf.flux.content.v1.tar+gzip",
	"application/vnd.oci.image.layer.v1.tar+gzip",
	"application/vnd.docker.image.rootfs.diff.tar.gzip",
}

// Layer is the descriptor of the layer that holds an artifact's policies.
type Layer struct {
	Digest string `json:"digest"` // "sha256:…"
	Size   int64  `json:"size"`
}

var pinned = regexp.MustCompile(`^(?:[^@]+)@sha256:([0-9a-f]{64})$`)

// Pin is the digest of a reference in hexadecimal; the error says that it names
// none.
func Pin(ref string) (string, error) {
	m := pinned.FindStringSubmatch(ref)
	if m == nil {
		return "", errors.New("an artifact is pinned by its digest, as ghcr.io/acme/policies@sha256:…: a tag may move")
	}
	return m[1], nil
}

// LayerOf finds the layer that holds the policies in an OCI image manifest.
func LayerOf(manifest []byte) (Layer, error) {
	var m struct {
		Manifests []json.RawMessage `json:"manifests"`
		Layers    []struct {
			Layer
			MediaType string `json:"mediaType"`
		} `json:"layers"`
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return Layer{}, errors.New("the manifest is not JSON")
	}
	if len(m.Manifests) > 0 {
		return Layer{}, errors.New("the digest is of an image index: name that of one of its manifests")
	}
	for _, t := range layerTypes {
		for _, l := range m.Layers {
			if l.MediaType != t {
				continue
			}
			if l.Size > MaxLayer {
				return Layer{}, fmt.Errorf("the layer has %d bytes, and no more than %d are read", l.Size, MaxLayer)
			}
			if _, err := Pin("layer@" + l.Digest); err != nil {
				return Layer{}, errors.New("the layer's digest is not sha256")
			}
			return l.Layer, nil
		}
	}
	return Layer{}, errors.New("the artifact has no layer that is a gzip tar, as flux push artifact makes")
}

// Vendored are the files of a fetched artifact below the module's root.
func Vendored(ref string, manifest, layer []byte) (map[string][]byte, error) {
	hash, err := Pin(ref)
	if err != nil {
		return nil, err
	}
	l, err := LayerOf(manifest)
	if err != nil {
		return nil, err
	}
	dir := Dir(hash)
	return map[string][]byte{path.Join(dir, manifestFile): manifest, path.Join(dir, blobFile(l.Digest)): layer}, nil
}

// Dir is where the artifact of a digest is kept, from the module's root.
func Dir(hash string) string { return path.Join(VendorDir, "sha256-"+hash) }

// blobFile is the name of a blob's file: ":" is no character for one.
func blobFile(digest string) string { return strings.ReplaceAll(digest, ":", "-") + ".tar.gz" }

// ReadArtifact reads the artifact that ref pins from the module's tree.
func ReadArtifact(module fs.FS, ref string, name func(string) string) (*Bundle, []diag.Finding) {
	files, found := Content(module, ref, name)
	if found != nil {
		return nil, found
	}
	hash, _ := Pin(ref)
	return Read(files, func(p string) string { return name(path.Join(Dir(hash), p)) })
}

// Content unpacks the artifact that ref pins, every byte of it checked against
// its digest. A finding without a position is about the reference.
func Content(module fs.FS, ref string, name func(string) string) (fs.FS, []diag.Finding) {
	refuse := func(file, hint, message string) (fs.FS, []diag.Finding) {
		f := diag.Finding{ID: Finding, Message: message, Hint: hint}
		if file != "" {
			f.Positions = []diag.Position{{File: name(file)}}
		}
		return nil, []diag.Finding{f}
	}
	const pull = "contain policy pull fetches it"
	hash, err := Pin(ref)
	if err != nil {
		return refuse("", "", err.Error())
	}
	file := path.Join(Dir(hash), manifestFile)
	manifest, err := verified(module, file, hash, MaxManifest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse("", pull, "the artifact was not fetched yet")
	case err != nil:
		return refuse(file, pull, reason(err))
	}
	l, err := LayerOf(manifest)
	if err != nil {
		return refuse(file, "", err.Error())
	}
	file = path.Join(Dir(hash), blobFile(l.Digest))
	layer, err := verified(module, file, strings.TrimPrefix(l.Digest, "sha256:"), MaxLayer)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse("", pull, "the artifact was fetched in part")
	case err != nil:
		return refuse(file, pull, reason(err))
	}
	files, err := untar(layer)
	if err != nil {
		return refuse(file, "", err.Error())
	}
	return files, nil
}

var errDigest = errors.New("the content does not match its digest")

// verified reads a file whose SHA-256 is known.
func verified(fsys fs.FS, file, hash string, limit int64) ([]byte, error) {
	f, err := fsys.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := readBounded(f, limit)
	if err != nil {
		return nil, err
	}
	if !Matches(b, hash) {
		return nil, errDigest
	}
	return b, nil
}

// Matches tells whether bytes have a SHA-256, in hexadecimal.
func Matches(b []byte, hash string) bool {
	sum := sha256.Sum256(b)
	want, err := hex.DecodeString(hash)
	return err == nil && bytes.Equal(sum[:], want)
}
