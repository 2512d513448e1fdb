package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/pipeline"
)

func newPolicyList(e Env) *cobra.Command {
	format, date := string(diag.Text), ""
	var clusters []string
	var library bool
	c := &cobra.Command{
		Use:   "list [DIR]",
		Short: "List the rules, and what they come to in each cluster",
		Long: `List the rules that a platform has: those of the library and its own, with the
enforcement that profiles, layers and dates come to. Where clusters differ, the
number of clusters stands beside it. Without DIR, and where there is no platform,
list the library.`,
		Example: `  contain policy list examples/acme --cluster prod-eu1
  contain policy list --library --format json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := platformDir(args)
			in, err := input(dir)
			if library || err != nil && len(args) == 0 {
				if library && len(args)+len(clusters) > 0 {
					return usageError{fmt.Errorf("--library is of no platform; see '%s --help'", c.CommandPath())}
				}
				rules, err := pipeline.Library()
				if err != nil {
					return err
				}
				return e.listRules(format, rules)
			}
			if err != nil {
				return err
			}
			in.Clusters = clusters
			if in.Date, err = e.date(date); err != nil {
				return err
			}
			r, rules, err := pipeline.Rules(c.Context(), in)
			if err != nil {
				return err
			}
			if r.Failed() {
				return e.report(diag.Text, dir, r.Findings)
			}
			return e.listRules(format, rules)
		},
	}
	c.Flags().StringSliceVar(&clusters, "cluster", nil, "only these clusters")
	c.Flags().BoolVar(&library, "library", false, "the library as it is, without a platform")
	choices := []string{string(diag.Text), string(diag.JSON)}
	c.Flags().Var(&choice{value: &format, of: choices}, "format", "how to print the list: "+strings.Join(choices, ", "))
	dateFlag(c, &date)
	return c
}

func (e Env) listRules(format string, rules []pipeline.Rule) error {
	if format == string(diag.JSON) {
		return writeJSON(e.Stdout, struct {
			Rules []pipeline.Rule `json:"rules"`
		}{rules})
	}
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RULE\tPROFILE\tSEVERITY\tENFORCEMENT\tINPUT\tSOURCE\tWAIVERS")
	for _, r := range rules {
		profile, severity, waivers := "-", "-", "-"
		if r.Profile != "" {
			profile, severity = r.Profile, r.Severity
		}
		if r.Fixed {
			profile = "always"
		}
		if len(r.Waivers) > 0 {
			waivers = fmt.Sprint(len(r.Waivers))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, profile, severity, enforcementOf(r), r.Input, r.Source, waivers)
	}
	if err := w.Flush(); err != nil {
		return environmentError{err}
	}
	return nil
}

// enforcementOf is what a rule comes to; where clusters differ, with how many of
// them, the strictest first.
func enforcementOf(r pipeline.Rule) string {
	if r.Clusters == nil {
		return r.Enforcement
	}
	counts := map[string]int{}
	for _, x := range r.Clusters {
		counts[x]++
	}
	var parts []string
	for _, x := range []string{"deny", "warn", "dryrun", "off"} {
		switch n := counts[x]; n {
		case 0:
		case len(r.Clusters):
			return x
		default:
			parts = append(parts, fmt.Sprintf("%s %d", x, n))
		}
	}
	return strings.Join(parts, ", ")
}
