package policy

import (
	"encoding/json"
	"fmt"

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

// inEveryCluster tells whether a Namespace is there whether or not the platform
// writes it (k8s.io/kubernetes, pkg/controlplane/controller/systemnamespaces,
// and default).
func inEveryCluster(namespace string) bool {
	switch namespace {
	case metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease:
		return true
	}
	return false
}

// admission is one object as the webhook gets it.
type admission struct {
	request   *admissionv1.AdmissionRequest
	namespace *corev1.Namespace
	// namespaceMap is the Namespace as policies see it. Nil for objects outside
	// namespaces: the drivers tell a nil map from no map.
	namespaceMap map[string]any
	matchable    match.Matchable

	tree   map[string]any // the object, numbers as float64
	review ast.Value      // made by screenInput
}

// namespaceView is a Namespace as the webhook reads it from the API server; empty
// when there is none.
type namespaceView struct {
	typed *corev1.Namespace
	tree  map[string]any
	// err says why the object is no Namespace, with labels that are no strings
	// for example. It fails the review of every object that is in it.
	err error
}

func viewNamespace(name string, o *object.Object) namespaceView {
	var raw []byte
	switch {
	case o != nil:
		var err error
		if raw, _, err = admitted(o); err != nil {
			return namespaceView{err: err}
		}
	case inEveryCluster(name):
		raw, _ = json.Marshal(map[string]any{"metadata": map[string]any{
			"name": name, "labels": map[string]any{corev1.LabelMetadataName: name},
		}})
	default:
		return namespaceView{}
	}
	ns := &corev1.Namespace{}
	if err := json.Unmarshal(raw, ns); err != nil {
		return namespaceView{err: fmt.Errorf("reading Namespace %s: %w", name, err)}
	}
	// The webhook reads a typed Namespace and gives policies its JSON
	// (gatekeeper pkg/util/namespace.go).
	tree, err := util.NamespaceToMap(ns)
	return namespaceView{ns, tree, err}
}

// admitted is the object's JSON and tree after the one default of the API
// server that selectors are written for: the label that bears a Namespace's
// name (k8s.io/kubernetes, pkg/apis/core/v1, SetDefaults_Namespace). The tree is
// made anew: a fleet's objects do not keep theirs because policies looked at
// them. Numbers are float64, as everywhere in Gatekeeper's Rego driver.
func admitted(o *object.Object) ([]byte, map[string]any, error) {
	var tree map[string]any
	if err := json.Unmarshal(o.JSON, &tree); err != nil {
		return nil, nil, err
	}
	if !isNamespace(o) {
		return o.JSON, tree, nil
	}
	meta, _ := tree["metadata"].(map[string]any) // an Object has one, with a name
	labels, _ := meta["labels"].(map[string]any)
	if labels == nil {
		labels = map[string]any{}
		meta["labels"] = labels
	}
	if labels[corev1.LabelMetadataName] == o.Name {
		return o.JSON, tree, nil
	}
	labels[corev1.LabelMetadataName] = o.Name
	raw, err := object.Canonical(tree)
	return raw, tree, err
}

// admit makes the request that Flux's kustomize-controller causes when it
// creates the object. It has no uid and no options: they differ from request
// to request, and no build can know them.
func admit(o *object.Object, ns namespaceView) (*admission, error) {
	if ns.err != nil {
		return nil, ns.err
	}
	raw, tree, err := admitted(o)
	if err != nil {
		return nil, err
	}
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
		tree:         tree,
	}
	a.matchable = match.Matchable{
		Object:    &unstructured.Unstructured{Object: tree},
		Namespace: ns.typed,
		Source:    mutationtypes.SourceTypeOriginal,
	}
	return a, nil
}

// screenInput is the review as Gatekeeper's Rego driver converts it: through
// JSON, so that numbers are float64 (driver.go, Query). It is made once for all
// templates.
func (a *admission) screenInput() (ast.Value, error) {
	if a.review != nil {
		return a.review, nil
	}
	// All but the object goes through JSON; the object came that way.
	envelope := *a.request
	envelope.Object = runtime.RawExtension{}
	b, err := json.Marshal(envelope)
	if err != nil {
		return nil, err
	}
	m := map[string]any{}
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	m["object"] = a.tree
	m["namespaceObject"] = a.namespaceMap
	a.review, err = ast.InterfaceToValue(m)
	return a.review, err
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
