package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/render"
)

func newRender(e Env) *cobra.Command {
	var clusters, units []string
	var out, date string
	c := &cobra.Command{
		Use:   "render [DIR]",
		Short: "Print the objects of clusters, or write them as a tree",
		Long: `Render a platform's objects, patches applied, to stdout as YAML or with -o as
a tree, CLUSTER/flux and CLUSTER/units/UNIT, which is what artifacts hold.
Policies are not consulted; contain build does that.`,
		Example: `  contain render --cluster prod-eu1 --unit velero-config
  contain render -o out && git diff --no-index before out`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := platformDir(args)
			in, err := input(dir)
			if err != nil {
				return err
			}
			if in.Date, err = e.date(date); err != nil {
				return err
			}
			in.Clusters = clusters
			r, err := pipeline.Run(c.Context(), in, pipeline.Render)
			if err != nil {
				return err
			}
			if err := e.report(diag.Text, dir, r.Findings); err != nil {
				return err
			}
			if err := selectUnits(r.Clusters, units); err != nil {
				return err
			}
			if out != "" {
				return writeTree(out, r)
			}
			return printObjects(e, r.Clusters)
		},
	}
	c.Flags().StringSliceVar(&clusters, "cluster", nil, "only these clusters")
	c.Flags().StringSliceVar(&units, "unit", nil, "only these units")
	dateFlag(c, &date)
	c.Flags().StringVarP(&out, "output", "o", "", "write a tree to this directory, which must be empty or not exist")
	return c
}

// selectUnits drops all other units. A unit that no cluster has is a mistake.
func selectUnits(clusters []render.Cluster, want []string) error {
	if len(want) == 0 {
		return nil
	}
	seen := map[string]bool{}
	for i := range clusters {
		clusters[i].Units = slices.DeleteFunc(slices.Clone(clusters[i].Units), func(u render.Unit) bool {
			seen[u.Name] = true
			return !slices.Contains(want, u.Name)
		})
	}
	for _, w := range want {
		if !seen[w] {
			return usageError{fmt.Errorf("no cluster has a unit %q", w)}
		}
	}
	return nil
}

// printObjects writes YAML documents, each under the place it comes from.
func printObjects(e Env, clusters []render.Cluster) error {
	w := bufio.NewWriter(e.Stdout)
	for _, c := range clusters {
		for _, u := range c.Units {
			objs := slices.Clone(u.Objects)
			object.Sort(objs)
			for _, o := range objs {
				fmt.Fprintf(w, "---\n# %s · %s\n", c.Name, u.Name)
				w.Write(o.YAML()) //nolint:errcheck // Flush reports it
			}
		}
	}
	if err := w.Flush(); err != nil {
		return environmentError{err}
	}
	return nil
}

func writeTree(out string, r *pipeline.Result) error {
	switch entries, err := os.ReadDir(out); {
	case err == nil && len(entries) > 0:
		return fmt.Errorf("%s is not empty: contain render overwrites nothing", out)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return environmentError{fmt.Errorf("%s: %w", out, cause(err))}
	}
	for _, c := range r.Clusters {
		files, err := pipeline.Files(r.Platform.Name, c)
		if err != nil {
			return err
		}
		for _, f := range files {
			path := filepath.Join(out, c.Name, filepath.FromSlash(f.Path))
			if strings.HasPrefix(f.Path, "..") {
				return fmt.Errorf("refusing to write outside %s", out)
			}
			if err := writeFile(path, f.Data); err != nil {
				return err
			}
		}
	}
	return nil
}
