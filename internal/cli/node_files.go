package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/pipeline"
)

// nodeFile is a file of a node: catalog/kubeadm.#Printed says what is in it.
type nodeFile struct {
	Path        string `json:"path"`
	Permissions string `json:"permissions"`
	Note        string `json:"note"`
	Content     string `json:"content"`
}

func newNodeFiles(e Env) *cobra.Command {
	var output, date string
	c := &cobra.Command{
		Use:   "node-files CLUSTER [DIR]",
		Short: "Print the files that the nodes of a cluster need",
		Long: `Print the files that a cluster's nodes need, for whoever makes its machines:
kubeadm's configuration, and what the API server, the kubelet and containerd read.
Cluster API gives the same to the machines that it makes.

No secret is in them: where one goes it is said in <angle brackets>, with the path
that the platform's secret store has it at.`,
		Example: `  contain node-files dev-eu1
  contain node-files dev-eu1 -o dev-eu1   # dev-eu1/etc/kubernetes/kubeadm.yaml, …`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			dir := platformDir(args[1:])
			in, err := input(dir)
			if err != nil {
				return err
			}
			if in.Date, err = e.date(date); err != nil {
				return err
			}
			r, paper, err := pipeline.Printed(c.Context(), in, args[0], "nodeFiles")
			if err != nil {
				return err
			}
			if r.Failed() {
				return e.report(diag.Text, dir, r.Findings)
			}
			var printed struct {
				Files []nodeFile `json:"files"`
			}
			if err := json.Unmarshal(paper, &printed); err != nil {
				return err
			}
			if output == "" {
				return e.listFiles(printed.Files)
			}
			return e.writeFiles(output, printed.Files)
		},
	}
	dateFlag(c, &date)
	c.Flags().StringVarP(&output, "output", "o", "", "write the files below this directory, which must be empty or not exist")
	return c
}

// listFiles prints each file below a line with its path.
func (e Env) listFiles(files []nodeFile) error {
	for _, f := range files {
		if _, err := fmt.Fprintf(e.Stdout, "# file: %s (%s, %s)\n%s\n", f.Path, f.Permissions, f.Note, f.Content); err != nil {
			return environmentError{err}
		}
	}
	return nil
}

// writeFiles writes each file at its path below dir, for its owner alone: who
// puts them onto nodes fills in what is secret.
func (e Env) writeFiles(dir string, files []nodeFile) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty", dir)
	}
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(f.Path, "/")))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return environmentError{cause(err)}
		}
		if err := os.WriteFile(path, []byte(f.Content), 0o600); err != nil {
			return environmentError{cause(err)}
		}
	}
	if _, err := fmt.Fprintf(e.Stderr, "%d files written to %s\n", len(files), dir); err != nil {
		return environmentError{err}
	}
	return nil
}
