package rule

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Error is what is wrong with a file of a rule directory.
type Error struct {
	File         string
	Line, Column int // 0 when the file as a whole is wrong
	Message      string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// at says where an error is, if it does not say so itself.
func (l loader) at(file string, err error) error {
	var known *Error
	var opa ast.Errors
	var missing *fs.PathError
	out := &Error{File: l.name(file), Message: err.Error()}
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &opa) && len(opa) > 0:
		out.Message = strings.Join(strings.Fields(opa[0].Message), " ")
		if at := opa[0].Location; at != nil {
			out.Line, out.Column = at.Row, at.Col
		}
	case errors.As(err, &missing):
		out.File, out.Message = l.name(missing.Path), missing.Err.Error()
	}
	return out
}
