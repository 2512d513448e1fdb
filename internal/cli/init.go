package cli

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain"
)

// start holds the files of a new platform; NAME stands for its name.
//
//go:embed all:start
var start embed.FS

// vendored is where a platform keeps contain's CUE module.
const vendored = "cue.mod/contain"

func newInit(e Env) *cobra.Command {
	var name string
	var upgrade bool
	c := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Start a platform that builds at once, offline",
		Long: `Start a platform in DIR (".", by default): one cluster to edit, and contain's
schema and catalog in cue.mod/contain, so that contain, plain cue and the CUE
language server all work offline. Existing files are never overwritten.

--upgrade brings the schema and catalog of this contain to a platform that is
there already, and touches nothing else.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := platformDir(args)
			if upgrade {
				return e.upgrade(dir)
			}
			if name == "" {
				abs, err := filepath.Abs(dir)
				if err != nil {
					return environmentError{err}
				}
				name = strings.ToLower(filepath.Base(abs))
			}
			if !regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`).MatchString(name) {
				return usageError{fmt.Errorf("%q is no DNS label: give a name of letters, digits and dashes with --name", name)}
			}
			return e.start(dir, name)
		},
	}
	c.Flags().StringVar(&name, "name", "", "name of the platform; the directory's when left out")
	c.Flags().BoolVar(&upgrade, "upgrade", false, "replace the schema and catalog in cue.mod/contain with this version's")
	return c
}

// start writes a new platform, after making sure that nothing is in the way.
func (e Env) start(dir, name string) error {
	files := map[string][]byte{}
	err := fs.WalkDir(start, "start", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := start.ReadFile(p)
		files[strings.TrimPrefix(p, "start/")] = []byte(strings.ReplaceAll(string(b), "NAME", name))
		return err
	})
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(files)) // for determinism
	for _, f := range names {
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(f))); err == nil {
			return fmt.Errorf("%s exists: contain init overwrites nothing", filepath.Join(dir, f))
		}
	}
	if err := writeModule(dir); err != nil {
		return err
	}
	for _, f := range names {
		if err := writeFile(filepath.Join(dir, filepath.FromSlash(f)), files[f]); err != nil {
			return err
		}
	}
	fmt.Fprintf(e.Stderr, "platform %s is in %s; next:\n  contain build%s -o dist\n", name, dir, argument(dir))
	return nil
}

func argument(dir string) string {
	if dir == "." {
		return ""
	}
	return " " + dir
}

func (e Env) upgrade(dir string) error {
	at := filepath.Join(dir, filepath.FromSlash(vendored))
	if _, err := os.Stat(filepath.Join(dir, "cue.mod", "local-module.cue")); err != nil {
		return fmt.Errorf("%s: no platform made by contain init: cue.mod/local-module.cue is missing", dir)
	}
	fresh := at + ".new"
	if err := errors.Join(os.RemoveAll(fresh), writeModuleAt(fresh)); err != nil {
		return err
	}
	if err := os.RemoveAll(at); err != nil {
		return environmentError{err}
	}
	if err := os.Rename(fresh, at); err != nil {
		return environmentError{err}
	}
	fmt.Fprintf(e.Stderr, "%s holds the schema and catalog of contain %s\n", at, version())
	return nil
}

func writeModule(dir string) error {
	return writeModuleAt(filepath.Join(dir, filepath.FromSlash(vendored)))
}

func writeModuleAt(at string) error {
	return fs.WalkDir(contain.Module, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := contain.Module.ReadFile(p)
		if err != nil {
			return err
		}
		return writeFile(filepath.Join(at, filepath.FromSlash(p)), b)
	})
}

func writeFile(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return environmentError{fmt.Errorf("%s: %w", filepath.Dir(path), cause(err))}
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return environmentError{fmt.Errorf("%s: %w", path, cause(err))}
	}
	return nil
}
