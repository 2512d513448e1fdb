package source

import (
	"encoding/json"
	"fmt"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/token"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
)

var (
	platformPath     = cue.ParsePath("platform")
	environmentsPath = cue.ParsePath("environments")
	unitsPath        = cue.MakePath(cue.Str("out"), cue.Def("#units"))
	knownPath        = cue.ParsePath("out.known")
	stacksPath       = cue.ParsePath("out.stacks")
	fleetPath        = cue.ParsePath("out.fleet")
	printedPath      = cue.MakePath(cue.Str("out"), cue.Def("#printed"))
	templatesPath    = cue.MakePath(cue.Str("out"), cue.Def("#templates"))
	inPath           = cue.MakePath(cue.Def("#in"))
	objectsPath      = cue.ParsePath("objects")
)

// What a platform has to say besides itself, for hints.
const (
	platformForm = "write platform: catalog.#Platform & {…}"
	outputForm   = "write out: catalog.#Output & {#platform: platform}"
)

// Decode reads the platform. It is checked whole before anything that follows
// from it is looked at, so that one mistake is one finding: Units comes after
// the names in it were checked.
func (s *Source) Decode() (*model.Platform, []diag.Finding) {
	p := &model.Platform{}
	if fs := s.decode(platformPath, platformForm, p); fs != nil {
		return nil, fs
	}
	if v := s.root.LookupPath(platformPath); !v.LookupPath(environmentsPath).Exists() {
		return nil, []diag.Finding{{
			ID: "source/platform", Message: "platform is not made with catalog.#Platform", Positions: s.firstOfCatalog(s.positions([]token.Pos{v.Pos()})), Hint: platformForm,
		}}
	}
	var known struct{ Roles, Rules, Units, Namespaces []string }
	if fs := s.decode(knownPath, outputForm, &known); fs != nil {
		return nil, fs
	}
	if fs := s.rest(); fs != nil {
		return nil, fs
	}
	p.Roles, p.Rules = known.Roles, known.Rules
	p.ReservedUnits, p.ReservedNamespaces = known.Units, known.Namespaces
	return p, nil
}

// rest checks what else the package says: a mistake there fails plain cue too,
// and may be meant for the platform. Values need not be concrete.
func (s *Source) rest() []diag.Finding {
	it, err := s.root.Fields(cue.All())
	if err != nil {
		return s.findings(cueError(err))
	}
	for it.Next() {
		if it.Selector().LabelType() == cue.DefinitionLabel {
			continue // says what may be said
		}
		if err := it.Value().Validate(); err != nil {
			return s.findings(cueError(err))
		}
	}
	return nil
}

// absent says which field of the package it is that a path needs.
func (s *Source) absent(at cue.Path) string {
	first := at.Selectors()[0]
	if s.root.LookupPath(cue.MakePath(first)).Exists() {
		return fmt.Sprintf("%s is not of the catalog's form", first)
	}
	return fmt.Sprintf("the package has no field %q", first)
}

func (s *Source) decode(at cue.Path, form string, into any) []diag.Finding {
	v := s.root.LookupPath(at)
	if !v.Exists() {
		if err := s.root.Err(); err != nil {
			return s.findings(err)
		}
		return []diag.Finding{{
			ID:        "source/platform",
			Message:   s.absent(at),
			Positions: []diag.Position{{File: "."}},
			Hint:      form,
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
			Hint:      form,
		}}
	}
	return nil
}
