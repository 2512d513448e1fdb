package suite

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
)

// document is a YAML file with the places of its fields.
type document struct {
	file  string
	lines []string
	root  *yaml.Node // nil when the file is empty
}

var (
	// yamlLine is where the YAML library saw something, when it tells.
	yamlLine = regexp.MustCompile(`line (\d+): ([^\n]*)`)
	// fromZero are the messages of its parser, which counts lines from 0, as its
	// scanner and its decoder do not.
	fromZero = regexp.MustCompile(`^did not find expected (<document start>|'-' indicator|key|node content|',' or .*)$`)
)

// broken says what the YAML library has against the file.
func (d document) broken(err error) diag.Finding {
	p := diag.Position{File: d.file, Line: 1}
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		if msg = m[2]; fromZero.MatchString(msg) {
			p.Line++
		}
	}
	if strings.HasPrefix(msg, "cannot unmarshal !!") {
		msg = "a mapping with apiVersion and kind is wanted"
	}
	return diag.Finding{ID: FindingRead, Message: "not the YAML of an object: " + msg, Positions: []diag.Position{p}}
}

func (d document) finding(id, message string, path ...any) diag.Finding {
	return diag.Finding{ID: id, Message: message, Positions: []diag.Position{d.at(path...)}}
}

// at is the place of the value at a path of field names and indices, or of the
// nearest thing around it that is there.
func (d document) at(path ...any) diag.Position {
	n, _ := d.node(path...)
	if n == nil {
		return diag.Position{File: d.file, Line: 1, Column: 1}
	}
	return diag.Position{File: d.file, Line: n.Line, Column: n.Column}
}

// node is the value at a path, and whether the whole path is there.
func (d document) node(path ...any) (*yaml.Node, bool) {
	n := d.root
	for _, step := range path {
		next := child(n, step)
		if next == nil {
			return n, false
		}
		n = next
	}
	return n, n != nil
}

func child(n *yaml.Node, step any) *yaml.Node {
	n = resolve(n)
	if n == nil {
		return nil
	}
	switch step := step.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && step < len(n.Content) {
			return n.Content[step]
		}
	case string:
		if n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == step {
					return n.Content[i+1]
				}
			}
		}
	}
	return nil
}

func resolve(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// text is the place of the first character of a string: of a block it is the
// first character of its first line.
func (d document) text(path ...any) (diag.Position, bool) {
	n, ok := d.node(path...)
	if n = resolve(n); !ok || n.Kind != yaml.ScalarNode {
		return diag.Position{}, false
	}
	p := diag.Position{File: d.file, Line: n.Line, Column: n.Column}
	switch n.Style {
	case yaml.LiteralStyle:
		for line := n.Line; line < len(d.lines); line++ {
			if s := strings.TrimLeft(d.lines[line], " "); s != "" {
				p.Column = len(d.lines[line]) - len(s) + 1
				p.Line = n.Line + 1 // its first line, even when that is empty
				break
			}
		}
	case yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
		p.Column++
	}
	return p, true
}

// shape is what a value of a Suite may be.
type shape struct {
	what   string            // for people; "" is anything
	is     func(string) bool // the tags of YAML that scalars may have
	fields map[string]*shape
	each   *shape
	absent bool // null may stand for it
}

var (
	text  = &shape{what: "text", is: func(tag string) bool { return tag == "!!str" }, absent: true}
	flag  = &shape{what: "true or false", is: func(tag string) bool { return tag == "!!bool" }, absent: true}
	count = &shape{what: `a number, "yes" or "no"`, is: func(tag string) bool { return tag == "!!str" || tag == "!!int" }, absent: true}
	free  = &shape{}

	// The fields of pkg/gator/verify, suite.go and assertion.go.
	assertionShape = &shape{what: "an assertion", fields: map[string]*shape{"violations": count, "message": text}}
	caseShape      = &shape{what: "a case", fields: map[string]*shape{
		"name": text, "object": text, "skip": flag,
		"inventory":  {what: "a list of files", each: text, absent: true},
		"assertions": {what: "a list of assertions", each: assertionShape, absent: true},
	}}
	testShape = &shape{what: "a test", fields: map[string]*shape{
		"name": text, "template": text, "constraint": text, "expansion": text, "invalid": flag, "skip": flag,
		"cases": {what: "a list of cases", each: caseShape, absent: true},
	}}
	suiteShape = &shape{what: "a Suite", fields: map[string]*shape{
		"apiVersion": free, "kind": free, "metadata": free, "skip": flag,
		"tests": {what: "a list of tests", each: testShape, absent: true},
	}}
)

// check compares the document with a shape. Fields that are not known are
// warnings, since Gatekeeper reads over them; the rest are errors, as they are
// to Gatekeeper.
func (d document) check(s *shape) []diag.Finding { return d.checkNode(s, d.root) }

func (d document) checkNode(s *shape, n *yaml.Node) []diag.Finding {
	at := n
	n = resolve(n)
	wrong := func() []diag.Finding {
		f := diag.Finding{ID: FindingForm, Message: s.what + " is wanted here", Positions: []diag.Position{{File: d.file, Line: at.Line, Column: at.Column}}}
		return []diag.Finding{f}
	}
	var out []diag.Finding
	switch {
	case s.what == "" || s.absent && n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
	case s.fields != nil:
		if n.Kind != yaml.MappingNode {
			return wrong()
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			field, ok := s.fields[key.Value]
			if !ok {
				out = append(out, diag.Finding{
					ID: FindingField, Severity: diag.Warning, Message: fmt.Sprintf("%s has no field %q; Gatekeeper reads over it", s.what, key.Value),
					Hint:      model.Known(key.Value, slices.Sorted(maps.Keys(s.fields))),
					Positions: []diag.Position{{File: d.file, Line: key.Line, Column: key.Column}},
				})
				continue
			}
			out = append(out, d.checkNode(field, n.Content[i+1])...)
		}
	case s.each != nil:
		if n.Kind != yaml.SequenceNode {
			return wrong()
		}
		for _, e := range n.Content {
			out = append(out, d.checkNode(s.each, e)...)
		}
	case n.Kind != yaml.ScalarNode || !s.is(n.ShortTag()):
		return wrong()
	}
	return out
}
