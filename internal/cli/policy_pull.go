package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/registry"
)

func newPolicyPull(e Env) *cobra.Command {
	var plain bool
	c := &cobra.Command{
		Use:   "pull [DIR]",
		Short: "Fetch the OCI artifacts that the platform's policy sources name",
		Long: `Fetch the artifacts of policies: sources: NAME: oci into vendor/policies, next
to cue.mod, each in a directory that its digest names. Builds read them from there,
check every byte against the digest, and never reach the network: commit them, or
pull before each build. What is there already is not fetched again.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := platformDir(args)
			in, err := input(dir)
			if err != nil {
				return err
			}
			refs, found := pipeline.Artifacts(in)
			if err := e.report(diag.Text, dir, found); err != nil {
				return err
			}
			if len(refs) == 0 {
				fmt.Fprintln(e.Stderr, "no policy source names an artifact")
				return nil
			}
			for _, ref := range refs {
				if pipeline.Fetched(in, ref) {
					fmt.Fprintf(e.Stderr, "unchanged %s\n", ref)
					continue
				}
				files, err := pipeline.Fetch(ref, func(ref string, pick func([]byte) (string, int64, error)) ([]byte, []byte, error) {
					return registry.Fetch(c.Context(), registry.Scheme+ref, e.remote(plain), pick)
				})
				if err != nil {
					return err
				}
				if err := writeVendor(moduleRoot(dir, in), files); err != nil {
					return err
				}
				fmt.Fprintf(e.Stderr, "fetched %s\n", ref)
			}
			return nil
		},
	}
	plainFlag(c, &plain)
	return c
}

// moduleRoot is the directory of the module, as the user would name it.
func moduleRoot(dir string, in pipeline.Input) string {
	if in.Dir == "." {
		return dir
	}
	return filepath.Join(dir, strings.Repeat("../", strings.Count(in.Dir, "/")+1))
}

// writeVendor writes the files of one artifact, which are in one directory, so
// that the directory is there whole or not at all.
func writeVendor(root string, files map[string][]byte) (err error) {
	var dir string
	for name := range files {
		dir = filepath.Join(root, filepath.Dir(filepath.FromSlash(name)))
	}
	failed := func(err error) error { return environmentError{fmt.Errorf("%s: %w", dir, cause(err))} }
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return failed(err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".fetching-")
	if err != nil {
		return failed(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return failed(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(tmp, filepath.Base(name)), data, 0o644); err != nil {
			return failed(err)
		}
	}
	// What is there is not whole, or it would not have been fetched.
	if err := os.RemoveAll(dir); err != nil {
		return failed(err)
	}
	if err := os.Rename(tmp, dir); err != nil {
		return failed(err)
	}
	return nil
}
