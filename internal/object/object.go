// Package object holds Kubernetes objects as plain data: an identity and
// canonical JSON. It does no I/O and knows neither CUE nor Kubernetes
// machinery.
//
// Invariants:
//   - JSON is canonical: keys sorted, no insignificant space, no HTML escapes,
//     numbers as the source wrote them. Equal objects have equal bytes.
//   - An Object is not changed after it was made; Tree and everything below it
//     is shared between readers.
package object

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// ID names one object of a cluster.
type ID struct {
	Group     string // "" for the core group
	Version   string
	Kind      string
	Namespace string // "" for cluster-scoped objects
	Name      string
}

// APIVersion is the apiVersion field: "v1" or "apps/v1".
func (id ID) APIVersion() string {
	if id.Group == "" {
		return id.Version
	}
	return id.Group + "/" + id.Version
}

// String is the short form for people: "Deployment payments/api".
func (id ID) String() string {
	if id.Namespace == "" {
		return id.Kind + " " + id.Name
	}
	return id.Kind + " " + id.Namespace + "/" + id.Name
}

// Key identifies the object in the API server, whatever version it is written in.
func (id ID) Key() ID {
	id.Version = ""
	return id
}

// Object is one Kubernetes object.
type Object struct {
	ID
	// Field is the object's name in its component's objects map; with the unit
	// it leads back to the template. Empty when no template made the object.
	Field string
	// JSON is the canonical encoding.
	JSON []byte

	tree func() map[string]any
}

// New reads one object. raw is any JSON object with apiVersion, kind and
// metadata.name; the error says which of them is missing or of the wrong type.
func New(field string, raw []byte) (*Object, error) {
	t, err := decode(raw)
	if err != nil {
		return nil, err
	}
	return FromTree(field, t)
}

// FromTree makes an object of a decoded tree of map[string]any, []any, string,
// bool, nil and json.Number (or int64 and float64). The tree must not be
// changed afterwards.
func FromTree(field string, t map[string]any) (*Object, error) {
	id, err := identify(t)
	if err != nil {
		return nil, err
	}
	b, err := Canonical(t)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	o := &Object{ID: id, Field: field, JSON: b}
	o.tree = sync.OnceValue(func() map[string]any {
		// Decoded again, so that every tree has json.Number and nothing else.
		t, _ := decode(b)
		return t
	})
	return o, nil
}

// Tree is the decoded object, numbers as json.Number. It is shared: callers
// that change it work on a copy.
func (o *Object) Tree() map[string]any { return o.tree() }

// Labels are metadata.labels; nil when there are none.
func (o *Object) Labels() map[string]string { return o.stringMap("labels") }

// Annotations are metadata.annotations; nil when there are none.
func (o *Object) Annotations() map[string]string { return o.stringMap("annotations") }

func (o *Object) stringMap(field string) map[string]string {
	meta, _ := o.Tree()["metadata"].(map[string]any)
	m, _ := meta[field].(map[string]any)
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}

// Canonical encodes plain data as canonical JSON.
func Canonical(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func decode(raw []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var t map[string]any
	if err := d.Decode(&t); err != nil {
		return nil, err
	}
	return t, nil
}

func identify(t map[string]any) (ID, error) {
	var id ID
	av, _ := t["apiVersion"].(string)
	kind, _ := t["kind"].(string)
	meta, _ := t["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	switch {
	case av == "":
		return id, errors.New("object has no apiVersion")
	case kind == "":
		return id, errors.New("object has no kind")
	case name == "":
		return id, fmt.Errorf("%s has no metadata.name", kind)
	}
	id.Kind, id.Name = kind, name
	id.Namespace, _ = meta["namespace"].(string)
	id.Version = av
	if g, v, ok := strings.Cut(av, "/"); ok {
		id.Group, id.Version = g, v
	}
	return id, nil
}

// phase orders what others need before what needs it. Flux applies
// definitions, Namespaces and classes first by itself; the order in the
// artifact follows the same idea so that reading it is reading the apply.
func phase(id ID) int {
	switch {
	case id.Kind == "CustomResourceDefinition" && id.Group == "apiextensions.k8s.io":
		return 0
	case id.Kind == "Namespace" && id.Group == "":
		return 1
	case id.Group == "rbac.authorization.k8s.io", id.Kind == "ServiceAccount" && id.Group == "":
		return 2
	}
	return 3
}

// Compare orders objects by (phase, group, kind, namespace, name).
func Compare(a, b *Object) int {
	return cmp.Or(
		cmp.Compare(phase(a.ID), phase(b.ID)),
		cmp.Compare(a.Group, b.Group),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Namespace, b.Namespace),
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Version, b.Version),
		bytes.Compare(a.JSON, b.JSON),
	)
}

// Sort orders objects in place, for determinism.
func Sort(objs []*Object) { slices.SortFunc(objs, Compare) }
