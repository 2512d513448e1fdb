package source

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/token"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
)

var (
	platformPath  = cue.ParsePath("platform")
	inputsPath    = cue.ParsePath("out.inputs")
	knownPath     = cue.ParsePath("out.known")
	templatesPath = cue.MakePath(cue.Str("out"), cue.Def("#templates"))
	inPath        = cue.MakePath(cue.Def("#in"))
	objectsPath   = cue.ParsePath("objects")
)

// Decode reads the platform and the units of its clusters. The value
// "platform" is checked whole before anything that follows from it is looked
// at, so that one mistake is one finding.
func (s *Source) Decode() (*model.Platform, []diag.Finding) {
	p := &model.Platform{}
	if fs := s.decode(platformPath, "platform: catalog.#Platform & {…}", p); fs != nil {
		return nil, fs
	}
	var inputs map[string]map[string]model.Unit
	if fs := s.decode(inputsPath, "out: catalog.#Output & {#platform: platform}", &inputs); fs != nil {
		return nil, fs
	}
	var known struct{ Roles []string }
	if fs := s.decode(knownPath, "out: catalog.#Output & {#platform: platform}", &known); fs != nil {
		return nil, fs
	}
	p.Roles = known.Roles
	p.Units = make(map[string][]model.Unit, len(inputs))
	for cluster, units := range inputs {
		list := make([]model.Unit, 0, len(units))
		for name, u := range units {
			u.Name = name
			list = append(list, u)
		}
		slices.SortFunc(list, func(a, b model.Unit) int { return strings.Compare(a.Name, b.Name) })
		p.Units[cluster] = list
	}
	return p, nil
}

func (s *Source) decode(at cue.Path, want string, into any) []diag.Finding {
	v := s.root.LookupPath(at)
	if !v.Exists() {
		if err := s.root.Err(); err != nil {
			return s.findings(err)
		}
		return []diag.Finding{{
			ID:        "source/platform",
			Message:   fmt.Sprintf("the package has no field %q", at),
			Positions: []diag.Position{{File: "."}},
			Hint:      "write " + want,
		}}
	}
	if err := v.Validate(cue.Concrete(true)); err != nil {
		return s.findings(err)
	}
	b, err := v.MarshalJSON()
	if err != nil {
		return s.findings(cueError(err))
	}
	if err := json.Unmarshal(b, into); err != nil {
		// The schema admits only what the model reads; a platform that does not
		// use catalog.#Platform ends up here.
		return []diag.Finding{{
			ID:        "source/platform",
			Message:   fmt.Sprintf("%s is not of the catalog's form: %v", at, err),
			Positions: s.positions([]token.Pos{v.Pos()}),
			Hint:      "write " + want,
		}}
	}
	return nil
}
