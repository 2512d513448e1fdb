package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/artifact"
	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/pipeline"
)

func newBuild(e Env) *cobra.Command {
	var format diag.Format
	var out, key, date string
	var watch bool
	c := &cobra.Command{
		Use:   "build [DIR]",
		Short: "Check everything and make one artifact per cluster",
		Long: `Check a platform and all of its objects, and make the OCI artifacts: one for
each cluster and the release index over them, as an OCI image layout in the
directory of -o. Nothing is written unless every check passes. Equal input gives
equal digests, wherever and whenever it is built.

With --key everything is signed as cosign does it. The password of the key comes
from COSIGN_PASSWORD or the terminal. SOURCE_DATE_EPOCH sets the creation time
in the artifacts, which otherwise is 1970, and without --date the day that
waivers are compared with.`,
		Example: `  contain build -o dist
  contain build examples/acme -o dist --key contain.key --format json
  contain build --watch`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if watch && out != "" {
				return usageError{errors.New("--watch checks and writes nothing: leave -o out")}
			}
			dir := platformDir(args)
			in, err := input(dir)
			if err != nil {
				return err
			}
			if err := e.buildInput(&in, key, date); err != nil {
				return err
			}
			check := func() error { return e.build(c.Context(), in, dir, out, format) }
			if watch {
				return e.watch(c.Context(), in.FS, check)
			}
			return check()
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "write the OCI image layout to this directory")
	c.Flags().StringVar(&key, "key", "", "sign with this private key (contain keygen, or cosign)")
	dateFlag(c, &date)
	watchFlag(c, &watch)
	formatFlag(c, &format)
	return c
}

// buildInput adds what comes of flags and the environment.
func (e Env) buildInput(in *pipeline.Input, key, date string) (err error) {
	if in.Created, err = artifact.ParseEpoch(e.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		return usageError{err}
	}
	if in.Date, err = e.date(date); err != nil || key == "" {
		return err
	}
	in.Signer, err = e.signer(key)
	return err
}

func (e Env) build(ctx context.Context, in pipeline.Input, dir, out string, format diag.Format) error {
	r, err := pipeline.Run(ctx, in, pipeline.Pack)
	if err != nil {
		return err
	}
	if !r.Failed() && out != "" {
		if err := r.Layout.Write(out); err != nil {
			if errors.Is(err, artifact.ErrForeign) {
				return fmt.Errorf("%s %w", out, artifact.ErrForeign)
			}
			return environmentError{fmt.Errorf("%s: %w", out, cause(err))}
		}
	}
	if format == diag.JSON {
		return e.buildJSON(r, dir)
	}
	if err := e.report(format, dir, r.Findings, r.Waivers...); err != nil || format != diag.Text {
		return err
	}
	if err := e.buildTable(r, out); err != nil {
		return err
	}
	e.waivers(r.Waivers)
	return nil
}

// built is a cluster in the report of a build.
type built struct {
	Cluster string   `json:"cluster"`
	Digest  string   `json:"digest"`
	Size    int64    `json:"size"` // bytes in a registry
	Units   []string `json:"units"`
	Objects int      `json:"objects"`
}

func buildReport(r *pipeline.Result) []built {
	out := []built{}
	if r.Layout == nil {
		return out
	}
	for i, a := range r.Layout.Release.Artifacts {
		b := built{Cluster: a.Cluster, Digest: a.Digest(), Size: a.Size()}
		for _, u := range r.Clusters[i].Units {
			b.Units = append(b.Units, u.Name)
			b.Objects += len(u.Objects)
		}
		out = append(out, b)
	}
	return out
}

func (e Env) buildTable(r *pipeline.Result, out string) error {
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLUSTER\tUNITS\tOBJECTS\tSIZE\tDIGEST")
	for _, b := range buildReport(r) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\n", b.Cluster, len(b.Units), b.Objects, size(b.Size), b.Digest)
	}
	fmt.Fprintf(w, "%s\t\t\t\t%s\n", artifact.ReleaseName, r.Layout.Release.Digest())
	if err := w.Flush(); err != nil {
		return environmentError{err}
	}
	note := "nothing written: give -o DIR"
	if out != "" {
		note = "written to " + out
		if len(r.Layout.Signatures) > 0 {
			note += ", signed"
		}
	}
	fmt.Fprintln(e.Stderr, note)
	return nil
}

func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

func (e Env) buildJSON(r *pipeline.Result, dir string) error {
	report := struct {
		Platform string          `json:"platform,omitempty"`
		Release  string          `json:"release,omitempty"`
		Signed   bool            `json:"signed"`
		Clusters []built         `json:"clusters"`
		Findings []diag.Finding  `json:"findings"`
		Waivers  []diag.InEffect `json:"waivers,omitempty"`
	}{Clusters: buildReport(r), Waivers: r.Waivers}
	if r.Platform != nil {
		report.Platform = r.Platform.Name
	}
	if r.Layout != nil {
		report.Release, report.Signed = r.Layout.Release.Digest(), len(r.Layout.Signatures) > 0
	}
	report.Findings = diag.Rebase(dir, r.Findings)
	if err := writeJSON(e.Stdout, report); err != nil {
		return err
	}
	if r.Failed() {
		return errFindings
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	j := json.NewEncoder(w)
	j.SetIndent("", "  ")
	j.SetEscapeHTML(false)
	if err := j.Encode(v); err != nil {
		return environmentError{err}
	}
	return nil
}
