// Package mirror lists what air-gapped clusters pull from the platform's
// registry, and where that comes from. It reads rendered objects and asks nobody.
//
// Charts, manifests and images that objects name are read from them. What a chart
// names only in its own defaults is in images.json, by the chart and the version
// that the catalog uses: data that catalog's tests make from the charts' values.
package mirror

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/object"
)

//go:embed images.json
var table []byte

// An Item is one thing that has to be in the registry.
type Item struct {
	Kind string `json:"kind"` // chart, manifests or image

	// Source is the upstream's: host/path:tag, or https://… where a chart's
	// repository is of Helm's old kind, or manifests are in Git.
	Source      string `json:"source"`
	Destination string `json:"destination"` // host/path:tag
}

// List gives everything below prefix, "registry.acme.example/mirror", that the
// objects of one cluster name, and in words what is not known. Both are sorted
// and have everything once.
func List(prefix string, objects []*object.Object) ([]Item, []string, error) {
	l := lister{prefix: prefix + "/", charts: map[string]string{}, repositories: map[string]string{}}
	if err := json.Unmarshal(table, &l.known); err != nil {
		return nil, nil, err
	}
	for _, o := range objects {
		l.source(o)
	}
	for _, o := range objects {
		l.release(o)
	}
	for _, o := range objects {
		l.images(o)
	}
	return Sorted(l.items), slices.Compact(sorted(l.unknown)), nil
}

// Sorted are the items in order, each once.
func Sorted(items []Item) []Item {
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Destination, b.Destination))
	})
	return slices.Compact(items)
}

func sorted(s []string) []string { slices.Sort(s); return s }

type lister struct {
	prefix string
	known  map[string][]string // chart and version -> images
	charts map[string]string   // chartOf a release -> chart and version
	// repositories are HelmRepositories, and where they are below the prefix.
	repositories map[string]string
	items        []Item
	unknown      []string
}

// registries are hosts that charts come from as artifacts; others serve Helm's
// index, or Git.
var registries = []string{"docker.io", "ghcr.io", "quay.io", "registry.k8s.io", "public.ecr.aws", "mcr.microsoft.com", "gcr.io"}

// source reads an OCIRepository of what the mirror holds, or what a HelmRelease
// takes from a HelmRepository there.
func (l *lister) source(o *object.Object) {
	switch o.Kind {
	case "OCIRepository":
		at, ok := strings.CutPrefix(text(o.Tree(), "spec", "url"), "oci://"+l.prefix)
		if !ok {
			return
		}
		kind := "manifests"
		if strings.Contains(text(o.Tree(), "spec", "layerSelector", "mediaType"), "helm.chart") {
			kind = "chart"
		}
		l.add(kind, at, cmp.Or(text(o.Tree(), "spec", "ref", "digest"), text(o.Tree(), "spec", "ref", "tag")), o.Namespace+"/"+o.Name)
	case "HelmRepository":
		if at, ok := strings.CutPrefix(text(o.Tree(), "spec", "url"), "oci://"+l.prefix); ok {
			l.repositories[o.Namespace+"/"+o.Name] = at
		}
	}
}

// release reads a HelmRelease whose chart is in a HelmRepository.
func (l *lister) release(o *object.Object) {
	at, ok := l.repositories[o.Namespace+"/"+text(o.Tree(), "spec", "chart", "spec", "sourceRef", "name")]
	if o.Kind != "HelmRelease" || !ok {
		return
	}
	chart := text(o.Tree(), "spec", "chart", "spec", "chart")
	l.add("chart", at+"/"+chart, text(o.Tree(), "spec", "chart", "spec", "version"), chartOf(o))
}

// add notes what is at a place below the prefix, and which chart name stands for.
func (l *lister) add(kind, at, version, name string) {
	mark := ":"
	if strings.HasPrefix(version, "sha256:") {
		mark = "@"
	}
	if kind == "chart" {
		l.charts[name] = path.Base(at) + " " + version
	}
	source := at + mark + version
	if host, _, _ := strings.Cut(at, "/"); !slices.Contains(registries, host) {
		source = "https://" + source
	}
	l.items = append(l.items, Item{kind, source, l.prefix + at + mark + version})
}

// chartOf names what a HelmRelease's chart comes from: an OCIRepository, or the
// release itself, since a HelmRepository has many charts.
func chartOf(o *object.Object) string {
	if ref := text(o.Tree(), "spec", "chartRef", "name"); ref != "" {
		return o.Namespace + "/" + ref
	}
	return "HelmRelease " + o.Namespace + "/" + o.Name
}

// images reads what an object names, and what the chart of a HelmRelease names
// beside that.
func (l *lister) images(o *object.Object) {
	tags := map[string]string{}
	l.walk(o.Tree(), tags)
	chart := l.charts[chartOf(o)]
	if o.Kind != "HelmRelease" || chart == "" {
		for name, tag := range tags {
			l.image(name, tag, o.String())
		}
		return
	}
	known, ok := l.known[chart]
	for _, ref := range known {
		name, tag := split(ref)
		l.image(name, cmp.Or(tags[name], tag), "chart "+chart)
		delete(tags, name)
	}
	for name, tag := range tags {
		// Of a chart that is known, what has no tag is of a part that is off.
		if !ok || tag != "" {
			l.image(name, tag, "chart "+chart)
		}
	}
	if !ok {
		l.unknown = append(l.unknown, "images that chart "+chart+" names in its own values alone")
	}
}

func (l *lister) image(name, tag, of string) {
	if tag == "" {
		l.unknown = append(l.unknown, fmt.Sprintf("the tag of %s, of %s", name, of))
		return
	}
	// What is copied by tag and digest keeps its digest, and goes to the tag.
	to := tag
	if at, _, ok := strings.Cut(tag, "@"); ok && at != "" {
		to = at
	}
	l.items = append(l.items, Item{"image", name + tag, l.prefix + name + to})
}

// refText is a reference below the mirror, with what marks its version.
var refText = regexp.MustCompile(`^([^:@\s]+)((?::[A-Za-z0-9_][A-Za-z0-9._-]*)?(?:@sha256:[0-9a-f]+)?)$`)

func split(ref string) (name, tag string) {
	if m := refText.FindStringSubmatch(ref); m != nil {
		return m[1], m[2]
	}
	return ref, ""
}

// walk collects images below the mirror: name without the mirror -> tag, with its
// mark.
func (l *lister) walk(v any, into map[string]string) {
	switch v := v.(type) {
	case string:
		for _, word := range strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(" \t\n=,\"'", r) }) {
			if rest, ok := strings.CutPrefix(word, l.prefix); ok {
				if name, tag := split(rest); tag != "" {
					into[name] = tag
				}
			}
		}
	case []any:
		for _, e := range v {
			l.walk(e, into)
		}
	case map[string]any:
		l.fields(v, into)
		for _, e := range v {
			l.walk(e, into)
		}
	}
}

// fields reads an image in the forms that Helm's values and kustomize have.
func (l *lister) fields(m map[string]any, into map[string]string) {
	name := text(m, "repository")
	if registry := text(m, "registry"); registry != "" && name != "" {
		name = registry + "/" + name
	}
	if name == "" {
		name = cmp.Or(text(m, "newName"), text(m, "image"))
	}
	rest, ok := strings.CutPrefix(name, l.prefix)
	if !ok || strings.ContainsAny(rest, ":@") {
		return
	}
	tag := cmp.Or(text(m, "tag"), text(m, "newTag"))
	if tag != "" {
		tag = ":" + tag
	}
	if digest := text(m, "digest"); strings.HasPrefix(digest, "sha256:") {
		tag += "@" + digest
	}
	if tag != "" || into[rest] == "" {
		into[rest] = tag
	}
}

func text(m map[string]any, at ...string) string {
	var v any = m
	for _, k := range at {
		t, _ := v.(map[string]any)
		v = t[k]
	}
	s, _ := v.(string)
	return s
}
