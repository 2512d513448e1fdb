package cli

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/pipeline"
)

func newPolicyImpact(e Env) *cobra.Command {
	format, date := diag.Text, ""
	var clusters []string
	var fail bool
	c := &cobra.Command{
		Use:   "impact RULE [DIR]",
		Short: "Say what a rule would refuse today if it denied everywhere",
		Long: `Judge all of a platform by one rule as if it denied in every cluster: one that
is off, that only warns, or one of your own. Its parameters are those of each
cluster; namespaces that it leaves out stay left out, and waivers hold.

It is a report, and exits with 0 whatever it finds. With --fail it exits with 1
when something would be refused.`,
		Example: `  contain policy impact images/pinned examples/acme
  contain policy impact network/ingress-tls --cluster prod-eu1 --format json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			dir := platformDir(args[1:])
			in, err := input(dir)
			if err != nil {
				return err
			}
			in.Clusters = clusters
			if in.Date, err = e.date(date); err != nil {
				return err
			}
			r, impact, err := pipeline.ImpactOf(c.Context(), in, args[0])
			var unknown pipeline.UnknownRule
			switch {
			case errors.As(err, &unknown):
				return usageError{err}
			case err != nil:
				return err
			}
			if r.Failed() {
				return e.report(format, dir, r.Findings)
			}
			if err := e.printImpact(format, dir, impact); err != nil {
				return environmentError{err}
			}
			if n, _ := impact.Refused(); fail && n > 0 {
				return errFindings
			}
			return nil
		},
	}
	formatFlag(c, &format)
	dateFlag(c, &date)
	c.Flags().StringSliceVar(&clusters, "cluster", nil, "only these clusters")
	c.Flags().BoolVar(&fail, "fail", false, "exit with 1 when something would be refused")
	return c
}

// printImpact prints the report, all of which is data, and for people a
// sentence.
func (e Env) printImpact(format diag.Format, dir string, i *pipeline.Impact) error {
	switch format {
	case diag.JSON:
		return writeJSON(e.Stdout, struct {
			Rule     string                   `json:"rule"`
			Clusters []pipeline.ClusterImpact `json:"clusters"`
			Findings []diag.Finding           `json:"findings"`
		}{i.Rule, i.Clusters, diag.Rebase(dir, i.Findings)})
	case diag.Text:
	default:
		return diag.Print(e.Stdout, format, dir, i.Findings)
	}
	if err := diag.Print(e.Stdout, format, dir, i.Findings); err != nil {
		return err
	}
	if len(i.Findings) > 0 {
		fmt.Fprintln(e.Stdout)
	}
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLUSTER\tNOW\tREFUSED\tWAIVED")
	for _, c := range i.Clusters {
		if c.Unjudged {
			fmt.Fprintf(w, "%s\t%s\tno Gatekeeper\t\n", c.Cluster, c.Now)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\n", c.Cluster, c.Now, c.Refused, c.Waived)
	}
	if i.Platform > 0 {
		fmt.Fprintf(w, "(the platform)\t\t%d\t\n", i.Platform)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	n, in := i.Refused()
	if n == 0 {
		fmt.Fprintf(e.Stderr, "\nno errors if %s denied\n", i.Rule)
		return nil
	}
	fmt.Fprintf(e.Stderr, "\n%s in %d of %s if %s denied\n", plural(n, "error"), in, plural(len(i.Clusters), "cluster"), i.Rule)
	return nil
}
