package grafana_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A fake is Grafana's HTTP API as far as organisations, data sources, folders and
// dashboards go: names and UIDs are unique, a call acts in the organisation that
// X-Grafana-Org-Id names, of which the caller has to be an admin, and no secret
// is handed out again.
type fake struct {
	mu             sync.Mutex
	user, password string
	orgs           map[int]*org
	// calls are those that it has had, refused ones among them.
	calls []string
	// fail is asked for each call, as "POST /api/orgs", and says what it answers
	// instead, if not 0.
	fail func(call string) int
}

type org struct {
	Name       string
	Users      map[string]string
	Sources    map[string]map[string]any
	Secrets    map[string]map[string]any
	Folders    map[string]map[string]any
	Dashboards map[string]*board
}

type board struct {
	Model  map[string]any
	Folder string
	Notes  []string
}

func newFake() *fake {
	f := &fake{user: "root", password: "break glass", orgs: map[int]*org{}}
	f.add("Main Org.")
	return f
}

func (f *fake) add(name string) int {
	id := len(f.orgs) + 1
	f.orgs[id] = &org{
		Name: name, Users: map[string]string{f.user: "Admin"},
		Sources: map[string]map[string]any{}, Secrets: map[string]map[string]any{},
		Folders: map[string]map[string]any{}, Dashboards: map[string]*board{},
	}
	return id
}

// state is all that it holds, as text.
func (f *fake) state() string {
	b, err := json.MarshalIndent(f.orgs, "", " ")
	if err != nil {
		panic(err)
	}
	return string(b)
}

// writes are the calls that were not questions.
func (f *fake) writes() []string {
	return slices.DeleteFunc(slices.Clone(f.calls), func(c string) bool { return strings.HasPrefix(c, "GET ") })
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	call := r.Method + " " + r.URL.Path
	f.calls = append(f.calls, call)
	var body map[string]any
	if r.Body != nil {
		_ = json.NewDecoder(r.Body).Decode(&body)
	}
	status, answer := f.answer(r, call, body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (f *fake) answer(r *http.Request, call string, body map[string]any) (int, any) {
	if f.fail != nil {
		if status := f.fail(call); status != 0 {
			return status, message("broken")
		}
	}
	if user, password, _ := r.BasicAuth(); user != f.user || password != f.password {
		return 401, message("Invalid username or password")
	}
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/"), "/")
	if path[0] == "orgs" {
		return f.organisations(r.Method, path[1:], body)
	}
	id, err := strconv.Atoi(r.Header.Get("X-Grafana-Org-Id"))
	if err != nil {
		id = 1
	}
	o := f.orgs[id]
	if o == nil || o.Users[f.user] != "Admin" {
		return 403, message("You'll need additional permissions")
	}
	switch path[0] {
	case "datasources":
		return o.sources(r.Method, path[1:], body)
	case "folders":
		return o.folders(r.Method, path[1:], body)
	case "dashboards":
		return o.dashboards(r.Method, path[1:], body)
	}
	return 404, message("Not found")
}

func message(text string) any { return map[string]any{"message": text} }

func (f *fake) organisations(method string, path []string, body map[string]any) (int, any) {
	switch {
	case method == "POST" && len(path) == 0:
		for _, o := range f.orgs {
			if o.Name == body["name"] {
				return 409, message("Organization name taken")
			}
		}
		return 200, map[string]any{"orgId": f.add(body["name"].(string)), "message": "Organization created"}
	case method == "GET" && len(path) == 2 && path[0] == "name":
		for id, o := range f.orgs {
			if o.Name == path[1] {
				return 200, map[string]any{"id": id, "name": o.Name}
			}
		}
		return 404, message("Organization not found")
	case len(path) < 2 || path[1] != "users":
		return 404, message("Not found")
	}
	id, _ := strconv.Atoi(path[0])
	o := f.orgs[id]
	switch {
	case o == nil:
		return 404, message("Organization not found")
	case method == "GET":
		users := []any{}
		for i, login := range slices.Sorted(maps.Keys(o.Users)) {
			users = append(users, map[string]any{"userId": i + 1, "login": login, "role": o.Users[login]})
		}
		return 200, users
	case method == "POST":
		login := body["loginOrEmail"].(string)
		if o.Users[login] != "" {
			return 409, message("User is already member of this organization")
		}
		o.Users[login] = body["role"].(string)
		return 200, message("User added to organization")
	case method == "PATCH":
		n, _ := strconv.Atoi(path[2])
		o.Users[slices.Sorted(maps.Keys(o.Users))[n-1]] = body["role"].(string)
		return 200, message("Organization user updated")
	}
	return 404, message("Not found")
}

func (o *org) sources(method string, path []string, body map[string]any) (int, any) {
	taken := func(name, but string) bool {
		for uid, s := range o.Sources {
			if uid != but && s["name"] == name {
				return true
			}
		}
		return false
	}
	put := func(uid string) (int, any) {
		o.Secrets[uid], _ = body["secureJsonData"].(map[string]any)
		delete(body, "secureJsonData")
		// What it keeps, it keeps with fields of its own.
		body["readOnly"], body["typeLogoUrl"] = false, "public/img.svg"
		o.Sources[uid] = body
		return 200, message("Datasource saved")
	}
	switch {
	case method == "POST" && len(path) == 0:
		uid := body["uid"].(string)
		if len(uid) > 40 {
			return 400, message("invalid UID")
		}
		if o.Sources[uid] != nil || taken(body["name"].(string), "") {
			return 409, message("data source with the same name or UID already exists")
		}
		return put(uid)
	case len(path) != 2 || path[0] != "uid":
		return 404, message("Not found")
	case o.Sources[path[1]] == nil:
		return 404, message("Data source not found")
	case method == "GET":
		return 200, o.Sources[path[1]]
	case method == "PUT":
		if taken(body["name"].(string), path[1]) {
			return 409, message("data source with the same name already exists")
		}
		return put(path[1])
	}
	return 404, message("Not found")
}

func (o *org) folders(method string, path []string, body map[string]any) (int, any) {
	switch {
	case method == "POST":
		uid := body["uid"].(string)
		if o.Folders[uid] != nil {
			return 412, message("a folder with this UID exists")
		}
		o.Folders[uid] = body
		return 200, body
	case method == "GET" && o.Folders[path[0]] != nil:
		return 200, o.Folders[path[0]]
	}
	return 404, message("folder not found")
}

func (o *org) dashboards(method string, path []string, body map[string]any) (int, any) {
	if method == "POST" && path[0] == "db" {
		model := body["dashboard"].(map[string]any)
		uid, folder := model["uid"].(string), body["folderUid"].(string)
		if o.Folders[folder] == nil {
			return 400, message("folder not found")
		}
		if o.Dashboards[uid] != nil && body["overwrite"] != true {
			return 412, message("The dashboard has been changed by someone else")
		}
		b := o.Dashboards[uid]
		if b == nil {
			b = &board{}
			o.Dashboards[uid] = b
		}
		b.Model, b.Folder = model, folder
		b.Notes = append(b.Notes, fmt.Sprint(body["message"]))
		model["version"], model["id"] = len(b.Notes), len(o.Dashboards)
		return 200, map[string]any{"status": "success", "uid": uid}
	}
	if len(path) < 2 || o.Dashboards[path[1]] == nil {
		return 404, message("Dashboard not found")
	}
	b := o.Dashboards[path[1]]
	if len(path) == 3 {
		return 200, map[string]any{"versions": []any{map[string]any{"version": len(b.Notes), "message": b.Notes[len(b.Notes)-1]}}}
	}
	return 200, map[string]any{"dashboard": b.Model, "meta": map[string]any{"folderUid": b.Folder}}
}
