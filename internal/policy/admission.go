package policy

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/match"
	mutationtypes "github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/types"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"
	"github.com/open-policy-agent/opa/v1/ast"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/contain-platform/contain/internal/object"
)

// systemNamespaces are in every cluster, whether or not the platform writes
// them (k8s.io/kubernetes, pkg/controlplane, SystemNamespaces and default).
var systemNamespaces = map[string]bool{
	metav1.NamespaceDefault:   true,
	metav1.NamespaceSystem:    true,
	metav1.NamespacePublic:    true,
	corev1.NamespaceNodeLease: true,
}

// admission is one object as the webhook gets it.
type admission struct {
	request   *admissionv1.AdmissionRequest
	namespace *corev1.Namespace
	// namespaceMap is the Namespace as policies see it. Nil for objects outside
	// namespaces: the drivers tell a nil map from no map.
	namespaceMap map[string]any
	matchable    match.Matchable

	review ast.Value // made by screenInput
}

// namespaces turns Namespace objects into what the webhook reads from the API
// server, each one once.
type namespaceView struct {
	typed *corev1.Namespace
	tree  map[string]any
}

func viewNamespace(name string, o *object.Object) (namespaceView, error) {
	var raw []byte
	switch {
	case o != nil:
		raw, _ = admitted(o)
	case systemNamespaces[name]:
		raw, _ = json.Marshal(map[string]any{"metadata": map[string]any{
			"name": name, "labels": map[string]any{corev1.LabelMetadataName: name},
		}})
	default:
		return namespaceView{}, nil
	}
	ns := &corev1.Namespace{}
	if err := json.Unmarshal(raw, ns); err != nil {
		return namespaceView{}, err
	}
	// The webhook reads a typed Namespace and gives policies its JSON
	// (gatekeeper pkg/util/namespace.go).
	tree, err := util.NamespaceToMap(ns)
	return namespaceView{ns, tree}, err
}

// admitted is the object's JSON and tree after the one default of the API
// server that selectors are written for: the label that bears a Namespace's
// name (k8s.io/kubernetes, pkg/apis/core/v1, SetDefaults_Namespace).
func admitted(o *object.Object) ([]byte, map[string]any) {
	tree := o.Tree()
	if o.Kind != "Namespace" || o.Group != "" || o.Labels()[corev1.LabelMetadataName] == o.Name {
		return o.JSON, tree
	}
	meta, _ := tree["metadata"].(map[string]any)
	labels, _ := meta["labels"].(map[string]any)
	tree, meta, labels = maps.Clone(tree), maps.Clone(meta), maps.Clone(labels)
	if labels == nil {
		labels = map[string]any{}
	}
	labels[corev1.LabelMetadataName] = o.Name
	meta["labels"], tree["metadata"] = labels, meta
	raw, err := object.Canonical(tree)
	if err != nil {
		return o.JSON, o.Tree()
	}
	return raw, tree
}

// admit makes the request that Flux's kustomize-controller causes when it
// creates the object. It has no uid and no options: they differ from request
// to request, and no build can know them.
func admit(o *object.Object, ns namespaceView) *admission {
	raw, tree := admitted(o)
	gvk := schema.GroupVersionKind{Group: o.Group, Version: o.Version, Kind: o.Kind}
	kind := metav1.GroupVersionKind(gvk)
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	resource := metav1.GroupVersionResource(plural)
	dryRun := false
	a := &admission{
		request: &admissionv1.AdmissionRequest{
			Kind:            kind,
			Resource:        resource,
			RequestKind:     &kind,
			RequestResource: &resource,
			Name:            o.Name,
			Namespace:       o.Namespace,
			Operation:       admissionv1.Create,
			UserInfo: authenticationv1.UserInfo{
				Username: "system:serviceaccount:flux-system:kustomize-controller",
				Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:flux-system", "system:authenticated"},
			},
			Object: runtime.RawExtension{Raw: raw},
			DryRun: &dryRun,
		},
		namespace:    ns.typed,
		namespaceMap: ns.tree,
	}
	a.matchable = match.Matchable{
		Object:    &unstructured.Unstructured{Object: tree},
		Namespace: ns.typed,
		Source:    mutationtypes.SourceTypeOriginal,
	}
	return a
}

// screenInput is the review as Gatekeeper's Rego driver converts it: through
// JSON, so that numbers are float64 (driver.go, Query). It is made once for all
// templates.
func (a *admission) screenInput() (ast.Value, error) {
	if a.review != nil {
		return a.review, nil
	}
	b, err := json.Marshal(a.request)
	if err != nil {
		return nil, err
	}
	m := map[string]any{}
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	m["namespaceObject"] = a.namespaceMap
	v, err := ast.InterfaceToValue(m)
	if err != nil {
		return nil, fmt.Errorf("converting the object: %w", err)
	}
	a.review = v
	return v, nil
}

// augmented is the request in the form that the framework's client takes.
func (a *admission) augmented() *target.AugmentedReview {
	return &target.AugmentedReview{
		AdmissionRequest: a.request,
		Namespace:        a.namespace,
		Source:           mutationtypes.SourceTypeOriginal,
		IsAdmission:      true,
	}
}
