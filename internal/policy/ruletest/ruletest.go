// Package ruletest runs the tests of rule directories: rule_test.rego through
// OPA's own tester, and samples/allowed*.yaml and samples/denied*.yaml through
// the engine that judges builds.
//
// Invariants:
//   - A test passes exactly when opa test says so; built-ins that reach the
//     network are not there.
//   - A sample is judged by the rule's own ConstraintTemplate with its default
//     Constraint.
//   - Results are in the order of rules and of lines.
package ruletest

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// Finding is the id of a rule directory that is not of the form of one.
const Finding = "policy/rule"

// Status is the outcome of a test or a sample.
type Status string

// Statuses.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	Skip Status = "skip" // OPA skips tests whose names begin with todo_
)

// Rule is what came out of one rule directory, or of the libraries beside it.
type Rule struct {
	ID      string   `json:"id"` // "images/pinned", or "lib"
	Dir     string   `json:"dir"`
	Tests   []Result `json:"tests"`
	Samples []Result `json:"samples"`
}

// Failed tells whether a test or a sample failed.
func (r Rule) Failed() bool {
	return slices.ContainsFunc(slices.Concat(r.Tests, r.Samples), func(x Result) bool { return x.Status == Fail })
}

// Result is one test, or one object of a sample.
type Result struct {
	Name     string        `json:"name"`
	Status   Status        `json:"status"`
	Message  string        `json:"message,omitempty"`
	Detail   string        `json:"detail,omitempty"` // the expression that failed, with its values
	Position diag.Position `json:"position"`
}

// tree is a directory of rule directories, with the libraries they share.
type tree struct {
	fsys fs.FS // of the tree
	root string
	only []string // ids to run; nil for all
	name func(string) string
}

// Run finds the rule directories at or below dir and runs their tests. name
// gives the files of fsys the names that positions show. Findings are
// about the directories themselves; no rules and no findings mean that there are
// none below dir. The errors are those of the file system, and ctx's.
func Run(ctx context.Context, fsys fs.FS, dir string, name func(string) string) ([]Rule, []diag.Finding, error) {
	trees, err := find(fsys, dir, name)
	if err != nil {
		return nil, nil, err
	}
	var out []Rule
	var found []diag.Finding
	for _, t := range trees {
		rules, problems, err := t.run(ctx)
		if err != nil {
			return nil, nil, err
		}
		out, found = append(out, rules...), append(found, problems...)
	}
	slices.SortFunc(out, func(a, b Rule) int { return cmp.Compare(a.Dir, b.Dir) }) // for determinism
	return out, diag.Group(found), nil
}

// find collects the trees of the rule directories at or below dir: a rule is
// two steps below the tree's root.
func find(fsys fs.FS, dir string, name func(string) string) ([]*tree, error) {
	var out []*tree
	byRoot := map[string]*tree{}
	err := fs.WalkDir(fsys, dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "rule.rego" {
			return err
		}
		at := path.Dir(p)
		root := path.Dir(path.Dir(at))
		t := byRoot[root]
		if t == nil {
			sub, err := fs.Sub(fsys, root)
			if err != nil {
				return err
			}
			t = &tree{fsys: sub, root: root, name: name}
			byRoot[root] = t
			out = append(out, t)
		}
		t.only = append(t.only, strings.TrimPrefix(at, strings.TrimPrefix(root+"/", "./")))
		return nil
	})
	return out, err
}

func (t *tree) at(file string, line, column int) diag.Position {
	return diag.Position{File: t.name(path.Join(t.root, file)), Line: line, Column: column}
}

// run runs the tests of one tree.
func (t *tree) run(ctx context.Context) ([]Rule, []diag.Finding, error) {
	modules, found := t.parse()
	if len(found) > 0 {
		return nil, found, nil
	}
	rules, err := rule.Load(t.fsys)
	if err != nil {
		return nil, []diag.Finding{t.malformed(err)}, nil
	}
	tests, found, err := t.test(ctx, modules)
	if err != nil || len(found) > 0 {
		return nil, found, err
	}
	var out []Rule
	for _, r := range rules {
		if !slices.Contains(t.only, r.ID) {
			continue
		}
		samples, problems, err := t.samples(ctx, r)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, problems...)
		out = append(out, Rule{ID: r.ID, Dir: t.name(path.Join(t.root, r.ID)), Tests: tests[r.ID], Samples: samples})
	}
	if libs := tests["lib"]; len(libs) > 0 {
		out = append(out, Rule{ID: "lib", Dir: t.name(path.Join(t.root, "lib")), Tests: libs})
	}
	return out, found, nil
}

// malformed says that the tree is not of rule directories; the error begins with
// the file, as package rule names it.
func (t *tree) malformed(err error) diag.Finding {
	file, msg, ok := strings.Cut(err.Error(), ": ")
	f := diag.Finding{ID: Finding, Message: err.Error(), Positions: []diag.Position{t.at(".", 0, 0)}}
	if file, isRule := strings.CutPrefix(file, "policies/"); ok && isRule {
		f.Message, f.Positions = msg, []diag.Position{t.at(file, 1, 1)}
	}
	return f
}

// parse reads the Rego of the tree.
func (t *tree) parse() (map[string]*ast.Module, []diag.Finding) {
	modules := map[string]*ast.Module{}
	var found []diag.Finding
	for _, pattern := range []string{"*/*/*.rego", "lib/*.rego"} {
		files, err := fs.Glob(t.fsys, pattern)
		if err != nil {
			continue // the patterns are sound
		}
		for _, f := range files {
			b, err := fs.ReadFile(t.fsys, f)
			if err != nil {
				found = append(found, diag.Finding{ID: policy.FindingRego, Message: "the file cannot be read", Positions: []diag.Position{t.at(f, 0, 0)}})
				continue
			}
			m, err := ast.ParseModuleWithOpts(f, string(b), ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true})
			if err != nil {
				found = append(found, t.rego(f, err)...)
				continue
			}
			modules[f] = m
		}
	}
	return modules, found
}

// rego takes an error of OPA apart.
func (t *tree) rego(file string, err error) []diag.Finding {
	var list ast.Errors
	if !errors.As(err, &list) {
		return []diag.Finding{{ID: policy.FindingRego, Message: strings.Join(strings.Fields(err.Error()), " "), Positions: []diag.Position{t.at(file, 1, 1)}}}
	}
	var out []diag.Finding
	for _, e := range list {
		p := t.at(file, 1, 1)
		if e.Location != nil {
			p = t.at(cmp.Or(e.Location.File, file), e.Location.Row, e.Location.Col)
		}
		out = append(out, diag.Finding{ID: policy.FindingRego, Message: strings.Join(strings.Fields(e.Message), " "), Positions: []diag.Position{p}})
	}
	return out
}

// idOf is the rule that a file belongs to: "images/pinned", or "lib".
func idOf(file string) string {
	if dir := path.Dir(file); dir != "lib" {
		return dir
	}
	return "lib"
}
