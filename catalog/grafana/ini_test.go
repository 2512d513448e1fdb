package grafana_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmespath-community/go-jmespath"
	"gopkg.in/ini.v1"
)

// keys are those of grafana.ini that the catalog sets, with the type of each, as
// https://grafana.com/docs/grafana/v13.2/setup-grafana/configure-grafana/ has them
// and, for auth.generic_oauth, .../configure-authentication/generic-oauth/.
var keys = map[string]map[string]string{
	"server":             {"domain": "string", "root_url": "url"},
	"database":           {"type": "mysql|postgres|sqlite3", "host": "string", "name": "string", "user": "string", "password": "expansion", "ssl_mode": "disable|require|verify-full"},
	"analytics":          {"reporting_enabled": "bool", "check_for_updates": "bool", "check_for_plugin_updates": "bool", "feedback_links_enabled": "bool"},
	"security":           {"disable_gravatar": "bool", "cookie_secure": "bool", "cookie_samesite": "lax|strict|none|disabled", "secret_key": "expansion"},
	"snapshots":          {"external_enabled": "bool"},
	"public_dashboards":  {"enabled": "bool"},
	"users":              {"allow_sign_up": "bool", "allow_org_create": "bool", "auto_assign_org": "bool", "auto_assign_org_id": "int", "auto_assign_org_role": "Viewer|Editor|Admin|None"},
	"auth":               {"disable_login_form": "bool"},
	"auth.basic":         {"enabled": "bool"},
	"auth.generic_oauth": oauth,
	"log":                {"mode": "console|file|syslog"},
	"log.console":        {"format": "text|console|json"},
	"unified_alerting":   {"enabled": "bool", "execute_alerts": "bool"},
	"plugins":            {"plugin_admin_enabled": "bool", "public_key_retrieval_disabled": "bool", "preinstall_disabled": "bool", "preinstall_auto_update": "bool"},
	"news":               {"news_feed_enabled": "bool"},
}

var oauth = map[string]string{
	"enabled": "bool", "name": "string", "allow_sign_up": "bool", "auto_login": "bool",
	"client_id": "string", "client_secret": "expansion", "scopes": "string",
	"auth_url": "url", "token_url": "url", "api_url": "url", "use_pkce": "bool", "tls_client_ca": "path",
	"login_attribute_path": "jmespath", "groups_attribute_path": "jmespath", "role_attribute_path": "jmespath", "org_attribute_path": "jmespath",
	"role_attribute_strict": "bool", "allow_assign_grafana_admin": "bool", "skip_org_role_sync": "bool",
	"allowed_groups": "list", "org_mapping": "list",
}

// written is grafana.ini as the chart writes it (grafana.configData in its
// templates/_config.tpl), read as Grafana reads it (pkg/setting: ini.v1 with no
// options).
func written(t *testing.T, in map[string]any) *ini.File {
	t.Helper()
	sections := at[map[string]any](t, objects(t, "#Component", in)["release"], "spec", "values", "grafana.ini")
	var text strings.Builder
	for _, s := range slices.Sorted(maps.Keys(sections)) {
		fmt.Fprintf(&text, "[%s]\n", s)
		values := at[map[string]any](t, sections, s)
		for _, k := range slices.Sorted(maps.Keys(values)) {
			// Strings pass through Helm's tpl.
			if v, ok := values[k].(string); ok && strings.Contains(v, "{{") {
				t.Errorf("[%s] %s: Helm would take %q for a template", s, k, v)
			}
			fmt.Fprintf(&text, "%s = %v\n", k, values[k])
		}
	}
	f, err := ini.Load([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSettings(t *testing.T) {
	every := component("platform", []string{"sre"}, "groups", tenant{name: "platform", id: "platform", groups: map[string]string{"sre": "editor"}})
	every["values"] = map[string]any{
		"database":   map[string]any{"postgres": map[string]any{"host": "db:5432", "name": "grafana", "sslMode": "verify-full", "credentials": map[string]any{"path": "db"}}},
		"secretKey":  map[string]any{"path": "grafana", "property": "secret-key"},
		"identityCA": "-----BEGIN CERTIFICATE-----\n",
	}
	checked := 0
	for name, in := range map[string]map[string]any{
		"every setting": every,
		"application":   component("application", []string{"sre"}, "groups", tenant{name: "shop", groups: map[string]string{"shop": "editor"}}),
		"nobody":        component("application", nil, "groups"),
	} {
		for _, s := range written(t, in).Sections() {
			for _, k := range s.Keys() {
				kind, ok := keys[s.Name()][k.Name()]
				if !ok {
					t.Errorf("%s: [%s] %s: no such key in Grafana's documentation", name, s.Name(), k.Name())
					continue
				}
				checked++
				if err := fits(k.Value(), kind); err != nil {
					t.Errorf("%s: [%s] %s: %v", name, s.Name(), k.Name(), err)
				}
			}
		}
	}
	documented := 0
	for _, s := range keys {
		documented += len(s)
	}
	t.Logf("GRAFANA SETTINGS: %d checked against %d documented keys", checked, documented)
}

// fits says whether a value has a type of the table above.
func fits(value, kind string) error {
	switch kind {
	case "bool":
		_, err := strconv.ParseBool(value)
		return err
	case "int":
		_, err := strconv.Atoi(value)
		return err
	case "url":
		if !strings.HasPrefix(value, "https://") {
			return fmt.Errorf("%q is no https URL", value)
		}
	case "path":
		if !strings.HasPrefix(value, "/") {
			return fmt.Errorf("%q is no path", value)
		}
	case "expansion":
		if !strings.HasPrefix(value, "$__file{/etc/secrets/") || !strings.HasSuffix(value, "}") {
			return fmt.Errorf("%q is no reference to a file of a Secret", value)
		}
	case "list":
		return json.Unmarshal([]byte(value), new([]string))
	case "jmespath":
		_, err := jmespath.Compile(value)
		return err
	case "string":
		if value == "" {
			return fmt.Errorf("empty")
		}
	default:
		if !slices.Contains(strings.Split(kind, "|"), value) {
			return fmt.Errorf("%q is none of %s", value, kind)
		}
	}
	return nil
}

// A login is what comes of a token.
type login struct {
	refused bool
	server  bool // Grafana's own administrator
	roles   map[string]string
}

// judge is what the documentation says of a login: org_mapping gives roles in
// organisations, role_attribute_path one in all of those or in the default one,
// the higher counts, and allowed_groups lets in at all.
func judge(t *testing.T, f *ini.File, orgs []string, token map[string]any) login {
	t.Helper()
	s := f.Section("auth.generic_oauth")
	strs := func(key string) []string {
		var out []string
		if err := json.Unmarshal([]byte(s.Key(key).Value()), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	search := func(key string) any {
		v, err := jmespath.Search(s.Key(key).Value(), token)
		if err != nil {
			return nil
		}
		return v
	}
	var groups, external []string
	for key, into := range map[string]*[]string{"groups_attribute_path": &groups, "org_attribute_path": &external} {
		list, _ := search(key).([]any)
		for _, g := range list {
			*into = append(*into, g.(string))
		}
	}
	if !slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(strs("allowed_groups"), g) }) {
		return login{refused: true}
	}
	rank := map[string]int{"None": 1, "Viewer": 2, "Editor": 3, "Admin": 4}
	out := login{roles: map[string]string{}}
	raise := func(org, role string) {
		if rank[role] > rank[out.roles[org]] {
			out.roles[org] = role
		}
	}
	strict := s.Key("role_attribute_strict").MustBool()
	var mapped [][]string
	for _, m := range strs("org_mapping") {
		parts := split(m)
		if len(parts) != 3 || rank[parts[2]] == 0 {
			t.Fatalf("org_mapping: %q", m)
		}
		if n, err := strconv.Atoi(parts[1]); err == nil && n <= len(orgs) {
			parts[1] = orgs[n-1]
		}
		if parts[1] != "*" && !slices.Contains(orgs, parts[1]) {
			if strict {
				mapped = nil
				break
			}
			continue
		}
		mapped = append(mapped, parts)
	}
	for _, m := range mapped {
		if !slices.Contains(external, m[0]) {
			continue
		}
		for _, o := range orgs {
			if m[1] == "*" || m[1] == o {
				raise(o, m[2])
			}
		}
	}
	role, _ := search("role_attribute_path").(string)
	if role == "GrafanaAdmin" {
		role, out.server = "Admin", s.Key("allow_assign_grafana_admin").MustBool()
	}
	if len(out.roles) == 0 {
		out.roles[orgs[0]] = role
		return out
	}
	for o := range out.roles {
		raise(o, role)
	}
	return out
}

// split takes an entry of org_mapping apart, in which \: is a colon.
func split(entry string) []string {
	parts := []string{""}
	for i := 0; i < len(entry); i++ {
		switch {
		case entry[i] == ':':
			parts = append(parts, "")
		case entry[i] == '\\' && i+1 < len(entry) && entry[i+1] == ':':
			parts[len(parts)-1] += ":"
			i++
		default:
			parts[len(parts)-1] += entry[i : i+1]
		}
	}
	return parts
}

func TestWhoIsWhat(t *testing.T) {
	odd := `acme; "payments", all: team #1`
	application := component("application", []string{"acme-sre"}, "groups",
		tenant{name: "2", groups: map[string]string{"two": "editor"}},
		tenant{name: "data", groups: map[string]string{"acme-data": "editor"}},
		tenant{name: "payments", groups: map[string]string{odd: "editor", "acme-audit": "viewer"}},
		tenant{name: "shop", groups: map[string]string{"acme-shop": "editor", odd: "viewer", "acme-audit": "viewer"}},
	)
	orgs := []string{"Main Org.", "data", "payments", "shop", "tenant 2"}
	platform := component("platform", []string{"acme's sre"}, "https://acme.example/groups",
		tenant{name: "audit", id: "audit", groups: map[string]string{"acme-audit": "editor", "acme-dev": "viewer"}},
		tenant{name: "platform", id: "platform", groups: map[string]string{"acme-audit": "viewer", "acme-dev": "editor", "acme-read": "viewer"}},
	)
	one := []string{"Main Org."}
	for _, c := range []struct {
		name   string
		in     map[string]any
		orgs   []string
		claim  string
		groups []string
		want   login
	}{
		{"a group has its tenant's organisation alone", application, orgs, "groups", []string{"acme-data"}, login{roles: map[string]string{"data": "Editor"}}},
		{"a number is no organisation's ID", application, orgs, "groups", []string{"two"}, login{roles: map[string]string{"tenant 2": "Editor"}}},
		{"whatever a group is called", application, orgs, "groups", []string{odd}, login{roles: map[string]string{"payments": "Editor", "shop": "Viewer"}}},
		{"a part of a group's name is no group", application, orgs, "groups", []string{"acme", "all"}, login{refused: true}},
		{"a reader of two", application, orgs, "groups", []string{"acme-audit"}, login{roles: map[string]string{"payments": "Viewer", "shop": "Viewer"}}},
		{"the higher role of two groups", application, orgs, "groups", []string{odd, "acme-shop"}, login{roles: map[string]string{"payments": "Editor", "shop": "Editor"}}},
		{"admins are everywhere", application, orgs, "groups", []string{"acme-sre"}, login{server: true, roles: map[string]string{"Main Org.": "Admin", "data": "Admin", "payments": "Admin", "shop": "Admin", "tenant 2": "Admin"}}},
		{"a stranger", application, orgs, "groups", []string{"other"}, login{refused: true}},
		{"nobody's groups", application, orgs, "groups", nil, login{refused: true}},
		{"groups of another claim", application, orgs, "roles", []string{"acme-sre"}, login{refused: true}},
		{"an organisation that is not made yet", application, []string{"Main Org.", "shop"}, "groups", []string{"acme-data"}, login{roles: map[string]string{"Main Org.": "None"}}},
		{"which is nobody else's outage", application, []string{"Main Org.", "shop"}, "groups", []string{"acme-shop"}, login{roles: map[string]string{"shop": "Editor"}}},
		{"an editor of one tenant edits the platform's dashboards", platform, one, "https://acme.example/groups", []string{"acme-audit"}, login{roles: map[string]string{"Main Org.": "Editor"}}},
		{"a reader does not", platform, one, "https://acme.example/groups", []string{"acme-read"}, login{roles: map[string]string{"Main Org.": "Viewer"}}},
		{"the platform's admins", platform, one, "https://acme.example/groups", []string{"acme's sre"}, login{server: true, roles: map[string]string{"Main Org.": "Admin"}}},
		{"strangers to the platform", platform, one, "https://acme.example/groups", []string{"acme-shop"}, login{refused: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := map[string]any{"sub": "1", "preferred_username": "jo"}
			if c.groups != nil {
				list := []any{}
				for _, g := range c.groups {
					list = append(list, g)
				}
				token[c.claim] = list
			}
			got := judge(t, written(t, c.in), c.orgs, token)
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(login{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
