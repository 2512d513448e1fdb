// Package watch_test holds the alerts and dashboards to what the package says of
// them, and has promtool judge every expression and run every unit test.
//
// testdata/<group>_test.yaml are promtool's own unit tests; each alert of the
// group fires in one of them and does not in another, or at another time.
//
// CONTAIN_UPDATE=1 rewrites the table of alerts in docs/observability.md.
package watch_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/load"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/e2e/judge"
)

const (
	root     = "../.."
	runbooks = "https://runbooks.example"

	// perGroup is Mimir's default for ruler_max_rules_per_rule_group.
	perGroup = 20
)

// A rule is an alert in Prometheus' form.
type rule struct {
	Alert       string            `json:"alert,omitempty"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// A group is a group of rules with its name.
type group struct {
	Name  string `json:"name"`
	Rules []rule `json:"rules"`
}

// tests are the parts of promtool's unit tests that are looked at here.
type tests struct {
	Files []string `json:"rule_files"`
	Tests []struct {
		Name   string `json:"name"`
		Alerts []struct {
			Name   string `json:"alertname"`
			Expect []any  `json:"exp_alerts"`
		} `json:"alert_rule_test"`
	} `json:"tests"`
}

func TestAlerts(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range groups(t) {
		if n := len(g.Rules); n == 0 || n > perGroup {
			t.Errorf("%s: %d rules, want 1 to %d", g.Name, n, perGroup)
		}
		fires, silent := tested(t, g.Name)
		for _, r := range g.Rules {
			if seen[r.Alert] {
				t.Errorf("%s: two alerts of this name", r.Alert)
			}
			seen[r.Alert] = true
			severity := r.Labels["severity"]
			if !slices.Contains([]string{"critical", "warning", "info"}, severity) {
				t.Errorf("%s: severity %q", r.Alert, severity)
			}
			if s := r.Annotations["summary"]; !strings.HasSuffix(s, ".") || strings.Contains(s, "{{") {
				t.Errorf("%s: summary %q is no sentence that holds for every instance", r.Alert, s)
			}
			if d := r.Annotations["description"]; !strings.Contains(d, "abels.cluster") {
				t.Errorf("%s: description %q does not name the cluster", r.Alert, d)
			}
			if got, want := r.Annotations["runbook_url"], runbooks+"/"+r.Alert+".md"; got != want {
				t.Errorf("%s: runbook_url %q, want %q", r.Alert, got, want)
			}
			if !fires[r.Alert] {
				t.Errorf("%s: no unit test in which it fires", r.Alert)
			}
			// Watchdog is the one that always fires.
			if !silent[r.Alert] && r.Alert != "Watchdog" {
				t.Errorf("%s: no unit test in which it does not fire", r.Alert)
			}
			page(t, g.Name, r)
		}
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs/runbooks/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if name := strings.TrimSuffix(filepath.Base(p), ".md"); !seen[name] {
			t.Errorf("%s is the page of no alert", p)
		}
	}
	if len(pages) != len(seen) {
		t.Errorf("%d pages, %d alerts", len(pages), len(seen))
	}
}

// page holds a runbook page to its alert.
func page(t *testing.T, group string, r rule) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "docs/runbooks", r.Alert+".md"))
	if err != nil {
		t.Error(err)
		return
	}
	after := "at once"
	if r.For != "" {
		after = "after " + r.For
	}
	text := string(data)
	head := fmt.Sprintf("# %s\n\n%s · %s · %s\n\n", r.Alert, r.Labels["severity"], group, after)
	if !strings.HasPrefix(text, head) {
		t.Errorf("%s.md begins otherwise than\n%s", r.Alert, head)
	}
	rest := text
	for _, part := range []string{"\n**Impact.** ", "\n## Look\n\n```sh\n", "\n## Do\n\n- "} {
		_, after, ok := strings.Cut(rest, part)
		if !ok || strings.TrimSpace(after) == "" {
			t.Errorf("%s.md has no %q, or not in this order", r.Alert, strings.TrimSpace(part))
		}
		rest = after
	}
}

// tested returns the alerts that fire in a unit test of the group, and those
// that do not.
func tested(t *testing.T, group string) (fires, silent map[string]bool) {
	t.Helper()
	var f tests
	data, err := os.ReadFile(filepath.Join("testdata", group+"_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	if want := []string{group + ".yaml"}; !slices.Equal(f.Files, want) {
		t.Errorf("%s: rule_files %q, want %q", group, f.Files, want)
	}
	fires, silent = map[string]bool{}, map[string]bool{}
	for _, c := range f.Tests {
		for _, a := range c.Alerts {
			if len(a.Expect) > 0 {
				fires[a.Name] = true
			} else {
				silent[a.Name] = true
			}
		}
	}
	return fires, silent
}

var (
	aggregation = regexp.MustCompile(`\b(by|on|without|ignoring)\s*\(([^)]*)\)`)
	aggregator  = regexp.MustCompile(`\b(sum|min|max|avg|group|count|stddev|stdvar|quantile|topk|bottomk|count_values)\b\s*(\(|by\b|without\b)?`)
)

// TestClusterKept: one stack sees every cluster, so that a figure without the
// label says nothing, and a match without it mixes clusters.
func TestClusterKept(t *testing.T) {
	for _, g := range groups(t) {
		for _, r := range g.Rules {
			if problem := losesCluster(r.Expr); problem != "" {
				t.Errorf("%s: %s in\n%s", r.Alert, problem, r.Expr)
			}
		}
	}
	for expr, want := range map[string]string{
		`sum by (cluster, pod) (a)`:         "",
		`sum by (pod) (a)`:                  "by (pod) without cluster",
		`sum (a)`:                           "sum without by",
		`a / on (pod) group_left () b`:      "on (pod) without cluster",
		`sum without (pod) (a)`:             "without (pod)",
		`a{x="sum (b)"} and on (cluster) b`: "",
	} {
		if got := losesCluster(expr); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// losesCluster says how an expression loses the label cluster, if it does.
func losesCluster(expr string) string {
	expr = quoted.ReplaceAllString(expr, `""`)
	for _, m := range aggregation.FindAllStringSubmatch(expr, -1) {
		switch what := m[1] + " (" + m[2] + ")"; {
		case m[1] == "without" || m[1] == "ignoring":
			return what
		case !slices.Contains(strings.Split(strings.ReplaceAll(m[2], " ", ""), ","), "cluster"):
			return what + " without cluster"
		}
	}
	for _, m := range aggregator.FindAllStringSubmatch(expr, -1) {
		if m[2] == "(" {
			return m[1] + " without by"
		}
	}
	return ""
}

// TestSystemNamespaces holds the list to the catalog's.
func TestSystemNamespaces(t *testing.T) {
	var own, catalog []string
	if err := instance(t, "./catalog/watch").LookupPath(cue.ParsePath("systemNamespaces")).Decode(&own); err != nil {
		t.Fatal(err)
	}
	fields, err := instance(t, "./catalog").Fields(cue.Hidden(true))
	if err != nil {
		t.Fatal(err)
	}
	for fields.Next() {
		if fields.Selector().String() == "_systemNamespaces" {
			if err := fields.Value().Decode(&catalog); err != nil {
				t.Fatal(err)
			}
		}
	}
	if d := cmp.Diff(catalog, own); d != "" {
		t.Errorf("systemNamespaces (-catalog +watch):\n%s", d)
	}
}

// TestPromtool has promtool parse the rules, lint included, and run their tests.
func TestPromtool(t *testing.T) {
	promtool := judge.Path(t, "promtool")
	dir := t.TempDir()
	alerts, units := 0, 0
	check := []string{"check", "rules", "--lint=all", "--lint-fatal"}
	test := []string{"test", "rules"}
	for _, g := range groups(t) {
		data, err := yaml.Marshal(map[string]any{"groups": []group{g}})
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, g.Name+".yaml"), data)
		name := g.Name + "_test.yaml"
		cases, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), cases)
		check, test = append(check, g.Name+".yaml"), append(test, name)
		alerts += len(g.Rules)
		var f tests
		if err := yaml.Unmarshal(cases, &f); err != nil {
			t.Fatal(err)
		}
		for _, c := range f.Tests {
			units += len(c.Alerts)
		}
	}
	for _, args := range [][]string{check, test} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	t.Logf("PROMTOOL: %d alerts in %d groups, %d unit test cases", alerts, len(test)-2, units)
}

// TestDocs holds the table in docs/observability.md to the alerts.
func TestDocs(t *testing.T) {
	const head = "## What the platform watches\n"
	name := filepath.Join(root, "docs/observability.md")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), head)
	if !ok {
		t.Fatalf("%s has no section %q", name, head)
	}
	intro, rest, ok := strings.Cut(rest, "\n| alert |")
	if !ok {
		t.Fatalf("%s has no table of alerts", name)
	}
	after := ""
	if i := strings.Index(rest, "\n## "); i >= 0 {
		after = rest[i:]
	}
	want := before + head + intro + "\n" + table(groups(t)) + after
	if os.Getenv("CONTAIN_UPDATE") != "" {
		write(t, name, []byte(want))
		return
	}
	if d := cmp.Diff(want, string(data)); d != "" {
		t.Errorf("%s is not what the alerts say; CONTAIN_UPDATE=1 rewrites it (-want +got):\n%s", name, d)
	}
}

func table(groups []group) string {
	var b strings.Builder
	b.WriteString("| alert | group | severity | after | what it says |\n| --- | --- | --- | --- | --- |\n")
	for _, g := range groups {
		for _, r := range g.Rules {
			fmt.Fprintf(&b, "| [%s](runbooks/%s.md) | %s | %s | %s | %s |\n", r.Alert, r.Alert, g.Name, r.Labels["severity"], r.For, r.Annotations["summary"])
		}
	}
	return b.String()
}

// groups are those of both definitions, each sorted by name for determinism.
func groups(t *testing.T) []group {
	t.Helper()
	v := instance(t, "./catalog/watch")
	var out []group
	for _, def := range []string{"#Platform", "#StackItself"} {
		filled := v.LookupPath(cue.ParsePath(def)).FillPath(cue.ParsePath("#runbooks"), runbooks)
		data, err := filled.LookupPath(cue.ParsePath("groups")).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var byName map[string]group
		if err := json.Unmarshal(data, &byName); err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			out = append(out, group{Name: name, Rules: byName[name].Rules})
		}
	}
	return out
}

func instance(t *testing.T, pkg string) cue.Value {
	t.Helper()
	insts := load.Instances([]string{pkg}, &load.Config{
		Dir: root,
		// No registry is asked: every import is of this module.
		Env: []string{"CUE_REGISTRY=none"},
	})
	if err := insts[0].Err; err != nil {
		t.Fatal(err)
	}
	v := cuecontext.New().BuildInstance(insts[0])
	if err := v.Err(); err != nil {
		t.Fatal(err)
	}
	return v
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
