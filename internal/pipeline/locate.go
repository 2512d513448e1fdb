package pipeline

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/internal/render"
	"github.com/contain-platform/contain/internal/source"
)

// locator finds the lines of findings that have none yet.
type locator struct {
	src      *source.Source
	values   *source.Locator
	platform *model.Platform
	clusters []render.Cluster
	sources  *sources
	memo     map[string][]diag.Position
}

func (l *locator) locate(found []diag.Finding) {
	for i := range found {
		f := &found[i]
		input := f.Unit != "" && f.Object == "" && strings.HasPrefix(f.Path, "in.")
		if len(f.Positions) > 0 && !input {
			for _, at := range f.Also {
				f.Positions = unique(append(f.Positions, l.lines().Said(at)...))
			}
			continue
		}
		k := strings.Join(append([]string{f.Cluster, f.Unit, f.Object, f.Path}, f.Also...), "\x00")
		ps, ok := l.memo[k]
		if !ok {
			ps = l.find(f)
			l.memo[k] = ps
		}
		// Inputs are plain data when a template refuses them: the template's
		// line is known, and the user's is in front.
		f.Positions = unique(append(slices.Clone(ps), f.Positions...))
	}
}

// lines is the evaluator that knows where values come from, made when the
// first is asked for.
func (l *locator) lines() *source.Locator {
	if l.values == nil {
		l.values = l.src.Locator()
	}
	return l.values
}

func (l *locator) find(f *diag.Finding) []diag.Position {
	var out []diag.Position
	for _, p := range f.Also {
		out = append(out, l.lines().Said(p)...)
	}
	for i := 0; len(out) == 0 && i < len(f.Also); i++ {
		out = l.lines().Path(f.Also[i])
	}
	switch {
	case len(out) > 0:
		return out
	case f.Object != "":
		return l.object(f)
	case f.Unit != "":
		return l.unit(f)
	case f.Path != "":
		return l.lines().Path(f.Path)
	}
	return nil
}

// object finds the lines of a field of an object: those of the input whose
// value it has, those of the template that makes it, and when none of these is
// the user's, what the user said about the component.
func (l *locator) object(f *diag.Finding) []diag.Position {
	u, o := l.lookup(f.Cluster, f.Unit, f.Object)
	if o == nil {
		return nil
	}
	steps, err := policy.ParsePath(f.Path)
	if err != nil {
		steps = nil
	}
	if ps := l.source(o, steps); ps != nil {
		return ps
	}
	ps := l.lines().Field(u.Template, f.Cluster, f.Unit, o.Field, steps)
	if value, ok := text(o.Tree(), steps); ok {
		ps = append(l.inputs(f.Cluster, u, value), ps...)
	}
	if !l.lines().AnyUser(ps) {
		ps = append(l.said(f.Cluster, u, o, f.Path), ps...)
	}
	return unique(ps)
}

// unit finds the lines of a unit's inputs.
func (l *locator) unit(f *diag.Finding) []diag.Position {
	u, _ := l.lookup(f.Cluster, f.Unit, "")
	if ps := l.said(f.Cluster, u, nil, f.Path); f.Path == "" || strings.HasPrefix(f.Path, "patches.") {
		return ps
	}
	ps := l.lines().Unit(f.Cluster, f.Unit, f.Path)
	if values, ok := strings.CutPrefix(f.Path, "in."); ok && strings.HasPrefix(values, "values.") {
		for _, layer := range l.layers(f.Cluster) {
			if said := l.lines().Said(layer + "." + model.Path("extensions", u.Component) + "." + values); len(said) > 0 {
				return said
			}
		}
	}
	if !l.lines().AnyUser(ps) {
		if said := l.said(f.Cluster, u, nil, f.Path); len(said) > 0 {
			return said
		}
	}
	return ps
}

// layers are the paths of what a cluster is made from, the narrowest first.
func (l *locator) layers(cluster string) []string {
	return []string{
		model.Path("platform", "clusters", cluster),
		model.Path("platform", "environments", l.platform.Clusters[cluster].Environment),
		"platform",
	}
}

// said is the first place, from the narrowest layer to the widest, where the
// user says something about a unit, at last the cluster that has it.
func (l *locator) said(cluster string, u render.Unit, o *object.Object, path string) []diag.Position {
	layers := l.layers(cluster)
	var candidates []string
	below := func(kind, name string) {
		at := "." + model.Path(kind, name)
		if strings.HasPrefix(path, "patches.") {
			for _, layer := range layers {
				candidates = append(candidates, layer+at+"."+path)
			}
		}
		for _, layer := range layers {
			candidates = append(candidates, layer+at)
		}
	}
	team, isTeam := strings.CutPrefix(u.Name, "team-")
	switch {
	case isTeam:
		if o != nil {
			for _, ns := range []string{o.Namespace, o.Name} {
				candidates = append(candidates, model.Path("platform", "teams", team, "namespaces", ns))
			}
		}
		candidates = append(candidates, model.Path("platform", "teams", team))
	case u.Template == sourceTemplate && o != nil:
		name := strings.TrimSuffix(strings.TrimPrefix(u.Name, "policy-"), "-constraints")
		at := []string{"platform", "policies", "sources", name}
		candidates = append(candidates, model.Path(append(at, "objects", o.Field)...), model.Path(at...))
	case u.Component == "policies" && o != nil:
		for _, layer := range layers {
			candidates = append(candidates, layer+"."+model.Path("policies", "rules", o.Annotations()[rule.Annotation]))
		}
	default:
		if _, ok := l.platform.Extensions[u.Component]; ok {
			below("extensions", u.Component)
		} else {
			below("components", u.Component)
		}
	}
	for _, c := range append(candidates, layers[0]) {
		if ps := l.lines().Said(c); len(ps) > 0 {
			return ps
		}
	}
	return nil
}

// sourceTemplate brings the objects of a source of policies.
const sourceTemplate = "policy-source"

// maxInputs is how many inputs may hold a value for their lines to say
// something about where it comes from.
const maxInputs = 2

// inputs finds the lines of those inputs of a unit that are just this text.
func (l *locator) inputs(cluster string, u render.Unit, value string) []diag.Position {
	var in any
	if err := json.Unmarshal(u.In, &in); err != nil {
		return nil
	}
	var paths [][]string
	holders(in, value, []string{"in"}, &paths)
	if len(paths) > maxInputs {
		return nil
	}
	var out []diag.Position
	for _, p := range paths {
		ps := l.lines().SaidOfUnit(cluster, u.Name, model.Path(p...))
		if _, ok := l.platform.Extensions[u.Component]; ok && len(ps) == 0 && p[1] == "values" {
			for _, layer := range [][]string{ // as said does
				{"platform", "clusters", cluster}, {"platform", "environments", l.platform.Clusters[cluster].Environment}, {"platform"},
			} {
				ps = append(ps, l.lines().Said(model.Path(append(append(layer, "extensions", u.Component), p[1:]...)...))...)
			}
		}
		out = append(out, ps...)
	}
	return out
}

func holders(v any, value string, at []string, out *[][]string) {
	switch v := v.(type) {
	case string:
		if v == value {
			*out = append(*out, slices.Clone(at))
		}
	case []any:
		for i, e := range v {
			holders(e, value, append(at, strconv.Itoa(i)), out)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			holders(v[k], value, append(at, k), out)
		}
	}
}

// text is the string at a path of an object.
func text(tree map[string]any, steps []string) (string, bool) {
	var v any = tree
	for _, s := range steps {
		switch t := v.(type) {
		case map[string]any:
			v = t[s]
		case []any:
			i, err := strconv.Atoi(s)
			if err != nil || i < 0 || i >= len(t) {
				return "", false
			}
			v = t[i]
		default:
			return "", false
		}
	}
	s, ok := v.(string)
	return s, ok
}

func unique(ps []diag.Position) []diag.Position {
	var out []diag.Position
	for _, p := range ps {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// lookup finds a rendered unit and, when a name is given, an object of it.
func (l *locator) lookup(cluster, unit, name string) (render.Unit, *object.Object) {
	for _, c := range l.clusters {
		if c.Name != cluster {
			continue
		}
		for _, u := range c.Units {
			if u.Name != unit {
				continue
			}
			for _, o := range u.Objects {
				if o.String() == name {
					return u, o
				}
			}
			return u, nil
		}
	}
	return render.Unit{}, nil
}
