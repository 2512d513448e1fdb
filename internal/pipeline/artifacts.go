package pipeline

import (
	"maps"
	"slices"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/policy/bundle"
	"github.com/contain-platform/contain/internal/source"
)

// Artifacts are the OCI artifacts that the platform's policy sources name, each
// once, sorted. The findings say why it could not be read.
func Artifacts(in Input) ([]string, []diag.Finding) {
	r := &Result{}
	src, found := source.Load(in.FS, in.Dir)
	if r.stop(nil, found) {
		return nil, r.Findings
	}
	loc := &locator{src: src, memo: map[string][]diag.Position{}}
	p, found := src.Decode()
	if r.stop(loc, found) {
		return nil, r.Findings
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Policies.Sources)) {
		if ref := p.Policies.Sources[name].OCI; ref != "" {
			out = append(out, ref)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Fetched tells whether the module holds an artifact whole.
func Fetched(in Input, ref string) bool {
	_, found := bundle.Content(in.FS, ref, func(p string) string { return p })
	return len(found) == 0
}

// Fetch gets an artifact of policies: the files of the module that builds read
// it from, by their paths from its root. get reads from a registry the manifest
// that a reference pins and the blob that pick chooses. The error is get's, or
// says that the reference pins nothing.
func Fetch(ref string, get func(ref string, pick func(manifest []byte) (digest string, size int64, err error)) (manifest, blob []byte, err error)) (map[string][]byte, error) {
	if _, err := bundle.Pin(ref); err != nil {
		return nil, err
	}
	manifest, layer, err := get(ref, func(manifest []byte) (string, int64, error) {
		l, err := bundle.LayerOf(manifest)
		return l.Digest, l.Size, err
	})
	if err != nil {
		return nil, err
	}
	return bundle.Vendored(ref, manifest, layer)
}
