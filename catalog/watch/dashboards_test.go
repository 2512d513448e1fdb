package watch_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/e2e/judge"
)

// A dashboard is what is looked at of Grafana's JSON model: docs/sources/
// visualizations/dashboards/build-dashboards/view-dashboard-json-model of
// grafana/grafana.
type dashboard struct {
	UID           string `json:"uid"`
	Title         string `json:"title"`
	SchemaVersion int    `json:"schemaVersion"`
	Templating    struct {
		List []struct {
			Name, Type string
		}
	} `json:"templating"`
	Panels []struct {
		ID         int    `json:"id"`
		Type       string `json:"type"`
		Title      string `json:"title"`
		Datasource struct {
			UID string `json:"uid"`
		} `json:"datasource"`
		GridPos struct{ H, W, X, Y int } `json:"gridPos"`
		Targets []struct {
			RefID string `json:"refId"`
			Expr  string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
}

// maxUID is Grafana's limit for the length of a uid, gridWidth the columns of a
// dashboard.
const (
	maxUID    = 40
	gridWidth = 24
)

func TestDashboards(t *testing.T) {
	uids := map[string]bool{}
	panels, size := 0, 0
	all := dashboards(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var d dashboard
		if err := json.Unmarshal([]byte(all[name]), &d); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		size += len(all[name])
		if d.UID == "" || len(d.UID) > maxUID || uids[d.UID] {
			t.Errorf("%s: uid %q is empty, too long or there twice", name, d.UID)
		}
		uids[d.UID] = true
		if d.SchemaVersion == 0 || d.Title == "" || len(d.Panels) == 0 {
			t.Errorf("%s: schemaVersion %d, title %q, %d panels", name, d.SchemaVersion, d.Title, len(d.Panels))
		}
		var variables []string
		for _, v := range d.Templating.List {
			variables = append(variables, v.Type+" "+v.Name)
		}
		if want := []string{"datasource datasource", "query cluster"}; !slices.Equal(variables, want) {
			t.Errorf("%s: variables %q, want %q", name, variables, want)
		}
		ids, taken := map[int]bool{}, map[[2]int]int{}
		for _, p := range d.Panels {
			panels++
			if p.ID == 0 || ids[p.ID] {
				t.Errorf("%s: panel id %d is zero or there twice", name, p.ID)
			}
			ids[p.ID] = true
			if !slices.Contains([]string{"timeseries", "stat", "table"}, p.Type) || p.Title == "" || p.Datasource.UID != "${datasource}" {
				t.Errorf("%s: panel %d has type %q, title %q and data source %q", name, p.ID, p.Type, p.Title, p.Datasource.UID)
			}
			g := p.GridPos
			if g.H < 1 || g.W < 1 || g.X < 0 || g.Y < 0 || g.X+g.W > gridWidth {
				t.Errorf("%s: panel %d is at %+v, out of the grid", name, p.ID, g)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%s: panels %d and %d overlap", name, other, p.ID)
					}
					taken[[2]int{x, y}] = p.ID
				}
			}
			refs := map[string]bool{}
			for _, q := range p.Targets {
				if q.RefID == "" || refs[q.RefID] {
					t.Errorf("%s: panel %d: refId %q is empty or there twice", name, p.ID, q.RefID)
				}
				refs[q.RefID] = true
				if !strings.Contains(q.Expr, `cluster=~"$cluster"`) {
					t.Errorf("%s: panel %d shows all clusters, whichever are chosen: %s", name, p.ID, q.Expr)
				}
			}
			if len(refs) == 0 {
				t.Errorf("%s: panel %d has no query", name, p.ID)
			}
		}
	}
	t.Logf("DASHBOARDS: %d, %d panels, %d bytes", len(all), panels, size)
}

// TestDashboardsPromtool has promtool parse every expression, as recording rules
// after Grafana has put in its variables.
func TestDashboardsPromtool(t *testing.T) {
	promtool := judge.Path(t, "promtool")
	variables := strings.NewReplacer("$cluster", ".*", "$__rate_interval", "5m")
	var rules []map[string]string
	for i, e := range panelExpressions(t) {
		rules = append(rules, map[string]string{"record": fmt.Sprintf("panel:%d", i), "expr": variables.Replace(e.expr)})
	}
	data, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "panels.yaml")
	write(t, file, data)
	if out, err := exec.Command(promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("promtool check rules: %v\n%s\n%s", err, out, data)
	}
	t.Logf("PROMTOOL: %d expressions of panels", len(rules))
}

func dashboards(t *testing.T) map[string]string {
	t.Helper()
	var out map[string]string
	if err := instance(t, "./catalog/watch").LookupPath(cue.ParsePath("dashboards")).Decode(&out); err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatal("no dashboards")
	}
	return out
}

func panelExpressions(t *testing.T) []expression {
	t.Helper()
	all := dashboards(t)
	var out []expression
	for _, name := range slices.Sorted(maps.Keys(all)) { // for determinism
		var d dashboard
		if err := json.Unmarshal([]byte(all[name]), &d); err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				out = append(out, expression{fmt.Sprintf("dashboard %s, panel %q", name, p.Title), q.Expr})
			}
		}
	}
	return out
}
