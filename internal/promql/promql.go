// Package promql reads tenants' rules as Prometheus itself does, so that a rule
// that a ruler would refuse is refused at the user's line.
//
// Invariants: the parser is Prometheus' own; nothing is evaluated.
package promql

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	common "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
)

const (
	findingExpression = "tenants/promql"
	findingRule       = "tenants/rule"
)

// Check finds rules of tenants that Prometheus would not load: expressions that
// do not parse, templates of labels and annotations that do not, fields that do
// not go together, and rules that say the same series twice. Findings have a CUE
// path, from which the pipeline gets their positions.
func Check(p *model.Platform) []diag.Finding {
	var out []diag.Finding
	for _, t := range slices.Sorted(maps.Keys(p.Tenants)) {
		groups := p.Tenants[t].Rules
		for _, g := range slices.Sorted(maps.Keys(groups)) {
			seen := map[string]int{}
			for i, r := range groups[g].Rules {
				at := []string{"platform", "tenants", t, "rules", g, "rules", strconv.Itoa(i)}
				out = append(out, check(r, at)...)
				k := series(r)
				if first, ok := seen[k]; ok {
					f := finding(findingRule, fmt.Sprintf("%s is in the group twice, with the same labels: one would hide the other", name(r)), at...)
					at[len(at)-1] = strconv.Itoa(first)
					f.Also = []string{f.Path, model.Path(at...)}
					out = append(out, f)
					continue
				}
				seen[k] = i
			}
		}
	}
	return out
}

func finding(id, message string, path ...string) diag.Finding {
	return diag.Finding{ID: id, Message: message, Path: model.Path(path...)}
}

func name(r model.Rule) string {
	if r.Alert != "" {
		return "alert " + strconv.Quote(r.Alert)
	}
	return "record " + strconv.Quote(r.Record)
}

// series is what two rules of a group may not share: promtool's check of rules
// calls it a duplicate too.
func series(r model.Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %q", r.Alert, r.Record)
	for _, k := range slices.Sorted(maps.Keys(r.Labels)) {
		fmt.Fprintf(&b, " %s=%q", k, r.Labels[k])
	}
	return b.String()
}

// language is PromQL without its experiments, which Mimir's ruler has off too.
func language() parser.Parser { return parser.NewParser(parser.Options{}) }

// check gives Prometheus parts of a rule one by one, so that it is known which
// of them it objects to.
func check(r model.Rule, at []string) []diag.Finding {
	below := func(steps ...string) []string { return append(slices.Clone(at), steps...) }
	var out []diag.Finding
	if _, err := language().ParseExpr(r.Expr); err != nil {
		out = append(out, finding(findingExpression, expression(r.Expr, err), below("expr")...))
	}
	// An expression that parses stands for the rule's own.
	rule := func() rulefmt.Rule { return rulefmt.Rule{Alert: r.Alert, Record: r.Record, Expr: "1"} }
	bare := rule()
	for _, d := range []struct {
		field, text string
		to          *common.Duration
	}{{"for", r.For, &bare.For}, {"keep_firing_for", r.KeepFiringFor, &bare.KeepFiringFor}} {
		if d.text == "" {
			continue
		}
		v, err := common.ParseDuration(d.text)
		if err != nil {
			out = append(out, finding(findingRule, err.Error(), below(d.field)...))
		}
		*d.to = v
	}
	if r.Record != "" {
		bare.Annotations = r.Annotations // refused, whatever they say
	}
	out = append(out, validate(bare, at)...)
	for _, k := range slices.Sorted(maps.Keys(r.Labels)) {
		x := rule()
		x.Labels = map[string]string{k: r.Labels[k]}
		out = append(out, validate(x, below("labels", k))...)
	}
	if r.Record != "" || r.Alert == "" {
		return out
	}
	for _, k := range slices.Sorted(maps.Keys(r.Annotations)) {
		x := rule()
		x.Annotations = map[string]string{k: r.Annotations[k]}
		out = append(out, validate(x, below("annotations", k))...)
	}
	return out
}

// validate gives what is wrong with a rule beyond what makes it none: that is
// said once, about the rule and not about each of its labels.
func validate(r rulefmt.Rule, at []string) []diag.Finding {
	if (r.Alert == "") == (r.Record == "") && at[len(at)-2] != "rules" {
		return nil
	}
	var out []diag.Finding
	// The scheme is that of Mimir's limits, unless they say otherwise.
	for _, e := range r.Validate(rulefmt.RuleNode{}, common.LegacyValidation, language()) {
		err := errors.Unwrap(&e) // without positions in YAML that there is none of
		if t := template(r.Alert, err.Error()); t != "" {
			out = append(out, finding(findingRule, "the template does not parse: "+t, at...))
			continue
		}
		out = append(out, finding(findingRule, err.Error(), at...))
	}
	return out
}

// template is what text/template says of a text, without the name that
// Prometheus gives it, in whose one line the definitions of variables stand
// before the text; "" when an error is of another kind.
func template(alert, message string) string {
	_, rest, ok := strings.Cut(message, "template: __alert_"+alert+":")
	if !ok {
		return ""
	}
	_, rest, _ = strings.Cut(rest, ": ")
	return rest
}

// expression puts the parser's first error in words, with its place within the
// expression.
func expression(expr string, err error) string {
	var several parser.ParseErrors
	var one *parser.ParseErr
	switch {
	case errors.As(err, &several) && len(several) > 0:
		one = &several[0]
	case !errors.As(err, &one):
		return "not PromQL: " + err.Error()
	}
	start := min(max(int(one.PositionRange.Start), 0), len(expr))
	before := expr[:start]
	column := strconv.Itoa(len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1)
	if strings.Contains(strings.TrimSpace(expr), "\n") {
		return fmt.Sprintf("not PromQL, in line %d at column %s of the expression: %v", strings.Count(before, "\n")+1, column, one.Err)
	}
	return fmt.Sprintf("not PromQL, at column %s of the expression: %v", column, one.Err)
}
