package source

import (
	"errors"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	cueerrors "cuelang.org/go/cue/errors"

	"github.com/contain-platform/contain/internal/diag"
)

// embedding looks behind an error that speaks of the attribute @embed alone,
// into the file that it embeds: it gives the CUE error about the file's
// values, or a finding when the file could not be read as what it should be.
// For any other error it gives neither.
func (s *Source) embedding(e cueerrors.Error) (cueerrors.Error, *diag.Finding) {
	if format, _ := e.Msg(); format != "@%s" {
		return nil, nil
	}
	err := errors.Unwrap(e)
	if err == nil {
		return nil, nil
	}
	f := &diag.Finding{ID: "source/embed", Positions: s.errorPositions(e)}
	var inner cueerrors.Error
	if errors.As(err, &inner) && len(inner.InputPositions()) > 0 {
		return inner, nil
	}
	for deeper := err; deeper != nil; deeper = errors.Unwrap(deeper) {
		err = deeper
	}
	f.Message = err.Error()
	if strings.HasPrefix(f.Message, "streaming not implemented") {
		f.Message = "the embedded file holds several documents, where one can be read"
	}
	if m := openText.FindStringSubmatch(f.Message); m != nil {
		f.Message = "the embedded file cannot be read: " + m[1]
	}
	// The embedded file is where the mistake is. Some of CUE's decoders say the
	// line in the text alone, with the file named from the attribute's.
	if i := slices.IndexFunc(f.Positions, func(p diag.Position) bool { return path.Ext(p.File) != ".cue" }); i > 0 {
		file := f.Positions[i]
		f.Positions = slices.Insert(slices.Delete(f.Positions, i, i+1), 0, file)
	}
	if m := lineText.FindStringSubmatch(f.Message); m != nil && len(f.Positions) > 0 {
		line, _ := strconv.Atoi(m[2])
		column, _ := strconv.Atoi(m[3])
		f.Message = m[4]
		file := path.Join(path.Dir(f.Positions[0].File), m[1])
		f.Positions = append([]diag.Position{{File: file, Line: line, Column: column}}, f.Positions...)
	}
	return nil, f
}

// openText is what the operating system's errors of opening a file look like.
var openText = regexp.MustCompile(`^open .+: ([^:]+)$`)

var lineText = regexp.MustCompile(`^(\S+?):([0-9]+)(?::([0-9]+))?: (.+)$`)
