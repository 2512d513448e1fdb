package source

import (
	"encoding/json"
	"slices"
	"strings"

	"cuelang.org/go/cue"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
)

// Units makes the units of one cluster from plain data: the platform without
// its clusters, and the cluster. What is left of the evaluation is JSON.
func (s *Source) Units(cluster string) ([]model.Unit, []diag.Finding) {
	out, found := s.unitsOf(cluster)
	if found != nil && s.whole() {
		return s.unitsOf(cluster)
	}
	return out, found
}

func (s *Source) unitsOf(cluster string) ([]model.Unit, []diag.Finding) {
	if s.platform == nil {
		if fs := s.plain(); fs != nil {
			return nil, fs
		}
	}
	v := s.units(s.unitsIn(s.compiled(), s.ctx.CompileBytes(s.clusters[cluster]), cluster))
	if err := v.Validate(cue.Concrete(true)); err != nil {
		return nil, s.unitsFindings(cluster, err)
	}
	b, err := v.MarshalJSON()
	if err != nil {
		return nil, s.unitsFindings(cluster, cueError(err))
	}
	var units map[string]model.Unit
	if err := json.Unmarshal(b, &units); err != nil {
		return nil, s.unitsFindings(cluster, cueError(err))
	}
	list := make([]model.Unit, 0, len(units))
	for name, u := range units {
		u.Name = name
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b model.Unit) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// others is what a cluster's units know of the other clusters, as JSON: the
// stacks, and the fleet for those that are no workload clusters. #Output says what
// is in them.
type others struct{ stacks, fleet []byte }

// base is what the units of all clusters are made from: the platform without its
// clusters, and others.
type base struct{ platform, stacks, fleet cue.Value }

// compiled is what all clusters have in common, in ctx.
func (s *Source) compiled() base {
	if s.base == nil {
		s.base = &base{s.ctx.CompileBytes(s.platform), s.ctx.CompileBytes(s.others.stacks), s.ctx.CompileBytes(s.others.fleet)}
	}
	return *s.base
}

// unitsIn is what the units of a cluster are made from.
func (s *Source) unitsIn(of base, cluster cue.Value, name string) cue.Value {
	in := s.ctx.CompileString("{}").
		FillPath(cue.MakePath(cue.Str("platform")), of.platform).
		FillPath(cue.MakePath(cue.Str("cluster")), cluster).
		FillPath(cue.MakePath(cue.Str("name")), name).
		FillPath(cue.MakePath(cue.Str("stacks")), of.stacks)
	if role, err := cluster.LookupPath(cue.MakePath(cue.Str("role"))).String(); err == nil && role != model.Workload {
		in = in.FillPath(cue.MakePath(cue.Str("fleet")), of.fleet)
	}
	return in
}

// units is the value of a cluster's units. Everything goes in at once: each
// FillPath evaluates what it fills.
func (s *Source) units(in cue.Value) cue.Value {
	return s.root.LookupPath(unitsPath).FillPath(inPath, in).LookupPath(cue.MakePath(cue.Str("units")))
}

// plain takes the platform apart into data, which forks share.
func (s *Source) plain() []diag.Finding {
	b, err := s.root.LookupPath(platformPath).MarshalJSON()
	if err != nil {
		return s.findings(cueError(err))
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return s.findings(cueError(err))
	}
	if err := s.withGiven(fields); err != nil {
		return s.findings(cueError(err))
	}
	if err := json.Unmarshal(fields["clusters"], &s.clusters); err != nil {
		return s.findings(cueError(err))
	}
	delete(fields, "clusters")
	if s.platform, err = json.Marshal(fields); err != nil {
		return s.findings(cueError(err))
	}
	if s.others.stacks, err = s.root.LookupPath(stacksPath).MarshalJSON(); err != nil {
		return s.findings(cueError(err))
	}
	if s.others.fleet, err = s.root.LookupPath(fleetPath).MarshalJSON(); err != nil {
		return s.findings(cueError(err))
	}
	return nil
}

// unitsFindings adds the line of the cluster to errors that only name the
// catalog.
func (s *Source) unitsFindings(cluster string, err error) []diag.Finding {
	fs := s.findings(err)
	for i := range fs {
		fs[i].Cluster = cluster
		if !s.anyUser(fs[i].Positions) {
			fs[i].Positions = append(s.writtenAt(cluster), fs[i].Positions...)
		}
	}
	return fs
}

func (s *Source) writtenAt(cluster string) []diag.Position {
	ps, _ := s.origins(s.root.LookupPath(clusterPath(cluster)))
	return slices.DeleteFunc(ps, func(p diag.Position) bool { return s.catalog[p.File] })
}

func clusterPath(cluster string) cue.Path {
	return cue.MakePath(cue.Str("platform"), cue.Str("clusters"), cue.Str(cluster))
}
