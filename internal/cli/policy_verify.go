package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/policy/suite"
)

func newPolicyVerify(e Env) *cobra.Command {
	format := string(diag.Text)
	var run string
	var verbose bool
	c := &cobra.Command{
		Use:   "verify PATH...",
		Short: "Run Gatekeeper's Suite files, as gator verify does",
		Long: `Run Suite files (test.gatekeeper.sh), which say what a ConstraintTemplate and a
Constraint should make of objects: Rego and CEL, inventory, expansion, all as
gator verify runs them, with Gatekeeper's own code.

PATH is a file, a directory, or DIR/... for the directories in it as well. What
Suites cannot say, contain build can: mutation, and Config's exclusions.

Unlike in gator, built-ins that reach the network are not there.`,
		Example: `  contain policy verify policies/...
  contain policy verify suite.yaml --run required-labels
  contain policy verify policies/... --run 'required-labels//^without'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			fsys := os.DirFS(string(filepath.Separator))
			suites, found, err := e.suites(fsys, args)
			if err != nil {
				return err
			}
			if diag.HasErrors(found) {
				return e.report(diag.Format(format), ".", found)
			}
			results, err := suite.Run(c.Context(), fsys, suites, run)
			if err != nil {
				if errors.Is(err, suite.ErrFilter) {
					return usageError{fmt.Errorf("--run: %w", err)}
				}
				return err
			}
			return e.suiteReport(format, verbose, found, results)
		},
	}
	choices := []string{string(diag.Text), string(diag.JSON), string(diag.JUnit)}
	c.Flags().Var(&choice{value: &format, of: choices}, "format", "how to print results: "+strings.Join(choices, ", "))
	c.Flags().StringVar(&run, "run", "", "only tests and cases that match this regular expression, or TEST//CASE")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "print what passes, is skipped, and what policies print")
	return c
}

// suites reads the Suites of all paths and names files as the user would.
func (e Env) suites(fsys fs.FS, paths []string) ([]suite.Suite, []diag.Finding, error) {
	var files []string
	for _, p := range paths {
		dir, recursive := strings.CutSuffix(p, "...")
		if recursive {
			dir = strings.TrimSuffix(dir, "/")
		}
		if dir == "" {
			dir = "."
		}
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, nil, environmentError{err}
		}
		at := strings.Trim(filepath.ToSlash(abs), "/")
		if at == "" {
			at = "."
		}
		more, err := suite.Find(fsys, at, recursive)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil, fmt.Errorf("%s: no such file or directory", dir)
			}
			return nil, nil, fmt.Errorf("%s: %w", dir, cause(err))
		}
		files = append(files, more...)
	}
	suites, found := suite.Read(fsys, files)
	named(found)
	return suites, found, nil
}

// named gives the files of findings, which are those of the file system from
// its root, the names that they have from here.
func named(found []diag.Finding) {
	for i := range found {
		for j := range found[i].Positions {
			p := &found[i].Positions[j]
			p.File = relative(p.File)
		}
	}
}

// relative names a file of the root's file system from the working directory.
func relative(file string) string {
	abs := string(filepath.Separator) + filepath.FromSlash(file)
	here, err := filepath.Abs(".")
	if err != nil {
		return abs
	}
	rel, err := filepath.Rel(here, abs)
	if err != nil {
		return abs
	}
	if rel = filepath.ToSlash(rel); strings.HasPrefix(rel, "../") {
		return rel
	}
	return "./" + rel
}

// suiteCounts are the numbers of cases. A test without cases counts as one: it
// expects an invalid Constraint, or it never came to its cases.
type suiteCounts struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

func (n *suiteCounts) add(s suite.Status) {
	switch s {
	case suite.Pass:
		n.Passed++
	case suite.Fail:
		n.Failed++
	case suite.Skip:
		n.Skipped++
	}
}

func (n suiteCounts) String() string {
	s := plural(n.Passed+n.Failed+n.Skipped, "case")
	if n.Failed > 0 {
		s += fmt.Sprintf(", %d failed", n.Failed)
	}
	if n.Skipped > 0 {
		s += fmt.Sprintf(", %d skipped", n.Skipped)
	}
	return s
}

func countSuite(r suite.Result) suiteCounts {
	var n suiteCounts
	for _, t := range r.Tests {
		if len(t.Cases) == 0 {
			n.add(t.Status)
		}
		for _, c := range t.Cases {
			n.add(c.Status)
		}
	}
	return n
}

// suiteReport prints results: text and all else are data, and go to stdout.
func (e Env) suiteReport(format string, verbose bool, warnings []diag.Finding, results []suite.Result) error {
	var total suiteCounts
	failed := false
	for i := range results {
		r := &results[i]
		r.File = relative(r.File)
		for j := range r.Tests {
			t := &r.Tests[j]
			named(t.Findings)
			t.Position.File = relative(t.Position.File)
			for k := range t.Cases {
				named(t.Cases[k].Findings)
				t.Cases[k].Position.File = relative(t.Cases[k].Position.File)
			}
		}
		n := countSuite(*r)
		total = suiteCounts{total.Passed + n.Passed, total.Failed + n.Failed, total.Skipped + n.Skipped}
		failed = failed || r.Status == suite.Fail
	}
	var err error
	switch diag.Format(format) {
	case diag.JSON:
		err = writeJSON(e.Stdout, struct {
			Suites []suite.Result `json:"suites"`
			suiteCounts
			Findings []diag.Finding `json:"findings,omitempty"`
		}{results, total, warnings})
	case diag.JUnit:
		err = diag.WriteJUnit(e.Stdout, junitSuites(results))
	default:
		if err = diag.Print(e.Stderr, diag.Text, ".", warnings); err == nil {
			err = printSuites(e.Stdout, results, verbose)
		}
		switch {
		case len(results) == 0:
			fmt.Fprintln(e.Stderr, "no Suite (test.gatekeeper.sh) in these files")
		case len(results) > 1:
			fmt.Fprintf(e.Stderr, "\n%s: %s\n", plural(len(results), "suite"), total)
		}
	}
	return ended(err, failed)
}

func printSuites(w io.Writer, results []suite.Result, verbose bool) error {
	var b strings.Builder
	for _, r := range results {
		word := "ok  "
		switch r.Status {
		case suite.Fail:
			word = "FAIL"
		case suite.Skip:
			word = "skip"
		}
		fmt.Fprintf(&b, "%s  %s", word, r.File)
		if r.Status != suite.Skip {
			fmt.Fprintf(&b, "  %s", countSuite(r))
		}
		b.WriteString("\n")
		for _, t := range r.Tests {
			printTest(&b, t, verbose)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printTest(b *strings.Builder, t suite.Test, verbose bool) {
	if len(t.Cases) == 0 && (verbose || t.Status == suite.Fail) {
		fmt.Fprintf(b, "      %s  %s\n", t.Status, t.Name)
		printProblems(b, "            ", t.Findings)
	}
	for _, c := range t.Cases {
		if !verbose && c.Status != suite.Fail {
			continue
		}
		fmt.Fprintf(b, "      %s  %s // %s\n", c.Status, t.Name, c.Name)
		printProblems(b, "            ", c.Findings)
		if verbose {
			for line := range strings.Lines(c.Print) {
				fmt.Fprintf(b, "            print: %s\n", strings.TrimSuffix(line, "\n"))
			}
		}
	}
}

func printProblems(b *strings.Builder, indent string, found []diag.Finding) {
	for _, f := range diag.Rebase(".", found) {
		fmt.Fprintf(b, "%s%s\n", indent, strings.ReplaceAll(f.Message, "\n", "\n"+indent))
		for _, p := range f.Positions {
			fmt.Fprintf(b, "%s  %s\n", indent, p)
		}
	}
}

// junitSuites makes a suite of each file and a case of each case.
func junitSuites(results []suite.Result) []diag.JUnitSuite {
	var out []diag.JUnitSuite
	for _, r := range results {
		s := diag.JUnitSuite{Name: r.File}
		add := func(class, name string, status suite.Status, found []diag.Finding) {
			c := diag.JUnitCase{Class: class, Name: name}
			switch status {
			case suite.Fail:
				c.Failure = "failed"
				if len(found) > 0 {
					c.Failure, c.Type = strings.ReplaceAll(found[0].Message, "\n", " "), found[0].ID
				}
				var b strings.Builder
				printProblems(&b, "", found)
				c.Detail = "\n" + b.String()
			case suite.Skip:
				c.Skipped = "skipped"
			}
			s.Cases = append(s.Cases, c)
		}
		for _, t := range r.Tests {
			if len(t.Cases) == 0 {
				add(r.File, t.Name, t.Status, t.Findings)
			}
			for _, c := range t.Cases {
				add(t.Name, c.Name, c.Status, c.Findings)
			}
		}
		out = append(out, s)
	}
	return out
}
