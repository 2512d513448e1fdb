package kubecheck

import (
	"path"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/render"
)

// syncComponent is the component whose unit holds Flux's own graph: one
// Kustomization per unit.
const syncComponent = "sync"

// place is an object and where it stands.
type place struct {
	unit   *render.Unit
	object *object.Object
}

// release is a HelmRelease and its chart.
type release struct {
	place
	name    string // of the release
	chart   string // name of the chart, "" when its source is not in the artifact
	version string
	// foreign charts are the platform's own: what they bring is not known.
	foreign   bool
	namespace string // where the chart's objects go
}

// values of the release; nil when there are none.
func (r release) values() map[string]any {
	spec, _ := r.object.Tree()["spec"].(map[string]any)
	v, _ := spec["values"].(map[string]any)
	return v
}

// world is one cluster as its artifact describes it.
type world struct {
	units     []render.Unit
	dependsOn map[string][]string // of units
	objects   map[object.ID]place // by key
	releases  []release
	// applied are Kustomizations of sources beyond the artifact, which may make
	// anything in the namespaces that they reach.
	applied []place
}

func newWorld(p *model.Platform, units []render.Unit) *world {
	w := &world{units: units, dependsOn: map[string][]string{}, objects: map[object.ID]place{}}
	for i := range units {
		u := &units[i]
		w.dependsOn[u.Name] = u.DependsOn
		for _, o := range u.Objects {
			if _, ok := w.objects[o.Key()]; !ok {
				w.objects[o.Key()] = place{u, o}
			}
		}
	}
	for i := range units {
		u := &units[i]
		_, own := p.Extensions[u.Component]
		for _, o := range u.Objects {
			switch {
			case o.Group == helm && o.Kind == "HelmRelease":
				r := w.release(place{u, o})
				r.foreign = own
				w.releases = append(w.releases, r)
			case o.Group == kustomize && o.Kind == "Kustomization" && u.Component != syncComponent && !remote(o):
				w.applied = append(w.applied, place{u, o})
			}
		}
	}
	return w
}

// remote objects are Flux's for another cluster.
func remote(o *object.Object) bool {
	spec, _ := o.Tree()["spec"].(map[string]any)
	_, ok := spec["kubeConfig"]
	return ok
}

func (w *world) release(at place) release {
	t := at.object.Tree()
	r := release{place: at, name: first(str(t, "spec", "releaseName"), at.object.Name)}
	r.namespace = first(str(t, "spec", "targetNamespace"), at.object.Namespace)
	if c := str(t, "spec", "chart", "spec", "chart"); c != "" {
		r.chart, r.version = path.Base(c), str(t, "spec", "chart", "spec", "version")
		return r
	}
	id := object.ID{
		Group: source, Kind: str(t, "spec", "chartRef", "kind"), Name: str(t, "spec", "chartRef", "name"),
		Namespace: first(str(t, "spec", "chartRef", "namespace"), at.object.Namespace),
	}
	if src, ok := w.objects[id]; ok {
		s := src.object.Tree()
		r.chart = path.Base(str(s, "spec", "url"))
		r.version = str(s, "spec", "ref", "tag")
		if c := str(s, "spec", "chart"); c != "" { // a HelmChart
			r.chart, r.version = path.Base(c), str(s, "spec", "version")
		}
	}
	return r
}

// address of a Kustomization's source without ".git", and its tag; "" when the
// source is not in the artifact.
func (w *world) address(k *object.Object) string {
	return strings.TrimSuffix(w.ofSource(k, "url"), ".git")
}

func (w *world) tag(k *object.Object) string { return w.ofSource(k, "ref", "tag") }

func (w *world) ofSource(k *object.Object, field ...string) string {
	src, ok := w.objects[sourceOf(k)]
	if !ok {
		return ""
	}
	return str(src.object.Tree(), append([]string{"spec"}, field...)...)
}

func first(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}

// has tells whether the artifact holds an object.
func (w *world) has(id object.ID) bool {
	_, ok := w.objects[id.Key()]
	return ok
}

// foreignCharts tells whether there are charts that the catalog does not know.
func (w *world) foreignCharts() bool {
	return slices.ContainsFunc(w.releases, func(r release) bool { return r.foreign })
}

// writes tells whether a Kustomization of another source may make objects in a
// namespace: cluster-scoped ones when it is "".
func (w *world) writes(namespace string) bool {
	return slices.ContainsFunc(w.applied, func(p place) bool {
		namespaces, all := w.fills(p.object)
		return all || slices.Contains(namespaces, namespace)
	})
}

// fills are the namespaces that a Kustomization of another source may make
// objects in, or all, and cluster-scoped objects with them: its target where it
// has one, and those that bind its service account where it has one.
func (w *world) fills(k *object.Object) (namespaces []string, all bool) {
	t := k.Tree()
	if target := str(t, "spec", "targetNamespace"); target != "" {
		return []string{target}, false
	}
	account := str(t, "spec", "serviceAccountName")
	if account == "" {
		return nil, true
	}
	for id, at := range w.objects {
		if id.Group != rbac || id.Kind != "ClusterRoleBinding" && id.Kind != "RoleBinding" {
			continue
		}
		for _, s := range structs(at.object.Tree(), "subjects") {
			switch {
			case str(s, "kind") != "ServiceAccount" || str(s, "name") != account || first(str(s, "namespace"), id.Namespace) != k.Namespace:
			case id.Kind == "ClusterRoleBinding":
				return nil, true
			default:
				namespaces = append(namespaces, id.Namespace)
			}
		}
	}
	slices.Sort(namespaces) // for determinism
	return namespaces, false
}

// namedByChart: charts begin the names of what they make with the release's.
func (w *world) namedByChart(name string) bool {
	return slices.ContainsFunc(w.releases, func(r release) bool {
		return name == r.name || strings.HasPrefix(name, r.name+"-") || strings.HasPrefix(name, r.name+":")
	})
}

// structs are those of a list at a path.
func structs(t map[string]any, path ...string) []map[string]any {
	var v any = t
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	l, _ := v.([]any)
	out := make([]map[string]any, len(l))
	for i, e := range l {
		out[i], _ = e.(map[string]any)
	}
	return out
}

// texts are the strings of a list.
func texts(v any) []string {
	l, _ := v.([]any)
	var out []string
	for _, e := range l {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
