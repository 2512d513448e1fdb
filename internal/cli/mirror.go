package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/mirror"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/pipeline"
)

func newMirror(e Env) *cobra.Command {
	var clusters []string
	var format, date string
	c := &cobra.Command{
		Use:   "mirror [DIR]",
		Short: "List what the registry has to hold for air-gapped clusters",
		Long: `List the charts, manifests and images that air-gapped clusters pull from
management.registry, a line each: where it comes from and where it goes. What
begins with https:// is a chart of a Helm repository, or manifests in Git, to be
packed and pushed; the rest is for crane copy or skopeo copy as it stands.
Nothing is asked of anybody.

Images that a chart names in its own values alone are known for the charts and
versions that the catalog uses. What is not known, of other charts and versions,
is said on stderr: helm template shows it.`,
		Example: `  contain mirror
  contain mirror | grep -v '^https:' | while read -r from to; do crane copy "$from" "$to"; done`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return usageError{fmt.Errorf("--format %s is neither text nor json", format)}
			}
			return e.mirror(c.Context(), platformDir(args), clusters, format, date)
		},
	}
	dateFlag(c, &date)
	c.Flags().StringSliceVar(&clusters, "cluster", nil, "only these clusters")
	c.Flags().StringVar(&format, "format", "text", "text or json")
	return c
}

func (e Env) mirror(ctx context.Context, dir string, clusters []string, format, date string) error {
	in, err := input(dir)
	if err != nil {
		return err
	}
	in.Clusters = clusters
	if in.Date, err = e.date(date); err != nil {
		return err
	}
	r, err := pipeline.Run(ctx, in, pipeline.Render)
	if err != nil {
		return err
	}
	if r.Failed() {
		return e.report(diag.Text, dir, r.Findings)
	}
	items := []mirror.Item{}
	said := map[string]bool{}
	for _, c := range r.Clusters {
		if !r.Platform.Clusters[c.Name].Infrastructure.AirGapped {
			continue
		}
		var objects []*object.Object
		for _, u := range c.Units {
			objects = append(objects, u.Objects...)
		}
		registry := r.Platform.Management.Registry
		found, unknown, err := mirror.List(registry.Host+"/"+registry.Mirror, objects)
		if err != nil {
			return err
		}
		items = append(items, found...)
		for _, u := range unknown {
			if !said[u] {
				fmt.Fprintln(e.Stderr, "not known:", u)
			}
			said[u] = true
		}
	}
	items = mirror.Sorted(items)
	if format == "json" {
		enc := json.NewEncoder(e.Stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(items)
	}
	for _, i := range items {
		fmt.Fprintln(e.Stdout, i.Source, i.Destination)
	}
	return nil
}
