package cli

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/docs/findings"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/policies"
)

func newExplain(e Env) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [ID]",
		Short: "Say what a rule or a finding means, and what to do",
		Long: `Print the page of a rule of the library, or of any finding, by the id that
stands in brackets at its end. Without an id, list all of them.`,
		Example: `  contain explain images/pinned
  contain explain cue/missing`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			all, err := pages()
			if err != nil || len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return slices.Sorted(maps.Keys(all)), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := pages()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return e.listPages(all)
			}
			page, ok := all[args[0]]
			if !ok {
				return usageError{fmt.Errorf("there is no rule or finding %q%s", args[0], nearPage(args[0], all))}
			}
			if _, err := fmt.Fprint(e.Stdout, page); err != nil {
				return environmentError{err}
			}
			return nil
		},
	}
}

// pages are all pages by id, those of rules with where they are set.
func pages() (map[string]string, error) {
	out := map[string]string{}
	files, err := fs.Glob(findings.FS, "*/*.md")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		b, err := findings.FS.ReadFile(f)
		if err != nil {
			return nil, err
		}
		out[strings.TrimSuffix(f, ".md")] = string(b)
	}
	rules, err := rule.Load(policies.FS)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		out[r.ID] = strings.TrimRight(r.Doc, "\n") + "\n\n" + setting(r)
	}
	return out, nil
}

// hasPage tells whether contain explain knows an id.
func hasPage(id string) bool {
	_, err := fs.Stat(findings.FS, id+".md")
	if err != nil {
		_, err = fs.Stat(policies.FS, id+"/README.md")
	}
	return err == nil
}

// setting says where a rule is set and what the profiles make of it.
func setting(r rule.Rule) string {
	var b strings.Builder
	b.WriteString("## Where it is set\n\n")
	if r.Fixed {
		b.WriteString("Nowhere: nothing would work without it, so it can be neither turned down nor waived.\n")
		return b.String()
	}
	ladder := rule.Profiles()
	level := slices.Index(ladder, r.Profile)
	fmt.Fprintf(&b, "Profile %s", r.Profile)
	if level < len(ladder)-1 {
		b.WriteString(" and stricter ones")
	}
	fmt.Fprintf(&b, ": %s.\n", r.Enforcement)
	for _, p := range ladder[level:] {
		s, ok := r.Stricter[p]
		if !ok {
			continue
		}
		said := []string{}
		if s.Enforcement != "" {
			said = append(said, s.Enforcement)
		}
		for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
			v, err := json.Marshal(s.Parameters[name])
			if err == nil {
				said = append(said, fmt.Sprintf("%s: %s", name, v))
			}
		}
		fmt.Fprintf(&b, "Profile %s: %s.\n", p, strings.Join(said, ", "))
	}
	fmt.Fprintf(&b, `
The platform, an environment and a cluster can each say otherwise:

`+"```cue"+`
platform: policies: rules: %q: enforcement: "warn"
`+"```"+`
`, r.ID)
	return b.String()
}

// listPages prints the ids with the first sentence of their pages.
func (e Env) listPages(all map[string]string) error {
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	for _, id := range slices.Sorted(maps.Keys(all)) { // for determinism
		fmt.Fprintf(w, "%s\t%s\n", id, firstSentence(all[id]))
	}
	if err := w.Flush(); err != nil {
		return environmentError{err}
	}
	return nil
}

func firstSentence(page string) string {
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if i := strings.Index(line, ". "); i > 0 {
			line = line[:i]
		}
		return strings.TrimSuffix(line, ".")
	}
	return ""
}

// nearPage is a hint for an id that there is not: the nearest one, or those of
// its group.
func nearPage(id string, all map[string]string) string {
	ids := slices.Sorted(maps.Keys(all))
	if hint := model.Known(id, ids); hint != "" {
		return "; " + hint
	}
	var same []string
	group, name, _ := strings.Cut(id, "/")
	for _, known := range ids {
		g, n, _ := strings.Cut(known, "/")
		if g == group || n == name || n == id || g == name {
			same = append(same, known)
		}
	}
	if len(same) > 0 {
		return "; there is " + strings.Join(same, ", ")
	}
	return "; contain explain lists them all"
}
