package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/frameworks/constraint/pkg/client"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/reviews"
	"github.com/open-policy-agent/frameworks/constraint/pkg/types"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/expansion"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/match"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"

	"github.com/contain-platform/contain/internal/diag"
)

// one reviews one object against one policy. What panics below it, ours or a
// library's, is a violation of that policy.
func (w *worker) one(j *job, p *policy, a *admission) (out []Violation) {
	defer func() {
		if r := recover(); r != nil {
			a.memory = memory{}
			out = []Violation{p.failure(fmt.Sprintf("the policy panicked: %v", r), nil)}
		}
	}()
	saw := w.look(j, p, a)
	switch {
	case saw.late:
		return []Violation{p.failure(w.set.tooLong(), runtimePlace(p.name, saw.err, p.locate))}
	case saw.large:
		return []Violation{p.failure(w.set.tooLarge(), runtimePlace(p.name, saw.err, p.locate))}
	case !saw.hit:
		return nil
	}
	out = w.ask(j, p, a)
	if saw.err != nil {
		for i := range out {
			out[i].Failed = true
			out[i].Positions = runtimePlace(p.name, saw.err, p.locate)
		}
	}
	return out
}

// look tells whether there may be something to report.
func (w *worker) look(j *job, p *policy, a *admission) outcome {
	var all outcome
	for i, c := range p.constraints {
		matched, sure := p.matches(c, a)
		switch {
		case !matched:
			continue
		case !sure:
			all.hit = true
			continue
		case p.screen == nil:
			return outcome{hit: true}
		}
		saw := w.screened(j, p, i, a)
		if saw.late || saw.large {
			return saw
		}
		all.hit = all.hit || saw.hit
		if all.err == nil {
			all.err = saw.err
		}
	}
	return all
}

// screened asks the program where it has the policy, else its own screen. What
// goes wrong in the program is seen again by the screen, which says where.
func (w *worker) screened(j *job, p *policy, i int, a *admission) outcome {
	data := w.set.empty
	if p.referential() {
		var err error
		if data, err = j.inventory.load(); err != nil {
			return outcome{hit: true}
		}
	}
	if k := (unitKey{p.fingerprint, i}); w.set.program.has(k) {
		saw := w.set.program.look(&w.guard, &a.memory, k, data, a.input)
		if saw.err == nil || saw.late || saw.large {
			return saw
		}
	}
	return p.screen.eval(&w.guard, data, a.review, p.constraints[i].parameters)
}

// matches tells whether the Constraint is about the object. A match that fails
// is one that rejects: not sure, and to be reported.
func (p *policy) matches(c *constraint, a *admission) (matched, sure bool) {
	if c.match == nil {
		return true, true
	}
	matched, err := match.Matches(c.match, &a.matchable)
	if err == nil && !matched && p.asVAP(a) {
		matched, err = match.Matches(vapMatch(c.match, a), &a.matchable)
	}
	return matched || err != nil, err == nil
}

// ask gets Gatekeeper's verdict.
func (w *worker) ask(j *job, p *policy, a *admission) []Violation {
	webhook := p.judge
	if p.referential() {
		webhook = func() (*client.Client, error) { return j.inventory.client(p) }
	}
	out := w.verdict(p, a, webhook, webhookPoint)
	if p.asVAP(a) {
		vap := p.judgeVAP
		if isNamespaceTree(a) {
			vap = p.judgeVAPNamespace
		}
		out = strictestOf(append(out, w.verdict(p, a, vap, util.VAPEnforcementPoint)...))
	}
	return out
}

// verdict asks one client at one enforcement point.
func (w *worker) verdict(p *policy, a *admission, judge func() (*client.Client, error), point string) []Violation {
	c, err := judge()
	if err != nil {
		return []Violation{p.failure(plain(err), nil)}
	}
	// A screen that was in time leaves no doubt that this is, but CEL had none.
	w.guard.begin()
	defer w.guard.end()
	ctx, cancel := w.guard.withContext()
	defer cancel()
	opts := []reviews.ReviewOpt{reviews.EnforcementPoint(point)}
	if a.namespace.tree != nil {
		opts = append(opts, reviews.Namespace(a.namespace.tree))
	}
	responses, err := c.Review(ctx, a.augmented(), opts...)
	if late, large := w.guard.why(); late {
		return []Violation{p.failure(w.set.tooLong(), nil)}
	} else if large {
		return []Violation{p.failure(w.set.tooLarge(), nil)}
	}
	if err != nil {
		return []Violation{p.broken(err)}
	}
	if a.implied != nil {
		// As pkg/webhook, reviewRequest.
		whole := types.NewResponses()
		expansion.OverrideEnforcementAction(a.implied.EnforcementAction, responses)
		expansion.AggregateResponses(a.implied.TemplateName, whole, responses)
		responses = whole
	}
	var out []Violation
	if r := responses.ByTarget[target.Name]; r != nil {
		for _, result := range r.Results {
			if v, ok := p.violation(result, a); ok {
				out = append(out, v)
			}
		}
	}
	return out
}

// violation translates a result; ok is false when no scoped action is for
// admission.
func (p *policy) violation(r *types.Result, a *admission) (v Violation, ok bool) {
	action := r.EnforcementAction
	if action == string(util.Scoped) {
		action = strictest(r.ScopedEnforcementActions)
	}
	if action == "" {
		return v, false
	}
	v = Violation{
		Rule:           p.rule,
		ConstraintKind: r.Constraint.GetKind(),
		ConstraintName: r.Constraint.GetName(),
		Action:         action,
		Message:        r.Msg,
	}
	if id := r.Constraint.GetAnnotations()[ruleAnnotation]; id != "" && p.rule == p.name {
		v.Rule = id
	}
	if details, _ := r.Metadata["details"].(map[string]any); len(details) > 0 {
		v.Details = details
		path, _ := details["path"].(string)
		v.Path = a.path(path)
	}
	return v, true
}

func strictest(actions []string) string {
	for _, a := range []string{Deny, Warn, Dryrun} {
		if slices.Contains(actions, a) {
			return a
		}
	}
	return ""
}

// strictestOf keeps one of violations that say the same of the same Constraint:
// the webhook and the ValidatingAdmissionPolicy find most things both.
func strictestOf(vs []Violation) []Violation {
	var out []Violation
	for _, v := range vs {
		i := slices.IndexFunc(out, func(o Violation) bool {
			return o.ConstraintName == v.ConstraintName && o.Message == v.Message
		})
		if i < 0 {
			out = append(out, v)
			continue
		}
		out[i].Action = strictest([]string{out[i].Action, v.Action})
	}
	return out
}

// failure is the violation of a policy that gave no verdict.
func (p *policy) failure(msg string, at []diag.Position) Violation {
	c := p.constraints[0].object
	return Violation{
		Rule:           p.rule,
		ConstraintKind: c.GetKind(),
		ConstraintName: c.GetName(),
		Action:         Deny,
		Message:        msg,
		Failed:         true,
		Positions:      at,
	}
}

// broken is the failure of a policy whose answer Gatekeeper cannot read. Its
// error holds the answer, which may be the whole object with its secrets.
func (p *policy) broken(err error) Violation {
	if !strings.Contains(err.Error(), "extracting message binding") || p.screen == nil {
		return p.failure(plain(err), nil)
	}
	var at []diag.Position
	if pos, ok := place(p.name, 0, p.screen.row, p.screen.col, p.locate); ok {
		at = []diag.Position{pos}
	}
	return p.failure("the msg of a violation is not a string, and Gatekeeper refuses the object without a word about why", at)
}

func (s *Set) tooLong() string { return fmt.Sprintf("the policy did not end within %v", s.budget) }

func (s *Set) tooLarge() string {
	return fmt.Sprintf("the policy needs more than %d MiB of memory", s.memory>>20)
}
