// Package harbor_test judges what the catalog gives Harbor: the script that keeps
// projects, by running it against a Harbor of the test's own whose every call may
// fail, and each request of it by Harbor's description of its API; and what the
// settings become when External Secrets has put secrets in.
package harbor_test

import (
	"encoding/json"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/load"
)

// at follows fields down to a value, which has to be there.
func at[T any](t *testing.T, v any, fields ...string) T {
	t.Helper()
	for _, f := range fields {
		m, ok := v.(map[string]any)
		if !ok || m[f] == nil {
			t.Fatalf("no %s in %v", f, fields)
		}
		v = m[f]
	}
	out, ok := v.(T)
	if !ok {
		t.Fatalf("%v: %T, want %T", fields, v, out)
	}
	return out
}

// objects are those of a template made from in.
func objects(t *testing.T, template string, in map[string]any) map[string]any {
	t.Helper()
	instance := load.Instances([]string{"."}, nil)[0]
	if instance.Err != nil {
		t.Fatal(instance.Err)
	}
	v := cuecontext.New().BuildInstance(instance).LookupPath(cue.ParsePath(template))
	v = v.FillPath(cue.ParsePath("#in"), in).LookupPath(cue.ParsePath("objects"))
	b, err := v.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
