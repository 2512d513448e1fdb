package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Bounds of what is unpacked.
const (
	maxUnpacked = 64 << 20 // bytes
	maxFiles    = 10_000
)

// untar unpacks a gzip tar into memory. Links, devices, and names that lead out
// of the archive are refused, and so is what is beyond the bounds; of the files
// those are kept that a source can hold.
func untar(layer []byte) (tree, error) {
	gz, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		return nil, errors.New("the layer is not gzip")
	}
	bounded := &io.LimitedReader{R: gz, N: maxUnpacked + 1}
	files := tree{}
	t := tar.NewReader(bounded)
	for n := 0; ; n++ {
		h, err := t.Next()
		switch {
		case bounded.N == 0:
			return nil, fmt.Errorf("the layer unpacks to more than %d bytes", maxUnpacked)
		case errors.Is(err, io.EOF):
			return files, nil
		case err != nil:
			return nil, errors.New("the layer is not a tar archive")
		case n == maxFiles:
			return nil, fmt.Errorf("the layer holds more than %d files", maxFiles)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue // what git archive says of the commit
		}
		name := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
		if h.Typeflag == tar.TypeDir && (name == "" || fs.ValidPath(name)) {
			continue
		}
		switch {
		case h.Typeflag != tar.TypeReg:
			return nil, fmt.Errorf("%q in the layer is a link or a device, which are not followed", h.Name)
		case !fs.ValidPath(name) || strings.Contains(name, `\`):
			return nil, fmt.Errorf("the name %q in the layer leads out of it", h.Name)
		case files[name] != nil:
			return nil, fmt.Errorf("%q is twice in the layer", h.Name)
		}
		if !slices.Contains([]string{".yaml", ".yml", ".json", ".rego", ".md"}, path.Ext(name)) {
			continue
		}
		if h.Size > MaxFile {
			return nil, fmt.Errorf("%q in the layer has %d bytes, and no more than %d are read", h.Name, h.Size, MaxFile)
		}
		b, err := io.ReadAll(t)
		if err != nil {
			return nil, errors.New("the layer is not a tar archive")
		}
		files[name] = append([]byte{}, b...) // not nil when it is empty
	}
}

// tree is a file system in memory, of files by their paths.
type tree map[string][]byte

// Open opens a file or a directory that files are in.
func (t tree) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if b, ok := t[name]; ok {
		return &file{info{path.Base(name), int64(len(b)), false}, bytes.NewReader(b)}, nil
	}
	entries := t.entries(name)
	if len(entries) == 0 && name != "." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &dir{info{path.Base(name), 0, true}, entries}, nil
}

// entries are what is in a directory, sorted.
func (t tree) entries(name string) []fs.DirEntry {
	prefix := name + "/"
	if name == "." {
		prefix = ""
	}
	seen := map[string]info{}
	for p, b := range t {
		rest, ok := strings.CutPrefix(p, prefix)
		if !ok {
			continue
		}
		if first, _, below := strings.Cut(rest, "/"); below {
			seen[first] = info{first, 0, true}
		} else {
			seen[rest] = info{rest, int64(len(b)), false}
		}
	}
	out := make([]fs.DirEntry, 0, len(seen))
	for _, i := range seen {
		out = append(out, fs.FileInfoToDirEntry(i))
	}
	slices.SortFunc(out, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return out
}

type info struct {
	name string
	size int64
	dir  bool
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

type file struct {
	info
	*bytes.Reader
}

func (f *file) Size() int64                { return f.info.size }
func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *file) Close() error               { return nil }

type dir struct {
	info
	entries []fs.DirEntry
}

func (d *dir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *dir) Close() error               { return nil }
func (d *dir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("is a directory")}
}

// ReadDir gives the next n entries, or all that are left.
func (d *dir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.entries) {
		n = len(d.entries)
	}
	out := d.entries[:n]
	d.entries = d.entries[n:]
	return out, nil
}
