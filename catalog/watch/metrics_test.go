package watch_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	selector = regexp.MustCompile(`\{[^}]*\}`)
	labels   = regexp.MustCompile(`\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)`)
	duration = regexp.MustCompile(`\[[^\]]*\]|\boffset\s+\S+`)
	word     = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*(\s*\()?`)
	number   = regexp.MustCompile(`\b[0-9][0-9a-zA-Z.]*\b`)
)

// metrics are the names of the series that an expression reads. promtool has
// parsed it: what is left of it without strings, selectors, label lists,
// durations and numbers is functions, operators and metrics.
func metrics(expr string) []string {
	expr = quoted.ReplaceAllString(expr, "")
	for _, r := range []*regexp.Regexp{selector, labels, duration, number} {
		expr = r.ReplaceAllString(expr, " ")
	}
	var out []string
	for _, w := range word.FindAllString(expr, -1) {
		switch {
		case strings.HasSuffix(w, "("):
		case w == "and", w == "or", w == "unless", w == "bool", aggregator.MatchString(w) && !strings.Contains(w, "_"):
		default:
			out = append(out, w)
		}
	}
	return out
}

// TestMetricsKnown: every metric of a rule or dashboard is in the list of those
// that were looked up, with where. A name with a typo never fires.
func TestMetricsKnown(t *testing.T) {
	data, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	known, source := map[string]bool{}, ""
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		switch {
		case line == "":
			source = ""
		case strings.HasPrefix(line, "# "):
			source = line
		case source == "":
			t.Errorf("metrics.txt:%d: %s has no source above it", i+1, line)
		case known[line]:
			t.Errorf("metrics.txt:%d: %s is there twice", i+1, line)
		default:
			known[line] = true
		}
	}
	used := map[string]bool{}
	for _, e := range expressions(t) {
		found := metrics(e.expr)
		if len(found) == 0 && e.expr != "vector(1)" {
			t.Errorf("%s reads no metric: %s", e.from, e.expr)
		}
		for _, m := range found {
			used[m] = true
			if !known[m] {
				t.Errorf("%s: %s is not in testdata/metrics.txt", e.from, m)
			}
		}
	}
	for m := range known {
		if !used[m] {
			t.Errorf("metrics.txt: %s is used nowhere", m)
		}
	}
	t.Logf("METRICS: %d known, %d used", len(known), len(used))
}

// An expression is one of a rule or a panel.
type expression struct{ from, expr string }

func expressions(t *testing.T) []expression {
	t.Helper()
	var out []expression
	for _, g := range groups(t) {
		for _, r := range g.Rules {
			out = append(out, expression{r.Alert, r.Expr})
		}
	}
	return append(out, panelExpressions(t)...)
}
