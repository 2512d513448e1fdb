package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

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

// username is whom Flux's kustomize-controller is to the API server.
const username = "system:serviceaccount:flux-system:kustomize-controller"

// admission is one object as the validating webhook gets it: the one that is
// applied, or one that it will make.
type admission struct {
	request   *admissionv1.AdmissionRequest
	namespace *corev1.Namespace
	// namespaceMap is the Namespace as policies see it. Nil for objects outside
	// namespaces: the drivers tell a nil map from no map.
	namespaceMap map[string]any
	matchable    match.Matchable

	tree   map[string]any // the object after mutation, numbers as float64
	review ast.Value      // made by screenInput

	// given is what the platform writes, as far as it differs from tree: mutators
	// were given it, or it makes this object. Else nil.
	given map[string]any
	// implied is what expansion made of the object, and by which template.
	implied *resultant
}

// namespaceView is a Namespace as the webhook reads it from the API server; empty
// when there is none.
type namespaceView struct {
	typed *corev1.Namespace
	tree  map[string]any
	// key is a fingerprint of the Namespace as the platform writes it.
	key fingerprint
	// err says why the object is no Namespace, with labels that are no strings
	// for example. It fails the review of every object that is in it.
	err error
}

// namespaceViews are the Namespaces of one cluster. They are looked up by one
// goroutine.
type namespaceViews struct {
	set   *Set
	found map[string]*object.Object
	views map[string]namespaceView
}

func (s *Set) namespacesIn(cluster []*object.Object) *namespaceViews {
	v := &namespaceViews{s, map[string]*object.Object{}, map[string]namespaceView{}}
	for _, o := range cluster {
		if isNamespace(o) {
			v.found[o.Name] = o
		}
	}
	return v
}

// of is the Namespace that an object is in. The webhook takes a Namespace for
// an object outside namespaces.
func (v *namespaceViews) of(o *object.Object) namespaceView {
	if o.Namespace == "" || isNamespace(o) {
		return namespaceView{}
	}
	view, ok := v.views[o.Namespace]
	if !ok {
		view = v.set.viewNamespace(o.Namespace, v.found[o.Namespace])
		v.views[o.Namespace] = view
	}
	return view
}

func (s *Set) viewNamespace(name string, o *object.Object) namespaceView {
	var view namespaceView
	var raw []byte
	switch {
	case o != nil:
		view.key = sha256.Sum256(o.JSON)
		var a admitted
		if a, view.err = s.admitted(o, nil); view.err != nil {
			return view
		}
		raw = a.raw
	case inEveryCluster(name):
		raw, _ = json.Marshal(map[string]any{"metadata": map[string]any{
			"name": name, "labels": map[string]any{corev1.LabelMetadataName: name},
		}})
	default:
		return view
	}
	ns := &corev1.Namespace{}
	if err := json.Unmarshal(raw, ns); err != nil {
		view.err = fmt.Errorf("reading Namespace %s: %w", name, err)
		return view
	}
	// The webhook reads a typed Namespace and gives policies its JSON
	// (gatekeeper pkg/util/namespace.go).
	view.typed = ns
	view.tree, view.err = util.NamespaceToMap(ns)
	return view
}

// admitted is an object as the API server has it before validation: after the
// mutating webhook, and after the one default that selectors are written for.
type admitted struct {
	raw  []byte
	tree map[string]any // of raw, numbers as float64
	// given is the tree before mutation; nil when that changed nothing.
	given map[string]any
}

func (s *Set) admitted(o *object.Object, ns *corev1.Namespace) (admitted, error) {
	raw, tree, err := defaulted(o)
	if err != nil || s.mutation == nil {
		return admitted{raw: raw, tree: tree}, err
	}
	mutated, err := s.mutation.mutate(s.scope, o, raw, ns)
	if err != nil || bytes.Equal(mutated, raw) {
		return admitted{raw: raw, tree: tree}, err
	}
	a := admitted{raw: mutated, given: tree}
	return a, json.Unmarshal(mutated, &a.tree)
}

// defaulted puts the label on a Namespace that bears its name
// (k8s.io/kubernetes, pkg/apis/core/v1, SetDefaults_Namespace). The tree is made
// anew: a fleet's objects do not keep theirs because policies looked at them.
// Numbers are float64, as everywhere in Gatekeeper's Rego driver.
func defaulted(o *object.Object) ([]byte, map[string]any, error) {
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
// creates the object, and those that Gatekeeper makes up for what the object
// will make itself. They have no uid and no options: these differ from request
// to request, and no build can know them.
func (s *Set) admit(o *object.Object, ns namespaceView) ([]*admission, error) {
	if ns.err != nil {
		return nil, ns.err
	}
	in, err := s.admitted(o, ns.typed)
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
				Username: username,
				Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:flux-system", "system:authenticated"},
			},
			Object: runtime.RawExtension{Raw: in.raw},
			DryRun: &dryRun,
		},
		namespace:    ns.typed,
		namespaceMap: ns.tree,
		tree:         in.tree,
		given:        in.given,
		matchable: match.Matchable{
			Object:    &unstructured.Unstructured{Object: in.tree},
			Namespace: ns.typed,
			Source:    mutationtypes.SourceTypeOriginal,
		},
	}
	made, err := s.expander.expand(o, in.raw, ns.typed)
	if err != nil {
		return nil, err
	}
	all := []*admission{a}
	for i := range made {
		child, err := a.child(&made[i])
		if err != nil {
			return nil, err
		}
		all = append(all, child)
	}
	return all, nil
}

// child is the review of something that the object will make (pkg/webhook,
// createReviewForResultant, and pkg/target, augmentedUnstructuredToAdmissionRequest).
func (a *admission) child(r *resultant) (*admission, error) {
	raw, err := r.Obj.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	given := a.given
	if given == nil {
		given = a.tree
	}
	return &admission{
		request: &admissionv1.AdmissionRequest{
			Kind:      metav1.GroupVersionKind(r.Obj.GroupVersionKind()),
			Name:      r.Obj.GetName(),
			Namespace: r.Obj.GetNamespace(),
			Operation: a.request.Operation,
			Object:    runtime.RawExtension{Raw: raw},
		},
		namespace:    a.namespace,
		namespaceMap: a.namespaceMap,
		tree:         tree,
		given:        given,
		implied:      r,
		matchable: match.Matchable{
			Object:    &unstructured.Unstructured{Object: tree},
			Namespace: a.namespace,
			Source:    mutationtypes.SourceTypeGenerated,
		},
	}, nil
}

// path leads from a path in the reviewed object to one in the object that the
// platform writes: back from what mutators changed and from what expansion
// made. "" when there is none.
func (a *admission) path(path string) string {
	steps, err := ParsePath(path)
	if err != nil || path == "" {
		return ""
	}
	switch {
	case a.given == nil:
		return path
	case a.implied == nil:
		return FormatPath(a.given, relocate(a.tree, a.given, steps))
	case a.implied.source == nil:
		return ""
	case madeUp(steps):
		return FormatPath(a.given, a.implied.source)
	}
	var template any = a.given
	for _, s := range a.implied.source {
		m, _ := template.(map[string]any)
		template = m[s]
	}
	return FormatPath(a.given, append(slices.Clone(a.implied.source), relocate(a.tree, template, steps)...))
}

// madeUp tells fields that expansion itself writes (pkg/expansion,
// expandResource).
func madeUp(steps []string) bool {
	if steps[0] == "apiVersion" || steps[0] == "kind" {
		return true
	}
	return len(steps) > 1 && steps[0] == "metadata" && slices.Contains([]string{"name", "namespace", "ownerReferences"}, steps[1])
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
func (a *admission) augmented() any {
	if a.implied != nil {
		return &target.AugmentedUnstructured{
			Object:    *a.implied.Obj,
			Namespace: a.namespace,
			Operation: a.request.Operation,
			Source:    mutationtypes.SourceTypeGenerated,
		}
	}
	return &target.AugmentedReview{
		AdmissionRequest: a.request,
		Namespace:        a.namespace,
		Source:           mutationtypes.SourceTypeOriginal,
		IsAdmission:      true,
	}
}
