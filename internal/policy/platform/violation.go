package platform

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// violation is one element of the set that a rule makes, as the rule writes it:
//
//	{"msg": "…", "details": {
//	    "object": {"apiVersion": …, "kind": …, "metadata": {…}},  # of the input
//	    "unit": "velero-config",            # when two units could have the object
//	    "path": "spec.template",            # a field of the object
//	}}
//	{"msg": "…", "details": {
//	    "path": "platform.teams.payments",  # without an object: of the description
//	    "also": ["platform.access…"],       # further lines that belong to it
//	    "cluster": "prod-eu1",              # of a rule over the platform
//	}}
//
// Paths are those of policy.ParsePath; a key that is no identifier stands in
// brackets: platform.access.groups["acme-sre"].
type violation struct {
	msg     string
	path    string
	unit    string
	object  object.ID
	cluster string
	also    []string
}

// findings reads a rule's result; problem says what is malformed in it.
func (c *compiled) findings(result ast.Value, in *input) (out []diag.Finding, problem string) {
	set, ok := result.(ast.Set)
	if !ok {
		return nil, "gave no set of violations"
	}
	for _, t := range set.Slice() { // sorted
		v, problem := c.violation(t, in)
		if problem != "" {
			return nil, "gave a malformed violation: " + problem
		}
		out = append(out, c.finding(v))
	}
	return out, ""
}

func (c *compiled) finding(v violation) diag.Finding {
	f := diag.Finding{ID: c.rule.ID, Message: v.msg, Path: v.path, Unit: v.unit, Cluster: v.cluster}
	switch c.rule.Enforcement {
	case policy.Warn:
		f.Severity = diag.Warning
	case policy.Dryrun:
		f.Severity = diag.Info
	}
	if v.object != (object.ID{}) {
		f.Object = v.object.String()
	}
	if len(v.also) > 0 {
		f.Also = append([]string{v.path}, v.also...)
	}
	return f
}

func (c *compiled) violation(t *ast.Term, in *input) (v violation, problem string) {
	tree, err := ast.JSON(t.Value)
	if err != nil {
		return v, oneLine(err.Error())
	}
	fields, ok := tree.(map[string]any)
	if !ok {
		return v, "it is no object"
	}
	if v.msg, _ = fields["msg"].(string); v.msg == "" {
		return v, "msg is no text"
	}
	details := map[string]any{}
	if d, given := fields["details"]; given {
		if details, ok = d.(map[string]any); !ok {
			return v, "details is no object"
		}
	}
	if problem := v.read(details); problem != "" {
		return v, problem
	}
	if o, given := details["object"]; given {
		return v, v.place(o, in)
	}
	if v.unit != "" {
		return v, "details.unit is for violations of an object"
	}
	return v, v.describe(c.rule)
}

func (v *violation) read(details map[string]any) (problem string) {
	for name, into := range map[string]*string{"path": &v.path, "unit": &v.unit, "cluster": &v.cluster} {
		d, given := details[name]
		if s, ok := d.(string); ok {
			*into = s
		} else if given {
			return fmt.Sprintf("details.%s is no text", name)
		}
	}
	if d, given := details["also"]; given {
		list, ok := d.([]any)
		for _, each := range list {
			s, isText := each.(string)
			ok = ok && isText
			v.also = append(v.also, s)
		}
		if !ok {
			return "details.also is no list of texts"
		}
	}
	return ""
}

// place finds the object among those that the rule was given.
func (v *violation) place(named any, in *input) (problem string) {
	o, _ := named.(map[string]any)
	meta, _ := o["metadata"].(map[string]any)
	text := func(m map[string]any, field string) string {
		s, _ := m[field].(string)
		return s
	}
	id := object.ID{Kind: text(o, "kind"), Namespace: text(meta, "namespace"), Name: text(meta, "name")}
	id.Version = text(o, "apiVersion")
	if group, version, ok := strings.Cut(id.Version, "/"); ok {
		id.Group, id.Version = group, version
	}
	if _, err := policy.ParsePath(v.path); err != nil {
		return fmt.Sprintf("details.path %q is no path of a field", v.path)
	}
	if v.cluster != "" || len(v.also) > 0 {
		return "details.cluster and details.also are for violations of the description"
	}
	for _, it := range in.items {
		if it.object.ID == id && (v.unit == "" || v.unit == it.unit) {
			v.unit, v.object = it.unit, id
			return ""
		}
	}
	return fmt.Sprintf("details.object %s is not in the input", id)
}

// describe checks what is said about the description and writes its paths as
// CUE does.
func (v *violation) describe(r rule.Rule) (problem string) {
	if v.cluster != "" && r.Input == rule.Cluster {
		return "details.cluster is for rules over the platform"
	}
	if v.path == "" {
		v.path = "platform"
	}
	for _, p := range append([]*string{&v.path}, pointers(v.also)...) {
		steps, err := policy.ParsePath(*p)
		if err != nil || len(steps) == 0 || steps[0] != "platform" {
			return fmt.Sprintf("details.path %q is no path of the platform", *p)
		}
		*p = model.Path(steps...)
	}
	return ""
}

func pointers(texts []string) []*string {
	out := make([]*string, len(texts))
	for i := range texts {
		out[i] = &texts[i]
	}
	return out
}
