// Package cuetest evaluates CUE texts that import contain's own module, for
// tests of the catalog's definitions.
package cuetest

import (
	"os"
	"path/filepath"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/load"
)

// Value is a text's value, as if it were a file of the repository that the
// working directory is in. It may be an error.
func Value(t testing.TB, text string) cue.Value {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "cue.mod", "module.cue")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			t.Fatal("no cue.mod above the working directory")
		}
		root = filepath.Dir(root)
	}
	file := filepath.Join(root, "case.cue")
	insts := load.Instances([]string{file}, &load.Config{
		Dir:     root,
		Overlay: map[string]load.Source{file: load.FromString(text)},
		// No registry is asked: every import is of this module.
		Env: []string{"CUE_REGISTRY=none"},
	})
	if err := insts[0].Err; err != nil {
		t.Fatal(err)
	}
	return cuecontext.New().BuildInstance(insts[0])
}
