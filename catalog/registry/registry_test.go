// Package registry_test judges the files that nodes pull with: their texts, and
// what kubelet's credentials become when External Secrets has put a password in.
package registry_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"
	"text/template"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/load"
	"github.com/google/go-cmp/cmp"
)

// out is a function's of the package, with its parameters.
func out(t *testing.T, function, parameters string, into any) {
	t.Helper()
	instance := load.Instances([]string{"."}, nil)[0]
	if instance.Err != nil {
		t.Fatal(instance.Err)
	}
	ctx := cuecontext.New()
	v := ctx.BuildInstance(instance)
	v = v.LookupPath(cue.ParsePath(function)).Unify(ctx.CompileString(parameters)).LookupPath(cue.ParsePath("out"))
	b, err := v.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

type file struct {
	Path, Permissions, Content string
	Secret                     *struct {
		Name, Key string
		From      map[string]string
	}
}

const (
	air      = `#cluster: infrastructure: airGapped: true, #name: "prod", #fleet: {}, #platform: management: `
	upstream = `#cluster: infrastructure: airGapped: false, #name: "dev", #fleet: mgmt: management: harbor: proxies: {"quay.io": {}, "docker.io": {}}, #platform: management: `
)

func TestNodeFiles(t *testing.T) {
	for _, c := range []struct {
		name, parameters string
		want             map[string]string
	}{
		{"no registry", upstream + `{}`, map[string]string{}},
		{"no Harbor", `#cluster: infrastructure: airGapped: false, #name: "dev", #fleet: {}, #platform: management: registry: {host: "r.example", mirror: "m"}`, map[string]string{}},
		{"proxies", upstream + `registry: {host: "r.example:5000", mirror: "m", robots: path: "robots"}`, map[string]string{
			"/etc/containerd/certs.d/docker.io/hosts.toml": "server = \"https://registry-1.docker.io\"\n\n[host.\"https://r.example:5000/v2/docker.io\"]\n  capabilities = [\"pull\", \"resolve\"]\n  override_path = true\n",
			"/etc/containerd/certs.d/quay.io/hosts.toml":   "server = \"https://quay.io\"\n\n[host.\"https://r.example:5000/v2/quay.io\"]\n  capabilities = [\"pull\", \"resolve\"]\n  override_path = true\n",
			"/var/lib/kubelet/config.json":                 "dev-registry config.json robots/dev#password",
		}},
		{"air gap", air + `registry: {host: "r.example", mirror: "m", caBundle: "PEM\n", pull: path: "pull"}`, map[string]string{
			"/etc/containerd/certs.d/docker.io/hosts.toml":       mirrored("docker.io"),
			"/etc/containerd/certs.d/gcr.io/hosts.toml":          mirrored("gcr.io"),
			"/etc/containerd/certs.d/ghcr.io/hosts.toml":         mirrored("ghcr.io"),
			"/etc/containerd/certs.d/mirror.gcr.io/hosts.toml":   mirrored("mirror.gcr.io"),
			"/etc/containerd/certs.d/public.ecr.aws/hosts.toml":  mirrored("public.ecr.aws"),
			"/etc/containerd/certs.d/quay.io/hosts.toml":         mirrored("quay.io"),
			"/etc/containerd/certs.d/registry.k8s.io/hosts.toml": mirrored("registry.k8s.io"),
			"/etc/containerd/certs.d/r.example/ca.crt":           "PEM\n",
			"/etc/containerd/certs.d/r.example/hosts.toml":       "server = \"https://r.example\"\nca = \"/etc/containerd/certs.d/r.example/ca.crt\"\n",
			"/var/lib/kubelet/config.json":                       "prod-registry config.json pull#.dockerconfigjson",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var files []file
			out(t, "#NodeFiles", c.parameters, &files)
			got := map[string]string{}
			for _, f := range files {
				got[f.Path] = f.Content
				want := "0644"
				if f.Secret != nil {
					want = "0600"
					got[f.Path] = f.Secret.Name + " " + f.Secret.Key + " " + f.Secret.From["path"] + "#" + f.Secret.From["property"]
				}
				if f.Permissions != want {
					t.Errorf("%s: permissions %s, want %s", f.Path, f.Permissions, want)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func mirrored(host string) string {
	return "server = \"https://r.example/v2/m/" + host + "\"\ncapabilities = [\"pull\", \"resolve\"]\noverride_path = true\nca = \"/etc/containerd/certs.d/r.example/ca.crt\"\n"
}

// TestPullSecret: whatever a robot's password is, the file is kubelet's, for the
// cluster's own robot.
func TestPullSecret(t *testing.T) {
	const hostile = "a\"}, {{ .x }} \\ \n$1"
	var secrets []map[string]any
	out(t, "#PullSecret", `#registry: {host: "r.example:5000", mirror: "m", robots: {path: "robots", store: "other"}}, #cluster: "prod", #name: "registry", #namespace: "here"`, &secrets)
	if len(secrets) != 1 {
		t.Fatalf("%d Secrets", len(secrets))
	}
	spec := secrets[0]["spec"].(map[string]any)
	if diff := cmp.Diff(map[string]any{"kind": "ClusterSecretStore", "name": "other"}, spec["secretStoreRef"]); diff != "" {
		t.Error(diff)
	}
	text := spec["target"].(map[string]any)["template"].(map[string]any)["data"].(map[string]any)["config.json"].(string)
	tmpl, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"toJson": func(v any) string { b, _ := json.Marshal(v); return string(b) },
		"b64enc": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	}).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := tmpl.Execute(&b, map[string]string{"password": hostile}); err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v:\n%s", err, &b)
	}
	want := any(map[string]any{"auths": map[string]any{"r.example:5000": map[string]any{
		"username": "robot$prod", "password": hostile, "auth": base64.StdEncoding.EncodeToString([]byte("robot$prod:" + hostile)),
	}}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
