package merge_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/load"
	"github.com/google/go-cmp/cmp"
)

// harness merges the layers as catalog/units.cue does: three layers reached
// through definitions and references, one result per component, each looked at
// by a template that reads parts of it only.
const harness = `
import "github.com/contain-platform/contain/catalog/merge"

#Units: {
	#platform: _
	#cluster:  _

	let P = #platform
	let C = #cluster

	_env: #platform.environments[#cluster.environment]
	_o: {
		for k in ["one", "two"] {
			// One layer as it is, as components have it, and one made by a
			// comprehension, as extensions have it.
			(k): (merge.#Three & {a: {for f, v in P.components[k] if f != "clusters" {(f): v}}, b: _env.components[k], c: C.components[k]}).out
		}
	}
	units: {
		for k in ["one", "two"] {
			(k): {
				in: {
					values:     _o[k].values
					helmValues: _o[k].helmValues
				}
				rest: _o[k]
			}
		}
	}
}

platform: %s

result: (#Units & {#platform: platform, #cluster: platform.clusters.c}).units
`

// TestAgainstGo compares the package with the same merge in Go, read in two
// ways: everything evaluated first, and single paths looked up in a fresh
// value, since the order of evaluation must not matter.
func TestAgainstGo(t *testing.T) {
	// Fixed seed for determinism.
	r := rand.New(rand.NewPCG(2, 17))
	for i := range 60 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			var layers [3]map[string]any
			for l := range layers {
				layers[l] = map[string]any{"one": override(r), "two": override(r)}
			}
			platform := map[string]any{
				"components":   layers[0],
				"environments": map[string]any{"e": map[string]any{"components": layers[1]}},
				"clusters":     map[string]any{"c": map[string]any{"environment": "e", "components": layers[2]}},
			}
			want := map[string]any{}
			for _, k := range []string{"one", "two"} {
				out := merge(merge(layers[0][k].(map[string]any), layers[1][k].(map[string]any)), layers[2][k].(map[string]any))
				want[k] = map[string]any{
					"in":   map[string]any{"values": out["values"], "helmValues": out["helmValues"]},
					"rest": out,
				}
			}
			want = decode(t, encode(t, want))

			whole := build(t, platform)
			if err := whole.Validate(cue.Concrete(true)); err != nil {
				t.Fatal(errors.Details(err, nil))
			}
			compare(t, "whole", want, whole.LookupPath(cue.ParsePath("result")))

			lazy := build(t, platform)
			for _, k := range []string{"two", "one"} {
				for _, p := range []string{"in.helmValues", "in.values"} {
					path := cue.ParsePath(k + "." + p)
					compare(t, path.String(), at(want, k, p), lazy.LookupPath(cue.ParsePath("result")).LookupPath(path))
				}
			}
			compare(t, "looked up", want, lazy.LookupPath(cue.ParsePath("result")))
		})
	}
}

func at(want map[string]any, k, p string) any {
	in := want[k].(map[string]any)["in"].(map[string]any)
	return in[p[len("in."):]]
}

// merge is the merge of the package's doc, in Go.
func merge(lo, hi map[string]any) map[string]any {
	out := maps.Clone(lo)
	for k, v := range hi {
		l, lok := lo[k].(map[string]any)
		h, hok := v.(map[string]any)
		if lok && hok {
			out[k] = merge(l, h)
		} else {
			out[k] = v
		}
	}
	return out
}

// override is a random layer of one component: values and helmValues always
// exist, as schema.#Override has it.
func override(r *rand.Rand) map[string]any {
	out := map[string]any{"values": tree(r, 0), "helmValues": tree(r, 0)}
	if r.IntN(3) == 0 {
		out["enabled"] = r.IntN(2) == 0
	}
	if r.IntN(3) == 0 {
		out["version"] = fmt.Sprintf("1.%d.0", r.IntN(3))
	}
	return out
}

// tree draws from few keys, so that layers collide in every way: struct on
// struct, scalar on struct, list on list, null, and empty structs.
func tree(r *rand.Rand, depth int) map[string]any {
	out := map[string]any{}
	for range r.IntN(4) {
		k := string(rune('a' + r.IntN(4)))
		switch n := r.IntN(10); {
		case n < 5 && depth < 6:
			out[k] = tree(r, depth+1)
		case n < 6:
			out[k] = nil
		case n < 7:
			out[k] = []any{r.IntN(3), map[string]any{"a": "b"}}
		case n < 8:
			out[k] = r.IntN(2) == 0
		case n < 9:
			out[k] = fmt.Sprint("s", r.IntN(3))
		default:
			out[k] = map[string]any{}
		}
	}
	return out
}

func build(t *testing.T, platform any) cue.Value {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "catalog", "merge", "testdata", "case.cue")
	insts := load.Instances([]string{file}, &load.Config{
		Dir:     root,
		Overlay: map[string]load.Source{file: load.FromString(fmt.Sprintf(harness, encode(t, platform)))},
		Env:     []string{"CUE_REGISTRY=none"},
	})
	if err := insts[0].Err; err != nil {
		t.Fatal(errors.Details(err, nil))
	}
	return cuecontext.New().BuildInstance(insts[0])
}

func compare(t *testing.T, what string, want any, v cue.Value) {
	t.Helper()
	raw, err := v.MarshalJSON()
	if err != nil {
		t.Fatalf("%s: %s", what, errors.Details(err, nil))
	}
	got := decode(t, raw)
	if d := cmp.Diff(want, any(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
