//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/contain-platform/contain/internal/object"
	templatesv1 "github.com/open-policy-agent/frameworks/constraint/pkg/apis/templates/v1"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/crds"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// constraintCRDs are the CRDs that Gatekeeper makes of ConstraintTemplates, by
// Gatekeeper's own code: without them the API server knows no constraint.
// Objects of other kinds are passed over.
func constraintCRDs(ctx context.Context, objs []*object.Object) ([]controlplane.CRD, error) {
	var out []controlplane.CRD
	for _, o := range objs {
		if o.Group != "templates.gatekeeper.sh" || o.Kind != "ConstraintTemplate" {
			continue
		}
		crd, err := constraintCRD(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.ID, err)
		}
		out = append(out, controlplane.CRD{File: o.ID.String(), Object: crd})
	}
	return out, nil
}

func constraintCRD(ctx context.Context, o *object.Object) (*unstructured.Unstructured, error) {
	var versioned templatesv1.ConstraintTemplate
	if err := json.Unmarshal(o.JSON, &versioned); err != nil {
		return nil, err
	}
	template, err := versioned.ToVersionless()
	if err != nil {
		return nil, err
	}
	internal, err := crds.CreateCRD(template, crds.CreateSchema(template, &target.K8sValidationTarget{}))
	if err != nil {
		return nil, err
	}
	if err := crds.ValidateCRD(ctx, internal); err != nil {
		return nil, err
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := apiextensionsv1.Convert_apiextensions_CustomResourceDefinition_To_v1_CustomResourceDefinition(internal, &crd, nil); err != nil {
		return nil, err
	}
	crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&crd)
	if err != nil {
		return nil, err
	}
	delete(tree, "status")
	return &unstructured.Unstructured{Object: tree}, nil
}

// TestDryRunJudgesConstraints shows that parameters are held to the template's
// schema once its CRD is there.
func TestDryRunJudgesConstraints(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	objs, err := controlplane.ReadYAML([]byte(`
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: e2eowned}
spec:
  crd:
    spec:
      names: {kind: E2EOwned}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            owners: {type: array, items: {type: string}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package e2eowned
      violation contains {"msg": "no owner"} if not input.review.object.metadata.labels.owner
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: E2EOwned
metadata: {name: good}
spec: {match: {kinds: [{apiGroups: [""], kinds: [Namespace]}]}, parameters: {owners: [a]}}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: E2EOwned
metadata: {name: wrong-type}
spec: {parameters: {owners: a}}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: E2EOwned
metadata: {name: unknown-match}
spec: {match: {kind: []}}
`))
	if err != nil {
		t.Fatal(err)
	}
	made, err := constraintCRDs(ctx, objs)
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.ApplyCRDs(ctx, made); err != nil {
		t.Fatal(err)
	}
	wantRefusals(ctx, t, objs, []string{
		`constraints.gatekeeper.sh/v1beta1 E2EOwned unknown-match: E2EOwned in version "v1beta1" cannot be handled as a E2EOwned: strict decoding error: unknown field "spec.match.kind"`,
		`constraints.gatekeeper.sh/v1beta1 E2EOwned wrong-type: E2EOwned.constraints.gatekeeper.sh "wrong-type" is invalid: spec.parameters.owners: Invalid value: "string": spec.parameters.owners in body must be of type array: "string"`,
	})
}
