package platform

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// reads are the paths of the input that a rule's Rego refers to. Paths end
// where a step is not known before the rule runs; all that is below is read.
type reads struct {
	all    bool
	fields map[string]*reads
}

func (r *reads) add(steps []string) {
	if r.all {
		return
	}
	if len(steps) == 0 {
		r.all, r.fields = true, nil
		return
	}
	if r.fields == nil {
		r.fields = map[string]*reads{}
	}
	next := r.fields[steps[0]]
	if next == nil {
		next = &reads{}
		r.fields[steps[0]] = next
	}
	next.add(steps[1:])
}

// reads tells whether anything of a field is read.
func (r *reads) reads(field string) bool { return r.all || r.fields[field] != nil }

// below are the paths inside a field; nil when none of it is read.
func (r *reads) below(field string) *reads {
	if r.all {
		return r
	}
	return r.fields[field]
}

// pick is what r reads of a value: the same value with fewer fields. Plain data
// comes out, numbers as json.Number.
func (r *reads) pick(raw json.RawMessage) (any, error) {
	var some map[string]json.RawMessage
	if !r.all && json.Unmarshal(raw, &some) == nil && some != nil {
		out := make(map[string]any, len(r.fields))
		for _, name := range slices.Sorted(maps.Keys(r.fields)) {
			v, ok := some[name]
			if !ok {
				continue
			}
			picked, err := r.fields[name].pick(v)
			if err != nil {
				return nil, err
			}
			out[name] = picked
		}
		return out, nil
	}
	return plain(raw)
}

// of is pick for plain data.
func (r *reads) of(v any) any {
	m, ok := v.(map[string]any)
	if r.all || !ok {
		return v
	}
	out := make(map[string]any, len(r.fields))
	for name, below := range r.fields {
		if field, ok := m[name]; ok {
			out[name] = below.of(field)
		}
	}
	return out
}

// plain decodes JSON, numbers as json.Number.
func plain(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}
