package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/artifact"
	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/pipeline"
)

// platformDir is the directory argument of a command, "." when there is none.
func platformDir(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return filepath.Clean(args[0])
}

// input finds the CUE module around a platform's directory.
func input(dir string) (pipeline.Input, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return pipeline.Input{}, environmentError{err}
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return pipeline.Input{}, fmt.Errorf("%s: no such directory", dir)
		case err != nil:
			return pipeline.Input{}, environmentError{fmt.Errorf("%s: %w", dir, cause(err))}
		}
		return pipeline.Input{}, fmt.Errorf("%s: not a directory", dir)
	}
	for root := abs; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "cue.mod", "module.cue")); err == nil {
			rel, err := filepath.Rel(root, abs)
			if err != nil {
				return pipeline.Input{}, environmentError{err}
			}
			return pipeline.Input{FS: os.DirFS(root), Dir: filepath.ToSlash(rel)}, nil
		}
		if root == filepath.Dir(root) {
			return pipeline.Input{}, fmt.Errorf("%s: no CUE module here or above: cue.mod/module.cue is missing; contain init makes one", dir)
		}
	}
}

// cause is the error without the path, which may be absolute, and without the
// system call.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var ne *net.OpError
	if errors.As(err, &ne) {
		return ne.Err
	}
	return err
}

// formatFlag adds --format with the formats of findings.
func formatFlag(c *cobra.Command, f *diag.Format) {
	*f = diag.Text
	var names []string
	for _, n := range diag.Formats() {
		names = append(names, string(n))
	}
	c.Flags().Var(&choice{value: (*string)(f), of: names}, "format", "how to print findings: "+strings.Join(names, ", "))
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
}

// choice is a flag that takes one of a few words.
type choice struct {
	value *string
	of    []string
}

func (c *choice) String() string { return *c.value }
func (c *choice) Type() string   { return "format" }
func (c *choice) Set(s string) error {
	for _, o := range c.of {
		if s == o {
			*c.value = s
			return nil
		}
	}
	return fmt.Errorf("must be one of %s", strings.Join(c.of, ", "))
}

// dateFlag adds --date for commands that look at waivers.
func dateFlag(c *cobra.Command, date *string) {
	c.Flags().StringVar(date, "date", "", "compare waivers and denyFrom with this day, YYYY-MM-DD; else with SOURCE_DATE_EPOCH or what the platform says")
}

// date is that of --date, else that of SOURCE_DATE_EPOCH in UTC, else "".
func (e Env) date(flag string) (string, error) {
	if flag != "" {
		if _, err := time.Parse(time.DateOnly, flag); err != nil {
			return "", usageError{fmt.Errorf("--date %s: want a day as YYYY-MM-DD", flag)}
		}
		return flag, nil
	}
	epoch := e.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		return "", nil
	}
	t, err := artifact.ParseEpoch(epoch)
	if err != nil {
		return "", usageError{err}
	}
	return t.UTC().Format(time.DateOnly), nil
}

// waivers tells a person which are in effect.
func (e Env) waivers(list []diag.InEffect) {
	for _, line := range diag.Summary(list) {
		fmt.Fprintln(e.Stderr, line)
	}
}

// report prints findings: for people on stderr, for machines on stdout. It
// returns errFindings when one of them is an error.
func (e Env) report(format diag.Format, dir string, found []diag.Finding, waivers ...diag.InEffect) error {
	w := e.Stderr
	if format != diag.Text {
		w = e.Stdout
	}
	if err := diag.Print(w, format, filepath.ToSlash(dir), found, waivers...); err != nil {
		return environmentError{err}
	}
	if !diag.HasErrors(found) {
		return nil
	}
	if format == diag.Text {
		summary(e.Stderr, found)
	}
	return errFindings
}

// summary is the last line that a person reads: how many there are, and where
// there is more to read about the first that has a page.
func summary(w io.Writer, found []diag.Finding) {
	errs, warnings := diag.Count(found)
	fmt.Fprintf(w, "\n%s", plural(errs, "error"))
	if warnings > 0 {
		fmt.Fprintf(w, ", %s", plural(warnings, "warning"))
	}
	for _, f := range found {
		if f.Severity == diag.Error && hasPage(f.ID) {
			fmt.Fprintf(w, "; contain explain %s says more", f.ID)
			break
		}
	}
	fmt.Fprintln(w)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
