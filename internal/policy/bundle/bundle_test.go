package bundle_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/policy/bundle"
)

// TestRead reads each source in testdata: what is in it, where its fields and
// its Rego stand, and what is wrong with it. CONTAIN_UPDATE=1 rewrites "want".
func TestRead(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			fsys := fstest.MapFS{}
			want := -1
			for i, file := range a.Files {
				if file.Name == "want" {
					want = i
					continue
				}
				fsys[file.Name] = &fstest.MapFile{Data: file.Data, Mode: 0o644}
				if strings.HasPrefix(file.Name, "link") {
					fsys[file.Name].Mode |= os.ModeSymlink
				}
			}
			got := describe(bundle.Read(fsys, func(p string) string { return path.Join("src", p) }))
			if os.Getenv("CONTAIN_UPDATE") == "1" && want >= 0 {
				a.Files[want].Data = []byte(got)
				if err := os.WriteFile(f, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(a.Files[want].Data), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func describe(b *bundle.Bundle, found []diag.Finding) string {
	var out strings.Builder
	for _, o := range b.Objects {
		fmt.Fprintf(&out, "%s\n", o.Key)
		for _, at := range [][]string{nil, {"metadata", "name"}, {"spec", "match", "kinds", "0", "kinds", "0"}, {"spec", "absent"}} {
			fmt.Fprintf(&out, "  %s: %s\n", strings.Join(at, "."), o.Position(at))
		}
		for m := range 2 {
			if p, ok := o.Rego(m); ok {
				fmt.Fprintf(&out, "  rego %d: %s\n", m, p)
			}
		}
	}
	for _, r := range b.Rules {
		fmt.Fprintf(&out, "rule %s over %s\n", r.ID, r.Input)
	}
	if err := diag.Print(&out, diag.Text, ".", diag.Group(found)); err != nil {
		panic(err)
	}
	return out.String()
}

// layer is a gzip tar of entries.
func layer(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range entries {
		body := h.Linkname
		if h.Typeflag == tar.TypeReg {
			h.Linkname, h.Size = "", int64(len(body))
		}
		if h.Typeflag != tar.TypeXGlobalHeader {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// regular is a file of a layer.
func regular(name, body string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: body}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

const mediaType = "application/vnd.cncf.flux.content.v1.tar+gzip"

// vendored is a module with an artifact of this layer in it.
func vendored(t *testing.T, l []byte) (fstest.MapFS, string) {
	t.Helper()
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"layers":[{"mediaType":%q,"digest":"sha256:%s","size":%d}]}`, mediaType, digest(l), len(l))
	ref := "registry.example/policies@sha256:" + digest(manifest)
	files, err := bundle.Vendored(ref, manifest, l)
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{}
	for name, data := range files {
		fsys[name] = &fstest.MapFile{Data: data, Mode: 0o644}
	}
	return fsys, ref
}

const syncSet = "apiVersion: syncset.gatekeeper.sh/v1alpha1\nkind: SyncSet\nmetadata:\n  name: one\n"

func same(p string) string { return p }

func TestReadArtifact(t *testing.T) {
	l := layer(t,
		tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "0123"}},
		tar.Header{Typeflag: tar.TypeDir, Name: "./"}, tar.Header{Typeflag: tar.TypeDir, Name: "./a/"},
		regular("./a/sync.yaml", syncSet), regular("README.md", "# policies\n"), regular("logo.png", "PNG"),
	)
	fsys, ref := vendored(t, l)
	b, found := bundle.ReadArtifact(fsys, ref, same)
	if len(found) > 0 || len(b.Objects) != 1 {
		t.Fatal(b, found)
	}
	_, hash, _ := strings.Cut(ref, "@sha256:")
	want := "vendor/policies/sha256-" + hash + "/a/sync.yaml:4:9"
	if got := b.Objects[0].Position([]string{"metadata", "name"}).String(); got != want {
		t.Errorf("position is %s, want %s", got, want)
	}
}

// Whatever is done to an artifact on disk, no byte of it is used that the
// reference does not pin.
func TestReadArtifactTampered(t *testing.T) {
	fsys, ref := vendored(t, layer(t, regular("sync.yaml", syncSet)))
	for name := range fsys {
		for i := range fsys[name].Data {
			broken := fstest.MapFS{}
			for n, f := range fsys {
				broken[n] = &fstest.MapFile{Data: bytes.Clone(f.Data), Mode: f.Mode}
			}
			broken[name].Data[i] ^= 1
			if _, found := bundle.ReadArtifact(broken, ref, same); len(found) != 1 || found[0].Message != "the content does not match its digest" {
				t.Fatalf("byte %d of %s: %v", i, name, found)
			}
		}
		less := fstest.MapFS{}
		for n, f := range fsys {
			if n != name {
				less[n] = f
			}
		}
		if _, found := bundle.ReadArtifact(less, ref, same); len(found) != 1 || found[0].Hint != "contain policy pull fetches it" {
			t.Errorf("without %s: %v", name, found)
		}
	}
}

func TestReadArtifactRefusals(t *testing.T) {
	zeros := strings.Repeat("\x00", bundle.MaxFile)
	var bomb []tar.Header
	for i := range 65 {
		bomb = append(bomb, regular(fmt.Sprintf("%d.bin", i), zeros))
	}
	var many []tar.Header
	for i := range 10_001 {
		many = append(many, regular(fmt.Sprintf("%d.txt", i), ""))
	}
	for _, c := range []struct {
		name  string
		layer []byte
		want  string
	}{
		{"a symbolic link", layer(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "a.yaml", Linkname: "/etc/passwd"}), `"a.yaml" in the layer is a link or a device, which are not followed`},
		{"a hard link", layer(t, tar.Header{Typeflag: tar.TypeLink, Name: "a.yaml", Linkname: "b.yaml"}), `"a.yaml" in the layer is a link or a device, which are not followed`},
		{"a device", layer(t, tar.Header{Typeflag: tar.TypeChar, Name: "a.yaml"}), `"a.yaml" in the layer is a link or a device, which are not followed`},
		{"a way out", layer(t, regular("../a.yaml", syncSet)), `the name "../a.yaml" in the layer leads out of it`},
		{"an absolute name", layer(t, regular("/a.yaml", syncSet)), `the name "/a.yaml" in the layer leads out of it`},
		{"a hidden way out", layer(t, regular("a/../../a.yaml", syncSet)), `the name "a/../../a.yaml" in the layer leads out of it`},
		{"a directory outside", layer(t, tar.Header{Typeflag: tar.TypeDir, Name: "../a/"}), `"../a/" in the layer is a link or a device, which are not followed`},
		{"one name twice", layer(t, regular("a.yaml", syncSet), regular("./a.yaml", syncSet)), `"./a.yaml" is twice in the layer`},
		{"a large file", layer(t, regular("a.yaml", zeros+" ")), `"a.yaml" in the layer has 1048577 bytes, and no more than 1048576 are read`},
		{"a bomb", layer(t, bomb...), "the layer unpacks to more than 67108864 bytes"},
		{"many files", layer(t, many...), "the layer holds more than 10000 files"},
		{"no gzip", []byte("apiVersion: v1"), "the layer is not gzip"},
		{"nothing", layer(t), "the source holds no policies"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys, ref := vendored(t, c.layer)
			_, found := bundle.ReadArtifact(fsys, ref, same)
			if len(found) != 1 || found[0].Message != c.want {
				t.Errorf("%v\nwant %s", found, c.want)
			}
		})
	}
}

func TestLayerOf(t *testing.T) {
	hash := strings.Repeat("0", 64)
	for _, c := range []struct{ manifest, want string }{
		{`{"layers":[{"mediaType":"text/plain","digest":"sha256:1","size":1},{"mediaType":"` + mediaType + `","digest":"sha256:` + hash + `","size":7}]}`, ""},
		{`nothing`, "the manifest is not JSON"},
		{`{"manifests":[{}]}`, "the digest is of an image index: name that of one of its manifests"},
		{`{"layers":[{"mediaType":"text/plain"}]}`, "the artifact has no layer that is a gzip tar, as flux push artifact makes"},
		{`{"layers":[{"mediaType":"` + mediaType + `","digest":"md5:1","size":7}]}`, "the layer's digest is not sha256"},
		{`{"layers":[{"mediaType":"` + mediaType + `","digest":"sha256:` + hash + `","size":16777217}]}`, "the layer has 16777217 bytes, and no more than 16777216 are read"},
	} {
		l, err := bundle.LayerOf([]byte(c.manifest))
		if c.want == "" && (err != nil || l.Size != 7) || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%s: %v, %v", c.manifest, l, err)
		}
	}
}

func TestPin(t *testing.T) {
	for _, ref := range []string{"ghcr.io/acme/policies", "ghcr.io/acme/policies:v1", "ghcr.io/acme/policies@sha256:12", "ghcr.io/acme/policies@sha512:" + strings.Repeat("0", 64)} {
		if hash, err := bundle.Pin(ref); err == nil {
			t.Errorf("%s is pinned by %s", ref, hash)
		}
	}
}
