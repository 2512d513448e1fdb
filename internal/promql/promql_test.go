package promql_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/promql"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []model.Rule
		want  []string
	}{
		{"alert", []model.Rule{{Alert: "Down now", Expr: "up == 0", For: "1h30m", KeepFiringFor: "1d", Labels: map[string]string{"severity": "{{ $labels.tier }}"}, Annotations: map[string]string{"summary": "{{ $labels.job }} has {{ humanize $value }}"}}}, nil},
		{"record", []model.Rule{{Record: "job:up:sum", Expr: "sum by (job) (up)", Labels: map[string]string{"a": "b"}}}, nil},
		{"one name, two severities", []model.Rule{
			{Alert: "Full", Expr: "disk > 90", Labels: map[string]string{"severity": "critical"}},
			{Alert: "Full", Expr: "disk > 80", Labels: map[string]string{"severity": "warning"}},
		}, nil},
		{"twice", []model.Rule{{Alert: "Down", Expr: "up == 0"}, {Alert: "Up", Expr: "up"}, {Alert: "Down", Expr: "up < 1"}}, []string{`rules[2] [tenants/rule] alert "Down" is in the group twice, with the same labels: one would hide the other + platform.tenants.shop.rules.api.rules[2] + platform.tenants.shop.rules.api.rules[0]`}},
		{"unclosed", []model.Rule{{Alert: "Down", Expr: "sum(rate(up[5m])"}}, []string{`rules[0].expr [tenants/promql] not PromQL, at column 17 of the expression: unclosed left parenthesis`}},
		{"second line", []model.Rule{{Alert: "Down", Expr: "sum(up)\n/ sum by job (up)"}}, []string{`rules[0].expr [tenants/promql] not PromQL, in line 2 at column 10 of the expression: unexpected identifier "job" in grouping opts, expected "("`}},
		{"after letters of two bytes", []model.Rule{{Alert: "Down", Expr: `up{a="ü"} =! 1`}}, []string{`rules[0].expr [tenants/promql] not PromQL, at column 11 of the expression: unexpected "="`}},
		{"types", []model.Rule{{Alert: "Down", Expr: "rate(up)"}}, []string{`rules[0].expr [tenants/promql] not PromQL, at column 6 of the expression: expected type range vector in call to function "rate", got instant vector`}},
		{"unknown function", []model.Rule{{Alert: "Down", Expr: "rat(up[5m])"}}, []string{`rules[0].expr [tenants/promql] not PromQL, at column 1 of the expression: unknown function with name "rat"`}},
		{"template", []model.Rule{{Alert: "Down", Expr: "up == 0", Annotations: map[string]string{"ok": "x", "summary": "{{ $labels.job }"}}}, []string{`rules[0].annotations.summary [tenants/rule] the template does not parse: unexpected "}" in operand`}},
		{"function of a template", []model.Rule{{Alert: "Down", Expr: "up == 0", Labels: map[string]string{"severity": "{{ severity . }}"}}}, []string{`rules[0].labels.severity [tenants/rule] the template does not parse: function "severity" not defined`}},
		{"both", []model.Rule{{Alert: "Down", Record: "down", Expr: "up == 0"}}, []string{`rules[0] [tenants/rule] only one of 'record' and 'alert' must be set`}},
		{"neither", []model.Rule{{Expr: "up == 0", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"a": "b"}}}, []string{`rules[0] [tenants/rule] one of 'record' or 'alert' must be set`}},
		{"record with fields of alerts", []model.Rule{{Record: "down", Expr: "up == 0", For: "5m", Annotations: map[string]string{"a": "b"}}}, []string{`rules[0] [tenants/rule] invalid field 'annotations' in recording rule`, `rules[0] [tenants/rule] invalid field 'for' in recording rule`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &model.Platform{Tenants: map[string]model.Tenant{"shop": {Rules: map[string]model.RuleGroup{"api": {Rules: c.rules}}}}}
			var got []string
			for _, f := range promql.Check(p) {
				got = append(got, strings.Join(append([]string{strings.TrimPrefix(f.Path, "platform.tenants.shop.rules.api.") + " [" + f.ID + "] " + f.Message}, f.Also...), " + "))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}
