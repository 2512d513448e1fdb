package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/sourceignore"
	fluxtar "github.com/fluxcd/pkg/tar"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/contain-platform/contain/internal/object"
)

func obj(t testing.TB, apiVersion, kind, namespace, name string, fields map[string]any) *object.Object {
	t.Helper()
	meta := map[string]any{"name": name}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	tree := map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": meta}
	for k, v := range fields {
		tree[k] = v
	}
	o, err := object.FromTree(name, tree)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// sample has one of each difficulty: two names that differ in case, one name
// in two groups, one file name for two identities, characters that no file
// name should have, a name at its limit.
func sample(t testing.TB) Cluster {
	return Cluster{
		Name:        "prod-eu1",
		Annotations: map[string]string{AnnotationPlatform: "acme"},
		Flux: []*object.Object{
			obj(t, "kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-system", "base", map[string]any{"spec": map[string]any{"path": "./units/base"}}),
			obj(t, "kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-system", "more", map[string]any{"spec": map[string]any{"path": "./units/more"}}),
		},
		Units: []Unit{
			{Name: "base", Objects: []*object.Object{
				obj(t, "v1", "Namespace", "", "payments", nil),
				obj(t, "rbac.authorization.k8s.io/v1", "ClusterRole", "", "system:Reader", nil),
				obj(t, "rbac.authorization.k8s.io/v1", "ClusterRole", "", "system:reader", nil),
				obj(t, "networking.k8s.io/v1", "Ingress", "payments", "api", nil),
				obj(t, "networking.example/v1", "Ingress", "payments", "api", nil),
				obj(t, "v1", "ConfigMap", "a-b", "c", map[string]any{"data": map[string]any{"script": "#!/bin/sh\nset -e\n"}}),
				obj(t, "v1", "ConfigMap", "a", "b-c", map[string]any{"data": map[string]any{"on": "yes"}}),
				obj(t, "v1", "ConfigMap", "payments", strings.Repeat("long.", 50)+"end", nil),
			}},
			{Name: "more", Objects: []*object.Object{obj(t, "v1", "Namespace", "", "more", nil)}},
		},
	}
}

func pack(t testing.TB, c Cluster) *Artifact {
	t.Helper()
	a, err := Pack(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func unpack(t testing.TB, a *Artifact) (headers []*tar.Header, files map[string]string) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(a.Layer.Data))
	if err != nil {
		t.Fatal(err)
	}
	if !z.ModTime.IsZero() || z.Name != "" || z.Comment != "" || z.Extra != nil || z.OS != 255 {
		t.Errorf("gzip header %+v", z.Header)
	}
	files = map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return headers, files
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, h)
		files[h.Name] = string(b)
	}
}

// golden compares with a file of testdata; CONTAIN_UPDATE=1 rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	p := filepath.Join("testdata", name)
	if os.Getenv("CONTAIN_UPDATE") == "1" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

func TestPackGolden(t *testing.T) {
	a := pack(t, sample(t))
	var b strings.Builder
	fmt.Fprintf(&b, "manifest: %s\nconfig: %s\n", a.Manifest.Data, a.Config.Data)
	headers, files := unpack(t, a)
	for _, h := range headers {
		fmt.Fprintf(&b, "-- %s --\n%s", h.Name, files[h.Name])
		if h.Mode != 0o644 || !h.ModTime.Equal(time.Unix(0, 0)) || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || h.Format != tar.FormatUSTAR || h.Typeflag != tar.TypeReg {
			t.Errorf("header %+v", h)
		}
	}
	golden(t, "artifact.golden", b.String())
	if err := validate.Image(a.Image()); err != nil {
		t.Errorf("go-containerregistry: %v", err)
	}
	if d, err := a.Image().Digest(); err != nil || d.String() != a.Digest() {
		t.Errorf("digest %v, %v", d, err)
	}
}

// Two names in one directory are one file on file systems that fold case.
func TestFilesDoNotCollide(t *testing.T) {
	files, err := Files(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range files {
		p := strings.ToLower(f.Path)
		if seen[p] {
			t.Errorf("twice: %s", p)
		}
		seen[p] = true
		if base := f.Path[strings.LastIndex(f.Path, "/")+1:]; len(base) > maxFileName {
			t.Errorf("too long: %s", base)
		}
	}
}

// source-controller leaves out nothing of what we pack, and unpacks it with
// its own library to the same files.
func TestFluxUnpacks(t *testing.T) {
	a := pack(t, sample(t))
	_, files := unpack(t, a)
	ignore := sourceignore.NewDefaultMatcher(nil, nil)
	dir := t.TempDir()
	if err := fluxtar.Untar(bytes.NewReader(a.Layer.Data), dir); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if ignore.Match(strings.Split(rel, "/"), d.IsDir()) {
			t.Errorf("source-controller leaves out %s", rel)
		}
		if d.IsDir() {
			return nil
		}
		b, err := os.ReadFile(p)
		got[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(files, got); d != "" {
		t.Errorf("(-packed +unpacked):\n%s", d)
	}
}

// kustomize, which kustomize-controller embeds, builds each directory to the
// objects that were packed.
func TestKustomizeBuilds(t *testing.T) {
	c := sample(t)
	_, files := unpack(t, pack(t, c))
	disk := filesys.MakeFsInMemory()
	for name, data := range files {
		if err := disk.WriteFile("/"+name, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	for dir, objs := range map[string][]*object.Object{"/flux": c.Flux, "/units/base": c.Units[0].Objects, "/units/more": c.Units[1].Objects} {
		m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, dir)
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		want := map[string]bool{}
		for _, o := range objs {
			want[string(o.JSON)] = true
		}
		for _, r := range m.Resources() {
			b, err := r.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			o, err := object.New("", b)
			if err != nil {
				t.Fatal(err)
			}
			if !want[string(o.JSON)] {
				t.Errorf("%s: kustomize builds %s", dir, o.JSON)
			}
			delete(want, string(o.JSON))
		}
		if len(want) > 0 {
			t.Errorf("%s: kustomize leaves out %v", dir, want)
		}
	}
}

func TestPackOrderDoesNotMatter(t *testing.T) {
	want := pack(t, sample(t)).Digest()
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		c := sample(t)
		shuffle := func(o []*object.Object) { r.Shuffle(len(o), func(i, j int) { o[i], o[j] = o[j], o[i] }) }
		shuffle(c.Flux)
		shuffle(c.Units[0].Objects)
		r.Shuffle(len(c.Units), func(i, j int) { c.Units[i], c.Units[j] = c.Units[j], c.Units[i] })
		if got := pack(t, c).Digest(); got != want {
			t.Fatalf("shuffled: %s, want %s", got, want)
		}
	}
	c := sample(t)
	before := slices.Clone(c.Units[0].Objects)
	pack(t, c)
	if !slices.Equal(before, c.Units[0].Objects) {
		t.Error("Pack reordered its input")
	}
}

func TestPackCreated(t *testing.T) {
	epoch, err := ParseEpoch("1700000000")
	if err != nil {
		t.Fatal(err)
	}
	a, err := Pack(sample(t), Options{Created: epoch.In(time.FixedZone("x", 3600))})
	if err != nil {
		t.Fatal(err)
	}
	const want = "2023-11-14T22:13:20Z"
	var config struct{ Created string }
	if err := json.Unmarshal(a.Config.Data, &config); err != nil {
		t.Fatal(err)
	}
	if config.Created != want || a.Annotations[AnnotationCreated] != want {
		t.Errorf("created %s and %s", config.Created, a.Annotations[AnnotationCreated])
	}
	for _, s := range []string{"x", "-1", "1.5", "99999999999999", " 1", "1e3"} {
		if _, err := ParseEpoch(s); err == nil {
			t.Errorf("ParseEpoch(%q): no error", s)
		}
	}
	if z, err := ParseEpoch(""); err != nil || !z.IsZero() {
		t.Errorf("ParseEpoch of nothing: %v, %v", z, err)
	}
}

func TestPackRefuses(t *testing.T) {
	cm := obj(t, "v1", "ConfigMap", "a", "b", nil)
	for want, c := range map[string]Cluster{
		`cluster name "Prod" is not a DNS label (lower-case letters, digits and '-', at most 63)`: {Name: "Prod"},
		`cluster name "" is not a DNS label (lower-case letters, digits and '-', at most 63)`:     {},
		`cluster name "../x" is not a DNS label (lower-case letters, digits and '-', at most 63)`: {Name: "../x"},
		`a cluster cannot be called "release": that is the repository of the release index`:       {Name: "release"},
		`unit "u" has no objects: kustomize refuses to build nothing`:                             {Name: "a", Units: []Unit{{Name: "u"}}},
		`unit name "a.zip" is not a DNS label`:                                                    {Name: "a", Units: []Unit{{Name: "a.zip"}}},
		`two units are called "u"`:                                                                {Name: "a", Units: []Unit{{"u", []*object.Object{cm}}, {"u", []*object.Object{cm}}}},
		`units/u: two objects are ConfigMap a/b`:                                                  {Name: "a", Units: []Unit{{Name: "u", Objects: []*object.Object{cm, cm}}}},
	} {
		if _, err := Pack(c, Options{}); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	a := pack(t, Cluster{Name: "a"})
	if _, err := NewRelease("acme", []*Artifact{a, a}, Options{}); err == nil || err.Error() != `two artifacts are of cluster "a"` {
		t.Error(err)
	}
	if _, err := NewRelease("", []*Artifact{a}, Options{}); err == nil {
		t.Error("a release without platform")
	}
}

// The annotations that make an artifact what it is cannot be replaced.
func TestPackAnnotations(t *testing.T) {
	a := pack(t, Cluster{Name: "a", Annotations: map[string]string{AnnotationCluster: "b", AnnotationCreated: "now", "x": "y"}})
	want := map[string]string{AnnotationCluster: "a", AnnotationTitle: "a", AnnotationCreated: "1970-01-01T00:00:00Z", "x": "y"}
	if d := cmp.Diff(want, a.Annotations); d != "" {
		t.Error(d)
	}
}

func sampleLayout(t testing.TB) *Layout {
	t.Helper()
	var as []*Artifact
	for _, name := range []string{"prod-us1", "dev", "prod-eu1"} {
		c := sample(t)
		c.Name = name
		as = append(as, pack(t, c))
	}
	r, err := NewRelease("acme", as, Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := &Layout{Release: r}
	for i, s := range r.Subjects() {
		sig, err := NewSignature(s, fmt.Appendf(nil, `{"bundle":%d}`, i))
		if err != nil {
			t.Fatal(err)
		}
		l.Signatures = append(l.Signatures, sig)
	}
	return l
}

func BenchmarkPack(b *testing.B) {
	c := Cluster{Name: "a"}
	for u := range 20 {
		unit := Unit{Name: fmt.Sprintf("unit-%d", u)}
		for i := range 15 {
			unit.Objects = append(unit.Objects, obj(b, "apps/v1", "Deployment", "payments", fmt.Sprintf("app-%d", i), map[string]any{
				"spec": map[string]any{"replicas": i, "selector": map[string]any{"matchLabels": map[string]any{"app.kubernetes.io/name": "a"}},
					"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app.kubernetes.io/name": "a"}},
						"spec": map[string]any{"serviceAccountName": "a", "containers": []any{map[string]any{
							"name": "api", "image": fmt.Sprintf("registry.example/payments/api@sha256:%064x", i*u),
							"args":      []any{"--listen=:8080", "--log-level=info", strings.Repeat("x", 200)},
							"resources": map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "128Mi"}, "limits": map[string]any{"memory": "256Mi"}},
						}}}}}}))
		}
		c.Units = append(c.Units, unit)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Pack(c, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
