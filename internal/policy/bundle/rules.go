package bundle

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// isRule tells whether a directory is a rule's, or holds the rules' libraries.
// What is in it is Rego and samples; other YAML in it is passed over.
func (r *reader) isRule(dir string) bool {
	if dir == "lib" {
		files, _ := fs.Glob(r.fsys, "lib/*.rego")
		return len(files) > 0
	}
	if strings.Count(dir, "/") != 1 {
		return false
	}
	for _, f := range []string{"rule.rego", "rule.yaml"} {
		if _, err := fs.Stat(r.fsys, path.Join(dir, f)); err == nil {
			return true
		}
	}
	return false
}

// rules reads the rule directories. One that is wrong does not hide what is
// wrong with the next.
func (r *reader) rules() {
	for _, dir := range r.dirs {
		if dir == "lib" {
			continue
		}
		one, err := rule.LoadOne(r.fsys, dir, r.name)
		var wrong *rule.Error
		switch {
		case errors.As(err, &wrong):
			r.add(diag.Position{File: wrong.File, Line: wrong.Line, Column: wrong.Column}, "%s", wrong.Message)
		case err != nil:
			r.add(diag.Position{File: r.name(dir)}, "%s", reason(err))
		case one.Module.Rego == "":
			r.add(diag.Position{File: r.name(path.Join(dir, "rule.yaml"))}, "a rule directory of a platform holds rule.rego; only contain's own checks have rule.yaml instead")
		case one.Input != rule.Object:
			r.b.Rules = append(r.b.Rules, one)
		default:
			r.made(&one, one.Template())
			r.made(&one, one.Constraint())
		}
	}
}

// made takes an object of a rule directory in.
func (r *reader) made(of *rule.Rule, tree map[string]any) {
	b, err := json.Marshal(tree)
	if err == nil {
		var o *object.Object
		if o, err = object.New("", b); err == nil {
			r.take(Object{Object: o, file: of.Module.File, rule: of})
			return
		}
	}
	r.add(diag.Position{File: of.Module.File}, "%v", err)
}
