package kubecheck

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/object"
)

// fake makes a secret of a format's length. None of them is anybody's: they are
// written in parts, so that scanners of repositories are not woken either.
func fake(prefix string, n int, alphabet string) string {
	var b strings.Builder
	b.WriteString(prefix)
	for i := range n {
		b.WriteByte(alphabet[(i*7+3+i/5)%len(alphabet)])
	}
	return b.String()
}

const (
	alnum  = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	bech32 = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
	hexes  = "0123456789abcdef"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func pem(kind string) string {
	return "-----BEGIN " + kind + "-----\n" + fake("MII", 64, alnum) + "\n" + fake("", 40, alnum) + "\n-----END " + kind + "-----\n"
}

func jwt() string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"HS256","typ":"JWT"}`) + "." + part(`{"sub":"somebody"}`) + "." + fake("", 43, alnum)
}

// configMap is one with one entry.
func configMap(key, v string) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "c", "namespace": "n"}, "data": map[string]any{key: v}}
}

func helmValues(values map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
		"metadata": map[string]any{"name": "r", "namespace": "n"}, "spec": map[string]any{"values": values},
	}
}

type secretCase struct {
	name string
	tree map[string]any
	// secret that must not be in any text of a finding.
	secret string
	path   string // of the one finding, "" for none
}

func formats() []secretCase {
	var out []secretCase
	for name, s := range map[string]string{
		"PEM":                 pem("PRIVATE KEY"),
		"PEM RSA":             pem("RSA PRIVATE KEY"),
		"PEM EC":              pem("EC PRIVATE KEY"),
		"PEM OpenSSH":         pem("OPENSSH PRIVATE KEY"),
		"PGP":                 "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + fake("", 60, alnum) + "\n-----END PGP PRIVATE KEY BLOCK-----",
		"PEM on one line":     strings.ReplaceAll(pem("PRIVATE KEY"), "\n", `\n`),
		"cosign":              pem("ENCRYPTED SIGSTORE PRIVATE KEY"),
		"AWS":                 fake("AK"+"IA", 16, base32),
		"AWS session":         fake("AS"+"IA", 16, base32),
		"Google":              fake("AI"+"za", 35, alnum),
		"Google OAuth":        fake("GOC"+"SPX-", 28, alnum),
		"Azure storage":       "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + fake("", 86, alnum) + "==;EndpointSuffix=core.windows.net",
		"Azure Entra":         fake("abc", 0, alnum) + "8" + "Q~" + fake("", 34, alnum),
		"GitHub":              fake("gh"+"p_", 36, alnum),
		"GitHub app":          fake("gh"+"s_", 36, alnum),
		"GitHub fine-grained": fake("github"+"_pat_", 22, alnum) + "_" + fake("", 59, alnum),
		"GitLab":              fake("gl"+"pat-", 20, alnum),
		"Slack":               "xo" + "xb-" + fake("", 12, "123456789") + "-" + fake("", 24, alnum),
		"Slack webhook":       "https://hooks." + "slack.com/services/" + fake("T", 8, base32) + "/" + fake("B", 8, base32) + "/" + fake("", 24, alnum),
		"Stripe":              fake("sk"+"_live_", 24, alnum),
		"npm":                 fake("np"+"m_", 36, alnum),
		"age":                 fake("AGE-SECRET"+"-KEY-1", 58, bech32),
		"JWT":                 jwt(),
		"OpenBao":             fake("hv"+"s.", 24, alnum),
		"Grafana":             fake("gl"+"sa_", 32, alnum) + "_" + fake("", 8, hexes),
		"DigitalOcean":        fake("do"+"p_v1_", 64, hexes),
		"PyPI":                fake("py"+"pi-AgEIcHlwaS5vcmc", 60, alnum),
		"SendGrid":            fake("SG"+".", 22, alnum) + "." + fake("", 43, alnum),
		"docker config":       `{"auths":{"registry.example":{"auth":"` + b64("robot:"+fake("", 16, alnum)) + `"}}}`,
		"URL":                 "postgres://app:" + fake("", 14, alnum) + "@db.example:5432/app",
		"URL without a user":  "redis://:" + fake("", 14, alnum) + "@cache.example:6379/0",
	} {
		// Formats are known wherever they stand, and one level of base64 deep.
		out = append(out,
			secretCase{name, configMap("plain", s), s, "data.plain"},
			secretCase{name + ", in a text", configMap("plain.txt", "first\nuse: \""+s+"\"\nlast\n"), s, `data["plain.txt"]`},
			secretCase{name + ", in base64", configMap("plain", b64(s)), s, "data.plain"},
		)
	}
	return out
}

func keyed() []secretCase {
	random := fake("", 32, alnum)
	password := "hunter" + "2"
	podWith := func(container map[string]any) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p", "namespace": "n"},
			"spec": map[string]any{"containers": []any{container}}}
	}
	annotated := configMap("a", "b")
	annotated["metadata"] = map[string]any{"name": "c", "annotations": map[string]any{"acme.example/api-token": random}}
	labelled := configMap("a", "b")
	labelled["metadata"] = map[string]any{"name": "c", "labels": map[string]any{"password": password}}
	keyIsSecret := configMap(fake("gh"+"p_", 36, alnum), "b")
	return []secretCase{
		{"Helm values", helmValues(map[string]any{"auth": map[string]any{"adminPassword": password}}), password, "spec.values.auth.adminPassword"},
		{"Helm values, a list", helmValues(map[string]any{"users": []any{map[string]any{"name": "a", "password": password}}}), password, "spec.values.users[0].password"},
		{"Helm values, a text", helmValues(map[string]any{"config": "a: b\nclient_secret: " + random + "\n"}), random, "spec.values.config"},
		{"token", helmValues(map[string]any{"apiToken": random}), random, "spec.values.apiToken"},
		{"UUID", helmValues(map[string]any{"clientSecret": "3f2b8c1e-1d2a-4c5b-8e7f-9a0b1c2d3e4f"}), "3f2b8c1e", "spec.values.clientSecret"},
		{"base64 of a secret", helmValues(map[string]any{"secretKey": b64(random)}), random, "spec.values.secretKey"},
		{"ConfigMap", configMap("DB_PASSWORD", password), password, "data.DB_PASSWORD"},
		{"ConfigMap with a file", configMap("app.properties", "db.user=app\ndb.password="+password+"\n"), password, `data["app.properties"]`},
		{"ConfigMap with JSON", configMap("app.json", "{\n  \"password\": \""+password+"\",\n  \"a\": 1\n}\n"), password, `data["app.json"]`},
		{"environment", podWith(map[string]any{"name": "c", "env": []any{map[string]any{"name": "DB_PASSWORD", "value": password}}}), password, "spec.containers[0].env[0].value"},
		{"argument", podWith(map[string]any{"name": "c", "args": []any{"--verbose", "--password=" + password}}), password, "spec.containers[0].args[1]"},
		{"annotation", annotated, random, `metadata.annotations.acme\.example/api-token`},
		{"label", labelled, password, "metadata.labels.password"},
		{"custom resource", map[string]any{"apiVersion": "acme.example/v1", "kind": "Thing", "metadata": map[string]any{"name": "t"}, "spec": map[string]any{"privateKey": random}}, random, "spec.privateKey"},
		{"key", keyIsSecret, fake("gh"+"p_", 36, alnum), "data"},
		{"Secret's annotation", map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "t", "annotations": map[string]any{"note": fake("np"+"m_", 36, alnum)}}}, fake("np"+"m_", 36, alnum), "metadata.annotations.note"},
	}
}

func innocent() []secretCase {
	lines := func(s ...string) string { return strings.Join(s, "\n") + "\n" }
	var out []secretCase
	for name, values := range map[string]map[string]any{
		"references":        {"existingSecret": "velero-credentials", "passwordSecretRef": map[string]any{"name": "db", "key": "password"}, "secretName": "tls-1a2b3c4d5e6f7a8b", "passwordFile": "/run/secrets/password"},
		"names":             {"adminPasswordKey": "password", "password": "db-password", "secret": "velero-credentials", "imagePullSecret": "registry-1a2b3c4d5e", "token": "my-service-token"},
		"placeholders":      {"password": "${DB_PASSWORD}", "token": "{{ .Values.token }}", "apiKey": "<your key here>", "secret": "changeme", "clientSecret": "$(CLIENT_SECRET)", "accessKey": "****************"},
		"switches":          {"password": "true", "generatePassword": "false", "token": "none"},
		"addresses":         {"tokenUrl": "https://id.example/realms/platform/protocol/openid-connect/token", "tokenPath": "/var/run/secrets/kubernetes.io/serviceaccount/token", "secret": "https://vault.example/v1/kv/data/app1"},
		"checksums":         {"checksum/secret": fake("", 64, hexes), "secretChecksum": fake("", 64, hexes), "digest": "sha256:" + fake("", 64, hexes)},
		"public keys":       {"publicKey": pem("PUBLIC KEY"), "caBundle": b64(pem("CERTIFICATE")), "cosign.pub": pem("PUBLIC KEY"), "sshKey": "ssh-ed25519 " + fake("AAAAC3NzaC1lZDI1NTE5AAAA", 44, alnum)},
		"hashes":            {"adminPassword": "$2a$10$" + fake("", 53, alnum)},
		"vault":             {"password": "vault:kv/data/app#password", "token": "ref+vault://kv/app#token1234567890"},
		"sops":              {"password": "ENC[AES256_GCM,data:" + fake("", 20, alnum) + ",iv:aa,tag:bb,type:str]"},
		"AWS's example":     {"accessKeyId": "AKIAIOSFODNN7" + "EXAMPLE"},
		"URLs":              {"url": "https://example.com:8443/a@b", "dsn": "postgres://app@db.example/app", "dsn2": "postgres://app:${PASSWORD}@db.example/app", "dsn3": "postgres://app:$(PASSWORD)@db.example", "time": "12:34:56@host"},
		"webhook's example": {"url": "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"},
		"expressions":       {"regex": `^-----BEGIN (RSA )?PRIVATE KEY-----$`, "query": `sum(rate(token_requests_total{job="x"}[5m]))`, "match": `ghp_[A-Za-z0-9]{36}`},
		"files": {"config": lines("# password: see the vault", "password: ${PASSWORD}", "tokenTTL: 24h", "secretName: tls-1a2b3c4d5e6f7a8b9c", "password_file=/run/secrets/db", "token := input.token", "user: app"),
			"script": lines("password=$(cat /run/secrets/password)", `token="$TOKEN"`, "export API_KEY=${API_KEY}")},
		"token settings": {"tokenAudiences": "sts.amazonaws.com", "maxTokens": "100000000000000a", "tokenExpiration": "1h"},
	} {
		out = append(out, secretCase{name: name, tree: helmValues(values)})
	}
	out = append(out,
		secretCase{name: "ExternalSecret", tree: map[string]any{"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": map[string]any{"name": "e"},
			"spec": map[string]any{"data": []any{map[string]any{"secretKey": "A1B2C3D4E5F6G7H8J9", "remoteRef": map[string]any{"key": "a", "property": "password"}}}}}},
		secretCase{name: "SealedSecret", tree: map[string]any{"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": map[string]any{"name": "e"},
			"spec": map[string]any{"encryptedData": map[string]any{"password": fake("Ag", 200, alnum)}}}},
		secretCase{name: "environment by reference", tree: map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p"},
			"spec": map[string]any{"containers": []any{map[string]any{"name": "password", "image": "a/b:1", "env": []any{map[string]any{"name": "PASSWORD", "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "db", "key": "password"}}}}}}}}},
		secretCase{name: "Secret without values", tree: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "p"}, "type": "Opaque"}},
	)
	return out
}

// TestPlaintext: each secret is one finding at its path, which repeats nothing
// of it; what is none is none.
func TestPlaintext(t *testing.T) {
	cases := append(append(formats(), keyed()...), innocent()...)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o, err := object.FromTree("", c.tree)
			if err != nil {
				t.Fatal(err)
			}
			found := plaintextOf(o)
			if c.path == "" {
				if len(found) > 0 {
					t.Errorf("findings about what is no secret: %+v", found)
				}
				return
			}
			if want := strings.ReplaceAll(c.path, `.acme\.example/api-token`, `["acme.example/api-token"]`); len(found) != 1 || found[0].Path != want || found[0].ID != IDPlaintext {
				t.Fatalf("findings are %+v, want one at %s", found, want)
			}
			if text := fmt.Sprintf("%+v", found); strings.Contains(text, c.secret) || strings.Contains(text, b64(c.secret)) {
				t.Errorf("the finding repeats the secret")
			}
		})
	}
	t.Logf("%d secrets, %d innocent objects", len(formats())+len(keyed()), len(innocent()))
}

// What the catalog renders has no secrets.
func TestPlaintextInCatalog(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "catalog", "testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d goldens, %v", len(files), err)
	}
	n := 0
	for _, f := range files {
		a, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range a.Files {
			if !strings.HasSuffix(file.Name, ".yaml") {
				continue
			}
			for _, o := range objectsIn(t, file.Data) {
				n++
				for _, found := range plaintextOf(o) {
					t.Errorf("%s: %s: %s: %s", filepath.Base(f), o, found.Path, found.Message)
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d objects in the goldens", n)
	}
}

// documents are separated so in the goldens: "--- # name".
var documents = regexp.MustCompile(`(?m)^---.*$`)

// objectsIn reads documents that are objects, or maps of objects.
func objectsIn(t testing.TB, b []byte) []*object.Object {
	t.Helper()
	var out []*object.Object
	for _, doc := range documents.Split(string(b), -1) {
		j, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			continue
		}
		if o, err := object.New("", j); err == nil {
			out = append(out, o)
			continue
		}
		var many map[string]json.RawMessage
		if json.Unmarshal(j, &many) != nil {
			continue
		}
		for _, one := range many {
			if o, err := object.New("", one); err == nil {
				out = append(out, o)
			}
		}
	}
	return out
}

// FuzzPlaintext: no text makes the search fail, and no finding repeats it.
func FuzzPlaintext(f *testing.F) {
	for _, c := range append(formats(), keyed()...) {
		f.Add("password", c.secret)
	}
	f.Add("", "a")
	f.Add("token", "eyJ.eyJ.")
	f.Add("auth", `"auth":"Og=="`)
	f.Fuzz(func(t *testing.T, key, v string) {
		o, err := object.FromTree("", helmValues(map[string]any{key: v, "l": []any{v, map[string]any{"name": key, "value": v}}}))
		if err != nil {
			t.Skip()
		}
		for _, found := range plaintextOf(o) {
			text := found.Message + found.Hint
			if len(v) > 8 && strings.Contains(text, v) && !strings.Contains("a private key a password keep it in the platform's secret store, bring an ExternalSecret and name its Secret in valuesFrom or the chart's existingSecret would be in the artifact, in plain text", v) {
				t.Errorf("the finding repeats %q", v)
			}
		}
	})
}
