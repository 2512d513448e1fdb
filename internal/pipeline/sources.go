package pipeline

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy/bundle"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/internal/render"
	"github.com/contain-platform/contain/internal/source"
)

// sources are the policies that the platform brings itself.
type sources struct {
	library   []rule.Rule                 // contain's own
	objects   map[string]sourced          // of files, by key
	inline    map[string]sourced          // said in CUE, by key
	rules     []rule.Rule                 // over clusters and the platform
	clusters  map[string]model.ClusterSet // of those rules, by id
	templates []string                    // ids of rules over objects, sorted: names of ConstraintTemplates
}

// sourced is one policy object and the path of the source that brings it.
type sourced struct {
	bundle.Object
	path string
}

// readSources reads the platform's policy sources and gives their objects to
// src, as if the platform had said them.
func readSources(in Input, p *model.Platform, src *source.Source, library []rule.Rule) (*sources, []diag.Finding, error) {
	out := &sources{library: library, objects: map[string]sourced{}, inline: map[string]sourced{}, clusters: map[string]model.ClusterSet{}}
	taken := map[string]string{}
	for _, r := range library {
		taken[r.ID] = "contain's library"
		if r.Input == rule.Object {
			taken[bundle.Key(object.ID{Kind: "ConstraintTemplate", Name: r.TemplateName()})] = "contain's library"
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.Policies.Rules)) {
		if t := p.Policies.Rules[id].Template; t != nil {
			taken[bundle.Key(object.ID{Kind: "ConstraintTemplate", Name: strings.ToLower(t.Kind)})] = "rule " + id
		}
	}
	var found []diag.Finding
	for _, name := range slices.Sorted(maps.Keys(p.Policies.Sources)) {
		s := p.Policies.Sources[name]
		at := model.Path("platform", "policies", "sources", name)
		b, problems := readSource(in, at, s)
		if b != nil {
			problems = append(problems, out.take(b, s, name, at, taken)...)
		}
		for i, f := range problems {
			if len(f.Positions) > 0 {
				problems[i].Also = []string{at}
			}
		}
		found = append(found, problems...)
		if b == nil || len(s.Objects) > 0 {
			continue
		}
		objects := map[string]json.RawMessage{}
		for _, o := range b.Objects {
			objects[o.Key] = o.Value()
		}
		if err := src.Give(objects, "policies", "sources", name, "objects"); err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(out.templates)
	out.keep(p, src)
	return out, found, nil
}

// keep keeps from the catalog what layers say about rules that it does not know:
// those that sources bring and contain alone judges.
func (s *sources) keep(p *model.Platform, src *source.Source) {
	drop := func(said model.Policies, at ...string) {
		for _, r := range s.rules {
			if _, ok := said.Rules[r.ID]; ok {
				src.Drop(append(at, "policies", "rules", r.ID)...)
			}
		}
	}
	drop(p.Policies)
	for _, e := range slices.Sorted(maps.Keys(p.Environments)) {
		drop(p.Environments[e].Policies, "environments", e)
	}
	for _, c := range slices.Sorted(maps.Keys(p.Clusters)) {
		drop(p.Clusters[c].Policies, "clusters", c)
	}
}

// take adds what a source holds. taken says who brings an object already: two
// ConstraintTemplates of one kind would undo each other in every cluster.
func (s *sources) take(b *bundle.Bundle, from model.PolicySource, name, at string, taken map[string]string) []diag.Finding {
	var found []diag.Finding
	refuse := func(what, other string, f diag.Finding) {
		f.ID, f.Message = bundle.Finding, fmt.Sprintf("%s is in %s already", what, other)
		found = append(found, f)
	}
	for _, o := range b.Objects {
		inline := len(from.Objects) > 0
		if other, ok := taken[o.Key]; ok {
			f := diag.Finding{Path: at + "." + model.Path("objects", o.Field)}
			if !inline {
				f.Path, f.Positions = "", []diag.Position{o.Position([]string{"metadata", "name"})}
			}
			refuse(o.String(), other, f)
			continue
		}
		taken[o.Key] = "source " + name
		if inline {
			s.inline[o.Key] = sourced{o, at}
		} else {
			s.objects[o.Key] = sourced{o, at}
		}
		if o.Kind == "ConstraintTemplate" {
			s.templates = append(s.templates, cmp.Or(o.Annotations()[rule.Annotation], o.Name))
		}
	}
	for _, r := range b.Rules {
		if other, ok := taken[r.ID]; ok {
			refuse("rule "+r.ID, other, diag.Finding{Positions: []diag.Position{{File: r.Module.File, Line: 1, Column: 1}}})
			continue
		}
		taken[r.ID] = "source " + name
		s.rules, s.clusters[r.ID] = append(s.rules, r), from.Clusters
	}
	return found
}

// readSource reads one source; at is its path in the platform.
func readSource(in Input, at string, s model.PolicySource) (*bundle.Bundle, []diag.Finding) {
	refuse := func(field, format string, args ...any) (*bundle.Bundle, []diag.Finding) {
		return nil, []diag.Finding{{ID: bundle.Finding, Message: fmt.Sprintf(format, args...), Path: at + field}}
	}
	set := slices.DeleteFunc([]string{"dir", "oci", "objects"}, func(f string) bool {
		return f == "dir" && s.Dir == "" || f == "oci" && s.OCI == "" || f == "objects" && s.Objects == nil
	})
	if len(set) != 1 {
		return refuse("", "a source has exactly one of dir, oci and objects")
	}
	switch {
	case s.Dir != "":
		dir := path.Join(in.Dir, s.Dir)
		if err := inside(in.FS, in.Dir, s.Dir); err != nil {
			return refuse(".dir", "%s: %v", s.Dir, err)
		}
		sub, err := fs.Sub(in.FS, dir)
		if err != nil {
			return refuse(".dir", "%s: %v", s.Dir, err)
		}
		return bundle.Read(sub, func(p string) string { return path.Join(s.Dir, p) })
	case s.OCI != "":
		b, found := bundle.ReadArtifact(in.FS, s.OCI, func(p string) string { return relative(in.Dir, p) })
		for i := range found {
			if len(found[i].Positions) == 0 {
				found[i].Path = at + ".oci"
			}
		}
		return b, found
	}
	b := &bundle.Bundle{}
	var found []diag.Finding
	for _, name := range slices.Sorted(maps.Keys(s.Objects)) {
		o, err := bundle.Inline(name, s.Objects[name])
		if err != nil {
			found = append(found, diag.Finding{ID: bundle.Finding, Message: err.Error(), Path: at + "." + model.Path("objects", name)})
			continue
		}
		b.Objects = append(b.Objects, o)
	}
	return b, found
}

// inside tells whether a directory is below the platform's, without links on
// the way: a link could lead anywhere.
func inside(fsys fs.FS, base, dir string) error {
	if !fs.ValidPath(dir) || dir == "." {
		return errors.New("a source is in a directory of its own below the platform's")
	}
	at := base
	for _, step := range strings.Split(dir, "/") {
		at = path.Join(at, step)
		info, err := fs.Lstat(fsys, at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return errors.New("no such directory")
		case err != nil:
			return errors.New("it cannot be read")
		case info.Mode()&fs.ModeSymlink != 0:
			return errors.New("links are not followed")
		case !info.IsDir():
			return errors.New("not a directory")
		}
	}
	return nil
}

// relative names a file of the module from the platform's directory.
func relative(dir, file string) string {
	rel, err := filepath.Rel(filepath.FromSlash(dir), filepath.FromSlash(file))
	if err != nil {
		return file
	}
	return filepath.ToSlash(rel)
}

// holds tells whether a rule of a source is for a cluster; those of the library
// are for all.
func (s *sources) holds(p *model.Platform, id, cluster string) bool {
	set, ok := s.clusters[id]
	return !ok || cluster == "" || set.Has(cluster, p.Clusters[cluster])
}

// source is where a field of an object stands that a source brings in a file,
// and where the platform names the source.
func (l *locator) source(o *object.Object, steps []string) []diag.Position {
	s, ok := l.sources.objects[o.Field]
	if !ok || s.ID != o.ID {
		return nil
	}
	return append([]diag.Position{s.Position(steps)}, l.lines().Said(s.path)...)
}

// brought is the line of the source that brings the object of a finding which
// knows its place already, in the Rego.
func (l *locator) brought(c render.Cluster, f diag.Finding) []diag.Position {
	if len(f.Positions) == 0 {
		return nil
	}
	for _, u := range c.Units {
		for _, o := range u.Objects {
			if s, ok := l.sources.objects[o.Field]; ok && o.String() == f.Object && s.ID == o.ID {
				return l.lines().Said(s.path)
			}
		}
	}
	return nil
}

// rego places the Rego of a template that the platform brings.
func (l *locator) rego(p *model.Platform, template string, module int) (diag.Position, bool) {
	key := bundle.Key(object.ID{Kind: "ConstraintTemplate", Name: template})
	if s, ok := l.sources.objects[key]; ok {
		return s.Rego(module)
	}
	if s, ok := l.sources.inline[key]; ok {
		return l.lines().Text(s.path + "." + model.Path("objects", s.Field) + "." + model.Path(bundle.RegoPath(s.Object.Object, module)...))
	}
	for id, r := range p.Policies.Rules {
		if r.Template != nil && strings.ToLower(r.Template.Kind) == template && module == 0 {
			return l.lines().Text(model.Path("platform", "policies", "rules", id, "template", "rego"))
		}
	}
	return diag.Position{}, false
}
