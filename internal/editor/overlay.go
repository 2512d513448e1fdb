package editor

import (
	"io"
	"io/fs"
	"slices"
	"strings"
)

// overlay is the tree of base with the files of over in front.
type overlay struct{ over, base fs.FS }

var _ interface {
	fs.ReadDirFS
	fs.ReadFileFS
	fs.StatFS
} = overlay{}

// Open opens the file of over, else that of base. A directory lists what
// ReadDir does.
func (o overlay) Open(name string) (fs.File, error) {
	f, err := first(o, name, fs.FS.Open)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.IsDir() {
		return f, err
	}
	entries, err := o.ReadDir(name)
	return &directory{f, entries}, err
}

// directory is an open directory of either tree, with the entries of both.
type directory struct {
	fs.File
	rest []fs.DirEntry
}

// ReadDir gives the next n entries, as fs.ReadDirFile says.
func (d *directory) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(d.rest) {
		if n > 0 && len(d.rest) == 0 {
			return nil, io.EOF
		}
		n = len(d.rest)
	}
	out := d.rest[:n]
	d.rest = d.rest[n:]
	return out, nil
}

// ReadFile reads the file of over, else that of base.
func (o overlay) ReadFile(name string) ([]byte, error) {
	return first(o, name, fs.ReadFile)
}

// Stat is about the file of over, else that of base.
func (o overlay) Stat(name string) (fs.FileInfo, error) {
	return first(o, name, fs.Stat)
}

// first takes what over has, else what base has.
func first[T any](o overlay, name string, get func(fs.FS, string) (T, error)) (T, error) {
	if v, err := get(o.over, name); err == nil {
		return v, nil
	}
	return get(o.base, name)
}

// ReadDir lists what either has, over's entry where both have one.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	base, errBase := fs.ReadDir(o.base, name)
	over, errOver := fs.ReadDir(o.over, name)
	if errBase != nil && errOver != nil {
		return nil, errBase
	}
	byName := map[string]fs.DirEntry{}
	for _, e := range append(base, over...) {
		byName[e.Name()] = e
	}
	out := make([]fs.DirEntry, 0, len(byName))
	for _, e := range byName {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) }) // as fs.ReadDirFS asks
	return out, nil
}
