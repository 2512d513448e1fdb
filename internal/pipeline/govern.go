package pipeline

import (
	"maps"
	"slices"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/internal/policy/selection"
	"github.com/contain-platform/contain/internal/render"
	"github.com/contain-platform/contain/internal/waiver"
)

// governance is what the platform says about rules: which of them hold where,
// how strictly, and what is waived.
type governance struct {
	library  []rule.Rule
	level    *selection.Selector
	book     *waiver.Book
	sources  *sources
	p        *model.Platform
	clusters []render.Cluster
	objects  map[place]*object.Object // of clusters, made when a finding needs it
}

// place is how a finding names an object.
type place struct{ cluster, unit, object string }

// govern reads what the platform says about rules, those of its sources
// included.
func govern(p *model.Platform, s *sources) (*governance, []diag.Finding) {
	library := slices.Concat(s.library, s.rules)
	for _, r := range s.rules {
		p.Rules = append(p.Rules, r.ID)
	}
	var rules []waiver.Rule
	for _, r := range library {
		rules = append(rules, waiver.Rule{ID: r.ID, Admission: r.Input == rule.Object, Fixed: r.Fixed})
	}
	for _, id := range slices.Sorted(maps.Keys(p.Policies.Rules)) {
		if p.Policies.Rules[id].Template != nil {
			rules = append(rules, waiver.Rule{ID: id, Admission: true})
		}
	}
	for _, t := range s.templates {
		rules = append(rules, waiver.Rule{ID: t, Admission: true, Source: true})
	}
	book, found := waiver.Open(p, rules)
	return &governance{library: library, level: selection.NewSelector(p, library), book: book, sources: s, p: p}, found
}

// parameters are those of a rule in a cluster, for the platform when cluster is
// "", and whether it is on.
func (g *governance) parameters(r rule.Rule, cluster string) (map[string]any, bool) {
	e, ok := g.level.Of(cluster, r.ID)
	return e.Parameters, ok && e.On() && g.sources.holds(g.p, r.ID, cluster)
}

// judge gives the findings of a stage the severity that their rules have, and
// lets those pass that are waived.
func (g *governance) judge(found []diag.Finding) []diag.Finding {
	found = g.level.Level(diag.Ungroup(found), func(f diag.Finding) string { return g.subject(f).Namespace })
	return g.book.Apply(found, g.subject)
}

// rendered tells what the objects are that findings name from here on.
func (g *governance) rendered(clusters []render.Cluster) { g.clusters, g.objects = clusters, nil }

// subject is what a finding is about.
func (g *governance) subject(f diag.Finding) waiver.Subject {
	if f.Object == "" {
		return waiver.Subject{}
	}
	if g.objects == nil {
		g.objects = map[place]*object.Object{}
		for _, c := range g.clusters {
			for _, u := range c.Units {
				for _, o := range u.Objects {
					g.objects[place{c.Name, u.Name, o.String()}] = o
				}
			}
		}
	}
	if o := g.objects[place{f.Cluster, f.Unit, f.Object}]; o != nil {
		return waiver.Of(o)
	}
	return waiver.Named(f.Object)
}
