package pipeline

import (
	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/render"
	"github.com/contain-platform/contain/internal/source"
)

// locator finds the lines of findings that have none yet.
type locator struct {
	src      *source.Source
	values   *source.Locator
	clusters []render.Cluster
	memo     map[string][]diag.Position
}

func (l *locator) locate(found []diag.Finding) {
	for i := range found {
		f := &found[i]
		if len(f.Positions) > 0 {
			continue
		}
		if l.values == nil {
			l.values, l.memo = l.src.Locator(), map[string][]diag.Position{}
		}
		k := f.Cluster + "\x00" + f.Unit + "\x00" + f.Object + "\x00" + f.Path
		ps, ok := l.memo[k]
		if !ok {
			ps = l.find(f)
			l.memo[k] = ps
		}
		f.Positions = ps
	}
}

func (l *locator) find(f *diag.Finding) []diag.Position {
	switch {
	case f.Object != "":
		steps, err := policy.ParsePath(f.Path)
		if err != nil {
			steps = nil
		}
		u, o := l.object(f.Cluster, f.Unit, f.Object)
		if o == nil {
			return nil
		}
		return l.values.Field(u.Template, f.Cluster, f.Unit, o.Field, steps)
	case f.Unit != "":
		path := model.Path("out", "inputs", f.Cluster, f.Unit)
		if f.Path != "" {
			path += "." + f.Path
		}
		return l.values.Path(path)
	case f.Path != "":
		return l.values.Path(f.Path)
	}
	return nil
}

func (l *locator) object(cluster, unit, name string) (render.Unit, *object.Object) {
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
		}
	}
	return render.Unit{}, nil
}
