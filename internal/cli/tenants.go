package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/tenancy"
)

func newTenants(e Env) *cobra.Command {
	format, against := string(diag.Text), ""
	c := &cobra.Command{
		Use:   "tenants [DIR]",
		Short: "List the owners of telemetry, and what a change does to stored data",
		Long: `List the tenants of a platform: who owns and reads each, which clusters write
for it, where it is stored and for how long, and where its alerts go.

With --against, an earlier checkout of the platform, list what the way from
there to here does to stored metrics, logs and traces instead: of tenants that
are removed, renamed, moved or kept for another time, of their readers, of teams
that change their tenant and of stacks that change their buckets. Nothing is
deleted by this command, and it does not fail when a change deletes data: whether
that is meant is for those to say who review the change. --format json says
"deletes" of each change, for a pipeline that wants to ask somebody.`,
		Example: `  contain tenants examples/acme
  git worktree add ../before main && contain tenants --against ../before/examples/acme examples/acme`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			now, err := e.described(c.Context(), platformDir(args))
			if err != nil {
				return err
			}
			if against == "" {
				return e.listTenants(format, tenancy.List(now))
			}
			before, err := e.described(c.Context(), against)
			if err != nil {
				return err
			}
			return e.listChanges(format, tenancy.Compare(before, now))
		},
	}
	choices := []string{string(diag.Text), string(diag.JSON)}
	c.Flags().Var(&choice{value: &format, of: choices}, "format", "how to print the list: "+strings.Join(choices, ", "))
	c.Flags().StringVar(&against, "against", "", "directory of the platform as it was")
	return c
}

// described reads and checks a platform, and prints what is wrong with it.
func (e Env) described(ctx context.Context, dir string) (*model.Platform, error) {
	in, err := input(dir)
	if err != nil {
		return nil, err
	}
	if in.Date, err = e.date(""); err != nil {
		return nil, err
	}
	r, err := pipeline.Describe(ctx, in)
	if err != nil {
		return nil, err
	}
	if r.Failed() {
		return nil, e.report(diag.Text, dir, r.Findings)
	}
	return r.Platform, nil
}

func (e Env) listTenants(format string, tenants []tenancy.Tenant) error {
	if format == string(diag.JSON) {
		return writeJSON(e.Stdout, struct {
			Tenants []tenancy.Tenant `json:"tenants"`
		}{tenants})
	}
	if len(tenants) == 0 {
		fmt.Fprintln(e.Stderr, "no tenants: describe one in platform: tenants")
		return nil
	}
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TENANT\tID\tOWNER\tSTACK\tSTORED IN\tWRITTEN BY\tMETRICS\tLOGS\tTRACES\tREADERS\tALERTS TO")
	for _, t := range tenants {
		var readers []string
		for _, g := range slices.Sorted(maps.Keys(t.Readers)) {
			readers = append(readers, g+":"+t.Readers[g])
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.Name, t.ID, t.Owner, t.Stack, orNone(t.Stored), orNone(t.Writers),
			t.Retention.Metrics, t.Retention.Logs, t.Retention.Traces, orNone(readers), orNone(t.Alerts))
	}
	if err := w.Flush(); err != nil {
		return environmentError{err}
	}
	return nil
}

// orNone is a list in a cell of a table.
func orNone(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ",")
}

func (e Env) listChanges(format string, changes []tenancy.Change) error {
	if format == string(diag.JSON) {
		if changes == nil {
			changes = []tenancy.Change{}
		}
		return writeJSON(e.Stdout, struct {
			Changes []tenancy.Change `json:"changes"`
		}{changes})
	}
	deletes := 0
	for _, c := range changes {
		what := "tenant " + c.Tenant
		switch {
		case c.Team != "":
			what = "team " + c.Team
		case c.Stack != "":
			what = "stack of " + c.Stack
		}
		mark := ""
		if c.Deletes {
			mark = " [deletes]"
			deletes++
		}
		fmt.Fprintf(e.Stdout, "%s %s%s\n  %s\n", what, c.Change, mark, c.Effect)
		for _, w := range c.Where {
			fmt.Fprintf(e.Stdout, "    %s\n", w)
		}
	}
	switch {
	case len(changes) == 0:
		fmt.Fprintln(e.Stderr, "nothing changes for stored telemetry")
	default:
		verb := "delete"
		if deletes == 1 {
			verb = "deletes"
		}
		fmt.Fprintf(e.Stderr, "%s, of which %d %s data\n", plural(len(changes), "change"), deletes, verb)
	}
	return nil
}
