// Package grafana_test judges what the catalog gives Grafana: grafana.ini by the
// INI reader and the JMESPath that Grafana itself reads it with, and by the keys
// that its documentation has; who is what in which organisation by the
// documented meaning of org_mapping; data sources by their documented schema;
// and the script that keeps organisations by running it against a Grafana of the
// test's own.
package grafana_test

import (
	"encoding/json"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/load"
)

// An object is a Kubernetes object.
type object map[string]any

// at follows fields down to a value, which has to be there.
func at[T any](t *testing.T, v any, fields ...string) T {
	t.Helper()
	for _, f := range fields {
		switch m := v.(type) {
		case object:
			v = m[f]
		case map[string]any:
			v = m[f]
		default:
			t.Fatalf("no %s in %v", f, fields)
		}
	}
	out, ok := v.(T)
	if !ok {
		t.Fatalf("%v: %T, want %T", fields, v, out)
	}
	return out
}

// objects are those of a template made from in.
func objects(t *testing.T, template string, in map[string]any) map[string]object {
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
	var out map[string]object
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// A tenant as both templates are told of it.
type tenant struct {
	name, id   string
	groups     map[string]string
	dashboards map[string]string
}

func (s tenant) data() map[string]any {
	groups, dashboards := s.groups, s.dashboards
	if groups == nil {
		groups = map[string]string{}
	}
	if dashboards == nil {
		dashboards = map[string]string{}
	}
	return map[string]any{"name": s.name, "id": s.id, "groups": groups, "dashboards": dashboards}
}

// component is the input of #Component.
func component(kind string, admins []string, claim string, tenants ...tenant) map[string]any {
	in := map[string]any{
		"kind":       kind,
		"host":       "grafana.acme.example",
		"identity":   map[string]any{"issuer": []string{"https://id.acme.example/realms/acme"}, "groupsClaim": claim},
		"oidc":       map[string]any{"clientId": "grafana", "clientSecret": map[string]any{"path": "grafana", "property": "oidc"}},
		"admin":      map[string]any{"path": "grafana"},
		"admins":     admins,
		"values":     map[string]any{},
		"helmValues": map[string]any{},
	}
	if kind == "platform" {
		in["gateway"] = map[string]any{"path": "gateway"}
	}
	list := []any{}
	for _, s := range tenants {
		list = append(list, s.data())
	}
	in["tenants"] = list
	return in
}
