package kubecheck

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// provider is the unit that makes a kind known to the API server, and how.
type provider struct {
	unit string
	what string // "chart contour", "the manifests of x", "CustomResourceDefinition y"
	// crd: the object is applied before all others of its unit, since Flux
	// applies definitions first.
	crd bool
}

// constraintGroup is the group of the kinds that ConstraintTemplates make.
const constraintGroup = "constraints.gatekeeper.sh"

// crdOrder checks that units with custom resources wait for the unit that
// brings the kind.
func (w *world) crdOrder() []diag.Finding {
	by := w.providers()
	brings := map[string]string{} // unit by what it brings, see crd.comesWith
	bring := func(what, unit string) {
		if _, ok := brings[what]; !ok {
			brings[what] = unit
		}
	}
	for _, r := range w.releases {
		bring(crd{Chart: r.chart}.comesWith(), r.unit.Name)
	}
	for _, k := range w.applied {
		bring(crd{Manifests: path.Base(w.address(k.object))}.comesWith(), k.unit.Name)
	}
	silent := w.foreignCharts() || w.writes("")
	var out []diag.Finding
	for _, u := range w.units {
		said := map[kindKey]bool{}
		for _, o := range u.Objects {
			k := kindKey{o.Group, o.Kind}
			if said[k] {
				continue
			}
			p, ok := by[k]
			if !ok {
				c, known := catalog().crds[k]
				what := c.comesWith()
				if !known || what == "" || c.Chart == "flux2" {
					continue // Flux is there before its artifact
				}
				unit, there := brings[what]
				if !there {
					if !silent && c.Chart != "cilium" {
						said[k] = true
						out = append(out, diag.Finding{ID: IDAPIUnserved, Unit: u.Name, Object: o.String(), Path: "kind",
							Message: fmt.Sprintf("the cluster has no %s: the kind comes with %s, which no unit has", o.Kind, what)})
					}
					continue
				}
				p = provider{unit: unit, what: what}
			}
			if f, ok := w.late(u.Name, o, p); ok {
				said[k] = true
				f.Unit = u.Name
				out = append(out, f)
			}
		}
	}
	return out
}

// providers are the kinds that objects of the artifact make.
func (w *world) providers() map[kindKey]provider {
	out := map[kindKey]provider{}
	for _, u := range w.units {
		for _, o := range u.Objects {
			t := o.Tree()
			switch {
			case o.Group == "apiextensions.k8s.io" && o.Kind == "CustomResourceDefinition":
				out[kindKey{str(t, "spec", "group"), str(t, "spec", "names", "kind")}] = provider{u.Name, o.String(), true}
			case o.Group == "templates.gatekeeper.sh" && o.Kind == "ConstraintTemplate":
				out[kindKey{constraintGroup, str(t, "spec", "crd", "spec", "names", "kind")}] = provider{u.Name, o.String(), false}
			}
		}
	}
	return out
}

func (w *world) late(unit string, o *object.Object, p provider) (diag.Finding, bool) {
	f := diag.Finding{ID: IDCRDOrder, Object: o.String(), Path: "kind"}
	switch {
	case p.unit == unit && p.crd, p.unit != unit && reaches(w.dependsOn, unit, p.unit):
		return f, false
	case p.unit == unit:
		f.Message = fmt.Sprintf("the kind %s comes with %s of the same unit: Flux refuses the unit before that is applied", o.Kind, p.what)
		f.Hint = "move the object to a unit that depends on this one"
	default:
		f.Message = fmt.Sprintf("the kind %s comes with %s of unit %s, and unit %s does not wait for it", o.Kind, p.what, p.unit, unit)
		f.Hint = fmt.Sprintf("add %q to dependsOn of unit %s", p.unit, unit)
	}
	return f, true
}

// chartRanges compares the cluster's version with what charts support.
func (w *world) chartRanges(minor int, version string) []diag.Finding {
	if minor == 0 {
		return nil
	}
	full := version
	if strings.Count(version, ".") == 1 {
		full += ".0"
	}
	v, err := semver.NewVersion(full)
	if err != nil {
		return nil
	}
	var out []diag.Finding
	for _, r := range w.releases {
		c, ok := catalog().charts[r.chart]
		if !ok || c.supported == nil || c.Version != r.version || c.supported.Check(v) {
			continue
		}
		out = append(out, diag.Finding{ID: IDChartRange, Unit: r.unit.Name, Object: r.object.String(), Path: "spec",
			Message: fmt.Sprintf("chart %s %s supports Kubernetes %s, and the cluster runs %s", r.chart, r.version, c.KubeVersion, version)})
	}
	return out
}

// ownCRDs drops what is said about the versions of a kind whose CRD or chart is
// not the one that the facts are about.
func (w *world) ownCRDs(found []diag.Finding) []diag.Finding {
	if len(found) == 0 {
		return nil
	}
	other := map[string]bool{} // charts in other versions
	for _, r := range w.releases {
		if c, ok := catalog().charts[r.chart]; ok && c.Version != r.version {
			other[r.chart] = true
		}
	}
	for _, k := range w.applied {
		name := path.Base(w.address(k.object))
		if c, ok := catalog().charts[name]; ok && c.Version != w.tag(k.object) {
			other[name] = true
		}
	}
	own := w.providers()
	return slices.DeleteFunc(found, func(f diag.Finding) bool {
		for _, u := range w.units {
			if u.Name != f.Unit {
				continue
			}
			for _, o := range u.Objects {
				k := kindKey{o.Group, o.Kind}
				if o.String() != f.Object {
					continue
				}
				c, known := catalog().crds[k]
				_, brought := own[k]
				return known && (brought || other[c.Chart] || other[c.Manifests])
			}
		}
		return false
	})
}
