package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/render"
	"github.com/contain-platform/contain/internal/transform"
)

const root = "../.."

// platforms are the examples, and platforms that together set every variant of
// every part once.
func platforms(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"examples/*/platform.cue", "internal/pipeline/testdata/platforms/*/platform.cue"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, f := range found {
			rel, err := filepath.Rel(root, filepath.Dir(f))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, filepath.ToSlash(rel))
		}
	}
	return out
}

// The units and objects that plain cue shows are those that contain render
// prints, object by object, byte by byte in canonical JSON. Patches are
// kustomize's and no part of CUE: to what cue shows they are applied here.
func TestPlainCue(t *testing.T) {
	cue := judge.Path(t, "cue")
	for _, dir := range platforms(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			shown, units := export(t, cue, dir)
			r, err := pipeline.Run(context.Background(), pipeline.Input{FS: os.DirFS(root), Dir: dir}, pipeline.Render)
			if err != nil || r.Failed() {
				t.Fatalf("%v\n%v", err, r.Findings)
			}
			for _, cluster := range slices.Sorted(maps.Keys(units)) {
				if diff := cmp.Diff(units[cluster], plainUnits(t, r.Platform.Units[cluster])); diff != "" {
					t.Errorf("units of %s, -cue +contain:\n%s", cluster, diff)
				}
			}
			want, nUnits, nObjects, patched := flatten(shown)
			got, _, _, _ := flatten(r.Clusters)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("objects, -cue +contain:\n%s", diff)
			}
			if t.Failed() {
				return
			}
			t.Logf("%d clusters, %d units (%d patched), %d objects: equal", len(shown), nUnits, patched, nObjects)
		})
	}
}

// export is what plain cue gives for a platform: every cluster rendered and
// patched, and its units.
func export(t *testing.T, cue, dir string) ([]render.Cluster, map[string][]model.Unit) {
	t.Helper()
	cmd := exec.Command(cue, "export", "-e", "{inputs: out.inputs, objects: out.objects}")
	cmd.Dir = filepath.Join(root, dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("cue export: %v\n%s", err, &stderr)
	}
	var out struct {
		Inputs  map[string]map[string]model.Unit
		Objects map[string]map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	units := map[string][]model.Unit{}
	var clusters []render.Cluster
	for _, name := range slices.Sorted(maps.Keys(out.Inputs)) {
		c := render.Cluster{Name: name}
		for _, u := range slices.Sorted(maps.Keys(out.Inputs[name])) {
			unit := out.Inputs[name][u]
			unit.Name = u
			units[name] = append(units[name], unit)
			ru := render.Unit{Unit: unit}
			for field, raw := range out.Objects[name][u] {
				o, err := object.New(field, raw)
				if err != nil {
					t.Fatalf("%s, unit %s: %v", name, u, err)
				}
				ru.Objects = append(ru.Objects, o)
			}
			object.Sort(ru.Objects)
			c.Units = append(c.Units, ru)
		}
		units[name] = plainUnits(t, units[name])
		clusters = append(clusters, c)
	}
	clusters, findings := transform.Apply(clusters)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	return clusters, units
}

// plainUnits are units with canonical inputs.
func plainUnits(t *testing.T, units []model.Unit) []model.Unit {
	t.Helper()
	units = slices.Clone(units)
	for i := range units {
		d := json.NewDecoder(bytes.NewReader(units[i].In))
		d.UseNumber()
		var in any
		if err := d.Decode(&in); err != nil {
			t.Fatal(err)
		}
		var err error
		if units[i].In, err = object.Canonical(in); err != nil {
			t.Fatal(err)
		}
	}
	return units
}

// flatten names every object by cluster, unit and field, and counts.
func flatten(clusters []render.Cluster) (objects map[string]string, nUnits, nObjects, patched int) {
	objects = map[string]string{}
	for _, c := range clusters {
		for _, u := range c.Units {
			nUnits++
			if len(u.Patches) > 0 {
				patched++
			}
			objects[c.Name+" "+u.Name] = u.Template // units without objects count too
			for _, o := range u.Objects {
				nObjects++
				objects[c.Name+" "+u.Name+" "+o.Field+" "+o.String()] = string(o.JSON)
			}
		}
	}
	return objects, nUnits, nObjects, patched
}

// Plain cue vets the whole module, and the platforms of these tests, which
// "./..." leaves out since they are in testdata.
func TestCueVet(t *testing.T) {
	args := []string{"vet", "./..."}
	for _, dir := range platforms(t) {
		if strings.Contains(dir, "/testdata/") {
			args = append(args, "./"+dir)
		}
	}
	cmd := exec.Command(judge.Path(t, "cue"), args...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("cue vet ./...: %v\n%s", err, out)
	}
}
