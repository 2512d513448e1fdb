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
// applied, or one that it will make. It belongs to one worker.
type admission struct {
	request   *admissionv1.AdmissionRequest
	namespace namespaceView
	matchable match.Matchable // apiVersion, kind and metadata; nothing else is matched

	// review and input are what Rego reads; see program for the parameters in
	// input.
	review, input *ast.Term
	memory        memory

	// given is what the platform writes, as far as it differs from the request's
	// object: mutators were given it, or it makes this object. Else nil.
	given []byte
	// implied is what expansion made of the object, and by which template.
	implied *resultant
}

// namespaceView is a Namespace as the webhook reads it from the API server; empty
// when there is none.
type namespaceView struct {
	typed *corev1.Namespace
	// tree is the Namespace as policies see it. Nil for objects outside
	// namespaces: the drivers tell a nil map from no map.
	tree  map[string]any
	value *ast.Term // of tree
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
	name := o.Namespace
	if isNamespace(o) {
		name = ""
	}
	view, ok := v.views[name]
	if !ok {
		if name != "" {
			view = v.set.viewNamespace(name, v.found[name])
		}
		value, err := ast.InterfaceToValue(view.tree)
		if view.value = ast.NewTerm(value); view.err == nil {
			view.err = err
		}
		v.views[name] = view
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
	raw []byte
	// given is what mutation was given; nil when that changed nothing.
	given []byte
}

func (s *Set) admitted(o *object.Object, ns *corev1.Namespace) (admitted, error) {
	raw, err := defaulted(o)
	if err != nil || s.mutation == nil {
		return admitted{raw: raw}, err
	}
	mutated, err := s.mutation.mutate(s.scope, o, raw, ns)
	if err != nil || bytes.Equal(mutated, raw) {
		return admitted{raw: raw}, err
	}
	return admitted{raw: mutated, given: raw}, nil
}

// defaulted puts the label on a Namespace that bears its name
// (k8s.io/kubernetes, pkg/apis/core/v1, SetDefaults_Namespace).
func defaulted(o *object.Object) ([]byte, error) {
	if !isNamespace(o) || o.Labels()[corev1.LabelMetadataName] == o.Name {
		return o.JSON, nil
	}
	tree, err := decodeTree(o.JSON)
	if err != nil {
		return nil, err
	}
	meta, _ := tree["metadata"].(map[string]any) // an Object has one, with a name
	labels, _ := meta["labels"].(map[string]any)
	if labels == nil {
		labels = map[string]any{}
		meta["labels"] = labels
	}
	labels[corev1.LabelMetadataName] = o.Name
	return object.Canonical(tree)
}

// decodeTree has numbers as float64, as everywhere in Gatekeeper's Rego driver.
// The tree is made anew: a fleet's objects do not keep theirs because policies
// looked at them.
func decodeTree(raw []byte) (map[string]any, error) {
	var tree map[string]any
	return tree, json.Unmarshal(raw, &tree)
}

// admit makes the request that Flux's kustomize-controller causes when it
// creates the object, and those that Gatekeeper makes up for what the object
// will make itself. They have no uid and no options: these differ from request
// to request, and no build can know them.
func (w *worker) admit(o *object.Object, ns namespaceView) ([]*admission, error) {
	if ns.err != nil {
		return nil, ns.err
	}
	in, err := w.set.admitted(o, ns.typed)
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
		namespace: ns,
		given:     in.given,
	}
	if err := w.read(a, mutationtypes.SourceTypeOriginal); err != nil {
		return nil, err
	}
	made, err := w.set.expander.expand(o, in.raw, ns.typed)
	if err != nil {
		return nil, err
	}
	all := []*admission{a}
	for i := range made {
		child, err := w.child(a, &made[i])
		if err != nil {
			return nil, err
		}
		all = append(all, child)
	}
	return all, nil
}

// child is the review of something that the object will make (pkg/webhook,
// createReviewForResultant, and pkg/target, augmentedUnstructuredToAdmissionRequest).
func (w *worker) child(a *admission, r *resultant) (*admission, error) {
	raw, err := r.Obj.MarshalJSON()
	if err != nil {
		return nil, err
	}
	given := a.given
	if given == nil {
		given = a.request.Object.Raw
	}
	child := &admission{
		request: &admissionv1.AdmissionRequest{
			Kind:      metav1.GroupVersionKind(r.Obj.GroupVersionKind()),
			Name:      r.Obj.GetName(),
			Namespace: r.Obj.GetNamespace(),
			Operation: a.request.Operation,
			Object:    runtime.RawExtension{Raw: raw},
		},
		namespace: a.namespace,
		given:     given,
		implied:   r,
	}
	return child, w.read(child, mutationtypes.SourceTypeGenerated)
}

// read makes what matches and Rego read of a request.
func (w *worker) read(a *admission, source mutationtypes.SourceType) error {
	value, err := w.values.read(a.request.Object.Raw)
	if err != nil {
		return err
	}
	head := map[string]any{}
	if o, ok := value.(ast.Object); ok {
		for _, field := range []string{"apiVersion", "kind", "metadata"} {
			if t := o.Get(ast.InternedTerm(field)); t != nil {
				if head[field], err = ast.JSON(t.Value); err != nil {
					return err
				}
			}
		}
	}
	a.matchable = match.Matchable{
		Object:    &unstructured.Unstructured{Object: head},
		Namespace: a.namespace.typed,
		Source:    source,
	}
	envelope, err := w.envelope(a)
	if err != nil {
		return err
	}
	pairs := append(slices.Clone(envelope),
		[2]*ast.Term{ast.InternedTerm("object"), ast.NewTerm(value)},
		[2]*ast.Term{ast.InternedTerm("namespaceObject"), a.namespace.value})
	for field, text := range map[string]string{"name": a.request.Name, "namespace": a.request.Namespace} {
		if text != "" {
			pairs = append(pairs, [2]*ast.Term{ast.InternedTerm(field), ast.StringTerm(text)})
		}
	}
	a.review = ast.NewTerm(ast.NewObject(pairs...))
	a.input = ast.NewTerm(ast.NewObject(
		[2]*ast.Term{ast.InternedTerm("review"), a.review},
		[2]*ast.Term{ast.InternedTerm("parameters"), w.set.parameters},
	))
	return nil
}

// envelopeKey is all that a request says besides its object, name and namespace.
type envelopeKey struct {
	kind    metav1.GroupVersionKind
	implied bool
}

// envelope is the request without object, name and namespace as Gatekeeper's
// Rego driver converts it (driver.go, Query), through JSON.
func (w *worker) envelope(a *admission) ([][2]*ast.Term, error) {
	key := envelopeKey{a.request.Kind, a.implied != nil}
	if known, ok := w.envelopes[key]; ok {
		return known, nil
	}
	request := *a.request
	request.Object, request.Name, request.Namespace = runtime.RawExtension{}, "", ""
	b, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	tree, err := decodeTree(b)
	if err != nil {
		return nil, err
	}
	delete(tree, "object") // null, and to be the object
	var out [][2]*ast.Term
	for k, v := range tree {
		value, err := ast.InterfaceToValue(v)
		if err != nil {
			return nil, err
		}
		out = append(out, [2]*ast.Term{ast.InternedTerm(k), ast.NewTerm(value)})
	}
	w.envelopes[key] = out
	return out, nil
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
	case a.implied != nil && a.implied.source == nil:
		return ""
	}
	given, errGiven := decodeTree(a.given)
	tree, errTree := decodeTree(a.request.Object.Raw)
	switch {
	case errGiven != nil || errTree != nil:
		return ""
	case a.implied == nil:
		return FormatPath(given, relocate(tree, given, steps))
	case madeUp(steps):
		return FormatPath(given, a.implied.source)
	}
	var template any = given
	for _, s := range a.implied.source {
		m, _ := template.(map[string]any)
		template = m[s]
	}
	return FormatPath(given, append(slices.Clone(a.implied.source), relocate(tree, template, steps)...))
}

// madeUp tells fields that expansion itself writes (pkg/expansion,
// expandResource).
func madeUp(steps []string) bool {
	if steps[0] == "apiVersion" || steps[0] == "kind" {
		return true
	}
	return len(steps) > 1 && steps[0] == "metadata" && slices.Contains([]string{"name", "namespace", "ownerReferences"}, steps[1])
}

// augmented is the request in the form that the framework's client takes.
func (a *admission) augmented() any {
	if a.implied != nil {
		return &target.AugmentedUnstructured{
			Object:    *a.implied.Obj,
			Namespace: a.namespace.typed,
			Operation: a.request.Operation,
			Source:    mutationtypes.SourceTypeGenerated,
		}
	}
	return &target.AugmentedReview{
		AdmissionRequest: a.request,
		Namespace:        a.namespace.typed,
		Source:           mutationtypes.SourceTypeOriginal,
		IsAdmission:      true,
	}
}
