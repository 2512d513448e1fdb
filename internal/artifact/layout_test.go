package artifact

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	gcrlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/contain-platform/contain/internal/object"
)

// tree is every file and directory below dir with its mode.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		content := ""
		if !d.IsDir() {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			content = string(b)
		}
		out[filepath.ToSlash(rel)] = info.Mode().String() + " " + content
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLayoutRoundTrip(t *testing.T) {
	l := sampleLayout(t)
	dir := filepath.Join(t.TempDir(), "deep", "dist")
	if err := l.Write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(l.Signatures, compareSignatures)
	if d := cmp.Diff(l, got); d != "" {
		t.Errorf("(-written +read):\n%s", d)
	}
	index, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "index.json.golden", string(index)+"\n")
	golden(t, "release.json.golden", string(l.Release.Index.Data)+"\n")
	golden(t, "signature.json.golden", string(l.Signatures[0].Manifest.Data)+"\n")

	// Nothing is left beside it.
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the layout: %v, %v", entries, err)
	}

	// go-containerregistry reads it too.
	p, err := gcrlayout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range l.Release.Artifacts {
		img, err := p.Image(a.Manifest.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Error(err)
		}
	}
}

// The process that TestLayoutAnywhere runs under other conditions.
func TestMain(m *testing.M) {
	if dir := os.Getenv("CONTAIN_TEST_WRITE"); dir != "" {
		var umask int
		fmt.Sscanf(os.Getenv("CONTAIN_TEST_UMASK"), "%o", &umask)
		syscall.Umask(umask)
		if err := sampleLayout(&testing.T{}).Write(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Umask, time zone, locale, working directory and GOMAXPROCS change nothing.
func TestLayoutAnywhere(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	for i, env := range [][]string{
		{"CONTAIN_TEST_UMASK=022", "TZ=UTC"},
		{"CONTAIN_TEST_UMASK=077", "TZ=Pacific/Chatham", "GOMAXPROCS=1", "LC_ALL=tr_TR.UTF-8"},
		{"CONTAIN_TEST_UMASK=000", "TZ=America/Caracas", "GOMAXPROCS=7", "SOURCE_DATE_EPOCH=1"},
	} {
		cwd := t.TempDir()
		cmd := exec.Command(self)
		cmd.Dir = cwd
		cmd.Env = append(env, "CONTAIN_TEST_WRITE=dist")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got := tree(t, filepath.Join(cwd, "dist"))
		if i == 0 {
			want = got
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v (-want +got):\n%s", env, d)
		}
	}
}

func TestLayoutReplaces(t *testing.T) {
	l := sampleLayout(t)
	dir := filepath.Join(t.TempDir(), "dist")
	if err := os.Mkdir(dir, 0o700); err != nil { // empty is fine
		t.Fatal(err)
	}
	if err := l.Write(dir); err != nil {
		t.Fatal(err)
	}
	want := tree(t, dir)
	smaller := &Layout{Release: l.Release}
	if err := smaller.Write(dir); err != nil {
		t.Fatal(err)
	}
	if n := len(tree(t, dir)); n >= len(want) {
		t.Errorf("%d files after, %d before: old blobs are left", n, len(want))
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(link); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, tree(t, dir)); d != "" {
		t.Errorf("through a link (-want +got):\n%s", d)
	}
	if _, err := os.Readlink(link); err != nil {
		t.Error("the link was replaced")
	}
}

func TestLayoutRefusesForeign(t *testing.T) {
	l := sampleLayout(t)
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"source tree":    {map[string]string{"main.go": "package main"}, "dist is not empty and not a layout written by contain: it has main.go"},
		"other layout":   {map[string]string{"oci-layout": ociLayout, "index.json": `{"schemaVersion":2,"manifests":[]}`}, "dist is not empty and not a layout written by contain: index.json: not written by this version of contain"},
		"beside layout":  {map[string]string{"oci-layout": ociLayout, "index.json": `{"annotations":{"contain.platform/layout":"1"}}`, "notes.txt": "mine"}, "dist is not empty and not a layout written by contain: it has notes.txt"},
		"half a layout":  {map[string]string{"oci-layout": ociLayout}, "dist is not empty and not a layout written by contain: index.json: no such file"},
		"something else": {map[string]string{"index.json": "{}"}, "dist is not empty and not a layout written by contain: oci-layout: no such file: not an OCI image layout"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dist")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for f, data := range c.files {
				if err := os.WriteFile(filepath.Join(dir, f), []byte(data), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, filepath.Dir(dir))
			err := l.Write(dir)
			if !errors.Is(err, ErrForeign) || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if d := cmp.Diff(before, tree(t, filepath.Dir(dir))); d != "" {
				t.Errorf("something was written:\n%s", d)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(file); err == nil {
		t.Error("replaced a file")
	}
}

// A failure while files are written leaves the old layout, and nothing else.
func TestLayoutWriteFails(t *testing.T) {
	l := sampleLayout(t)
	dir := filepath.Join(t.TempDir(), "dist")
	if err := l.Write(dir); err != nil {
		t.Fatal(err)
	}
	before := tree(t, filepath.Dir(dir))
	broken := *l
	broken.Signatures = append(slices.Clone(l.Signatures), &Signature{})
	if err := broken.Write(dir); err == nil {
		t.Fatal("wrote a signature of nothing")
	}
	if d := cmp.Diff(before, tree(t, filepath.Dir(dir))); d != "" {
		t.Errorf("something changed:\n%s", d)
	}
}

// memory is a written layout as fs.FS.
func memory(t testing.TB, l *Layout) fstest.MapFS {
	t.Helper()
	files, err := l.files()
	if err != nil {
		t.Fatal(err)
	}
	m := fstest.MapFS{}
	for _, f := range files {
		m[f.Path] = &fstest.MapFile{Data: f.Data}
	}
	return m
}

// Any byte of any blob changed, cut off or missing is an error that names it.
func TestOpenChecksEveryBlob(t *testing.T) {
	l := sampleLayout(t)
	for name := range memory(t, l) {
		if !strings.HasPrefix(name, "blobs/") {
			continue
		}
		for what, change := range map[string]func(b []byte) []byte{
			"first byte": func(b []byte) []byte { b[0] ^= 1; return b },
			"last byte":  func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b },
			"shorter":    func(b []byte) []byte { return b[:len(b)-1] },
			"longer":     func(b []byte) []byte { return append(b, '\n') },
			"missing":    func([]byte) []byte { return nil },
		} {
			m := memory(t, l)
			data := change(slices.Clone(m[name].Data))
			if data == nil {
				delete(m, name)
			} else {
				m[name] = &fstest.MapFile{Data: data}
			}
			_, err := Open(m)
			var le *LayoutError
			if !errors.As(err, &le) || le.File != name {
				t.Errorf("%s of %s: %v", what, name, err)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	l := sampleLayout(t)
	for name, c := range map[string]struct {
		change func(m fstest.MapFS)
		want   string
	}{
		"empty":         {func(m fstest.MapFS) { clear(m) }, "oci-layout: no such file: not an OCI image layout"},
		"no index":      {func(m fstest.MapFS) { delete(m, "index.json") }, "index.json: no such file"},
		"no JSON":       {func(m fstest.MapFS) { m["index.json"].Data = []byte("{") }, "index.json: not an image index"},
		"other version": {func(m fstest.MapFS) { m["oci-layout"].Data = []byte(`{"imageLayoutVersion":"2"}`) }, "oci-layout: not an OCI image layout of version 1.0.0"},
		"two releases": {func(m fstest.MapFS) {
			replaceIn(m, `"manifests":[`, `"manifests":[`+string(mustEncode(releaseEntry(l)))+`,`)
		}, "index.json: two release indexes"},
		"no release": {func(m fstest.MapFS) { replaceIn(m, ","+string(mustEncode(releaseEntry(l))), "") }, "index.json: no release index"},
		"an artifact less": {func(m fstest.MapFS) { replaceIn(m, string(mustEncode(l.Release.Artifacts[0].entry()))+",", "") },
			blobPath(l.Release.Index.Digest) + ": the release has 3 artifacts, index.json has 2"},
		"renamed": {func(m fstest.MapFS) {
			replaceIn(m, `"contain.platform/cluster":"dev"`, `"contain.platform/cluster":"live"`)
		},
			blobPath(l.Release.Artifacts[0].Manifest.Digest) + `: is of cluster "dev", not of "live"`},
		"other digest": {func(m fstest.MapFS) { replaceIn(m, "sha256:", "sha512:") }, ""},
		"other entry":  {func(m fstest.MapFS) { replaceIn(m, "application/vnd.oci.image.manifest.v1+json", "text/plain") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := memory(t, l)
			c.change(m)
			_, err := Open(m)
			var le *LayoutError
			if err == nil || c.want != "" && (!errors.As(err, &le) || err.Error() != c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func releaseEntry(l *Layout) any {
	d := l.Release.Index.Descriptor()
	d.Annotations = map[string]string{AnnotationRefName: ReleaseName, AnnotationPlatform: "acme"}
	return d
}

func mustEncode(v any) []byte {
	b, err := object.Canonical(v)
	if err != nil {
		panic(err)
	}
	return b
}

func replaceIn(m fstest.MapFS, old, new string) {
	before := string(m["index.json"].Data)
	after := strings.Replace(before, old, new, 1)
	if before == after {
		panic("nothing replaced: " + old)
	}
	m["index.json"].Data = []byte(after)
}

func FuzzOpen(f *testing.F) {
	l := sampleLayout(f)
	index := memory(f, l)["index.json"].Data
	f.Add([]byte(ociLayout), index)
	f.Add([]byte("{}"), []byte("{}"))
	f.Add([]byte(ociLayout), []byte(`{"manifests":[{"digest":"sha256:00"}],"annotations":{"contain.platform/layout":"1"}}`))
	f.Fuzz(func(t *testing.T, marker, index []byte) {
		m := memory(t, l)
		m["oci-layout"].Data, m["index.json"].Data = marker, index
		got, err := Open(m)
		if err != nil {
			return
		}
		// What is accepted can be written and read again.
		if _, err := Open(memory(t, got)); err != nil {
			t.Errorf("accepted once only: %v", err)
		}
	})
}
