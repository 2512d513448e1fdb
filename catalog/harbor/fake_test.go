package harbor_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A fake is Harbor's API as far as the script goes: names are unique, passwords
// are not handed out, a robot's name and level stay, and every request is held
// against testdata/api.txt.
type fake struct {
	t        *testing.T
	mu       sync.Mutex
	password string
	known    []call
	last     int

	Projects   map[string]*project
	Registries map[string]map[string]any
	Robots     map[int]map[string]any
	Retentions map[int]map[string]any

	// calls are those that it has had, refused ones among them.
	calls []string
	// fail is asked for each call, as "POST /robots", and says what it answers
	// instead, if not 0.
	fail func(call string) int
}

type project struct {
	ID, Registry int
	Metadata     map[string]any
	Quota        float64
	Members      map[int]map[string]any
	Immutable    []any
}

func newFake(t *testing.T) *fake {
	return &fake{
		t: t, password: "break Glass 1", known: calls(t),
		Projects: map[string]*project{}, Registries: map[string]map[string]any{}, Robots: map[int]map[string]any{}, Retentions: map[int]map[string]any{},
	}
}

func (f *fake) id() int { f.last++; return f.last }

// state is all that it holds, as text without IDs, which depend on the order of
// calls.
func (f *fake) state() string {
	out := map[string]any{}
	for n, p := range f.Projects {
		members := map[string]any{}
		for _, m := range p.Members {
			members[fmt.Sprint(m["entity_type"], " ", m["entity_name"])] = m["role_id"]
		}
		metadata := maps.Clone(p.Metadata)
		if id, ok := metadata["retention_id"].(string); ok {
			n, _ := strconv.Atoi(id)
			metadata["retention"] = f.Retentions[n]["rules"]
			delete(metadata, "retention_id")
		}
		proxy := ""
		for name, r := range f.Registries {
			if r["id"] == p.Registry {
				proxy = name
			}
		}
		out["project "+n] = map[string]any{"metadata": metadata, "quota": p.Quota, "members": members, "immutable": p.Immutable, "proxy": proxy}
	}
	for n, r := range f.Registries {
		r = maps.Clone(r)
		delete(r, "id")
		out["registry "+n] = r
	}
	for _, r := range f.Robots {
		r = maps.Clone(r)
		delete(r, "id")
		delete(r, "project")
		out["robot "+r["name"].(string)] = r
	}
	b, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		panic(err)
	}
	return string(b)
}

// writes are the calls that were not questions.
func (f *fake) writes() []string {
	return slices.DeleteFunc(slices.Clone(f.calls), func(c string) bool { return strings.HasPrefix(c, "GET ") || strings.HasPrefix(c, "HEAD ") })
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var body any
	if r.Body != nil {
		_ = json.NewDecoder(r.Body).Decode(&body)
	}
	c, wrong := problem(f.known, r, body)
	if wrong != "" {
		f.t.Error(wrong)
	}
	if strings.Contains(strings.Join(c.path, "/"), "{project_name_or_id}") && r.Header.Get("X-Is-Resource-Name") != "true" {
		f.t.Errorf("%s %s: a name like 42 would be an ID", r.Method, r.URL.Path)
	}
	f.calls = append(f.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/v2.0"))
	status, answer := f.answer(r, c, body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if r.Method != "HEAD" && answer != nil {
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func refusal(text string) any {
	return map[string]any{"errors": []any{map[string]any{"code": "X", "message": text}}}
}

func (f *fake) answer(r *http.Request, c call, body any) (int, any) {
	if f.fail != nil {
		if status := f.fail(f.calls[len(f.calls)-1]); status != 0 {
			return status, refusal("broken")
		}
	}
	if user, password, _ := r.BasicAuth(); user != "admin" || password != f.password {
		return 401, refusal("unauthorized")
	}
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v2.0/"), "/")
	fields, _ := body.(map[string]any)
	id := 0
	if len(path) > 1 {
		id, _ = strconv.Atoi(path[len(path)-1])
	}
	switch path[0] {
	case "projects":
		return f.projects(r, path[1:], id, fields)
	case "quotas":
		return f.quotas(r, id, fields)
	case "registries":
		return f.registries(r, id, fields)
	case "robots":
		return f.robots(r, id, fields)
	case "retentions":
		return f.retentions(r, id, fields)
	}
	return 404, refusal("not found")
}

// page is one page of a list, in an order that stays.
func page(r *http.Request, all []any) (int, any) {
	n, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size, _ := strconv.Atoi(r.URL.Query().Get("page_size"))
	if n < 1 || size < 1 || size > 100 {
		return 422, refusal("page")
	}
	from, to := min((n-1)*size, len(all)), min(n*size, len(all))
	return 200, all[from:to]
}

func (f *fake) projects(r *http.Request, path []string, id int, body map[string]any) (int, any) {
	if len(path) == 0 {
		if r.Method == "HEAD" {
			if f.Projects[r.URL.Query().Get("project_name")] == nil {
				return 404, nil
			}
			return 200, nil
		}
		name := body["project_name"].(string)
		if f.Projects[name] != nil {
			return 409, refusal("the project exists")
		}
		registry, _ := body["registry_id"].(float64)
		f.Projects[name] = &project{
			ID: f.id(), Registry: int(registry), Metadata: body["metadata"].(map[string]any),
			Quota: body["storage_limit"].(float64), Members: map[int]map[string]any{},
		}
		return 201, nil
	}
	p := f.Projects[path[0]]
	switch {
	case p == nil:
		return 404, refusal("project not found")
	case len(path) == 1 && r.Method == "GET":
		return 200, map[string]any{"project_id": p.ID, "name": path[0], "registry_id": p.Registry, "metadata": p.Metadata, "repo_count": 0}
	case len(path) == 1:
		maps.Copy(p.Metadata, body["metadata"].(map[string]any))
		return 200, nil
	case path[1] == "members":
		return p.members(f, r, id, body)
	case r.Method == "GET":
		return page(r, p.Immutable)
	}
	p.Immutable = append(p.Immutable, body)
	return 201, nil
}

func (p *project) members(f *fake, r *http.Request, id int, body map[string]any) (int, any) {
	switch r.Method {
	case "GET":
		var out []any
		for _, i := range slices.Sorted(maps.Keys(p.Members)) {
			out = append(out, p.Members[i])
		}
		return page(r, out)
	case "POST":
		group := body["member_group"].(map[string]any)
		for _, m := range p.Members {
			if m["entity_type"] == "g" && m["entity_name"] == group["group_name"] {
				return 409, refusal("the member exists")
			}
		}
		if group["group_type"] != 3.0 {
			return 400, refusal("not a group of the identity provider")
		}
		i := f.id()
		p.Members[i] = map[string]any{"id": i, "entity_name": group["group_name"], "entity_type": "g", "role_id": body["role_id"]}
		return 201, nil
	}
	if p.Members[id] == nil {
		return 404, refusal("no member")
	}
	if r.Method == "DELETE" {
		delete(p.Members, id)
	} else {
		p.Members[id]["role_id"] = body["role_id"]
	}
	return 200, nil
}

func (f *fake) quotas(r *http.Request, id int, body map[string]any) (int, any) {
	for _, p := range f.Projects {
		switch {
		case r.Method == "GET" && r.URL.Query().Get("reference") == "project" && r.URL.Query().Get("reference_id") == strconv.Itoa(p.ID):
			return page(r, []any{map[string]any{"id": p.ID + 1000, "hard": map[string]any{"storage": p.Quota}}})
		case r.Method == "PUT" && id == p.ID+1000:
			p.Quota = body["hard"].(map[string]any)["storage"].(float64)
			return 200, nil
		}
	}
	return 404, refusal("no quota")
}

func (f *fake) registries(r *http.Request, id int, body map[string]any) (int, any) {
	switch r.Method {
	case "GET":
		var out []any
		for _, n := range slices.Sorted(maps.Keys(f.Registries)) {
			shown := maps.Clone(f.Registries[n])
			delete(shown, "access")
			out = append(out, shown)
		}
		return page(r, out)
	case "POST":
		name := body["name"].(string)
		if f.Registries[name] != nil {
			return 409, refusal("the registry exists")
		}
		access := ""
		if c, ok := body["credential"].(map[string]any); ok {
			access = fmt.Sprint(c["type"], " ", c["access_key"], ":", c["access_secret"])
		}
		f.Registries[name] = map[string]any{"id": f.id(), "name": name, "url": body["url"], "type": body["type"], "description": body["description"], "access": access}
		return 201, nil
	}
	for _, g := range f.Registries {
		if g["id"] == id {
			g["url"], g["description"] = body["url"], body["description"]
			g["access"] = strings.TrimSuffix(fmt.Sprint(body["credential_type"], " ", body["access_key"], ":", body["access_secret"]), " :")
			return 200, nil
		}
	}
	return 404, refusal("no registry")
}

func (f *fake) robots(r *http.Request, id int, body map[string]any) (int, any) {
	if r.Method == "GET" {
		level, of := "system", 0
		if q := r.URL.Query().Get("q"); q != "" {
			if _, err := fmt.Sscanf(q, "Level=project,ProjectID=%d", &of); err != nil {
				return 400, refusal("q")
			}
			level = "project"
		}
		var out []any
		for _, i := range slices.Sorted(maps.Keys(f.Robots)) {
			if b := f.Robots[i]; b["level"] == level && b["project"] == of {
				shown := maps.Clone(b)
				delete(shown, "secret")
				out = append(out, shown)
			}
		}
		return page(r, out)
	}
	if r.Method == "POST" {
		return f.robot(body)
	}
	b := f.Robots[id]
	switch {
	case b == nil:
		return 404, refusal("no robot")
	case r.Method == "PATCH":
		s := body["secret"].(string)
		if len(s) < 8 || len(s) > 128 || !strings.ContainsAny(s, "0123456789") || strings.ToLower(s) == s || strings.ToUpper(s) == s {
			return 400, refusal("the secret must be 8-128, inclusively, characters long with at least 1 uppercase letter, 1 lowercase letter and 1 number")
		}
		b["secret"] = s
		return 200, map[string]any{"secret": ""}
	case body["name"] != b["name"] || body["level"] != b["level"]:
		return 400, refusal("cannot update the level or name of robot")
	}
	b["description"], b["permissions"], b["disable"] = body["description"], body["permissions"], body["disable"]
	return 200, nil
}

func (f *fake) robot(body map[string]any) (int, any) {
	name, of := "robot$"+body["name"].(string), 0
	if body["level"] == "project" {
		in := body["permissions"].([]any)[0].(map[string]any)["namespace"].(string)
		if f.Projects[in] == nil {
			return 404, refusal("project not found")
		}
		name, of = "robot$"+in+"+"+body["name"].(string), f.Projects[in].ID
	}
	for _, b := range f.Robots {
		if b["name"] == name {
			return 409, refusal("the robot exists")
		}
	}
	i := f.id()
	f.Robots[i] = map[string]any{
		"id": i, "name": name, "project": of, "level": body["level"], "duration": body["duration"], "disable": body["disable"],
		"description": body["description"], "permissions": body["permissions"], "secret": "drawn by lot",
	}
	return 201, map[string]any{"id": i, "name": name, "secret": "drawn by lot"}
}

func (f *fake) retentions(r *http.Request, id int, body map[string]any) (int, any) {
	switch r.Method {
	case "POST":
		of := int(body["scope"].(map[string]any)["ref"].(float64))
		for _, p := range f.Projects {
			if p.ID != of {
				continue
			}
			if p.Metadata["retention_id"] != nil {
				return 400, refusal("the project has a policy")
			}
			i := f.id()
			f.Retentions[i] = body
			p.Metadata["retention_id"] = strconv.Itoa(i)
			return 201, nil
		}
		return 400, refusal("no project")
	case "GET":
		if f.Retentions[id] == nil {
			return 404, refusal("no policy")
		}
		return 200, f.Retentions[id]
	}
	delete(body, "id")
	f.Retentions[id] = body
	return 200, nil
}
