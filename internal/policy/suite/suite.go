// Package suite runs Gatekeeper's Suite files (test.gatekeeper.sh), which say
// what a ConstraintTemplate and a Constraint should make of objects, and gives
// the answers of gator verify.
//
// Invariants:
//   - Every verdict comes out of Gatekeeper's own runner (pkg/gator/verify) with
//     the client that gator verify makes. What is added here is where a thing
//     stands and what is said about it, never whether it passes.
//   - One difference is meant: built-ins that reach the network are not there,
//     as they are not in a build.
//   - A file that cannot be read is a finding at its line. One of them stops
//     everything, as it does in gator.
//   - Results are in the order of the files' names and of what is in them.
package suite

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator/verify"
	"go.yaml.in/yaml/v3"

	"github.com/contain-platform/contain/internal/diag"
)

// Ids of the findings about Suite files. What is wrong with a template or a
// Constraint has the ids of package policy.
const (
	FindingRead      = "suite/read"      // a file that is not there or not YAML
	FindingForm      = "suite/form"      // a Suite that says something it may not, or not what it must
	FindingField     = "suite/field"     // a field that no Suite has, and that Gatekeeper overlooks
	FindingConstrain = "suite/valid"     // invalid: true, and the Constraint is valid
	FindingAssertion = "suite/assertion" // the number of violations is another
	FindingReview    = "suite/review"    // an object that cannot be judged
)

// Suite is one Suite file, read.
type Suite struct {
	File string // its name in the file system
	doc  document
	read *verify.Suite
}

// Errors of Find.
var (
	ErrNotYAML      = errors.New("not a YAML file")
	ErrNotDirectory = errors.New("not a directory")
)

// Find lists the YAML files of target: a file, the files of a directory, or
// with recursive those of the directories in it as well. The errors are those
// of the file system, ErrNotYAML and ErrNotDirectory.
func Find(fsys fs.FS, target string, recursive bool) ([]string, error) {
	info, err := fs.Stat(fsys, target)
	switch {
	case err != nil:
		return nil, err
	case !info.IsDir() && recursive:
		return nil, ErrNotDirectory
	case !info.IsDir() && !isYAML(target):
		return nil, ErrNotYAML
	case !info.IsDir():
		return []string{target}, nil
	}
	var files []string
	err = fs.WalkDir(fsys, target, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != target && !recursive:
			return fs.SkipDir
		case !d.IsDir() && isYAML(name):
			files = append(files, name)
		}
		return nil
	})
	return files, err
}

func isYAML(name string) bool { return path.Ext(name) == ".yaml" || path.Ext(name) == ".yml" }

// Read reads the Suites among files, sorted by name, and skips YAML that is
// something else. Findings are errors, and warnings about fields that Gatekeeper
// overlooks; files are named as fsys names them.
func Read(fsys fs.FS, files []string) ([]Suite, []diag.Finding) {
	var suites []Suite
	var found []diag.Finding
	files = slices.Clone(files)
	slices.Sort(files) // for determinism
	for _, file := range slices.Compact(files) {
		s, more := read(fsys, file)
		found = append(found, more...)
		if s != nil {
			suites = append(suites, *s)
		}
	}
	return suites, diag.Group(found)
}

// read gives no Suite for YAML of another kind.
func read(fsys fs.FS, file string) (*Suite, []diag.Finding) {
	doc, tree, problem := parse(fsys, file)
	if problem != nil {
		return nil, []diag.Finding{*problem}
	}
	apiVersion, _ := tree["apiVersion"].(string)
	group, _, _ := strings.Cut(apiVersion, "/")
	if group != verify.Group || tree["kind"] != verify.Kind {
		return nil, nil
	}
	found := doc.check(suiteShape)
	if diag.HasErrors(found) {
		return nil, found
	}
	list, err := verify.ReadSuites(fsys, file, file, false)
	if err != nil || len(list) != 1 {
		return nil, append(found, doc.finding(FindingForm, fmt.Sprintf("not a Suite: %v", err)))
	}
	return &Suite{file, doc, list[0]}, found
}

// parse reads the first document of a file, which is all that Gatekeeper reads
// of a Suite, a template and a Constraint.
func parse(fsys fs.FS, file string) (document, map[string]any, *diag.Finding) {
	d := document{file: file}
	b, err := fs.ReadFile(fsys, file)
	if err != nil {
		return d, nil, &diag.Finding{ID: FindingRead, Message: cause(err), Positions: []diag.Position{{File: file}}}
	}
	d.lines = strings.Split(string(b), "\n")
	if d.root, err = parseTree(b); err != nil {
		f := d.broken(err)
		return d, nil, &f
	}
	tree := map[string]any{}
	if d.root != nil {
		_ = d.root.Decode(&tree) // parseTree has done it
	}
	return d, tree, nil
}

// parseTree reads the first document as Gatekeeper does: a mapping, and as JSON
// has it. Nil is a document without content.
func parseTree(b []byte) (*yaml.Node, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(b, &root); err != nil || len(root.Content) == 0 {
		return nil, err
	}
	tree := map[string]any{}
	if err := root.Content[0].Decode(&tree); err != nil {
		return nil, err
	}
	if _, err := json.Marshal(tree); err != nil {
		return nil, errors.New("a key is not text")
	}
	return root.Content[0], nil
}

// cause is an error of the file system without the path.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
