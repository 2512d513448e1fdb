package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator/reader"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator/verify"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
)

// problems turns the runner's errors into findings at the line that they are
// about: of the Suite, or of a file that it names.
type problems struct {
	fsys  fs.FS
	suite Suite
	test  int
}

// ofTest says why a test ran no cases.
func (p problems) ofTest(err error) []diag.Finding {
	t := p.suite.read.Tests[p.test]
	at := []any{"tests", p.test}
	for _, f := range []struct{ field, name string }{{"template", t.Template}, {"constraint", t.Constraint}, {"expansion", t.Expansion}} {
		if f.name == "" && f.field != "expansion" {
			return p.at(FindingForm, fmt.Sprintf("test %q names no %s", t.Name, f.field), at...)
		}
		if f.name == "" {
			continue
		}
		if found := p.unreadable(f.name, append(at[:2:2], f.field)...); found != nil {
			return found
		}
	}
	switch {
	case errors.Is(err, gator.ErrNotATemplate):
		return p.wrongKind(t.Template, "a ConstraintTemplate", append(at, "template")...)
	case errors.Is(err, gator.ErrNotAConstraint):
		return p.wrongKind(t.Constraint, "a Constraint", append(at, "constraint")...)
	case errors.Is(err, gator.ErrNotAnExpansion):
		return p.wrongKind(t.Expansion, "ExpansionTemplates alone", append(at, "expansion")...)
	}
	if found := p.compile(t); len(found) > 0 {
		return found
	}
	if errors.Is(err, gator.ErrValidConstraint) {
		return p.at(FindingConstrain, fmt.Sprintf("test %q expects the Constraint to be invalid, and it is valid", t.Name), append(at, "invalid")...)
	}
	return p.at(FindingForm, oneLine(err), at...)
}

// compile asks package policy, whose findings know their lines, what is wrong
// with the template and the Constraint.
func (p problems) compile(t verify.Test) []diag.Finding {
	tmpl, tmplDoc := p.object(t.Template)
	cons, consDoc := p.object(t.Constraint)
	if tmpl == nil || cons == nil {
		return nil
	}
	_, found := policy.Compile(policy.Policies{Templates: []*object.Object{tmpl}, Constraints: []*object.Object{cons}}, policy.Options{
		Locate: func(_ string, module int) (diag.Position, bool) { return rego(tmplDoc, module) },
	})
	for i := range found {
		f := &found[i]
		doc := tmplDoc
		if f.Object == cons.String() {
			doc = consDoc
		}
		if len(f.Positions) == 0 {
			f.Positions = []diag.Position{doc.at(steps(f.Path)...)}
		}
	}
	return found
}

// rego is where a module of a template begins: 0 is the policy, 1 and up are
// its libraries. A template says it under code, or as it was before there were
// engines.
func rego(d document, module int) (diag.Position, bool) {
	field := []any{"rego"}
	if module > 0 {
		field = []any{"libs", module - 1}
	}
	target := []any{"spec", "targets", 0}
	if n, ok := d.node(append(target, "code")...); ok {
		for i := range n.Content {
			source := append(target, "code", i, "source")
			if p, ok := d.text(append(source[:len(source):len(source)], field...)...); ok {
				return p, true
			}
		}
	}
	return d.text(append(target[:3:3], field...)...)
}

// steps is a finding's field path for document.at.
func steps(fieldPath string) []any {
	names, err := policy.ParsePath(fieldPath)
	if err != nil {
		return nil
	}
	var out []any
	for _, n := range names {
		if i, err := strconv.Atoi(n); err == nil {
			out = append(out, i)
			continue
		}
		out = append(out, n)
	}
	return out
}

func (p problems) object(name string) (*object.Object, document) {
	doc, tree, problem := parse(p.fsys, p.file(name))
	if problem != nil {
		return nil, doc
	}
	b, err := json.Marshal(tree)
	if err != nil {
		return nil, doc
	}
	o, err := object.New("", b)
	if err != nil {
		return nil, doc
	}
	return o, doc
}

// ofCase says why a case failed.
func (p problems) ofCase(i int, err error) []diag.Finding {
	c := p.suite.read.Tests[p.test].Cases[i]
	at := []any{"tests", p.test, "cases", i}
	field := func(steps ...any) []any { return append(at[:len(at):len(at)], steps...) }
	switch {
	case c.Object == "":
		return p.at(FindingForm, fmt.Sprintf("case %q names no object", c.Name), at...)
	case len(c.Assertions) == 0:
		return p.at(FindingForm, fmt.Sprintf("case %q has no assertions", c.Name), at...)
	}
	if found := p.unreadable(c.Object, field("object")...); found != nil {
		return found
	}
	for j, name := range c.Inventory {
		if found := p.unreadable(name, field("inventory", j)...); found != nil {
			return found
		}
	}
	a := failed(c, err)
	switch {
	case errors.Is(err, gator.ErrNumViolations) && a >= 0:
		return p.at(FindingAssertion, p.counted(err), field("assertions", a)...)
	case errors.Is(err, gator.ErrInvalidRegex):
		for j := range c.Assertions {
			if m := c.Assertions[j].Message; m != nil {
				if _, broken := regexp.Compile(*m); broken != nil {
					return p.at(FindingForm, fmt.Sprintf("message is no regular expression: %s", strings.TrimPrefix(broken.Error(), "error parsing regexp: ")), field("assertions", j, "message")...)
				}
			}
		}
	case errors.Is(err, gator.ErrInvalidYAML) && a >= 0:
		return p.at(FindingForm, `violations is not a number from 0 up, "yes" or "no"`, field("assertions", a, "violations")...)
	case errors.Is(err, gator.ErrMultipleObjects):
		return p.wrongKind(c.Object, "exactly one object", field("object")...)
	case errors.Is(err, gator.ErrAddInventory):
		return p.at(FindingReview, oneLine(err), field("inventory")...)
	}
	return p.at(FindingReview, oneLine(err), field("object")...)
}

// failed is the assertion that an error is about, -1 when it is about none. The
// runner stops at the first that fails; which one follows from what it expects,
// which is in the error: an equal one before it would have failed before it.
func failed(c *verify.Case, err error) int {
	for i := range c.Assertions {
		a := &c.Assertions[i]
		want := " but want at least 1:"
		if v := a.Violations; v != nil {
			switch s := v.String(); s {
			case "yes":
			case "no":
				want = " but want none:"
			default:
				want = " but want exactly " + s + ":"
				if n, notNumber := strconv.Atoi(s); notNumber != nil || n < 0 {
					want = ` "yes", or "no":`
				}
			}
		}
		if a.Message != nil && !strings.Contains(want, "yes") {
			want = fmt.Sprintf("violations containing %q%s", *a.Message, want)
		} else if !strings.Contains(want, "yes") {
			want = "violations" + want
		}
		if strings.Contains(err.Error(), want) {
			return i
		}
	}
	return -1
}

var messages = regexp.MustCompile(`(?s)^.*?: got (.*?) but (want .*?): got messages \[(.*)\]$`)

// counted is an assertion that failed, with the messages that there were.
func (p problems) counted(err error) string {
	m := messages.FindStringSubmatch(err.Error())
	if m == nil {
		return oneLine(err)
	}
	got := strings.Replace(m[1], "violations containing", "violations that match", 1)
	if strings.HasPrefix(got, "1 ") {
		got = strings.Replace(strings.Replace(got, "violations", "violation", 1), "that match", "that matches", 1)
	}
	msg := got + ", " + m[2]
	if m[3] != "" {
		msg += "\nmessages: " + m[3]
	}
	return msg
}

// unreadable says that a file which the Suite names is not there, is not YAML,
// or holds nothing; nil when all is well.
func (p problems) unreadable(name string, at ...any) []diag.Finding {
	where := p.suite.doc.at(at...)
	b, err := fs.ReadFile(p.fsys, p.file(name))
	if err != nil {
		msg := name + ": " + cause(err)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
			msg = fmt.Sprintf("there is no file %s beside the Suite", name)
		}
		return []diag.Finding{{ID: FindingRead, Message: msg, Positions: []diag.Position{where}}}
	}
	line := 1
	for doc := range bytes.SplitSeq(b, []byte("\n---")) {
		if _, err := reader.ReadUnstructureds(doc); err != nil {
			return []diag.Finding{p.notYAML(name, doc, line, err, where)}
		}
		line += bytes.Count(doc, []byte("\n")) + 1
	}
	if objs, err := reader.ReadUnstructureds(b); err == nil && len(objs) == 0 {
		return []diag.Finding{{ID: FindingRead, Message: name + " holds no object", Positions: []diag.Position{{File: p.file(name), Line: 1, Column: 1}, where}}}
	}
	return nil
}

// notYAML reads a document of a file again, since the line in Gatekeeper's
// error counts without comments and from the document.
func (p problems) notYAML(name string, doc []byte, line int, err error, where diag.Position) diag.Finding {
	d := document{file: p.file(name)}
	if _, e := parseTree(doc); e != nil {
		err = e
	}
	f := d.broken(err)
	f.Positions[0].Line += line - 1
	f.Positions = append(f.Positions, where)
	return f
}

// wrongKind says that a file holds something else.
func (p problems) wrongKind(name, want string, at ...any) []diag.Finding {
	doc, _, _ := parse(p.fsys, p.file(name))
	f := doc.finding(FindingForm, fmt.Sprintf("%s does not hold %s", name, want), "kind")
	f.Positions = append(f.Positions, p.suite.doc.at(at...))
	return []diag.Finding{f}
}

func (p problems) at(id, message string, at ...any) []diag.Finding {
	return []diag.Finding{p.suite.doc.finding(id, message, at...)}
}

// file is the name, in the file system, of a file that the Suite names.
func (p problems) file(name string) string { return path.Join(path.Dir(p.suite.File), name) }

// oneLine is an error of Gatekeeper as one line.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
