package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/recovery"
)

func newBackupPolicy(e Env) *cobra.Command {
	var date string
	c := &cobra.Command{
		Use:   "backup-policy [DIR]",
		Short: "Print the bucket policy that keeps the backups of clusters apart",
		Long: `Print the policy of the bucket that the clusters' backups go to: each cluster
reads and writes below its own prefixes and nowhere else, on encrypted
connections, and encrypted by the store where the platform says so. Who a cluster
is at the store is clusters.X.backup.principal, its roleArn, or its user of the
platform's own object storage, which has this policy already.`,
		Example: `  contain backup-policy > policy.json
  aws s3api put-bucket-policy --bucket velero --policy file://policy.json`,
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
			r, papers, err := pipeline.PrintedOfAll(c.Context(), in, "backupPolicy")
			if err != nil {
				return err
			}
			if r.Failed() {
				return e.report(diag.Text, dir, r.Findings)
			}
			policy, err := recovery.Policy(papers)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(e.Stdout, "%s\n", policy); err != nil {
				return environmentError{err}
			}
			if n, err := recovery.Size(policy); err != nil {
				return err
			} else if n > recovery.MaxPolicy {
				fmt.Fprintf(e.Stderr, "the policy has %d bytes, more than the %d that S3 takes: let some clusters have a bucket of their own\n", n, recovery.MaxPolicy)
			}
			return nil
		},
	}
	dateFlag(c, &date)
	return c
}
