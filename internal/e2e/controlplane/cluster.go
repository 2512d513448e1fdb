package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/contain-platform/contain/internal/object"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

const (
	// fieldManager owns what tests apply. It is not Flux's, so that Flux shows
	// a conflict where a test and an artifact claim the same field.
	fieldManager = "contain-e2e"
	// workers is how many requests are under way at once. The API server and
	// its clients share the processors: more gives nothing.
	workers = 8
)

// A cluster is the clients of one API server.
type cluster struct {
	discovery discovery.DiscoveryInterface
	dynamic   dynamic.Interface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
}

func newCluster(config *rest.Config) (*cluster, error) {
	// Warnings are for Admit alone; a dry run is not asked for deprecations and
	// the like.
	config = rest.CopyConfig(config)
	config.WarningHandlerWithContext = warnings{}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &cluster{
		discovery: disco,
		dynamic:   dyn,
		mapper:    restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco)),
	}, nil
}

// servedResources are the names <plural>.<group> of everything in discovery.
func (c *cluster) servedResources() (map[string]bool, error) {
	_, lists, err := c.discovery.ServerGroupsAndResources()
	// A group whose resources are not there yet fails; the others are listed.
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, err
	}
	served := map[string]bool{}
	for _, l := range lists {
		gv, err := schema.ParseGroupVersion(l.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, r := range l.APIResources {
			served[schema.GroupResource{Group: gv.Group, Resource: r.Name}.String()] = true
		}
	}
	return served, nil
}

// mapping finds how the API server serves a kind. A kind that is not known is
// looked up once more in fresh discovery: its CRD may be new.
func (c *cluster) mapping(id object.ID) (*meta.RESTMapping, error) {
	kind := schema.GroupKind{Group: id.Group, Kind: id.Kind}
	m, err := c.mapper.RESTMapping(kind, id.Version)
	if meta.IsNoMatchError(err) {
		c.mapper.Reset()
		m, err = c.mapper.RESTMapping(kind, id.Version)
	}
	return m, err
}

// A scopeError says that an object has a namespace and must not, or the
// opposite. Clients have to know this before they can ask the API server.
type scopeError struct {
	id         object.ID
	namespaced bool // as the kind is
}

func (e *scopeError) Error() string {
	if e.namespaced {
		return fmt.Sprintf("%s is namespaced: metadata.namespace is missing", e.id.Kind)
	}
	return fmt.Sprintf("%s is not namespaced: metadata.namespace %q must go", e.id.Kind, e.id.Namespace)
}

// resource is the client for objects like id.
func (c *cluster) resource(id object.ID) (dynamic.ResourceInterface, error) {
	m, err := c.mapping(id)
	if err != nil {
		return nil, err
	}
	namespaced := m.Scope.Name() == meta.RESTScopeNameNamespace
	if namespaced != (id.Namespace != "") {
		return nil, &scopeError{id, namespaced}
	}
	client := c.dynamic.Resource(m.Resource)
	if !namespaced {
		return client, nil
	}
	return client.Namespace(id.Namespace), nil
}

// patch applies one object with the field manager of the tests.
func (c *cluster) patch(ctx context.Context, o *object.Object, dryRun []string) error {
	client, err := c.resource(o.ID)
	if err != nil {
		return err
	}
	force := true
	_, err = client.Patch(ctx, o.Name, types.ApplyPatchType, o.JSON, metav1.PatchOptions{
		DryRun:          dryRun,
		Force:           &force,
		FieldManager:    fieldManager,
		FieldValidation: metav1.FieldValidationStrict,
	})
	return err
}

// ReadYAML reads a stream of objects.
func ReadYAML(stream []byte) ([]*object.Object, error) {
	decoded, err := decodeYAML(stream)
	if err != nil {
		return nil, err
	}
	var objs []*object.Object
	for _, u := range decoded {
		o, err := object.FromTree("", u.Object)
		if err != nil {
			return nil, err
		}
		objs = append(objs, o)
	}
	return objs, nil
}

// Apply stores objects by server-side apply, strictly, in the order of package
// object: definitions, which are served before anything else is stored, then
// namespaces. It stops at the first refusal. Namespaces that objects name
// without bringing them are made.
func (cp *ControlPlane) Apply(ctx context.Context, objs []*object.Object) error {
	var definitions []CRD
	var rest []*object.Object
	for _, o := range slices.SortedFunc(slices.Values(objs), object.Compare) {
		if o.Kind != "CustomResourceDefinition" {
			rest = append(rest, o)
			continue
		}
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(o.JSON); err != nil {
			return fmt.Errorf("%s: %w", o.ID, err)
		}
		definitions = append(definitions, CRD{File: o.ID.String(), Object: u})
	}
	if err := cp.ApplyCRDs(ctx, definitions); err != nil {
		return err
	}
	if err := cp.ensureNamespaces(ctx, rest); err != nil {
		return err
	}
	for _, o := range rest {
		if err := cp.cluster.patch(ctx, o, nil); err != nil {
			return fmt.Errorf("%s: %w", o.ID, err)
		}
	}
	return nil
}

// A Refusal is an object that the API server would not store.
type Refusal struct {
	Object *object.Object
	// Err is the API server's answer, or says that the kind is not served.
	Err error
}

func (r Refusal) String() string {
	return fmt.Sprintf("%s %s: %v", r.Object.APIVersion(), r.Object.ID, r.Err)
}

// DryRun has the API server judge every object as strict server-side dry runs
// (fieldValidation=Strict, dryRun=All): unknown and duplicate fields, types,
// CRD schemas and their CEL rules, the validation of built-in kinds, and then
// what applying adds, as keys of list items that are not unique. It stores
// none of them, but makes the namespaces they are in for real, because an
// object of a missing namespace is refused for that alone.
//
// The refusals are sorted by object. The error is about the API server, not
// about an object.
func (cp *ControlPlane) DryRun(ctx context.Context, objs []*object.Object) ([]Refusal, error) {
	if err := cp.ensureNamespaces(ctx, objs); err != nil {
		return nil, err
	}
	var (
		mu      sync.Mutex
		refused []Refusal
	)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, o := range objs {
		group.Go(func() error {
			err := cp.cluster.judge(gctx, o)
			if err == nil {
				return nil
			}
			if !isVerdict(err) {
				return fmt.Errorf("%s: %w", o.ID, err)
			}
			mu.Lock()
			defer mu.Unlock()
			refused = append(refused, Refusal{o, err})
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, cp.Check())
	}
	// For determinism: requests end in any order.
	slices.SortFunc(refused, func(a, b Refusal) int { return object.Compare(a.Object, b.Object) })
	return refused, nil
}

// judge asks twice. Creating names every field that is wrong, applying is what
// Flux does and stops at the first.
func (c *cluster) judge(ctx context.Context, o *object.Object) error {
	client, err := c.resource(o.ID)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(o.JSON); err != nil {
		return err
	}
	_, err = client.Create(ctx, u, metav1.CreateOptions{
		DryRun:          []string{metav1.DryRunAll},
		FieldManager:    fieldManager,
		FieldValidation: metav1.FieldValidationStrict,
	})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return c.patch(ctx, o, []string{metav1.DryRunAll})
}

// isVerdict tells an answer about the object from an accident on the way to it.
// Code 500 is an answer too: applying gives it for fields that no schema has.
func isVerdict(err error) bool {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return !apierrors.IsTooManyRequests(err) && !apierrors.IsServiceUnavailable(err) &&
			!apierrors.IsTimeout(err) && !apierrors.IsServerTimeout(err)
	}
	var scope *scopeError
	return meta.IsNoMatchError(err) || errors.As(err, &scope)
}

// ensureNamespaces makes those namespaces that objs are in. Where objs bring the
// Namespace itself it is stored as they say: its Pod Security labels decide
// what may be in it.
func (cp *ControlPlane) ensureNamespaces(ctx context.Context, objs []*object.Object) error {
	brought := map[string]*object.Object{}
	var names []string
	for _, o := range objs {
		if o.Group == "" && o.Kind == "Namespace" {
			brought[o.Name] = o
		}
		if o.Namespace != "" {
			names = append(names, o.Namespace)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if o := brought[name]; o != nil && cp.cluster.patch(ctx, o, nil) == nil {
			continue
		}
		// Also when the one that they bring is refused: the refusal is then
		// its own, and not that of every object in it.
		if err := cp.ensureNamespace(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (cp *ControlPlane) ensureNamespace(ctx context.Context, name string) error {
	namespaces := cp.cluster.dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	ns := &unstructured.Unstructured{}
	ns.SetAPIVersion("v1")
	ns.SetKind("Namespace")
	ns.SetName(name)
	_, err := namespaces.Create(ctx, ns, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("namespace %s: %w", name, err)
	}
	return nil
}

// Get reads an object. The error is one of k8s.io/apimachinery/pkg/api/errors;
// IsNotFound tells that there is none.
func (cp *ControlPlane) Get(ctx context.Context, id object.ID) (*unstructured.Unstructured, error) {
	client, err := cp.cluster.resource(id)
	if err != nil {
		return nil, err
	}
	return client.Get(ctx, id.Name, metav1.GetOptions{})
}

// List reads all objects of the kind of id, in its namespace or, with none, in
// all. Labels, when not empty, select as in kubectl get -l.
func (cp *ControlPlane) List(ctx context.Context, id object.ID, labels string) ([]unstructured.Unstructured, error) {
	m, err := cp.cluster.mapping(id)
	if err != nil {
		return nil, err
	}
	list, err := cp.cluster.dynamic.Resource(m.Resource).Namespace(id.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labels})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Delete deletes an object and what it owns in the background. That there is
// none is no error; WaitGone waits for the end.
func (cp *ControlPlane) Delete(ctx context.Context, id object.ID) error {
	client, err := cp.cluster.resource(id)
	if err != nil {
		return err
	}
	err = client.Delete(ctx, id.Name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// MergePatch changes an object as kubectl patch --type=merge does, or with
// subresource "status" what its controller says of it.
func (cp *ControlPlane) MergePatch(ctx context.Context, id object.ID, patch map[string]any, subresources ...string) error {
	client, err := cp.cluster.resource(id)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = client.Patch(ctx, id.Name, types.MergePatchType, raw, metav1.PatchOptions{FieldManager: fieldManager}, subresources...)
	return err
}
