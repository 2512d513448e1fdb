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
	"github.com/contain-platform/contain/internal/policy/platform"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// wholeSamples judges the samples of a rule over a cluster or the platform.
// Each document is a small input; see platform.Samples.
func (t *tree) wholeSamples(ctx context.Context, r rule.Rule) ([]Result, []diag.Finding, error) {
	if r.Module.Rego == "" {
		return nil, nil, nil // a check of contain's own
	}
	set, found := platform.Compile([]rule.Rule{r}, platform.Options{})
	for i := range found {
		for j, p := range found[i].Positions {
			found[i].Positions[j] = t.at(strings.TrimPrefix(p.File, "policies/"), p.Line, p.Column)
		}
	}
	if len(found) > 0 {
		return nil, found, nil
	}
	var out []Result
	for _, prefix := range []string{"allowed", "denied"} {
		files, err := fs.Glob(t.fsys, path.Join(r.ID, "samples", prefix+"*.yaml"))
		if err != nil {
			return nil, nil, err
		}
		for _, f := range files {
			results, problem, err := t.judgeInputs(ctx, set, f, prefix == "allowed")
			if err != nil {
				return nil, nil, err
			}
			if problem != nil {
				found = append(found, *problem)
			}
			out = append(out, results...)
		}
	}
	return out, found, nil
}

// judgeInputs judges the documents of one file.
func (t *tree) judgeInputs(ctx context.Context, set *platform.Set, file string, allowed bool) ([]Result, *diag.Finding, error) {
	bad := func(line int, msg string) *diag.Finding {
		return &diag.Finding{ID: Finding, Message: "not the YAML of an input: " + msg, Positions: []diag.Position{t.at(file, line, 0)}}
	}
	b, err := fs.ReadFile(t.fsys, file)
	if err != nil {
		return nil, bad(1, "it cannot be read"), nil
	}
	var out []Result
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var node yaml.Node
		if err := d.Decode(&node); errors.Is(err, io.EOF) {
			return out, nil, nil
		} else if err != nil {
			return out, bad(1, strings.TrimPrefix(err.Error(), "yaml: ")), nil
		}
		if len(node.Content) == 0 || node.Content[0].ShortTag() == "!!null" {
			continue
		}
		line := node.Content[0].Line
		var document map[string]any
		if err := node.Decode(&document); err != nil {
			return out, bad(line, "a mapping is wanted"), nil
		}
		raw, err := json.Marshal(document)
		if err != nil {
			return out, bad(line, "a key is not text"), nil
		}
		inputs, err := platform.Samples(raw)
		if err != nil {
			return out, bad(line, strings.TrimPrefix(err.Error(), "sample 0: ")), nil
		}
		for _, in := range inputs {
			found, err := set.Review(ctx, in)
			if err != nil {
				return out, nil, err
			}
			name := strings.TrimSuffix(path.Base(file), path.Ext(file))
			result := Result{Name: fmt.Sprintf("%s:%d", name, line), Status: Pass, Position: t.at(file, line, node.Content[0].Column)}
			switch {
			case allowed && len(found) > 0:
				result.Status, result.Message = Fail, "it should pass, and is refused: "+found[0].Message
			case !allowed && len(found) == 0:
				result.Status, result.Message = Fail, "it should be refused, and passes"
			case !allowed && strings.HasPrefix(found[0].ID, "policy/"):
				result.Status, result.Message = Fail, found[0].Message
			}
			out = append(out, result)
		}
	}
}
