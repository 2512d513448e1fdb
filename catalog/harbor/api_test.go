package harbor_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// A call is one of testdata/api.txt.
type call struct {
	method string
	path   []string
	query  []string
	body   []string
}

func calls(t *testing.T) []call {
	t.Helper()
	data, err := os.ReadFile("testdata/api.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []call
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		c := call{method: words[0], path: strings.Split(words[1], "/")[1:]}
		if len(words) > 2 && words[2] == "?" {
			c.query = words[3:]
		} else if len(words) > 2 {
			c.body = words[3:]
		}
		out = append(out, c)
	}
	return out
}

// problem says what the API has no place for in a request; "" is nothing.
func problem(known []call, r *http.Request, body any) (call, string) {
	path := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/api/v2.0/"), "/")
	for _, c := range known {
		if c.method != r.Method || !slices.EqualFunc(c.path, path, func(a, b string) bool { return a == b || strings.HasPrefix(a, "{") && b != "" }) {
			continue
		}
		for name := range r.URL.Query() {
			if !slices.Contains(c.query, name) {
				return c, fmt.Sprintf("%s %s has no parameter %s", r.Method, r.URL.Path, name)
			}
		}
		for _, f := range fields("", body) {
			if !slices.Contains(c.body, f) {
				return c, fmt.Sprintf("%s %s has no field %s", r.Method, r.URL.Path, f)
			}
		}
		return c, ""
	}
	return call{}, fmt.Sprintf("no %s %s", r.Method, r.URL.Path)
}

// fields are the names of a body's leaves; lists are passed over.
func fields(at string, v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, fields(strings.TrimPrefix(at+"."+k, "."), v[k])...)
		}
	case []any:
		for _, e := range v {
			out = append(out, fields(at, e)...)
		}
	case nil:
	default:
		out = []string{at}
	}
	return out
}

// TestAPI holds testdata/api.txt to Harbor's own description of its API, where
// CONTAIN_HARBOR_SWAGGER is that file.
func TestAPI(t *testing.T) {
	file := os.Getenv("CONTAIN_HARBOR_SWAGGER")
	if file == "" {
		t.Skip("CONTAIN_HARBOR_SWAGGER is not set: the calls are not compared with Harbor's description of its API")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if got := at[string](t, doc, "info", "version"); got != "2.0" {
		t.Fatalf("version %s of the API", got)
	}
	checked := 0
	for _, c := range calls(t) {
		name := c.method + " /" + strings.Join(c.path, "/")
		item, _ := at[map[string]any](t, doc, "paths")["/"+strings.Join(c.path, "/")].(map[string]any)
		op, ok := item[strings.ToLower(c.method)].(map[string]any)
		if !ok {
			t.Errorf("%s: no such call", name)
			continue
		}
		query, body := map[string]bool{}, any(nil)
		for _, p := range op["parameters"].([]any) {
			p := resolve(t, doc, p)
			switch p["in"] {
			case "query":
				query[p["name"].(string)] = true
			case "body":
				body = p["schema"]
			}
		}
		for _, q := range c.query {
			checked++
			if !query[q] {
				t.Errorf("%s: no parameter %s", name, q)
			}
		}
		for _, f := range c.body {
			checked++
			if !has(t, doc, body, strings.Split(f, ".")) {
				t.Errorf("%s: no field %s", name, f)
			}
		}
	}
	t.Logf("HARBOR API: %d calls, %d parameters and fields", len(calls(t)), checked)
}

// resolve follows references within the document.
func resolve(t *testing.T, doc map[string]any, v any) map[string]any {
	t.Helper()
	m := v.(map[string]any)
	if ref, ok := m["$ref"].(string); ok {
		return resolve(t, doc, at[map[string]any](t, doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...))
	}
	return m
}

// has says whether a schema has a field; an object that lists no properties
// takes any.
func has(t *testing.T, doc map[string]any, schema any, path []string) bool {
	t.Helper()
	if schema == nil {
		return false
	}
	s := resolve(t, doc, schema)
	if items, ok := s["items"]; ok {
		return has(t, doc, items, path)
	}
	if len(path) == 0 {
		return true
	}
	properties, _ := s["properties"].(map[string]any)
	if p, ok := properties[path[0]]; ok {
		return has(t, doc, p, path[1:])
	}
	if extra, ok := s["additionalProperties"].(map[string]any); ok {
		return has(t, doc, extra, path[1:])
	}
	return s["type"] == "object" && properties == nil
}
