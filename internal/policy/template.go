package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/open-policy-agent/frameworks/constraint/pkg/apis/templates/v1"
	"github.com/open-policy-agent/frameworks/constraint/pkg/apis/templates/v1alpha1"
	"github.com/open-policy-agent/frameworks/constraint/pkg/apis/templates/v1beta1"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers"
	regodriver "github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego"
	regoschema "github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego/schema"
	"github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/drivers/k8scel"
	celschema "github.com/open-policy-agent/gatekeeper/v3/pkg/drivers/k8scel/schema"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/match"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"
	"github.com/open-policy-agent/opa/v1/ast"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// template is a compiled ConstraintTemplate. Exactly one of findings and the
// rest is there.
type template struct {
	findings []diag.Finding

	fingerprint fingerprint
	object      *object.Object
	decoded     *templates.ConstraintTemplate
	engine      string  // name of the driver that Gatekeeper takes
	screen      *screen // of Rego alone
	vap         bool    // of CEL: Gatekeeper makes a ValidatingAdmissionPolicy of it
	rule        string  // rule id
	locate      func(string, int) (diag.Position, bool)
}

// policy is a template with its Constraints.
type policy struct {
	*template
	name        string
	constraints []*constraint
	kinds       []match.Kinds // that some Constraint is about; nil for every kind
	// judge is Gatekeeper's own client with this one template. It is made when
	// something is to be judged: most policies of most platforms find nothing.
	judge func() (*client.Client, error)
	// The same as the ValidatingAdmissionPolicy sees Constraints, for most
	// objects and for Namespaces.
	judgeVAP, judgeVAPNamespace func() (*client.Client, error)
}

// referential tells whether the policy looks into the inventory. CEL cannot.
func (t *template) referential() bool { return t.screen != nil && t.screen.referential }

type constraint struct {
	object     *unstructured.Unstructured // as the user wrote it, for judge
	match      *match.Match               // nil matches everything
	parameters *ast.Term                  // with the schema's defaults, for screen
}

// ruleAnnotation names the rule on templates that are made of a rule directory.
const ruleAnnotation = "contain.platform/rule"

// compileTemplate never panics: a library that does so over a user's text is a
// finding about that text.
func compileTemplate(o *object.Object, opts Options) (out *template) {
	defer func() {
		if r := recover(); r != nil {
			out = &template{findings: []diag.Finding{templateFinding(o, FindingTemplate, fmt.Sprintf("compiling it panicked: %v", r))}}
		}
	}()
	t, err := decodeTemplate(o)
	if err != nil {
		return &template{findings: []diag.Finding{refusedTemplate(o, err)}}
	}
	out = &template{object: o, decoded: t, engine: engineOf(t), rule: o.Annotations()[ruleAnnotation], locate: opts.Locate}
	if out.rule == "" {
		out.rule = o.Name
	}
	switch out.engine {
	case regoschema.Name:
		src, err := regoSource(t)
		if err != nil {
			out.findings = []diag.Finding{refusedTemplate(o, err)}
			return out
		}
		var problems []problem
		out.screen, problems = compileScreen(src)
		out.findings = positioned(o, regoPath(o, src), problems, opts.Locate)
	case celschema.Name:
		out.findings = checkCEL(o, t)
		out.vap = makesVAP(t)
	default:
		out.findings = []diag.Finding{templateFinding(o, FindingTemplate,
			fmt.Sprintf("has no code for an engine of Gatekeeper (%s, %s)", regoschema.Name, celschema.Name))}
	}
	return out
}

func decodeTemplate(o *object.Object) (*templates.ConstraintTemplate, error) {
	type versioned interface {
		ToVersionless() (*templates.ConstraintTemplate, error)
	}
	var v versioned
	switch o.Version {
	case "v1":
		v = new(v1.ConstraintTemplate)
	case "v1beta1":
		v = new(v1beta1.ConstraintTemplate)
	case "v1alpha1":
		v = new(v1alpha1.ConstraintTemplate)
	default:
		return nil, fmt.Errorf("%s is no version of ConstraintTemplate", o.APIVersion())
	}
	if err := json.Unmarshal(o.JSON, v); err != nil {
		return nil, err
	}
	t, err := v.ToVersionless()
	if err != nil {
		return nil, err
	}
	for _, each := range t.Spec.Targets {
		// The rule of Gatekeeper's own webhook (pkg/webhook/policy.go,
		// validateTemplate).
		if slices.Contains(each.Operations, "*") && len(each.Operations) > 1 {
			return nil, errors.New(`operations: "*" stands alone or not at all`)
		}
	}
	return t, nil
}

// engineOf is the driver that a client takes for the template when it was given
// k8scel before rego, as Gatekeeper's manager does (main.go of gatekeeper).
func engineOf(t *templates.ConstraintTemplate) string {
	if len(t.Spec.Targets) == 0 {
		return ""
	}
	engine := ""
	for _, c := range t.Spec.Targets[0].Code {
		switch {
		case c.Engine == celschema.Name:
			return c.Engine
		case c.Engine == regoschema.Name:
			engine = c.Engine
		}
	}
	return engine
}

// onCreate tells whether the webhook runs the template when an object is
// created (client.go of frameworks/constraint, MatchesOperation).
func (t *template) onCreate() bool {
	if len(t.decoded.Spec.Targets) != 1 {
		return true
	}
	ops := t.decoded.Spec.Targets[0].Operations
	return len(ops) == 0 || slices.Contains(ops, "*") || slices.Contains(ops, admissionregistrationv1.Create)
}

// newPolicy adds Constraints to a template by way of a client of the framework
// whose Rego driver is the screen: it validates, defaults and refuses as
// Gatekeeper does, without compiling Rego twice.
func newPolicy(ctx context.Context, t *template, objs []*object.Object) (*policy, []diag.Finding) {
	refuse := func(err error) []diag.Finding {
		return []diag.Finding{refusedTemplate(t.object, err)}
	}
	d := &screenDriver{defaulted: map[string]*ast.Term{}}
	c, err := newClient(d, webhookPoint, util.VAPEnforcementPoint)
	if err != nil {
		return nil, refuse(err)
	}
	if _, err := c.AddTemplate(ctx, t.decoded.DeepCopy()); err != nil {
		return nil, refuse(err)
	}
	p := &policy{template: t, name: t.object.Name}
	var findings []diag.Finding
	for _, o := range objs {
		u, err := decodeConstraint(o)
		if err == nil {
			_, err = c.AddConstraint(ctx, u.DeepCopy())
		}
		var m *match.Match
		if err == nil {
			m, err = matchOf(u)
		}
		if err != nil {
			findings = append(findings, constraintFindings(o, err)...)
			continue
		}
		p.constraints = append(p.constraints, &constraint{u, m, d.defaulted[o.Name]})
	}
	p.kinds = kindsOf(p.constraints)
	p.judge = sync.OnceValues(func() (*client.Client, error) { return newJudge(ctx, p, p.constraints, webhookPoint) })
	p.judgeVAP = sync.OnceValues(func() (*client.Client, error) { return newVAPJudge(ctx, p) })
	p.judgeVAPNamespace = sync.OnceValues(func() (*client.Client, error) {
		return newVAPJudge(ctx, p, "namespaces", "excludedNamespaces")
	})
	return p, findings
}

// kindsOf joins the kinds of Constraints.
func kindsOf(constraints []*constraint) []match.Kinds {
	var out []match.Kinds
	for _, c := range constraints {
		if c.match == nil || len(c.match.Kinds) == 0 {
			return nil
		}
		out = append(out, c.match.Kinds...)
	}
	return out
}

// about tells whether some Constraint may be about a kind, as kindsMatch of
// gatekeeper's pkg/mutation/match; it is the first thing that a match looks at.
func (p *policy) about(group, kind string) bool {
	among := func(list []string, s string) bool {
		return len(list) == 0 || slices.Contains(list, match.Wildcard) || slices.Contains(list, s)
	}
	return p.kinds == nil || slices.ContainsFunc(p.kinds, func(k match.Kinds) bool {
		return among(k.Kinds, kind) && among(k.APIGroups, group)
	})
}

// newJudge is a client for one enforcement point, with Gatekeeper's own drivers.
func newJudge(ctx context.Context, p *policy, constraints []*constraint, point string) (*client.Client, error) {
	d, err := regodriver.New()
	if err != nil {
		return nil, err
	}
	c, err := newClient(d, point)
	if err != nil {
		return nil, err
	}
	if _, err := c.AddTemplate(ctx, p.decoded.DeepCopy()); err != nil {
		return nil, err
	}
	for _, each := range constraints {
		if _, err := c.AddConstraint(ctx, each.object.DeepCopy()); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func decodeConstraint(o *object.Object) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(o.JSON); err != nil {
		return nil, err
	}
	action, found, err := unstructured.NestedString(u.Object, "spec", "enforcementAction")
	if err != nil {
		return nil, err
	}
	// Gatekeeper's webhook asks the same (pkg/webhook/policy.go,
	// validateConstraint); the framework's client does not.
	if found && action != "" {
		if err := util.ValidateEnforcementAction(util.EnforcementAction(action), u.Object); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// matchOf reads spec.match as the target's ToMatcher does.
func matchOf(u *unstructured.Unstructured) (*match.Match, error) {
	spec, found, err := unstructured.NestedMap(u.Object, "spec", "match")
	if err != nil || !found || spec == nil {
		return nil, err
	}
	b, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	m := &match.Match{}
	return m, json.Unmarshal(b, m)
}

func newClient(rego drivers.Driver, points ...string) (*client.Client, error) {
	cel, err := k8scel.New()
	if err != nil {
		return nil, err
	}
	return client.NewClient(
		client.Targets(&target.K8sValidationTarget{}),
		client.Driver(cel),
		client.Driver(rego),
		client.EnforcementPoints(points...),
	)
}
