// Package source loads one platform from CUE files and reads plain data out of
// it. It owns every cue.Context; errors of CUE become findings here and
// nowhere else.
//
// Invariants:
//   - Nothing is read but the file system given to Load: no environment, no
//     module registry, no network. Modules come from the platform's own tree
//     (replaceWith in cue.mod/local-module.cue).
//   - Files are named relative to the platform's directory, with slashes.
//   - A Source is used by one goroutine at a time; Fork gives another one.
package source

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/inject/embed"
	"cuelang.org/go/cue/load"
	"cuelang.org/go/cue/parser"

	"github.com/contain-platform/contain/internal/diag"
)

// Source is one loaded platform.
type Source struct {
	fsys fs.FS
	dir  string // of the platform's package, in fsys
	inst *build.Instance
	// catalog holds the files of contain's own schema and catalog; all other
	// files are the user's.
	catalog map[string]bool

	ctx  *cue.Context
	root cue.Value
	// light says that root is the catalog's output alone; see Workers.
	light bool

	// The platform as plain data, clusters apart; see plain.
	platform []byte
	clusters map[string]json.RawMessage
	others   others
	base     *base // compiled, in ctx
	given    []given
}

// Load reads the CUE package in dir of fsys. The root of fsys is the root of
// the CUE module, where cue.mod is. Findings are errors of reading, syntax and
// imports; when there are any, the Source is nil.
func Load(fsys fs.FS, dir string) (*Source, []diag.Finding) {
	s := &Source{fsys: fsys, dir: path.Clean(filepath.ToSlash(dir))}
	if fs := s.readable(); fs != nil {
		return nil, fs
	}
	cfg := &load.Config{
		FS:         fsys,
		Dir:        "/" + strings.TrimPrefix(s.dir, "."),
		FromFSPath: s.display,
		// An empty environment with the registry switched off: CUE would
		// otherwise ask registry.cue.works for modules that are not there.
		Env:       []string{"CUE_REGISTRY=none"},
		ParseFile: parseFile,
	}
	insts := load.Instances([]string{"."}, cfg)
	if len(insts) != 1 {
		return nil, []diag.Finding{{ID: "source/package", Message: "want one CUE package in the platform's directory"}}
	}
	s.inst = insts[0]
	if err := s.inst.Err; err != nil {
		return nil, s.loadFindings(err)
	}
	s.catalog = map[string]bool{}
	s.markCatalog(s.inst, map[*build.Instance]bool{})
	s.build()
	return s, nil
}

// modulePath is the CUE module that schema and catalog live in.
const modulePath = "github.com/contain-platform/contain"

func (s *Source) markCatalog(inst *build.Instance, seen map[*build.Instance]bool) {
	for _, i := range inst.Imports {
		if seen[i] {
			continue
		}
		seen[i] = true
		p := strings.TrimPrefix(i.ImportPath, modulePath)
		if p != i.ImportPath && (strings.HasPrefix(p, "/schema") || strings.HasPrefix(p, "/catalog") || strings.HasPrefix(p, "@")) {
			for _, f := range i.Files {
				s.catalog[f.Filename] = true
			}
		}
		s.markCatalog(i, seen)
	}
}

// parseFile parses a file as CUE would, but leaves out what #Output shows to
// people, the inputs, objects and papers of every cluster: cue evaluates a package whole
// when it builds it, and the compiler makes both piece by piece.
func parseFile(name string, src any, cfg parser.Config) (*ast.File, error) {
	f, err := parser.ParseFile(name, src, cfg)
	if err != nil || !strings.HasSuffix("/"+name, outputFile) || f.PackageName() != "catalog" {
		return f, err
	}
	for _, d := range f.Decls {
		def, ok := d.(*ast.Field)
		if !ok || !labelled(def, outputDefinition) {
			continue
		}
		if st, ok := def.Value.(*ast.StructLit); ok {
			st.Elts = slices.DeleteFunc(st.Elts, func(d ast.Decl) bool {
				f, ok := d.(*ast.Field)
				return ok && slices.ContainsFunc(shown, func(l string) bool { return labelled(f, l) })
			})
		}
	}
	return f, nil
}

// shown are the fields of #Output that are for people, and those only they need.
var shown = []string{"_data", "_fleet", "_inputs", "_objects", "_references", "inputs", "objects", "printed"}

// Where the catalog defines what a platform gives out: catalog/output.cue.
const (
	outputFile       = "/catalog/output.cue"
	outputDefinition = "#Output"
)

func labelled(f *ast.Field, name string) bool {
	label, _, err := ast.LabelName(f.Label)
	return err == nil && label == name
}

// Fork gives a Source over the same files with a cue.Context of its own, for
// use by another goroutine. Nothing is read or parsed again.
func (s *Source) Fork() *Source {
	f := *s
	f.build()
	return &f
}

// build compiles the files and evaluates them, inputs included.
func (s *Source) build() {
	s.ctx = cuecontext.New(cuecontext.WithInjection(embed.New()))
	s.root = s.ctx.BuildInstance(s.inst)
	s.base = nil
	s.light = false
}

// readable tells whether the directory can be read at all, since CUE's own
// message for that speaks of packages.
func (s *Source) readable() []diag.Finding {
	entries, err := fs.ReadDir(s.fsys, s.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []diag.Finding{{ID: "source/read", Message: "no such directory", Positions: []diag.Position{{File: "."}}}}
	case err != nil:
		return []diag.Finding{{ID: "source/read", Message: "the directory cannot be read: " + reason(err), Positions: []diag.Position{{File: "."}}}}
	}
	var files int
	var found []diag.Finding
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".cue") || e.IsDir() {
			continue
		}
		files++
		f, err := s.fsys.Open(path.Join(s.dir, e.Name()))
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			found = append(found, diag.Finding{
				ID: "source/read", Message: "the file cannot be read: " + reason(err), Positions: []diag.Position{{File: e.Name()}},
			})
		}
	}
	if files > 0 {
		return found
	}
	return []diag.Finding{{
		ID: "source/package", Message: "no CUE files in the directory", Positions: []diag.Position{{File: "."}},
		Hint: "contain init makes a platform that builds",
	}}
}

func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// display names a file of fsys relative to the platform's directory.
func (s *Source) display(p string) string {
	p = strings.TrimPrefix(p, "/")
	if p == "" {
		p = "."
	}
	rel, err := filepath.Rel(filepath.FromSlash(s.dir), filepath.FromSlash(p))
	if err != nil {
		return p
	}
	return filepath.ToSlash(rel)
}
