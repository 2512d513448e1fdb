package object

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// YAML is the object as one YAML document, without a leading "---" and with a
// final newline: apiVersion, kind and metadata first, then the other fields
// sorted; everything below sorted. Numbers are written as the source wrote
// them, so a number that no float64 holds (1e400) reads back as YAML readers
// see fit; every string reads back exactly, in YAML 1.1 and 1.2 readers alike.
//
// It is written straight from the canonical JSON: keys are sorted there
// already, and no tree is built.
func (o *Object) YAML() []byte {
	w := yamlWriter{in: o.JSON, out: make([]byte, 0, len(o.JSON)+len(o.JSON)/4)}
	w.document()
	return w.out
}

// YAML is a JSON object that is none of Kubernetes', as Object.YAML writes one.
func YAML(raw []byte) ([]byte, error) {
	t, err := decode(raw)
	if err != nil {
		return nil, err
	}
	b, err := Canonical(t)
	if err != nil {
		return nil, err
	}
	w := yamlWriter{in: b, out: make([]byte, 0, len(b)+len(b)/4)}
	w.document()
	return w.out, nil
}

// simpleKey bounds the encoded length of a key written as "key: value".
// YAML readers refuse such keys beyond 1024 characters; longer ones get the
// explicit form "? key".
const simpleKey = 512

// yamlWriter translates canonical JSON to block-style YAML in one pass.
// Anything else in in is a bug of the package, and panics.
type yamlWriter struct {
	in      []byte
	pos     int
	out     []byte
	scratch []byte // decoded form of a string with escapes
}

func (w *yamlWriter) document() {
	type field struct{ key, start, end int }
	var fields []field
	w.expect('{')
	for !w.accept('}') {
		if len(fields) > 0 {
			w.expect(',')
		}
		f := field{key: w.pos}
		w.skipString()
		w.expect(':')
		f.start = w.pos
		w.skip()
		f.end = w.pos
		fields = append(fields, f)
	}
	emit := func(f field) {
		w.pos = f.key
		w.entry(0)
	}
	head := [...]string{`"apiVersion":`, `"kind":`, `"metadata":`}
	isHead := func(f field, h string) bool { return bytes.HasPrefix(w.in[f.key:], []byte(h)) }
	for _, h := range head {
		for _, f := range fields {
			if isHead(f, h) {
				emit(f)
			}
		}
	}
	for _, f := range fields {
		if !isHead(f, head[0]) && !isHead(f, head[1]) && !isHead(f, head[2]) {
			emit(f)
		}
	}
}

// entry writes one "key: value" of a mapping, where the current line is
// already indented.
func (w *yamlWriter) entry(indent int) {
	start := len(w.out)
	w.scalar(w.str())
	if len(w.out)-start > simpleKey {
		w.out = append(w.out, "  "...)
		copy(w.out[start+2:], w.out[start:len(w.out)-2])
		copy(w.out[start:], "? ")
		w.out = append(w.out, '\n')
		w.indent(indent)
	}
	w.out = append(w.out, ':')
	w.expect(':')
	w.value(indent, false)
}

// value writes a value that follows "key:" or "-", space included. indent is
// that of the mapping or sequence that holds it.
func (w *yamlWriter) value(indent int, inSequence bool) {
	switch c := w.peek(); c {
	case '{':
		w.mapping(indent, inSequence)
	case '[':
		w.sequence(indent, inSequence)
	case '"':
		w.out = append(w.out, ' ')
		s := w.str()
		if !w.literal(s, indent+2) {
			w.scalar(s)
		}
		w.out = append(w.out, '\n')
	default:
		start := w.pos
		w.skip()
		w.out = append(w.out, ' ')
		w.out = append(w.out, w.in[start:w.pos]...)
		w.out = append(w.out, '\n')
	}
}

func (w *yamlWriter) mapping(indent int, inSequence bool) {
	w.expect('{')
	if w.accept('}') {
		w.out = append(w.out, " {}\n"...)
		return
	}
	// "- a: 1" starts on the dash's line; "key:" needs a new one.
	if inSequence {
		w.out = append(w.out, ' ')
	} else {
		w.out = append(w.out, '\n')
		w.indent(indent + 2)
	}
	for first := true; !w.accept('}'); first = false {
		if !first {
			w.expect(',')
			w.indent(indent + 2)
		}
		w.entry(indent + 2)
	}
}

// sequence writes items at the indentation of the key that holds them, as
// kubectl does; a sequence in a sequence is one level deeper.
func (w *yamlWriter) sequence(indent int, inSequence bool) {
	w.expect('[')
	if w.accept(']') {
		w.out = append(w.out, " []\n"...)
		return
	}
	if inSequence {
		indent += 2
		w.out = append(w.out, ' ')
	} else {
		w.out = append(w.out, '\n')
		w.indent(indent)
	}
	for first := true; !w.accept(']'); first = false {
		if !first {
			w.expect(',')
			w.indent(indent)
		}
		w.out = append(w.out, '-')
		w.value(indent, true)
	}
}

func (w *yamlWriter) indent(n int) {
	for range n {
		w.out = append(w.out, ' ')
	}
}

// literal writes s as a literal block, without the final newline, when the
// block reads back exactly; otherwise it writes nothing and reports false.
func (w *yamlWriter) literal(s []byte, indent int) bool {
	if !literalSafe(s) {
		return false
	}
	w.out = append(w.out, '|')
	body := s
	switch {
	case !bytes.HasSuffix(s, []byte("\n")):
		w.out = append(w.out, '-')
	case bytes.HasSuffix(s, []byte("\n\n")):
		w.out = append(w.out, '+')
		fallthrough
	default:
		body = s[:len(s)-1]
	}
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		w.out = append(w.out, '\n')
		if len(line) > 0 {
			w.indent(indent)
			w.out = append(w.out, line...)
		}
	}
	return true
}

// literalSafe holds for strings of several lines that a literal block keeps:
// nothing that needs an escape, a first line that shows the indentation, and
// no line of blanks alone, about which YAML readers differ.
func literalSafe(s []byte) bool {
	if bytes.IndexByte(s, '\n') <= 0 || s[0] == ' ' || s[0] == '\t' {
		return false
	}
	blank := true
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\n':
			if blank && i > 0 && s[i-1] != '\n' {
				return false
			}
			blank = true
			i++
			continue
		case c == ' ', c == '\t':
			i++
			continue
		}
		n, ok := printable(s[i:])
		if !ok {
			return false
		}
		blank = false
		i += n
	}
	return !blank || s[len(s)-1] == '\n'
}

// printable reports the length of the first rune and whether YAML allows it
// unescaped and people can see it.
func printable(s []byte) (int, bool) {
	if c := s[0]; c < utf8.RuneSelf {
		return 1, c >= ' ' && c != 0x7f
	}
	r, n := utf8.DecodeRune(s)
	return n, !(r == utf8.RuneError && n == 1) && unicode.IsPrint(r)
}

// scalar writes s on one line: plain where every reader takes that for the
// same string, else quoted.
func (w *yamlWriter) scalar(s []byte) {
	clean, single := true, false
	for i := 0; i < len(s) && clean; {
		n, ok := printable(s[i:])
		clean = ok
		single = single || s[i] == '"' || s[i] == '\\'
		i += n
	}
	switch {
	case clean && plain(s):
		w.out = append(w.out, s...)
	case clean && single && bytes.IndexByte(s, '\'') < 0:
		// One level of escapes less for JSON, patterns and Windows paths.
		w.out = append(w.out, '\'')
		w.out = append(w.out, s...)
		w.out = append(w.out, '\'')
	default:
		w.doubleQuoted(s)
	}
}

func (w *yamlWriter) doubleQuoted(s []byte) {
	w.out = append(w.out, '"')
	for i := 0; i < len(s); {
		n, ok := printable(s[i:])
		switch c := s[i]; {
		case c == '"' || c == '\\':
			w.out = append(w.out, '\\', c)
		case ok:
			w.out = append(w.out, s[i:i+n]...)
		case c == '\n':
			w.out = append(w.out, `\n`...)
		case c == '\t':
			w.out = append(w.out, `\t`...)
		case c == '\r':
			w.out = append(w.out, `\r`...)
		case c < utf8.RuneSelf:
			w.out = fmt.Appendf(w.out, `\x%02X`, c)
		default:
			r, _ := utf8.DecodeRune(s[i:])
			if r > 0xFFFF {
				w.out = fmt.Appendf(w.out, `\U%08X`, r)
			} else {
				w.out = fmt.Appendf(w.out, `\u%04X`, r)
			}
		}
		i += n
	}
	w.out = append(w.out, '"')
}

// plain reports whether a printable one-line string may stand unquoted. It
// errs towards quotes: a reader of YAML 1.1 takes yes, 1_000, 12:30 and
// 2026-01-02 for something else than a string.
func plain(s []byte) bool {
	if len(s) == 0 || s[0] == ' ' || s[len(s)-1] == ' ' || s[len(s)-1] == ':' {
		return false
	}
	switch s[0] {
	case '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', '~', '=', '<':
		return false
	case '-':
		if len(s) == 1 || s[1] == ' ' || bytes.HasPrefix(s, []byte("---")) {
			return false
		}
	case '.':
		if bytes.HasPrefix(s, []byte("...")) {
			return false
		}
	}
	for i, c := range s[1:] {
		if c == ' ' && s[i] == ':' || c == '#' && s[i] == ' ' {
			return false
		}
	}
	return !numberLike(s) && !reserved(s)
}

// numberLike reports whether s starts like a number or a date and has nothing
// in it that no number and no date has.
func numberLike(s []byte) bool {
	switch c := s[0]; {
	case c >= '0' && c <= '9', c == '-', c == '+', c == '.':
	default:
		return false
	}
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		case strings.IndexByte("xXoOtTzZ_.+-:, ", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// reserved reports whether some version of YAML reads s as a null, a boolean
// or a float (YAML 1.1 types null, bool, float; YAML 1.2 core schema).
func reserved(s []byte) bool {
	if len(s) > len("false") || strings.IndexByte("ntfyoNTFYO.+-", s[0]) < 0 {
		return false
	}
	switch strings.ToLower(string(s)) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n",
		".inf", "-.inf", "+.inf", ".nan":
		return true
	}
	return false
}

// str reads the JSON string at pos. The result is valid until the next call.
func (w *yamlWriter) str() []byte {
	start := w.pos + 1
	escaped := w.skipString()
	raw := w.in[start : w.pos-1]
	if !escaped {
		return raw
	}
	b := w.scratch[:0]
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			b = append(b, raw[i])
			continue
		}
		i++
		switch raw[i] {
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case 'r':
			b = append(b, '\r')
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'u':
			r := w.hex4(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				if len(raw) > i+6 && raw[i+1] == '\\' && raw[i+2] == 'u' {
					r = utf16.DecodeRune(r, w.hex4(raw[i+3:]))
					i += 6
				} else {
					r = utf8.RuneError
				}
			}
			b = utf8.AppendRune(b, r)
		default: // quote, backslash, slash
			b = append(b, raw[i])
		}
	}
	w.scratch = b
	return b
}

func (w *yamlWriter) hex4(s []byte) rune {
	if len(s) < 4 {
		w.fail()
	}
	n, err := strconv.ParseUint(string(s[:4]), 16, 32)
	if err != nil {
		w.fail()
	}
	return rune(n)
}

// skip passes one value.
func (w *yamlWriter) skip() {
	depth := 0
	for {
		switch c := w.peek(); c {
		case '"':
			w.skipString()
		case '{', '[':
			depth++
			w.pos++
			continue
		case '}', ']':
			depth--
			w.pos++
		case ',', ':':
			w.pos++
			continue
		default: // number, true, false, null
			start := w.pos
			for w.pos < len(w.in) && strings.IndexByte(",:]}", w.in[w.pos]) < 0 {
				w.pos++
			}
			if w.pos == start {
				w.fail()
			}
		}
		if depth == 0 {
			return
		}
	}
}

// skipString passes one string and reports whether it has escapes.
func (w *yamlWriter) skipString() (escaped bool) {
	w.expect('"')
	for ; w.pos < len(w.in); w.pos++ {
		switch w.in[w.pos] {
		case '"':
			w.pos++
			return escaped
		case '\\':
			escaped = true
			w.pos++
		}
	}
	w.fail()
	return escaped
}

func (w *yamlWriter) peek() byte {
	if w.pos >= len(w.in) {
		w.fail()
	}
	return w.in[w.pos]
}

func (w *yamlWriter) accept(c byte) bool {
	if w.peek() != c {
		return false
	}
	w.pos++
	return true
}

func (w *yamlWriter) expect(c byte) {
	if !w.accept(c) {
		w.fail()
	}
}

func (w *yamlWriter) fail() {
	panic(fmt.Sprintf("object: JSON is not canonical at byte %d", w.pos))
}
