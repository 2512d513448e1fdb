package catalog_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"
)

// The CRD of a KeycloakRealmImport knows the fields of a realm, and the API
// server holds them against it. What stands in maps of strings it does not know:
// the keys that each mapper, identity provider and client reads. They are those of
// Keycloak's sources: the constants of org.keycloak.protocol.oidc.mappers
// (GroupMembershipMapper, AudienceProtocolMapper, OIDCAttributeMapperHelper), of
// org.keycloak.broker.oidc.mappers (AdvancedClaimToGroupMapper,
// UsernameTemplateMapper), and of OAuth2IdentityProviderConfig,
// OIDCIdentityProviderConfig and IdentityProviderModel.
var (
	inTokens  = []string{"id.token.claim", "access.token.claim", "userinfo.token.claim", "introspection.token.claim", "lightweight.claim"}
	realmKeys = map[string][]string{
		"protocolMapper oidc-group-membership-mapper":           append([]string{"claim.name", "full.path"}, inTokens...),
		"protocolMapper oidc-audience-mapper":                   append([]string{"included.client.audience", "included.custom.audience"}, inTokens...),
		"identityProviderMapper oidc-advanced-group-idp-mapper": {"claims", "are.claim.values.regex", "group", "syncMode"},
		"identityProviderMapper oidc-username-idp-mapper":       {"template", "target", "syncMode"},
		"providerId oidc": {
			"clientId", "clientSecret", "clientAuthMethod", "issuer", "authorizationUrl", "tokenUrl", "userInfoUrl", "logoutUrl", "jwksUrl", "useJwksUrl",
			"validateSignature", "defaultScope", "pkceEnabled", "pkceMethod", "syncMode", "disableUserInfo", "backchannelSupported", "prompt",
		},
	}
	placeholder = regexp.MustCompile(`^\$\{([A-Z0-9_]+)\}$`)
)

type realmImport struct {
	Spec struct {
		Placeholders map[string]any
		Realm        struct {
			ClientScopes []struct {
				Name            string
				ProtocolMappers []map[string]any
			}
			Clients []struct {
				ClientID             string
				PublicClient         bool
				Secret               string
				RedirectURIs         []string
				Attributes           map[string]string
				DefaultClientScopes  []string
				OptionalClientScopes []string
				ProtocolMappers      []map[string]any
			}
			Groups                  []struct{ Name, Path string }
			IdentityProviders       []map[string]any
			IdentityProviderMappers []map[string]any
		}
	}
}

// builtIn are the client scopes that Keycloak makes in a realm of its own accord
// (OIDCLoginProtocolFactory.createDefaultClientScopesImpl).
var builtIn = []string{"basic", "profile", "email", "roles", "web-origins", "acr", "address", "phone", "offline_access", "microprofile-jwt"}

// realmProblems are what Keycloak would not understand of a realm, or read
// otherwise than it is meant.
func realmProblems(raw []byte) []string {
	var r realmImport
	if err := json.Unmarshal(raw, &r); err != nil {
		return []string{err.Error()}
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	configured := func(what string, list []map[string]any, kind string) {
		for _, m := range list {
			known, ok := realmKeys[fmt.Sprint(kind, " ", m[kind])]
			if !ok {
				say("%s: no %s %v", what, kind, m[kind])
			}
			config, _ := m["config"].(map[string]any)
			for _, k := range slices.Sorted(maps.Keys(config)) {
				if ok && !slices.Contains(known, k) {
					say("%s: %v reads no %s", what, m[kind], k)
				}
			}
		}
	}
	realm, used := r.Spec.Realm, map[string]bool{}
	secret := func(what, text string) {
		m := placeholder.FindStringSubmatch(text)
		switch {
		case m == nil:
			say("%s: its secret is no placeholder", what)
		case r.Spec.Placeholders[m[1]] == nil:
			say("%s: nothing fills the placeholder %s", what, m[1])
		default:
			used[m[1]] = true
		}
	}
	scopes := slices.Clone(builtIn)
	for _, s := range realm.ClientScopes {
		scopes = append(scopes, s.Name)
		configured("scope "+s.Name, s.ProtocolMappers, "protocolMapper")
	}
	ids := map[string]bool{}
	for _, c := range realm.Clients {
		what := "client " + c.ClientID
		if ids[c.ClientID] {
			say("%s is there twice", what)
		}
		ids[c.ClientID] = true
		configured(what, c.ProtocolMappers, "protocolMapper")
		for _, s := range slices.Concat(c.DefaultClientScopes, c.OptionalClientScopes) {
			if !slices.Contains(scopes, s) {
				say("%s: no client scope %s", what, s)
			}
		}
		if c.PublicClient && c.Attributes["pkce.code.challenge.method"] != "S256" {
			say("%s is public and asks for no PKCE", what)
		}
		if !c.PublicClient {
			secret(what, c.Secret)
		}
		for _, u := range c.RedirectURIs {
			if strings.Contains(u, "*") || !strings.HasPrefix(u, "https://") && !strings.HasPrefix(u, "http://localhost:") {
				say("%s: anybody could get its codes at %s", what, u)
			}
		}
	}
	groups := map[string]bool{}
	for _, g := range realm.Groups {
		groups[g.Path] = true
	}
	aliases := map[any]bool{}
	for _, p := range realm.IdentityProviders {
		aliases[p["alias"]] = true
		config, _ := p["config"].(map[string]any)
		text, _ := config["clientSecret"].(string)
		secret(fmt.Sprint("provider ", p["alias"]), text)
	}
	configured("provider", realm.IdentityProviders, "providerId")
	configured("mapper", realm.IdentityProviderMappers, "identityProviderMapper")
	for _, m := range realm.IdentityProviderMappers {
		if !aliases[m["identityProviderAlias"]] {
			say("mapper %v: no provider %v", m["name"], m["identityProviderAlias"])
		}
		config, _ := m["config"].(map[string]any)
		if g, ok := config["group"].(string); ok && !groups[g] {
			say("mapper %v: no group %s", m["name"], g)
		}
		var claims []struct{ Key, Value string }
		if text, ok := config["claims"].(string); ok && (json.Unmarshal([]byte(text), &claims) != nil || len(claims) != 1 || claims[0].Key == "" || claims[0].Value == "") {
			say("mapper %v: claims are %s", m["name"], text)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r.Spec.Placeholders)) {
		if !used[k] {
			say("placeholder %s is for nothing", k)
		}
	}
	return out
}

// goldenRealms are the KeycloakRealmImports of the goldens, by case.
func goldenRealms(t *testing.T) map[string][]byte {
	t.Helper()
	a, err := txtar.ParseFile("testdata/keycloak-realm.txtar")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range a.Files {
		for _, text := range strings.Split(string(f.Data), "--- # ") {
			if _, text, ok := strings.Cut(text, "\n"); ok && strings.Contains(text, "kind: KeycloakRealmImport") {
				raw, err := yaml.YAMLToJSON([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				out[filepath.Dir(f.Name)] = raw
			}
		}
	}
	return out
}

func TestRealm(t *testing.T) {
	realms := goldenRealms(t)
	if len(realms) == 0 {
		t.Fatal("no realm in the goldens")
	}
	for name, raw := range realms {
		for _, p := range realmProblems(raw) {
			t.Errorf("%s: %s", name, p)
		}
		if os.Getenv("CONTAIN_UPSTREAM") != "" {
			var r struct{ Spec map[string]any }
			if err := json.Unmarshal(raw, &r); err != nil {
				t.Fatal(err)
			}
			n, unknown := fieldsOf(r.Spec, realmSchema(t))
			t.Logf("REALM %s: %d fields, %d unknown to the CRD", name, n, len(unknown))
			for _, u := range unknown {
				t.Errorf("%s: the CRD has no %s", name, u)
			}
		}
	}
}

// TestRealmProblems plants mistakes in a realm that has none.
func TestRealmProblems(t *testing.T) {
	full := string(goldenRealms(t)["full"])
	for _, c := range []struct{ old, new, want string }{
		{`"full.path":"false"`, `"fullPath":"false"`, "scope groups: oidc-group-membership-mapper reads no fullPath"},
		{`"protocolMapper":"oidc-group-membership-mapper"`, `"protocolMapper":"oidc-groups-mapper"`, "scope groups: no protocolMapper oidc-groups-mapper"},
		{`"group":"/acme-sre"`, `"group":"acme-sre"`, "mapper group-acme-sre: no group acme-sre"},
		{`"secret":"${CLIENT_GRAFANA}"`, `"secret":"x"`, "client grafana: its secret is no placeholder\nplaceholder CLIENT_GRAFANA is for nothing"},
		{`"secret":"${CLIENT_GRAFANA}"`, `"secret":"${CLIENT_GRAFAN}"`, "client grafana: nothing fills the placeholder CLIENT_GRAFAN\nplaceholder CLIENT_GRAFANA is for nothing"},
		{`https://grafana.obs.acme.example/login/generic_oauth`, `https://grafana.obs.acme.example/*`, "client grafana: anybody could get its codes at https://grafana.obs.acme.example/*"},
		{`"clientId":"harbor"`, `"clientId":"grafana"`, "client grafana is there twice"},
		{`"useJwksUrl":"true"`, `"useJwks":"true"`, "provider: oidc reads no useJwks"},
	} {
		planted := strings.Replace(full, c.old, c.new, 1)
		if planted == full {
			t.Errorf("%s is not in the realm", c.old)
		}
		if diff := cmp.Diff(c.want, strings.Join(realmProblems([]byte(planted)), "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.new, diff)
		}
	}
}

// realmSchema is the schema of a KeycloakRealmImport's spec in the stored version
// of its CRD.
func realmSchema(t *testing.T) map[string]any {
	t.Helper()
	var crd struct {
		Spec struct {
			Versions []struct {
				Storage bool
				Schema  struct {
					OpenAPIV3Schema struct{ Properties map[string]map[string]any }
				}
			}
		}
	}
	if !read(t, filepath.Join(os.Getenv("CONTAIN_UPSTREAM"), "keycloak", "crds", "keycloakrealmimports.k8s.keycloak.org-v1.crd.yaml"), &crd) {
		t.Fatal("no CRD of KeycloakRealmImport")
	}
	for _, v := range crd.Spec.Versions {
		if v.Storage {
			return v.Schema.OpenAPIV3Schema.Properties["spec"]
		}
	}
	t.Fatal("no stored version")
	return nil
}

// fieldsOf counts the fields of a value, and names those that a schema has not.
func fieldsOf(v any, schema map[string]any) (n int, unknown []string) {
	var walk func(at string, v any, s map[string]any)
	walk = func(at string, v any, s map[string]any) {
		switch v := v.(type) {
		case []any:
			items, _ := s["items"].(map[string]any)
			for _, e := range v {
				walk(at, e, items)
			}
		case map[string]any:
			any, _ := s["additionalProperties"].(map[string]any)
			for _, k := range slices.Sorted(maps.Keys(v)) {
				n++
				p := property(s, k)
				if p == nil {
					p = any
				}
				if p == nil {
					unknown = append(unknown, at+"."+k)
					continue
				}
				walk(at+"."+k, v[k], p)
			}
		}
	}
	walk("spec", v, schema)
	return n, unknown
}
