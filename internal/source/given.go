package source

import (
	"encoding/json"
	"fmt"

	"cuelang.org/go/cue"
)

// given is data that the platform's files do not hold, at a path inside
// platform.
type given struct {
	path  []string
	value json.RawMessage
}

// Give sets a value inside platform for Units and Render, in place of what the
// files say there, if anything: the date of the command line, the objects of a
// policy source. It is called after Decode and before Units. value is encoded
// as JSON.
func (s *Source) Give(value any, path ...string) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	s.given = append(s.given, given{path, b})
	s.platform, s.base = nil, nil
	return nil
}

// Drop takes a value out of platform for Units and Render: what contain alone
// is told.
func (s *Source) Drop(path ...string) {
	s.given = append(s.given, given{path, nil})
	s.platform, s.base = nil, nil
}

// withGiven sets what was given in the platform's fields.
func (s *Source) withGiven(fields map[string]json.RawMessage) error {
	for _, g := range s.given {
		if err := set(fields, g.path, g.value); err != nil {
			return err
		}
	}
	return nil
}

// set replaces a value in nested structs, which are decoded one level at a time
// so that everything else stays as it was written, and made where they are
// missing.
func set(fields map[string]json.RawMessage, path []string, value json.RawMessage) error {
	if len(path) == 1 {
		if fields[path[0]] = value; value == nil {
			delete(fields, path[0])
		}
		return nil
	}
	below := map[string]json.RawMessage{}
	if raw, ok := fields[path[0]]; ok {
		if err := json.Unmarshal(raw, &below); err != nil {
			return fmt.Errorf("%s: %w", path[0], err)
		}
	}
	if err := set(below, path[1:], value); err != nil {
		return err
	}
	b, err := json.Marshal(below)
	fields[path[0]] = b
	return err
}

// fillGiven puts what was given into the platform with its origins, for
// positions. What the files say themselves stays: the line is then theirs.
func (s *Source) fillGiven(in cue.Value) cue.Value {
	for _, g := range s.given {
		sels := []cue.Selector{cue.Str("platform")}
		for _, p := range g.path {
			sels = append(sels, cue.Str(p))
		}
		if p := cue.MakePath(sels...); g.value != nil && !in.LookupPath(p).Exists() {
			in = in.FillPath(p, s.ctx.CompileBytes(g.value))
		}
	}
	return in
}
