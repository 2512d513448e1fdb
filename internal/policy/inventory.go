package policy

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/open-policy-agent/frameworks/constraint/pkg/client"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/controller/config/process"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/contain-platform/contain/internal/object"
)

// inventory is data.inventory of one cluster: its objects of the synced kinds,
// as the API server has them once everything is applied. The object under
// review is among them, and so are those that are applied after it: verdicts
// are those of applying the same artifact again, which depend on no order.
// Policies that look for others of a kind leave out the object itself, as they
// have to for audit.
type inventory struct {
	key     fingerprint
	load    func() (*loaded, error)
	clients sync.Map // *policy to func() (*client.Client, error)
}

type loaded struct {
	objects []*unstructured.Unstructured
	store   storage.Store
	txn     storage.Transaction
}

// takeInventory picks the synced objects. Nothing is decoded before a policy
// that looks into the inventory has something to judge.
func (s *Set) takeInventory(cluster []*object.Object, views *namespaceViews) *inventory {
	inv := &inventory{}
	var objs []*object.Object
	for _, o := range cluster {
		gvk := schema.GroupVersionKind{Group: o.Group, Version: o.Version, Kind: o.Kind}
		if s.scope.synced[gvk] && !s.scope.excludes(process.Sync, o) {
			objs = append(objs, o)
		}
	}
	object.Sort(objs) // of two with one name the last stays, in any order
	h := sha256.New()
	namespaces := make([]*corev1.Namespace, len(objs))
	for i, o := range objs {
		h.Write(o.JSON)
		if s.mutation != nil { // mutators match by namespace
			ns := views.of(o)
			namespaces[i] = ns.typed
			h.Write(ns.key[:])
		}
	}
	h.Sum(inv.key[:0])
	inv.load = sync.OnceValues(func() (*loaded, error) { return s.loadInventory(objs, namespaces) })
	return inv
}

func (s *Set) loadInventory(objs []*object.Object, namespaces []*corev1.Namespace) (*loaded, error) {
	out := &loaded{}
	tree := map[string]any{}
	for i, o := range objs {
		a, err := s.admitted(o, namespaces[i])
		if err != nil {
			// Its own review says so; what admission refuses is not in the cluster.
			continue
		}
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(a.raw); err != nil {
			return nil, err
		}
		_, path, _, err := new(target.K8sValidationTarget).ProcessData(u)
		if err != nil {
			continue // without version or kind; the API server knows none such
		}
		out.objects = append(out.objects, u)
		data, err := decodeTree(a.raw)
		if err != nil {
			return nil, err
		}
		insert(tree, path, data)
	}
	var err error
	out.store, out.txn, err = newStore(tree)
	return out, err
}

func insert(tree map[string]any, path []string, v any) {
	for _, step := range path[:len(path)-1] {
		next, _ := tree[step].(map[string]any)
		if next == nil {
			next = map[string]any{}
			tree[step] = next
		}
		tree = next
	}
	tree[path[len(path)-1]] = v
}

// newStore holds data.inventory as the driver does (drivers/rego/storages.go):
// it is there even when nothing is in it. The store is never written again, so
// one transaction serves every read.
func newStore(inventory map[string]any) (storage.Store, storage.Transaction, error) {
	store := inmem.NewFromObjectWithOpts(map[string]any{"inventory": inventory},
		inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true))
	txn, err := store.NewTransaction(context.Background())
	return store, txn, err
}

// client is Gatekeeper's own, with the inventory in it.
func (inv *inventory) client(p *policy) (*client.Client, error) {
	once, _ := inv.clients.LoadOrStore(p, sync.OnceValues(func() (*client.Client, error) {
		data, err := inv.load()
		if err != nil {
			return nil, err
		}
		c, err := newJudge(context.Background(), p, p.constraints, webhookPoint)
		if err != nil {
			return nil, err
		}
		for _, u := range data.objects {
			if _, err := c.AddData(context.Background(), u); err != nil {
				return nil, err
			}
		}
		return c, nil
	}))
	return once.(func() (*client.Client, error))()
}
