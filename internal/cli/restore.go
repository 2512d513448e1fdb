package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/recovery"
)

func newRestore(e Env) *cobra.Command {
	var q recovery.Request
	var at, list, date string
	c := &cobra.Command{
		Use:   "restore CLUSTER --backup NAME [DIR]",
		Short: "Print the object that restores a backup, and what to do around it",
		Long: `Print a Restore of Velero's, and above it, as comments, what people do before
and after it is created. Nothing is asked of the cluster.

NAME is a backup, or a schedule, for the newest of its backups that completed.
With --at it is a schedule, and the restore is of its newest backup that is no
younger. Velero puts the second of its start into a backup's name, which follows
from no clock: --list says which backups there are, as kubectl prints them.`,
		Example: `  contain restore prod-eu1 --backup daily --namespace shop-web | kubectl create -f -
  kubectl -n velero get backups -o json |
    contain restore prod-eu1 --backup daily --at 2026-11-22T12:00:00Z --list -`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if q.Backup == "" {
				return usageError{errors.New("give --backup; see 'contain restore --help'")}
			}
			var err error
			if at != "" {
				if q.At, err = time.Parse(time.RFC3339, at); err != nil {
					return usageError{fmt.Errorf("--at %s is no time as 2026-11-22T12:00:00Z", at)}
				}
			}
			if q.Backups, err = e.listed(list); err != nil {
				return err
			}
			return e.restore(c.Context(), q, args, date)
		},
	}
	dateFlag(c, &date)
	c.Flags().StringVar(&q.Backup, "backup", "", "name of the backup, or of a schedule")
	c.Flags().StringArrayVar(&q.Namespaces, "namespace", nil, "restore this namespace alone; may be given more than once")
	c.Flags().StringVar(&at, "at", "", "the schedule's newest backup that is no younger than this, as 2026-11-22T12:00:00Z")
	c.Flags().StringVar(&list, "list", "", "file of the backups that there are, from kubectl get backups -o json, or - for stdin")
	return c
}

// restore plans what is asked for and prints it. args are a cluster and, perhaps,
// a directory.
func (e Env) restore(ctx context.Context, q recovery.Request, args []string, date string) error {
	dir := platformDir(args[1:])
	in, err := input(dir)
	if err != nil {
		return err
	}
	q.Cluster, in.Clusters = args[0], args[:1]
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
	var units []recovery.Unit
	for _, u := range r.Clusters[0].Units {
		units = append(units, recovery.Unit{Name: u.Name, Objects: u.Objects})
	}
	plan, err := recovery.Restore(q, units)
	if err != nil {
		return err
	}
	return e.plan(plan)
}

// listed reads what the cluster's backups are; nil for "".
func (e Env) listed(file string) ([]byte, error) {
	var b []byte
	var err error
	switch file {
	case "":
		return nil, nil
	case "-":
		b, err = io.ReadAll(e.Stdin)
	default:
		b, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, environmentError{fmt.Errorf("--list %s: %w", file, cause(err))}
	}
	return b, nil
}

func (e Env) plan(p *recovery.Plan) error {
	for _, l := range p.Runbook {
		line := "# " + l
		if l == "" {
			line = "#"
		}
		if _, err := fmt.Fprintln(e.Stdout, line); err != nil {
			return environmentError{err}
		}
	}
	if _, err := fmt.Fprintf(e.Stdout, "%s\n", bytes.TrimSpace(p.Object)); err != nil {
		return environmentError{err}
	}
	return nil
}
