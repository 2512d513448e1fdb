package ruletest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// sample is one object of samples/.
type sample struct {
	object  *object.Object
	allowed bool
	at      diag.Position
}

// samples judges the samples of a rule. Findings say what is wrong
// with the rule's template.
func (t *tree) samples(ctx context.Context, r rule.Rule) ([]Result, []diag.Finding, error) {
	if r.Input != rule.Object {
		return t.wholeSamples(ctx, r)
	}
	list, found := t.read(r.ID)
	if len(list) == 0 || len(found) > 0 {
		return nil, found, nil
	}
	others, found := t.inventory(r.ID)
	if len(found) > 0 {
		return nil, found, nil
	}
	set, found, err := t.compile(r)
	if err != nil || diag.HasErrors(found) {
		return nil, found, err
	}
	var out []Result
	for _, s := range list {
		cluster := append(others[:len(others):len(others)], s.object)
		violations, err := set.Review(ctx, []*object.Object{s.object}, cluster)
		if err != nil {
			return nil, nil, err
		}
		name, _ := strings.CutSuffix(path.Base(s.at.File), path.Ext(s.at.File))
		result := Result{Name: name + " " + s.object.String(), Status: Pass, Position: s.at}
		switch {
		case s.allowed && len(violations) > 0:
			result.Status, result.Message = Fail, "it should pass, and is refused: "+violations[0].Message
		case !s.allowed && len(violations) == 0:
			result.Status, result.Message = Fail, "it should be refused, and passes"
		}
		out = append(out, result)
	}
	return out, found, nil
}

// compile makes the rule a policy, as a build does.
func (t *tree) compile(r rule.Rule) (*policy.Set, []diag.Finding, error) {
	var p policy.Policies
	for _, x := range []struct {
		tree map[string]any
		to   *[]*object.Object
	}{{r.Template(), &p.Templates}, {r.Constraint(), &p.Constraints}, {r.SyncSet(), &p.SyncSets}} {
		if x.tree == nil {
			continue
		}
		o, err := object.FromTree("", x.tree)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", r.ID, err)
		}
		*x.to = append(*x.to, o)
	}
	set, found := policy.Compile(p, policy.Options{Locate: func(_ string, module int) (diag.Position, bool) {
		files := rule.Files([]rule.Rule{r})[r.TemplateName()]
		if module >= len(files) {
			return diag.Position{}, false
		}
		at := files[module]
		return t.at(strings.TrimPrefix(at.File, "policies/"), at.Line, at.Column), true
	}})
	for i := range found {
		if len(found[i].Positions) == 0 {
			found[i].Positions = []diag.Position{t.at(path.Join(r.ID, "rule.rego"), 1, 1)}
		}
	}
	return set, found, nil
}

// read reads samples/allowed*.yaml and samples/denied*.yaml.
func (t *tree) read(id string) ([]sample, []diag.Finding) {
	var out []sample
	var found []diag.Finding
	for _, prefix := range []string{"allowed", "denied"} {
		files, err := fs.Glob(t.fsys, path.Join(id, "samples", prefix+"*.yaml"))
		if err != nil {
			continue // the pattern is sound
		}
		for _, f := range files {
			list, problem := t.documents(f)
			if problem != nil {
				found = append(found, *problem)
			}
			for _, s := range list {
				s.allowed = prefix == "allowed"
				out = append(out, s)
			}
		}
	}
	return out, found
}

// inventory reads samples/inventory*.yaml: the other objects of the cluster,
// which a rule compares each sample with.
func (t *tree) inventory(id string) ([]*object.Object, []diag.Finding) {
	files, err := fs.Glob(t.fsys, path.Join(id, "samples", "inventory*.yaml"))
	if err != nil {
		return nil, nil // the pattern is sound
	}
	var out []*object.Object
	for _, f := range files {
		list, problem := t.documents(f)
		if problem != nil {
			return nil, []diag.Finding{*problem}
		}
		for _, s := range list {
			out = append(out, s.object)
		}
	}
	return out, nil
}

func (t *tree) documents(file string) ([]sample, *diag.Finding) {
	bad := func(line int, msg string) *diag.Finding {
		return &diag.Finding{ID: Finding, Message: "not the YAML of an object: " + msg, Positions: []diag.Position{t.at(file, line, 0)}}
	}
	b, err := fs.ReadFile(t.fsys, file)
	if err != nil {
		return nil, bad(1, "it cannot be read")
	}
	var out []sample
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var node yaml.Node
		if err := d.Decode(&node); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return out, bad(1, strings.TrimPrefix(err.Error(), "yaml: "))
		}
		var tree map[string]any
		if len(node.Content) == 0 || node.Content[0].ShortTag() == "!!null" {
			continue
		}
		line := node.Content[0].Line
		if err := node.Decode(&tree); err != nil {
			return out, bad(line, "a mapping is wanted")
		}
		raw, err := json.Marshal(tree)
		if err != nil {
			return out, bad(line, "a key is not text")
		}
		o, err := object.New("", raw)
		if err != nil {
			return out, bad(line, err.Error())
		}
		out = append(out, sample{object: o, at: t.at(file, line, node.Content[0].Column)})
	}
}
