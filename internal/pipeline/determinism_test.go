package pipeline_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/pipeline"
)

// module holds the CUE module with one platform of it, in memory.
func module(t *testing.T, dir string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	for _, top := range []string{"cue.mod", "schema", "catalog", dir} {
		err := fs.WalkDir(os.DirFS(root), top, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.Contains(p, "_test.go") {
				return err
			}
			b, err := os.ReadFile(root + "/" + p)
			out[p] = &fstest.MapFile{Data: b, Mode: 0o644}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// digests are those of a build: each cluster's and the release's.
func digests(t *testing.T, fsys fs.FS, dir string) map[string]string {
	t.Helper()
	r, err := pipeline.Run(context.Background(), pipeline.Input{FS: fsys, Dir: dir}, pipeline.Pack)
	if err != nil || r.Failed() {
		t.Fatalf("%v\n%v", err, r.Findings)
	}
	out := map[string]string{"release": r.Layout.Release.Digest()}
	for _, a := range r.Layout.Release.Artifacts {
		out[a.Cluster] = a.Digest()
	}
	return out
}

const (
	acme    = "examples/acme"
	openbao = "internal/pipeline/testdata/platforms/openbao"
)

// The order of fields in a file and the names of files say nothing.
func TestShuffled(t *testing.T) {
	for _, dir := range []string{acme, openbao} {
		t.Run(path.Base(dir), func(t *testing.T) {
			t.Parallel()
			want := digests(t, module(t, dir), dir)
			for seed := range uint64(2) {
				fsys := module(t, dir)
				shuffle(t, fsys, dir, rand.New(rand.NewPCG(seed, 0)))
				if diff := cmp.Diff(want, digests(t, fsys, dir)); diff != "" {
					t.Errorf("seed %d, -as written +shuffled:\n%s", seed, diff)
				}
			}
		})
	}
}

// shuffle gives the platform's files other names and their fields another order.
func shuffle(t *testing.T, fsys fstest.MapFS, dir string, r *rand.Rand) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(fsys)) {
		if !strings.HasPrefix(name, dir+"/") || path.Ext(name) != ".cue" {
			continue
		}
		f, err := parser.ParseFile(name, fsys[name].Data, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Walk(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.File:
				mix(n.Decls, r)
			case *ast.StructLit:
				mix(n.Elts, r)
			}
			return true
		}, nil)
		b, err := format.Node(f)
		if err != nil {
			t.Fatal(err)
		}
		delete(fsys, name)
		fsys[fmt.Sprintf("%s/%08x.cue", path.Dir(name), r.Uint32())] = &fstest.MapFile{Data: b, Mode: 0o644}
	}
}

// mix changes the order of fields and comprehensions; package, imports, lets
// and "..." stay where they are.
func mix(decls []ast.Decl, r *rand.Rand) {
	var at []int
	for i, d := range decls {
		switch d.(type) {
		case *ast.Field, *ast.Comprehension:
			at = append(at, i)
		}
	}
	r.Shuffle(len(at), func(i, j int) { decls[at[i]], decls[at[j]] = decls[at[j]], decls[at[i]] })
}

// more are clusters enough for the work to be shared between goroutines.
const more = `
package openbao

platform: clusters: {
	for i in [0, 1, 2, 3, 4, 5, 6, 7] {
		"more-\(i)": #cluster & {
			#n: 10 + i
			environment: ["prod", "test", "dev"][mod(i, 3)]
			region:      ["eu", "us"][mod(i, 2)]
			infrastructure: metal: vip: "10.0.0.\(i)"
		}
	}
}
`

// The number of workers says nothing, nor does it that there are any: what they
// evaluate apart from the platform is what the platform itself gives.
func TestWorkers(t *testing.T) {
	fsys := module(t, openbao)
	alone := digests(t, fsys, openbao)
	delete(alone, "release")
	fsys[openbao+"/more.cue"] = &fstest.MapFile{Data: []byte(more), Mode: 0o644}
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	want := digests(t, fsys, openbao)
	for c, d := range alone {
		if want[c] != d {
			t.Errorf("%s differs when workers make it: %s, alone %s", c, want[c], d)
		}
	}
	runtime.GOMAXPROCS(8)
	if diff := cmp.Diff(want, digests(t, fsys, openbao)); diff != "" {
		t.Errorf("-GOMAXPROCS=1 +GOMAXPROCS=8:\n%s", diff)
	}
}

// A change reaches the clusters that it is about, the management cluster where it
// keeps something for them, and no others.
func TestReach(t *testing.T) {
	tests := []struct {
		name, file, old, new string
		changed              []string
	}{
		{"one cluster's domain", "clusters.cue", `"us1.acme.example"`, `"us2.acme.example"`, []string{"mgmt-eu1", "prod-us1"}},
		{"one cluster's Helm value", "clusters.cue", `"Cluster"`, `"Local"`, []string{"prod-us1"}},
		{"an environment", "platform.cue", "velero: enabled: false", "velero: enabled: true", []string{"dev-eu1", "mgmt-eu1"}},
		{"a team of one region", "teams.cue", `memory: "128Gi"`, `memory: "256Gi"`, []string{"dev-eu1", "prod-eu1", "test-eu1"}},
		{"the inventory", "inventory/lab.yaml", "dev.acme.example", "develop.acme.example", []string{"dev-eu1", "mgmt-eu1"}},
		{"a comment", "platform.cue", "// A role of acme's own, beside the catalog's.", "", nil},
	}
	before := digests(t, module(t, acme), acme)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fsys := module(t, acme)
			name := acme + "/" + tt.file
			text := string(fsys[name].Data)
			if n := strings.Count(text, tt.old); n != 1 {
				t.Fatalf("%q is %d times in %s", tt.old, n, tt.file)
			}
			fsys[name].Data = []byte(strings.Replace(text, tt.old, tt.new, 1))
			var changed []string
			for c, d := range digests(t, fsys, acme) {
				if c != "release" && d != before[c] {
					changed = append(changed, c)
				}
			}
			slices.Sort(changed)
			if diff := cmp.Diff(tt.changed, changed); diff != "" {
				t.Errorf("changed, -want +got:\n%s", diff)
			}
		})
	}
}
