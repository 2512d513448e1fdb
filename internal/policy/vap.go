package policy

import (
	"context"

	"github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	celschema "github.com/open-policy-agent/gatekeeper/v3/pkg/drivers/k8scel/schema"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/match"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/open-policy-agent/frameworks/constraint/pkg/client"
)

const webhookPoint = util.WebhookEnforcementPoint

// makesVAP tells whether Gatekeeper writes a ValidatingAdmissionPolicy for a CEL
// template, which the API server then runs beside the webhook: unless the
// template says no, with the flag default-create-vap-for-templates as it is.
func makesVAP(t *templates.ConstraintTemplate) bool {
	src, err := celschema.GetSourceFromTemplate(t)
	return err == nil && (src.GenerateVAP == nil || *src.GenerateVAP)
}

// asVAP tells whether a ValidatingAdmissionPolicy judges the object too. It sees
// what is applied alone, not what that will make.
func (p *policy) asVAP(a *admission) bool { return p.vap && a.implied == nil }

// vapMatch is what is left of a match in a ValidatingAdmissionPolicy and its
// binding (gatekeeper pkg/drivers/k8scel/transform, AllMatchersV1Beta1 and
// ConstraintToBinding): neither scope nor source, and a Namespace is in no
// namespace. Exclusions of the Config are the same, since
// sync-vap-enforcement-scope is on.
func vapMatch(m *match.Match, a *admission) *match.Match {
	out := *m
	out.Scope, out.Source = "", ""
	if isNamespaceTree(a) {
		out.Namespaces, out.ExcludedNamespaces = nil, nil
	}
	return &out
}

func isNamespaceTree(a *admission) bool {
	return a.request.Kind.Kind == "Namespace" && a.request.Kind.Group == ""
}

// newVAPJudge is a client whose Constraints match as vapMatch.
func newVAPJudge(ctx context.Context, p *policy, without ...string) (*client.Client, error) {
	constraints := make([]*constraint, len(p.constraints))
	for i, c := range p.constraints {
		u := c.object.DeepCopy()
		for _, field := range append([]string{"scope", "source"}, without...) {
			unstructured.RemoveNestedField(u.Object, "spec", "match", field)
		}
		constraints[i] = &constraint{object: u}
	}
	return newJudge(ctx, p, constraints, util.VAPEnforcementPoint)
}
