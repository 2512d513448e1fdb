//go:build e2e

package e2e

import (
	"context"
	"testing"

	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/contain-platform/contain/internal/object"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// TestDryRunJudges shows that the judge refuses what it has to, with the API
// server's words, and nothing else.
func TestDryRunJudges(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	objs, err := controlplane.ReadYAML([]byte(`
apiVersion: v1
kind: ConfigMap
metadata: {name: good, namespace: dry-run}
data: {a: b}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: unknown-field, namespace: dry-run}
date: {a: b}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: wrong-type, namespace: dry-run}
data: {a: 1}
---
apiVersion: v1
kind: Service
metadata: {name: invalid, namespace: dry-run}
spec: {ports: [{port: 0}]}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: unknown-field, namespace: dry-run}
spec: {interval: 1h, chartRef: {kind: OCIRepository, name: a}, vales: {}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: no-chart, namespace: dry-run}
spec: {interval: 1h}
---
apiVersion: v1
kind: Pod
metadata: {name: same-key, namespace: dry-run}
spec: {containers: [{name: a, image: a, env: [{name: A, value: a}, {name: A, value: b}]}]}
---
apiVersion: example.com/v1
kind: Unheard
metadata: {name: of, namespace: dry-run}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: nowhere}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: somewhere, namespace: dry-run}
`))
	if err != nil {
		t.Fatal(err)
	}
	wantRefusals(ctx, t, objs, []string{
		`rbac.authorization.k8s.io/v1 ClusterRole dry-run/somewhere: ClusterRole is not namespaced: metadata.namespace "dry-run" must go`,
		`v1 ConfigMap nowhere: ConfigMap is namespaced: metadata.namespace is missing`,
		`v1 ConfigMap dry-run/unknown-field: ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "date"`,
		`v1 ConfigMap dry-run/wrong-type: ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string`,
		`v1 Pod dry-run/same-key: failed to create typed patch object (dry-run/same-key; /v1, Kind=Pod): .spec.containers[name="a"].env: duplicate entries for key [name="A"]`,
		`v1 Service dry-run/invalid: Service "invalid" is invalid: [spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive]`,
		`example.com/v1 Unheard dry-run/of: no matches for kind "Unheard" in version "example.com/v1"`,
		`helm.toolkit.fluxcd.io/v2 HelmRelease dry-run/no-chart: HelmRelease.helm.toolkit.fluxcd.io "no-chart" is invalid: spec: Invalid value: either chart or chartRef must be set`,
		`helm.toolkit.fluxcd.io/v2 HelmRelease dry-run/unknown-field: HelmRelease in version "v2" cannot be handled as a HelmRelease: strict decoding error: unknown field "spec.vales"`,
	})
	_, err = harness.Get(ctx, object.ID{Version: "v1", Kind: "ConfigMap", Namespace: "dry-run", Name: "good"})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the dry run stored an object: %v", err)
	}
}

// wantRefusals fails the test unless a dry run of objs is refused in exactly
// these words.
func wantRefusals(ctx context.Context, t *testing.T, objs []*object.Object, want []string) {
	t.Helper()
	refused, err := harness.DryRun(ctx, objs)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range refused {
		got = append(got, r.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
}

// TestApplyServesDefinitionsFirst gives a definition and an object of its kind
// at once, in the wrong order.
func TestApplyServesDefinitionsFirst(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	apply(ctx, t, `
apiVersion: apply.example.com/v1
kind: Thing
metadata: {name: a, namespace: apply-first}
spec: {a: b}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.apply.example.com}
spec:
  group: apply.example.com
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, properties: {spec: {type: object, additionalProperties: {type: string}}}}
`)
	id := object.ID{Group: "apply.example.com", Version: "v1", Kind: "Thing", Namespace: "apply-first", Name: "a"}
	if _, err := harness.Get(ctx, id); err != nil {
		t.Fatal(err)
	}
	if err := harness.Delete(ctx, id); err != nil {
		t.Fatal(err)
	}
	if err := harness.WaitGone(ctx, id); err != nil {
		t.Fatal(err)
	}
}
