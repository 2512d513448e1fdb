package kubecheck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/render"
)

// airGap finds what the objects of an air-gapped cluster refer to outside of the
// platform's registry, domains and networks: one finding for each field. What the
// description itself says of the management plane is found there, once, and not
// again in the objects that follow from it.
func (m memo) airGap(p *model.Platform, cluster string, units []render.Unit) []diag.Finding {
	if !p.Clusters[cluster].Infrastructure.AirGapped {
		return nil
	}
	boundary := p.Boundary()
	said := map[string]bool{}
	services := false
	for _, o := range p.Outside() {
		if o.Cluster == cluster {
			said[o.Host] = true
			services = services || o.Service != ""
		}
	}
	registry := ""
	if p.Management.Registry != nil {
		registry = p.Management.Registry.Host + "/" + p.Management.Registry.Mirror
	}
	return each(units, func(o *object.Object) []diag.Finding {
		var out []diag.Finding
		for _, r := range m.of(o).outward() {
			var hosts []string
			for _, h := range r.hosts {
				if !boundary.Inside(h) && !said[h] {
					hosts = append(hosts, h)
				}
			}
			if r.service != "" && !services {
				hosts = append(hosts, r.service)
			}
			if len(hosts) == 0 {
				continue
			}
			f := outside(r, hosts, registry)
			if o.Kind == "Provider" {
				// Flux's Providers are called as the channels that they are made of.
				for kind := range p.Channels[o.Name] {
					f.Also = []string{model.Path("platform", "channels", o.Name, kind)}
				}
			}
			out = append(out, f)
		}
		return out
	})
}

// outside is the finding about one field.
func outside(r outward, hosts []string, registry string) diag.Finding {
	f := diag.Finding{ID: IDAirGap, Path: r.path}
	named := listOf(hosts)
	mirrored := fmt.Sprintf("mirror it, and name it as %s/%s/…", registry, hosts[0])
	switch {
	case r.what == image:
		f.Message, f.Hint = "the cluster is air-gapped, but the image comes from "+named, mirrored
	case r.what == chart:
		f.Message, f.Hint = "the cluster is air-gapped, but the chart comes from "+named, mirrored
	default:
		f.Message = fmt.Sprintf("the cluster is air-gapped, but %s %s outside of the platform", named, isAre(hosts))
		f.Hint = "only management.registry and what is below platform.domains and the clusters' domains is within"
	}
	return f
}

func listOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func isAre(names []string) string {
	if len(names) == 1 {
		return "is"
	}
	return "are"
}

// outward is all that one field refers to by host, in the order of its text.
type outward struct {
	path    string
	what    string // image, chart or ""
	hosts   []string
	service string // one that somebody else runs, named by no address
}

const (
	image = "image"
	chart = "chart"
)

// outwardOf finds the references of one object. They are the same whichever
// cluster has the object.
func outwardOf(o *object.Object) []outward {
	s := scout{object: o}
	t := o.Tree()
	s.services(t)
	for k, v := range t {
		switch k {
		case "apiVersion", "kind", "status":
		case "metadata":
			meta, _ := v.(map[string]any)
			annotations, _ := meta["annotations"].(map[string]any)
			under := &trail{up: &trail{key: k, index: -1}, key: "annotations", index: -1}
			for a, v := range annotations {
				if text, ok := v.(string); ok {
					s.note(&trail{up: under, key: a, index: -1}, "", urlHosts(text))
				}
			}
		default:
			s.walk(v, k, &trail{key: k, index: -1}, servesNames(o.Kind) || o.Kind == "HTTPProxy" || o.Kind == "Gateway")
		}
	}
	slices.SortFunc(s.found, func(a, b outward) int { return strings.Compare(a.path, b.path) }) // for determinism
	return s.found
}

// scout looks through one object.
type scout struct {
	object *object.Object
	found  []outward
}

func (s *scout) note(at *trail, what string, hosts []string) {
	if len(hosts) > 0 {
		s.found = append(s.found, outward{path: at.String(), what: what, hosts: hosts})
	}
}

// walk looks at a value under key. served says that names of hosts below are
// what the cluster itself answers to.
func (s *scout) walk(v any, key string, at *trail, served bool) {
	switch v := v.(type) {
	case string:
		s.text(v, key, at, served)
	case []any:
		for i, e := range v {
			s.walk(e, key, &trail{up: at, index: i}, served)
		}
	case map[string]any:
		s.fields(v, key, at, served || servesNames(key))
	}
}

func (s *scout) fields(m map[string]any, key string, at *trail, served bool) {
	repository := s.repository(m, key, at)
	variable, _ := m["name"].(string)
	for k, e := range m {
		under := &trail{up: at, key: k, index: -1}
		switch text, _ := e.(string); {
		case s.code(k, at):
			s.urls(e, under)
			continue
		case k == "name" && m["newName"] != nil:
			continue // which image is replaced, by kustomize
		case k == "repository" && repository:
			continue
		case k == "value" && strings.HasSuffix(strings.ToUpper(variable), "IMAGE") && text != "":
			s.note(under, image, imageHosts(text))
			continue
		case k == "value" && variable != "":
			s.walk(e, variable, under, served) // of a variable that is called so
			continue
		}
		s.walk(e, k, under, served)
	}
}

// repository judges an image in the form of Helm's values, and tells whether it
// was one. Without a registry beside it, or a host in front, it is Docker's.
func (s *scout) repository(m map[string]any, key string, at *trail) bool {
	name, ok := m["repository"].(string)
	if !ok || name == "" || strings.Contains(name, "://") {
		return false
	}
	if registry, _ := m["registry"].(string); registry != "" {
		return true // its host is judged by itself
	}
	under := &trail{up: at, key: "repository", index: -1}
	if host, _, ok := strings.Cut(name, "/"); ok && strings.ContainsAny(host, ".:") {
		s.note(under, image, []string{host})
		return true
	}
	for _, beside := range []string{"tag", "digest", "pullPolicy"} {
		if _, ok := m[beside]; ok {
			s.note(under, image, imageHosts(name))
			return true
		}
	}
	if strings.HasSuffix(strings.ToLower(key), "image") {
		s.note(under, image, imageHosts(name))
	}
	return true
}

// code tells whether what stands at a key of an object of Gatekeeper's or of a
// definition names things without referring to them: rules and what they let
// pass, and the documentation of a schema. Addresses are looked for all the same,
// but for those in documentation.
func (s *scout) code(key string, at *trail) bool {
	switch s.object.Group {
	case "templates.gatekeeper.sh", "constraints.gatekeeper.sh":
		return true
	case "apiextensions.k8s.io":
		return key == "versions" && at.up == nil
	}
	return false
}

// urls looks for addresses alone.
func (s *scout) urls(v any, at *trail) {
	if s.object.Group == "apiextensions.k8s.io" {
		return
	}
	switch v := v.(type) {
	case string:
		s.note(at, "", urlHosts(v))
	case []any:
		for i, e := range v {
			s.urls(e, &trail{up: at, index: i})
		}
	case map[string]any:
		for k, e := range v {
			s.urls(e, &trail{up: at, key: k, index: -1})
		}
	}
}

func (s *scout) text(v, key string, at *trail, served bool) {
	switch key {
	case "image", "newName":
		if !strings.Contains(v, "://") {
			s.note(at, image, imageHosts(v))
			return
		}
	case "assignDomain": // of Gatekeeper's AssignImage
		s.note(at, image, []string{v})
		return
	}
	what := ""
	if s.object.Group == source && at.String() == "spec.url" && s.isChart() {
		what = chart
	}
	hosts := textHosts(v)
	if !served {
		hosts = append(hosts, namedHosts(key, v)...)
	}
	slices.Sort(hosts) // for determinism
	s.note(at, what, slices.Compact(hosts))
	if service := alertService(v); service != "" {
		s.found = append(s.found, outward{path: at.String(), service: service})
	}
}

// isChart tells whether a source is of Helm charts.
func (s *scout) isChart() bool {
	return s.object.Kind == "HelmRepository" ||
		strings.Contains(str(s.object.Tree(), "spec", "layerSelector", "mediaType"), "helm.chart")
}
