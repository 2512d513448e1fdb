package harbor_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// hostile is a secret that ends a JSON string, a template and a line where nobody
// takes care.
const hostile = "a\"}, {{ .x }} \\ \n$1"

// render does what External Secrets' engine v2 does (runtime/template/v2): strings
// by key, an error for a key that is not there. Of its functions, which are
// sprig's, templates here use toJson alone.
func render(t *testing.T, text string, secrets map[string]string) string {
	t.Helper()
	tmpl, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"toJson": func(v any) string { b, _ := json.Marshal(v); return string(b) },
	}).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := tmpl.Execute(&out, secrets); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func server() map[string]any {
	return map[string]any{
		"host": "registry.example.com",
		"server": map[string]any{
			"storage":  map[string]any{"s3": map[string]any{"bucket": "images", "region": "eu", "credentials": map[string]any{"path": "s3"}}},
			"admin":    map[string]any{"path": "admin"},
			"internal": map[string]any{"path": "internal"},
			"oidc":     map[string]any{"clientId": "harbor", "clientSecret": map[string]any{"path": "client"}, "adminGroup": "acme \"ops\""},
		},
		"identity": map[string]any{"issuer": "https://id.example.com/realms/platform", "usernameClaim": "sub", "groupsClaim": "groups"},
		"values":   map[string]any{}, "helmValues": map[string]any{},
	}
}

// TestSettings: whatever the client's secret is, the settings are JSON, and each
// is one that Harbor has.
func TestSettings(t *testing.T) {
	text := at[string](t, objects(t, "#Component", server()), "secret-settings", "spec", "target", "template", "data", "settings.json")
	var got map[string]any
	if err := json.Unmarshal([]byte(render(t, text, map[string]string{"secret": hostile})), &got); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	want := map[string]any{
		"auth_mode": "oidc_auth", "primary_auth_mode": true, "oidc_name": "Single sign-on", "oidc_endpoint": "https://id.example.com/realms/platform",
		"oidc_client_id": "harbor", "oidc_client_secret": hostile, "oidc_groups_claim": "groups", "oidc_user_claim": "sub",
		"oidc_scope": "openid,profile,email,offline_access", "oidc_verify_cert": true, "oidc_auto_onboard": true, "oidc_admin_group": "acme \"ops\"",
		"project_creation_restriction": "adminonly", "self_registration": false, "robot_name_prefix": "robot$", "quota_per_project_enable": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	file := os.Getenv("CONTAIN_HARBOR_SWAGGER")
	if file == "" {
		t.Skip("CONTAIN_HARBOR_SWAGGER is not set: the settings are not compared with Harbor's description of its API")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	known := at[map[string]any](t, doc, "definitions", "Configurations", "properties")
	for name, v := range got {
		kind := map[bool]string{true: "boolean", false: "string"}[v == true || v == false]
		if p, ok := known[name].(map[string]any); !ok || p["type"] != kind {
			t.Errorf("%s: %s, where Harbor has %v", name, kind, known[name])
		}
	}
}

// TestNothingByLot: each value that the chart makes up by lot unless it is given
// one (templates/core/core-secret.yaml, jobservice-secrets.yaml and
// registry-secret.yaml of harbor-helm 1.19.1, and its certificates) is given one.
func TestNothingByLot(t *testing.T) {
	all := objects(t, "#Component", server())
	values := at[map[string]any](t, all, "release", "spec", "values")
	for _, path := range []string{
		"existingSecretAdminPassword", "existingSecretSecretKey", "core.existingSecret", "core.secretName", "core.existingXsrfSecret",
		"jobservice.existingSecret", "registry.existingSecret", "registry.credentials.existingSecret", "database.external.existingSecret",
		"persistence.imageChartStorage.s3.existingSecret",
	} {
		name := at[string](t, values, strings.Split(path, ".")...)
		made := name == "harbor-db-app" // by CloudNativePG
		for _, o := range all {
			spec, _ := o.(map[string]any)["spec"].(map[string]any)
			target, _ := spec["target"].(map[string]any)
			made = made || target["name"] == name || spec["secretName"] == name
		}
		if !made {
			t.Errorf("%s: nobody makes the Secret %s", path, name)
		}
	}
	if at[bool](t, values, "expose", "tls", "enabled") || values["internalTLS"] != nil {
		t.Error("the chart would make certificates of its own")
	}
}
