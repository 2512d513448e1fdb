package kubecheck

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/render"
)

// unitOf is a unit with a Namespace, a ConfigMap in each of in, or both.
func unitOf(t *testing.T, name, namespace string, in []string, dependsOn ...string) render.Unit {
	t.Helper()
	u := render.Unit{Unit: model.Unit{Name: name, DependsOn: dependsOn}}
	add := func(kind, name, namespace string) {
		meta := map[string]any{"name": name}
		if namespace != "" {
			meta["namespace"] = namespace
		}
		o, err := object.FromTree("", map[string]any{"apiVersion": "v1", "kind": kind, "metadata": meta})
		if err != nil {
			t.Fatal(err)
		}
		u.Objects = append(u.Objects, o)
	}
	if namespace != "" {
		add("Namespace", namespace, "")
	}
	for _, ns := range in {
		add("ConfigMap", "a", ns)
		add("ConfigMap", "b", ns)
	}
	return u
}

func TestOrder(t *testing.T) {
	deadlock := `namespace "shop" comes with unit team, which waits for unit access`
	for name, c := range map[string]struct {
		units []render.Unit
		want  []string
	}{
		"waits directly": {
			units: []render.Unit{unitOf(t, "access", "", []string{"shop"}), unitOf(t, "team", "shop", nil, "access")},
			want:  []string{deadlock},
		},
		"waits through another": {
			units: []render.Unit{unitOf(t, "access", "", []string{"shop"}), unitOf(t, "mid", "", nil, "access"), unitOf(t, "team", "shop", nil, "mid")},
			want:  []string{deadlock},
		},
		"in order":      {units: []render.Unit{unitOf(t, "access", "", []string{"shop"}, "team"), unitOf(t, "team", "shop", nil)}},
		"in no order":   {units: []render.Unit{unitOf(t, "access", "", []string{"shop"}), unitOf(t, "team", "shop", nil)}},
		"its own":       {units: []render.Unit{unitOf(t, "a", "", nil), unitOf(t, "team", "shop", []string{"shop"}, "a")}},
		"cycle, apart":  {units: []render.Unit{unitOf(t, "a", "", nil, "b"), unitOf(t, "access", "", []string{"shop"}), unitOf(t, "b", "shop", nil, "a")}},
		"given by none": {units: []render.Unit{unitOf(t, "access", "", []string{"kube-system"}), unitOf(t, "team", "shop", nil, "access")}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range order(c.units) {
				got = append(got, f.Message)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
