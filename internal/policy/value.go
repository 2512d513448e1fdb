package policy

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// valueReader makes values of OPA from JSON, the same that Gatekeeper's driver
// comes to by way of encoding/json: numbers are float64. One reader serves one
// goroutine; it keeps the terms of short strings, since objects of a platform
// say the same words over and over. Terms are never changed.
type valueReader struct {
	in    string
	pos   int
	depth int
	words map[string]*ast.Term
}

// Bounds of what a reader keeps.
const (
	maxWord  = 64
	maxWords = 1 << 14
)

// maxDepth is that of encoding/json.
const maxDepth = 10000

var errValue = errors.New("the object is not JSON")

func (r *valueReader) read(raw []byte) (ast.Value, error) {
	if r.words == nil {
		r.words = map[string]*ast.Term{}
	}
	r.in, r.pos, r.depth = string(raw), 0, 0
	t, err := r.value()
	if err != nil {
		return nil, err
	}
	if r.space(); r.pos != len(r.in) {
		return nil, errValue
	}
	return t.Value, nil
}

func (r *valueReader) space() {
	for r.pos < len(r.in) && strings.IndexByte(" \t\r\n", r.in[r.pos]) >= 0 {
		r.pos++
	}
}

// next passes white space and gives the byte after it, 0 at the end.
func (r *valueReader) next() byte {
	if r.space(); r.pos < len(r.in) {
		return r.in[r.pos]
	}
	return 0
}

func (r *valueReader) accept(c byte) bool {
	if r.next() != c {
		return false
	}
	r.pos++
	return true
}

func (r *valueReader) value() (*ast.Term, error) {
	switch c := r.next(); {
	case c == '"':
		return r.string()
	case c == '{':
		return r.object()
	case c == '[':
		return r.list()
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	}
	switch rest := r.in[r.pos:]; {
	case strings.HasPrefix(rest, "true"):
		r.pos += len("true")
		return ast.InternedTerm(true), nil
	case strings.HasPrefix(rest, "false"):
		r.pos += len("false")
		return ast.InternedTerm(false), nil
	case strings.HasPrefix(rest, "null"):
		r.pos += len("null")
		return ast.InternedNullTerm, nil
	}
	return nil, errValue
}

func (r *valueReader) object() (*ast.Term, error) {
	r.pos++
	if r.depth++; r.depth > maxDepth {
		return nil, errValue
	}
	var pairs [][2]*ast.Term
	for !r.accept('}') {
		if len(pairs) > 0 && !r.accept(',') || r.next() != '"' {
			return nil, errValue
		}
		key, err := r.string()
		if err != nil {
			return nil, err
		}
		if !r.accept(':') {
			return nil, errValue
		}
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, [2]*ast.Term{key, value})
	}
	r.depth--
	return ast.NewTerm(ast.NewObject(pairs...)), nil
}

func (r *valueReader) list() (*ast.Term, error) {
	r.pos++
	if r.depth++; r.depth > maxDepth {
		return nil, errValue
	}
	var terms []*ast.Term
	for !r.accept(']') {
		if len(terms) > 0 && !r.accept(',') {
			return nil, errValue
		}
		t, err := r.value()
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
	}
	r.depth--
	return ast.NewTerm(ast.NewArray(terms...)), nil
}

func (r *valueReader) number() (*ast.Term, error) {
	start := r.pos
	for r.pos < len(r.in) && strings.IndexByte("+-.eE0123456789", r.in[r.pos]) >= 0 {
		r.pos++
	}
	f, err := strconv.ParseFloat(r.in[start:r.pos], 64)
	if err != nil {
		return nil, errValue
	}
	v, err := ast.InterfaceToValue(f)
	if err != nil {
		return nil, err
	}
	return ast.NewTerm(v), nil
}

func (r *valueReader) string() (*ast.Term, error) {
	start := r.pos
	for r.pos++; r.pos < len(r.in); r.pos++ {
		switch c := r.in[r.pos]; {
		case c == '"':
			r.pos++
			return r.word(r.in[start+1 : r.pos-1]), nil
		case c == '\\' || c < ' ' || c >= utf8.RuneSelf:
			return r.quoted(start)
		}
	}
	return nil, errValue
}

// quoted reads a string that is more than letters the way encoding/json does.
func (r *valueReader) quoted(start int) (*ast.Term, error) {
	for r.pos = start + 1; r.pos < len(r.in); r.pos++ {
		switch r.in[r.pos] {
		case '\\':
			r.pos++
		case '"':
			r.pos++
			var s string
			if err := json.Unmarshal([]byte(r.in[start:r.pos]), &s); err != nil {
				return nil, errValue
			}
			return r.word(s), nil
		}
	}
	return nil, errValue
}

func (r *valueReader) word(s string) *ast.Term {
	if len(s) > maxWord {
		return ast.StringTerm(s)
	}
	if t, ok := r.words[s]; ok {
		return t
	}
	s = strings.Clone(s) // a term does not keep its object's text
	t := ast.InternedTerm(s)
	if len(r.words) < maxWords {
		r.words[s] = t
	}
	return t
}
