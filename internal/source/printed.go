package source

import (
	"cuelang.org/go/cue"

	"github.com/contain-platform/contain/internal/diag"
)

// Printed makes one paper of a cluster, as JSON: kind is a field of #printed. It
// is made from the same plain data as the cluster's units. Like them it comes
// after Decode, and the cluster is one of the platform's.
func (s *Source) Printed(cluster, kind string) ([]byte, []diag.Finding) {
	if s.platform == nil {
		if fs := s.plain(); fs != nil {
			return nil, fs
		}
	}
	of := s.compiled()
	// Papers are for people, who ask for one: every cluster's may know the others.
	in := s.unitsIn(of, s.ctx.CompileBytes(s.clusters[cluster]), cluster).FillPath(cue.MakePath(cue.Str("fleet")), of.fleet)
	v := s.root.LookupPath(printedPath).FillPath(inPath, in).LookupPath(cue.MakePath(cue.Str(kind)))
	if err := v.Validate(cue.Concrete(true)); err != nil {
		return nil, s.unitsFindings(cluster, err)
	}
	b, err := v.MarshalJSON()
	if err != nil {
		return nil, s.unitsFindings(cluster, cueError(err))
	}
	return b, nil
}
