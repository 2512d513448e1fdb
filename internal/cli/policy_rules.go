package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/policy/ruletest"
	"github.com/contain-platform/contain/policies"
)

func newPolicyTest(e Env) *cobra.Command {
	format := string(diag.Text)
	var library, verbose bool
	c := &cobra.Command{
		Use:   "test [DIR]",
		Short: "Run the tests and judge the samples of rule directories",
		Long: `Run rule_test.rego of rule directories, GROUP/RULE/rule.rego at or below DIR,
as opa test does, and judge their samples: allowed*.yaml must pass the rule with
its default parameters, denied*.yaml must not.

Without DIR, these are the directories that the platform here names in policies:
sources; with --library, the library's own.`,
		Example: `  contain policy test rules
  contain policy test rules/images/pinned -v`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			rules, found, err := testRules(c.Context(), args, library)
			if err != nil {
				return err
			}
			if diag.HasErrors(found) {
				return e.report(diag.Format(format), ".", found)
			}
			if err := diag.Print(e.Stderr, diag.Text, ".", found); err != nil {
				return environmentError{err}
			}
			return e.testReport(format, verbose, rules)
		},
	}
	c.Flags().BoolVar(&library, "library", false, "the tests of the library")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "print what passes as well")
	choices := []string{string(diag.Text), string(diag.JSON), string(diag.JUnit)}
	c.Flags().Var(&choice{value: &format, of: choices}, "format", "how to print results: "+strings.Join(choices, ", "))
	return c
}

// testRules runs the tests of a directory, of the library, or of the sources of
// the platform here.
func testRules(ctx context.Context, args []string, library bool) ([]ruletest.Rule, []diag.Finding, error) {
	switch {
	case library && len(args) > 0:
		return nil, nil, usageError{errors.New("give a directory or --library")}
	case library:
		return ruletest.Run(ctx, policies.FS, ".", func(f string) string { return path.Join("policies", f) })
	case len(args) > 0:
		return testDir(ctx, args[0])
	}
	dirs, found, err := sourceDirs(ctx)
	if err != nil || diag.HasErrors(found) {
		return nil, found, err
	}
	var rules []ruletest.Rule
	for _, d := range dirs {
		more, problems, err := testDir(ctx, d)
		if err != nil {
			return nil, nil, err
		}
		rules, found = append(rules, more...), append(found, problems...)
	}
	return rules, found, nil
}

// sourceDirs are the directories that the platform here takes policies from.
func sourceDirs(ctx context.Context) ([]string, []diag.Finding, error) {
	in, err := input(".")
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("%w; give a directory, or --library", err)}
	}
	r, _, err := pipeline.Rules(ctx, in)
	if err != nil || r.Failed() {
		return nil, r.Findings, err
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r.Platform.Policies.Sources)) { // for determinism
		if d := r.Platform.Policies.Sources[name].Dir; d != "" {
			out = append(out, filepath.FromSlash(d))
		}
	}
	return out, nil, nil
}

func testDir(ctx context.Context, dir string) ([]ruletest.Rule, []diag.Finding, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, environmentError{err}
	}
	at := strings.Trim(filepath.ToSlash(abs), "/")
	if at == "" {
		at = "."
	}
	rules, found, err := ruletest.Run(ctx, os.DirFS(string(filepath.Separator)), at, relative)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("%s: no such directory", dir)
	case err != nil && ctx.Err() == nil:
		return nil, nil, fmt.Errorf("%s: %w", dir, cause(err))
	}
	return rules, found, err
}

// testReport prints results, which are data.
func (e Env) testReport(format string, verbose bool, rules []ruletest.Rule) error {
	failed := false
	var bare []string
	var tests, samples int
	for _, r := range rules {
		failed = failed || r.Failed()
		tests, samples = tests+len(r.Tests), samples+len(r.Samples)
		if len(r.Tests) == 0 {
			bare = append(bare, r.ID)
		}
	}
	var err error
	switch diag.Format(format) {
	case diag.JSON:
		err = writeJSON(e.Stdout, struct {
			Rules []ruletest.Rule `json:"rules"`
		}{append([]ruletest.Rule{}, rules...)})
	case diag.JUnit:
		err = diag.WriteJUnit(e.Stdout, junitRules(rules))
	default:
		err = printRules(e.Stdout, rules, verbose)
		switch {
		case len(rules) == 0:
			fmt.Fprintln(e.Stderr, "no rule directories (GROUP/RULE/rule.rego) here")
		case len(rules) > 1:
			fmt.Fprintf(e.Stderr, "\n%s: %s, %s\n", plural(len(rules), "rule"), plural(tests, "test"), plural(samples, "sample"))
		}
		if len(bare) > 0 && len(rules) > 0 {
			fmt.Fprintf(e.Stderr, "no tests: %s\n", strings.Join(bare, ", "))
		}
	}
	return ended(err, failed)
}

func printRules(w io.Writer, rules []ruletest.Rule, verbose bool) error {
	var b strings.Builder
	for _, r := range rules {
		word, n := "ok  ", []string{plural(len(r.Tests), "test")}
		if len(r.Samples) > 0 {
			n = append(n, plural(len(r.Samples), "sample"))
		}
		all := slices.Concat(r.Tests, r.Samples)
		for _, s := range []ruletest.Status{ruletest.Fail, ruletest.Skip} {
			k := 0
			for _, x := range all {
				if x.Status == s {
					k++
				}
			}
			if k > 0 {
				n = append(n, fmt.Sprintf("%d %s", k, map[ruletest.Status]string{ruletest.Fail: "failed", ruletest.Skip: "skipped"}[s]))
			}
		}
		switch {
		case r.Failed():
			word = "FAIL"
		case len(all) == 0:
			word, n = "none", []string{"no tests"}
		}
		fmt.Fprintf(&b, "%s  %s  %s\n", word, r.Dir, strings.Join(n, ", "))
		for _, x := range all {
			if verbose || x.Status == ruletest.Fail {
				fmt.Fprintf(&b, "      %s  %s\n", x.Status, x.Name)
			}
			if x.Status == ruletest.Fail {
				b.WriteString(failure(x, "            "))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// failure is what is to say of a result, indented.
func failure(x ruletest.Result, indent string) string {
	s := fmt.Sprintf("%s%s\n%s  %s\n", indent, x.Message, indent, x.Position)
	if x.Detail != "" {
		s += indent + "    " + strings.ReplaceAll(x.Detail, "\n", "\n"+indent+"    ") + "\n"
	}
	return s
}

// junitRules makes a suite of each directory and a case of each result.
func junitRules(rules []ruletest.Rule) []diag.JUnitSuite {
	var out []diag.JUnitSuite
	for _, r := range rules {
		s := diag.JUnitSuite{Name: r.ID}
		for _, x := range slices.Concat(r.Tests, r.Samples) {
			c := diag.JUnitCase{Class: r.ID, Name: x.Name}
			switch x.Status {
			case ruletest.Fail:
				c.Failure, c.Type, c.Detail = x.Message, "failed", "\n"+failure(x, "")
			case ruletest.Skip:
				c.Skipped = "skipped"
			}
			s.Cases = append(s.Cases, c)
		}
		out = append(out, s)
	}
	return out
}
