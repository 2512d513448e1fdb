// Package bundle reads policies of the platform's own: Gatekeeper's YAML and
// rule directories, from a directory of the platform's module or from an OCI
// artifact that was fetched into it.
//
// What is read of a tree of files:
//   - *.yaml, *.yml and *.json, each of any number of documents, as kubectl
//     reads them. A document is a ConstraintTemplate, a Constraint, a Config, a
//     SyncSet, a mutator or an ExpansionTemplate; any other is a finding.
//   - <group>/<rule>/rule.rego, a rule directory as the library has them, with
//     libraries in lib/.
//
// What is passed over: kustomization files, suites of gator (test.gatekeeper.sh),
// directories named samples, and whatever begins with a dot. That is how policy
// libraries for Gatekeeper are laid out.
//
// Invariants:
//   - Links are not followed, and nothing outside the tree is read.
//   - Objects are in the order of their keys, which come of their own names and
//     not of the files'.
//   - An artifact is read from bytes whose digest is the one that the platform
//     names, unpacked in memory, within bounds.
package bundle

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// Finding is the id of what is wrong with a source; what is wrong with a policy
// in it has the ids of package policy.
const Finding = "policy/source"

// Bundle is what one source holds.
type Bundle struct {
	Objects []Object // by Key
	// Rules are those over clusters and the platform, by id; those over an object
	// are among Objects.
	Rules []rule.Rule
}

// Object is one policy object and where it was read.
type Object struct {
	*object.Object
	Key string // "ConstraintTemplate/k8srequiredlabels"

	file string // as positions name it
	node *yaml.Node
	rule *rule.Rule // made of a rule directory
	text []byte     // of file, when node is of it
}

// Value is the object as plain data.
func (o Object) Value() json.RawMessage { return o.JSON }

// MaxFile is how large a file may be, in bytes. etcd takes no larger object.
const MaxFile = 1 << 20

// Read reads the tree of fsys. name turns a path in it into the one that
// positions show.
func Read(fsys fs.FS, name func(string) string) (*Bundle, []diag.Finding) {
	r := &reader{fsys: fsys, name: name, b: &Bundle{}, seen: map[string]string{}}
	err := fs.WalkDir(fsys, ".", r.visit)
	if err != nil {
		r.add(diag.Position{File: name(".")}, "the directory cannot be read: %s", reason(err))
	}
	r.rules()
	slices.SortFunc(r.b.Objects, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
	if len(r.found) == 0 && len(r.b.Objects)+len(r.b.Rules) == 0 {
		r.add(diag.Position{File: name(".")}, "the source holds no policies")
	}
	return r.b, r.found
}

type reader struct {
	fsys  fs.FS
	name  func(string) string
	b     *Bundle
	seen  map[string]string // key to where it was
	dirs  []string          // of rules
	found []diag.Finding
}

func (r *reader) add(at diag.Position, format string, args ...any) *diag.Finding {
	r.found = append(r.found, diag.Finding{ID: Finding, Message: fmt.Sprintf(format, args...), Positions: []diag.Position{at}})
	return &r.found[len(r.found)-1]
}

// visit reads one file of the tree.
func (r *reader) visit(p string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	base := path.Base(p)
	switch {
	case p != "." && strings.HasPrefix(base, "."), d.IsDir() && base == "samples":
		return skip(d)
	case d.Type()&fs.ModeSymlink != 0:
		r.add(diag.Position{File: r.name(p)}, "links are not followed").Hint = "put the file itself here"
		return nil
	case d.IsDir():
		if r.isRule(p) {
			r.dirs = append(r.dirs, p)
			return fs.SkipDir
		}
		return nil
	case !d.Type().IsRegular(), !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(p)):
		return nil
	case strings.TrimSuffix(base, path.Ext(p)) == "kustomization":
		return nil
	}
	text, problem := r.read(p)
	if problem != "" {
		r.add(diag.Position{File: r.name(p)}, "%s", problem)
		return nil
	}
	for _, doc := range documents(text, path.Ext(p) == ".json") {
		r.document(r.name(p), text, doc)
	}
	return nil
}

func skip(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func (r *reader) read(p string) ([]byte, string) {
	f, err := r.fsys.Open(p)
	if err != nil {
		return nil, "the file cannot be read: " + reason(err)
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := readBounded(f, MaxFile)
	if err != nil {
		return nil, "the file cannot be read: " + reason(err)
	}
	return b, ""
}

// document takes one document of a file in.
func (r *reader) document(file string, text []byte, d document) {
	at := func(line, column int) diag.Position { return diag.Position{File: file, Line: line, Column: column} }
	if d.problem != "" {
		r.add(at(d.line, 0), "%s", d.problem)
		return
	}
	id := diag.Position{File: file, Line: d.node.Line, Column: d.node.Column}
	if d.node.Kind != yaml.MappingNode {
		r.add(id, "a document here is a Kubernetes object")
		return
	}
	var head struct{ APIVersion, Kind string }
	if err := json.Unmarshal(d.json, &head); err == nil && passedOver(head.APIVersion) {
		return
	}
	o, err := object.New("", d.json)
	if err != nil {
		r.add(id, "%v", err)
		return
	}
	if !known(o.ID) {
		f := r.add(position(file, d.node, []string{"kind"}), "%s of %s is no policy that Gatekeeper takes", o.Kind, o.APIVersion())
		f.Hint = "ConstraintTemplates, Constraints, Config, SyncSets, mutators and ExpansionTemplates are; samples belong into a directory named samples"
		return
	}
	r.take(Object{Object: o, file: file, node: d.node, text: text})
}

// take adds an object, unless one of its name is there.
func (r *reader) take(o Object) {
	o.Key = Key(o.ID)
	o.Object.Field = o.Key
	at := o.Position([]string{"metadata", "name"})
	if other, ok := r.seen[o.Key]; ok {
		r.add(at, "%s is there already, in %s", o.Object, other)
		return
	}
	r.seen[o.Key] = at.String()
	r.b.Objects = append(r.b.Objects, o)
}

// Key names an object within everything that a cluster gets of sources.
func Key(id object.ID) string {
	parts := []string{id.Kind, id.Name}
	if id.Namespace != "" {
		parts = []string{id.Kind, id.Namespace, id.Name}
	}
	return strings.Join(parts, "/")
}

// passedOver tells which documents are left alone: those of kustomize, and
// suites of gator.
func passedOver(apiVersion string) bool {
	group, _, _ := strings.Cut(apiVersion, "/")
	return group == "kustomize.config.k8s.io" || group == "test.gatekeeper.sh"
}

// known tells whether Gatekeeper takes instructions from such an object
// (gatekeeper, apis; frameworks/constraint, pkg/apis).
func known(id object.ID) bool {
	switch id.Group {
	case "constraints.gatekeeper.sh":
		return true
	case "templates.gatekeeper.sh":
		return id.Kind == "ConstraintTemplate"
	case "config.gatekeeper.sh":
		return id.Kind == "Config"
	case "syncset.gatekeeper.sh":
		return id.Kind == "SyncSet"
	case "mutations.gatekeeper.sh":
		return slices.Contains([]string{"Assign", "AssignMetadata", "ModifySet", "AssignImage"}, id.Kind)
	case "expansion.gatekeeper.sh":
		return id.Kind == "ExpansionTemplate"
	}
	return false
}

// Inline is an object that the platform's own description holds under a name.
func Inline(name string, raw []byte) (Object, error) {
	o, err := object.New(name, raw)
	if err != nil {
		return Object{}, err
	}
	if !known(o.ID) {
		return Object{}, fmt.Errorf("%s of %s is no policy that Gatekeeper takes", o.Kind, o.APIVersion())
	}
	return Object{Object: o, Key: Key(o.ID)}, nil
}
