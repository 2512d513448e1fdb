package policy_test

import (
	"context"
	"slices"
	"testing"

	"github.com/open-policy-agent/frameworks/constraint/pkg/apis"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/drivers/k8scel/transform"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator/reader"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	admissionregistrationv1beta1 "k8s.io/api/admissionregistration/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celapi "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/contain-platform/contain/internal/object"
)

// vap is the API server's side of CEL: the ValidatingAdmissionPolicies and
// bindings that Gatekeeper's controllers write, run by the API server's own
// validator. Nothing of Gatekeeper's drivers, targets and matches is in it.
type vap struct{ bound []boundVAP }

type boundVAP struct {
	policy     validating.Validator
	constraint *unstructured.Unstructured
	binding    *admissionregistrationv1beta1.ValidatingAdmissionPolicyBinding
	actions    []string
}

func newVAP(t testing.TB, templates, constraints []*object.Object) vap {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := apis.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	policies := map[string]validating.Validator{}
	for _, o := range templates {
		templ, err := reader.ToTemplate(scheme, toUnstructured(t, o))
		if err != nil {
			t.Fatal(err)
		}
		if definition, err := transform.TemplateToPolicyDefinition(templ); err == nil {
			policies[templ.Spec.CRD.Spec.Names.Kind] = newValidator(t, definition)
		}
	}
	var out vap
	for _, o := range constraints {
		p, ok := policies[o.Kind]
		u := toUnstructured(t, o)
		if !ok {
			continue
		}
		action, err := util.GetEnforcementAction(u.Object)
		if err != nil {
			t.Fatal(err)
		}
		actions := []string{string(action)}
		if action == util.Scoped {
			if actions, err = util.ScopedActionForEP(util.VAPEnforcementPoint, u); err != nil {
				t.Fatal(err)
			}
		}
		if len(actions) == 0 {
			continue
		}
		binding, err := transform.ConstraintToBinding(u, actions)
		if err != nil {
			t.Fatal(err)
		}
		out.bound = append(out.bound, boundVAP{p, u, binding, actions})
	}
	return out
}

// newValidator compiles as compilePolicy of k8s.io/apiserver,
// pkg/admission/plugin/policy/validating.
func newValidator(t testing.TB, d *admissionregistrationv1beta1.ValidatingAdmissionPolicy) validating.Validator {
	t.Helper()
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		t.Fatal(err)
	}
	vars := cel.OptionalVariableDeclarations{HasParams: true}
	var variables []cel.NamedExpressionAccessor
	for _, v := range d.Spec.Variables {
		variables = append(variables, &validating.Variable{Name: v.Name, Expression: v.Expression})
	}
	compiler.CompileAndStoreVariables(variables, vars, environment.StoredExpressions)
	var conditions, validations, messages []cel.ExpressionAccessor
	for _, c := range d.Spec.MatchConditions {
		conditions = append(conditions, &matchconditions.MatchCondition{Name: c.Name, Expression: c.Expression})
	}
	for _, v := range d.Spec.Validations {
		validations = append(validations, &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason})
		var m cel.ExpressionAccessor
		if v.MessageExpression != "" {
			m = &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}
		}
		messages = append(messages, m)
	}
	fail := admissionregistrationv1.Fail
	compile := func(l []cel.ExpressionAccessor) cel.ConditionEvaluator {
		return compiler.CompileCondition(l, vars, environment.StoredExpressions)
	}
	return validating.NewValidator(compile(validations),
		matchconditions.NewMatcher(compile(conditions), &fail, "policy", "validate", d.Name),
		compile(nil), compile(messages), &fail, nil)
}

func (v vap) review(t testing.TB, o *object.Object, namespaces map[string]*object.Object) []string {
	t.Helper()
	u := labelled(t, o)
	raw, err := u.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := transform.RequestToVersionedAttributes(&admissionv1.AdmissionRequest{
		Kind: metav1.GroupVersionKind{Group: o.Group, Version: o.Version, Kind: o.Kind},
		Name: o.Name, Namespace: o.Namespace, Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: raw},
	})
	if err != nil {
		t.Fatal(err)
	}
	var ns *corev1.Namespace
	if n := namespaces[o.Namespace]; n != nil {
		ns = &corev1.Namespace{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(labelled(t, n).Object, ns); err != nil {
			t.Fatal(err)
		}
	}
	var out []string
	for _, b := range v.bound {
		// As the API server's matching of objectSelector and namespaceSelector.
		of := labels.Set(nil)
		switch {
		case o.Kind == "Namespace":
			of = u.GetLabels()
		case ns != nil:
			of = ns.Labels
		}
		m := b.binding.Spec.MatchResources
		if !selects(t, m.ObjectSelector, u.GetLabels()) || (o.Kind == "Namespace" || o.Namespace != "") && !selects(t, m.NamespaceSelector, of) {
			continue
		}
		r := b.policy.Validate(context.Background(), attributes.GetResource(), attributes, b.constraint, ns, celapi.RuntimeCELCostBudget, nil)
		for _, d := range r.Decisions {
			if d.Action != validating.ActionDeny {
				continue
			}
			for _, rank := range []string{"deny", "warn", "dryrun"} {
				if slices.Contains(b.actions, rank) {
					out = append(out, line(o, b.constraint.GetKind(), b.constraint.GetName(), rank, d.Message, nil))
					break
				}
			}
		}
	}
	return out
}

func selects(t testing.TB, s *metav1.LabelSelector, of labels.Set) bool {
	t.Helper()
	if s == nil {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(of)
}

// labelled is the object as the API server has it: a Namespace bears its name.
func labelled(t testing.TB, o *object.Object) *unstructured.Unstructured {
	t.Helper()
	u := toUnstructured(t, o)
	if u.GetKind() == "Namespace" {
		l := u.GetLabels()
		if l == nil {
			l = map[string]string{}
		}
		l[corev1.LabelMetadataName] = u.GetName()
		u.SetLabels(l)
	}
	return u
}
