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
	"github.com/contain-platform/contain/internal/policy"
)

type fingerprint [sha256.Size]byte

// kinds are what a rule's match names, as spec.match.kinds of a Constraint: "*"
// stands for any group or kind. An entry may also name fields:
//
//	{apiGroups: [helm.toolkit.fluxcd.io], kinds: [HelmRelease], fields: [spec.values.deployNodeAgent]}
//
// The rule is then given these beside apiVersion, kind and metadata, and nothing
// else of the object, so that clusters whose objects differ elsewhere share its
// verdict. The first entry that matches an object counts.
type kinds []kind

type kind struct {
	groups, kinds []string
	fields        *reads // nil for the whole object
}

func kindsOf(match []any) (kinds, error) {
	var out kinds
	for _, m := range match {
		entry, _ := m.(map[string]any)
		k := kind{groups: texts(entry["apiGroups"]), kinds: texts(entry["kinds"])}
		if _, given := entry["fields"]; given {
			k.fields = &reads{}
			for _, f := range append(texts(entry["fields"]), "apiVersion", "kind", "metadata") {
				steps, err := policy.ParsePath(f)
				if err != nil || len(steps) == 0 {
					return nil, fmt.Errorf("custom.match names %q, which is no path of a field", f)
				}
				k.fields.add(steps)
			}
		}
		out = append(out, k)
	}
	return out, nil
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

// of is the entry for an object; nil when the rule does not read it.
func (k kinds) of(o *object.Object) *kind {
	for i := range k {
		if named(k[i].groups, o.Group) && named(k[i].kinds, o.Kind) {
			return &k[i]
		}
	}
	return nil
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
	whole map[*object.Object]*stored
	parts map[part]*stored
	known map[fingerprint]*stored
}

// part is an object as far as an entry of a rule's match names its fields.
type part struct {
	object *object.Object
	kind   *kind
}

type stored struct {
	key   fingerprint
	value func() (ast.Value, error)
}

func newStore() *store {
	return &store{map[*object.Object]*stored{}, map[part]*stored{}, map[fingerprint]*stored{}}
}

func (s *store) get(o *object.Object, k *kind) (*stored, error) {
	if k.fields == nil {
		e := s.whole[o]
		if e == nil {
			e = s.add(o.JSON, func() (ast.Value, error) { return ast.InterfaceToValue(o.Tree()) })
			s.whole[o] = e
		}
		return e, nil
	}
	at := part{o, k}
	if e := s.parts[at]; e != nil {
		return e, nil
	}
	picked := k.fields.of(o.Tree())
	b, err := object.Canonical(picked)
	if err != nil {
		return nil, err
	}
	e := s.add(b, func() (ast.Value, error) { return ast.InterfaceToValue(picked) })
	s.parts[at] = e
	return e, nil
}

func (s *store) add(content []byte, value func() (ast.Value, error)) *stored {
	key := sha256.Sum256(content)
	e := s.known[key]
	if e == nil {
		e = &stored{key, sync.OnceValues(value)}
		s.known[key] = e
	}
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
