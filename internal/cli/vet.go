package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/pipeline"
)

func newVet(e Env) *cobra.Command {
	var format diag.Format
	var date string
	var watch bool
	c := &cobra.Command{
		Use:   "vet [DIR]",
		Short: "Check what a platform describes: types, variants, references",
		Long: `Check a platform without making its objects: that the CUE is sound, that
every value is there and of its type, that of variants exactly one is set, and
that every name refers to something. contain build checks the objects as well.`,
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
			check := func() error { return e.vet(c.Context(), in, dir, format) }
			if watch {
				return e.watch(c.Context(), in.FS, check)
			}
			return check()
		},
	}
	dateFlag(c, &date)
	watchFlag(c, &watch)
	formatFlag(c, &format)
	return c
}

func (e Env) vet(ctx context.Context, in pipeline.Input, dir string, format diag.Format) error {
	r, err := pipeline.Run(ctx, in, pipeline.Vet)
	if err != nil {
		return err
	}
	if err := e.report(format, dir, r.Findings, r.Waivers...); err != nil {
		return err
	}
	if format == diag.Text {
		e.waivers(r.Waivers)
		verdict := "nothing to object to"
		if slices.ContainsFunc(r.Findings, func(f diag.Finding) bool { return f.Severity == diag.Warning }) {
			verdict = "no errors"
		}
		fmt.Fprintf(e.Stderr, "%s: %s, %s\n", r.Platform.Name, plural(len(r.Platform.Clusters), "cluster"), verdict)
	}
	return nil
}
