package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// document is one document of a file.
type document struct {
	node *yaml.Node // its root, with the lines of the file
	json []byte
	// problem says why it could not be read, at line of the file.
	problem string
	line    int
}

// separator is a line that ends a document, as apimachinery splits YAML
// (k8s.io/apimachinery, pkg/util/yaml, YAMLReader).
var separator = regexp.MustCompile(`(?m)^---(?:[ \t\r].*)?$`)

// documents splits and reads a file. What the fields hold is read as kubectl
// does, where they stand by another parser that keeps lines.
func documents(text []byte, isJSON bool) []document {
	if isJSON {
		// YAML would refuse tabs, which JSON has between tokens alone.
		text = bytes.ReplaceAll(text, []byte("\t"), []byte(" "))
	}
	var out []document
	line, rest := 1, text
	for {
		at := separator.FindIndex(rest)
		part := rest
		if at != nil {
			part = rest[:at[0]]
		}
		if d, ok := read(part, line); ok {
			out = append(out, d)
		}
		if at == nil {
			return out
		}
		line += bytes.Count(rest[:at[1]], []byte("\n"))
		rest = rest[at[1]:]
	}
}

// read reads one document that begins at a line; ok is false for one that says
// nothing.
func read(part []byte, line int) (d document, ok bool) {
	var root yaml.Node
	if err := yaml.Unmarshal(part, &root); err != nil {
		return bad(err, line), true
	}
	if len(root.Content) == 0 || root.Content[0].Tag == "!!null" {
		return d, false
	}
	raw, err := sigsyaml.YAMLToJSONStrict(part)
	if err != nil {
		return bad(err, line), true
	}
	shift(&root, line-1, map[*yaml.Node]bool{})
	return document{node: root.Content[0], json: raw}, true
}

// shift moves a node and what it holds down. Aliases lead to nodes that are
// moved where they stand.
func shift(n *yaml.Node, by int, seen map[*yaml.Node]bool) {
	if n == nil || seen[n] {
		return
	}
	seen[n] = true
	n.Line += by
	for _, c := range n.Content {
		shift(c, by, seen)
	}
}

var yamlLine = regexp.MustCompile(`line ([0-9]+): `)

func bad(err error, line int) document {
	msg := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "), "yaml: ")
	msg = strings.TrimPrefix(msg, "unmarshal errors:\n  ")
	msg, _, _ = strings.Cut(msg, "\n")
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		n, _ := strconv.Atoi(m[1])
		line += n - 1
		if strings.HasPrefix(msg[len(m[0]):], "did not find expected") {
			line++ // errors of the parser, unlike the scanner's, count from 0 (yaml.v3, decode.go, fail)
		}
		msg = strings.Replace(msg, m[0], "", 1)
	}
	return document{problem: "not YAML: " + msg, line: line}
}

// Position is where a field of the object stands, or what of it there is. Steps
// are those of policy.ParsePath.
func (o Object) Position(steps []string) diag.Position {
	if o.node == nil {
		return diag.Position{File: o.file, Line: 1, Column: 1}
	}
	return position(o.file, o.node, steps)
}

func position(file string, n *yaml.Node, steps []string) diag.Position {
	at := n
	for _, s := range steps {
		key, value := child(n, s)
		if value == nil {
			break
		}
		n, at = value, value
		if key != nil && value.Kind != yaml.ScalarNode {
			at = key // where the struct is named, not where its first field is
		}
	}
	return diag.Position{File: file, Line: at.Line, Column: at.Column}
}

// child is the field or element of a node, and the key of a field.
func child(n *yaml.Node, step string) (key, value *yaml.Node) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i], n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return nil, n.Content[i]
		}
	}
	return nil, nil
}

// Rego says where the first character of a template's Rego stands: module 0 is
// the rule, 1 and up its libraries. ok is false when its lines are not those of
// the file, as in a quoted string.
func (o Object) Rego(module int) (p diag.Position, ok bool) {
	if o.rule != nil {
		m := o.rule.Module
		if module > 0 {
			if module > len(o.rule.Libs) {
				return p, false
			}
			m = o.rule.Libs[module-1]
		}
		return diag.Position{File: m.File, Line: 1, Column: 1}, true
	}
	n := o.node
	for _, step := range RegoPath(o.Object, module) {
		if _, n = child(n, step); n == nil {
			return p, false
		}
	}
	if n.Kind != yaml.ScalarNode || n.Style&yaml.LiteralStyle == 0 {
		return p, false
	}
	return o.block(n)
}

// RegoPath are the steps to a module of a ConstraintTemplate: in the target, as
// the old form has it, or in the code of the engine Rego.
func RegoPath(o *object.Object, module int) []string {
	steps := []string{"spec", "targets", "0"}
	spec, _ := o.Tree()["spec"].(map[string]any)
	targets, _ := spec["targets"].([]any)
	if len(targets) > 0 {
		target, _ := targets[0].(map[string]any)
		code, _ := target["code"].([]any)
		if rego, _ := target["rego"].(string); rego == "" {
			for i, c := range code {
				if c, _ := c.(map[string]any); c["engine"] == "Rego" {
					steps = append(steps, "code", strconv.Itoa(i), "source")
				}
			}
		}
	}
	if module == 0 {
		return append(steps, "rego")
	}
	return append(steps, "libs", strconv.Itoa(module-1))
}

// block is where a literal block's first character stands: on the line behind
// the indicator, as far in as its first line that is not blank.
func (o Object) block(n *yaml.Node) (diag.Position, bool) {
	lines := strings.Split(string(o.text), "\n")
	for i := n.Line; i < len(lines); i++ {
		if trimmed := strings.TrimLeft(lines[i], " "); strings.TrimSpace(trimmed) != "" {
			return diag.Position{File: o.file, Line: n.Line + 1, Column: len(lines[i]) - len(trimmed) + 1}, true
		}
	}
	return diag.Position{}, false
}

var errLarge = errors.New("larger than what is read of a source")

// readBounded reads all, or fails when that is more than limit.
func readBounded(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%w: %d bytes at most", errLarge, limit)
	}
	return b, err
}

func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
