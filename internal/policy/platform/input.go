package platform

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/contain-platform/contain/internal/object"
)

type fingerprint [sha256.Size]byte

// kinds are what a rule's match names, as spec.match.kinds of a Constraint:
// "*" stands for any group or kind.
type kinds []struct{ groups, kinds []string }

func kindsOf(match []any) kinds {
	var out kinds
	for _, m := range match {
		entry, _ := m.(map[string]any)
		out = append(out, struct{ groups, kinds []string }{texts(entry["apiGroups"]), texts(entry["kinds"])})
	}
	return out
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, each := range list {
		if s, ok := each.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func (k kinds) match(o *object.Object) bool {
	for _, m := range k {
		if named(m.groups, o.Group) && named(m.kinds, o.Kind) {
			return true
		}
	}
	return false
}

func named(patterns []string, name string) bool {
	return slices.Contains(patterns, name) || slices.Contains(patterns, "*")
}

// description is the platform's, taken apart as far as every rule needs it.
type description struct {
	whole    json.RawMessage
	clusters map[string]map[string]json.RawMessage
}

func newDescription(raw []byte) (*description, error) {
	var p struct {
		Clusters map[string]map[string]json.RawMessage `json:"clusters"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	for name, c := range p.Clusters {
		quoted, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		if c == nil {
			c = map[string]json.RawMessage{}
			p.Clusters[name] = c
		}
		c["name"] = quoted
	}
	return &description{whole: raw, clusters: p.Clusters}, nil
}

// all is what a rule reads of the clusters' descriptions.
func (d *description) all(r *reads) (map[string]any, error) {
	out := map[string]any{}
	for name := range d.clusters {
		if below := r.below(name); below != nil {
			c, err := d.cluster(name, below)
			if err != nil {
				return nil, err
			}
			out[name] = c
		}
	}
	return out, nil
}

// cluster is what a rule reads of one cluster's description.
func (d *description) cluster(name string, r *reads) (map[string]any, error) {
	out := map[string]any{}
	for field, raw := range d.clusters[name] {
		below := r.below(field)
		if below == nil {
			continue
		}
		v, err := below.pick(raw)
		if err != nil {
			return nil, err
		}
		out[field] = v
	}
	return out, nil
}

// store holds every distinct object once, as OPA reads it.
type store struct {
	mu        sync.Mutex
	byPointer map[*object.Object]*stored
	byContent map[fingerprint]*stored
}

type stored struct {
	key   fingerprint
	value func() (ast.Value, error)
}

func newStore() *store {
	return &store{byPointer: map[*object.Object]*stored{}, byContent: map[fingerprint]*stored{}}
}

func (s *store) get(o *object.Object) *stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byPointer[o]; e != nil {
		return e
	}
	key := sha256.Sum256(o.JSON)
	e := s.byContent[key]
	if e == nil {
		e = &stored{key: key, value: sync.OnceValues(func() (ast.Value, error) { return ast.InterfaceToValue(o.Tree()) })}
		s.byContent[key] = e
	}
	s.byPointer[o] = e
	return e
}

// item is an object in its unit.
type item struct {
	unit   string
	object *object.Object
	stored *stored
}

// input is all that one evaluation is given.
type input struct {
	parts map[string]ast.Value
	items []item // nil when the rule reads none
	key   fingerprint
}

// add puts a part in and makes it count.
func (in *input) add(h hash.Hash, name string, v any) error {
	b, err := object.Canonical(v)
	if err != nil {
		return err
	}
	value, err := ast.InterfaceToValue(v)
	if err != nil {
		return err
	}
	in.parts[name] = value
	fmt.Fprintf(h, "%s %d\n", name, len(b))
	h.Write(b)
	return nil
}

func (in *input) addItems(h hash.Hash, items []item) {
	in.items = items
	fmt.Fprintf(h, "objects %d\n", len(items))
	for _, it := range items {
		fmt.Fprintf(h, "%q", it.unit)
		h.Write(it.stored.key[:])
	}
}

// value is the input as OPA reads it.
func (in *input) value(objects bool) (ast.Value, error) {
	var fields [][2]*ast.Term
	for name, v := range in.parts {
		fields = append(fields, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(v)})
	}
	if objects {
		list := make([]*ast.Term, len(in.items))
		for i, it := range in.items {
			v, err := it.stored.value()
			if err != nil {
				return nil, err
			}
			list[i] = ast.ObjectTerm(
				[2]*ast.Term{ast.InternedTerm("unit"), ast.StringTerm(it.unit)},
				[2]*ast.Term{ast.InternedTerm("object"), ast.NewTerm(v)},
			)
		}
		fields = append(fields, [2]*ast.Term{ast.InternedTerm("objects"), ast.ArrayTerm(list...)})
	}
	return ast.NewObject(fields...), nil
}
