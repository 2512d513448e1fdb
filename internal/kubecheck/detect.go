package kubecheck

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// detector knows one format of secret by its published shape.
type detector struct {
	what string
	// hint is a literal that every match holds, so that few strings are looked
	// at by the expression.
	hint string
	re   *regexp.Regexp
	// is looks at the match more closely; nil takes each.
	is func(match string) bool
}

// detectors in the order in which they are asked. Sources of the formats:
//   - PEM: RFC 7468, section 10 and 11; OpenSSH PROTOCOL.key; cosign's
//     "ENCRYPTED SIGSTORE PRIVATE KEY".
//   - AWS: IAM user guide, "IAM identifiers", unique ID prefixes.
//   - Google: cloud.google.com/docs/authentication/api-keys; OAuth client
//     secrets begin with GOCSPX-.
//   - Azure: learn.microsoft.com, "Configure Azure Storage connection strings"
//     (64 bytes in base64); client secrets of Entra ID hold Q~ at the fifth place.
//   - GitHub: github.blog/2021-04-05-behind-githubs-new-authentication-token-formats
//     and docs.github.com, "Token formats".
//   - GitLab: docs.gitlab.com/security/tokens, "Token prefixes".
//   - Slack: docs.slack.dev/authentication/tokens, and incoming webhooks.
//   - Stripe: docs.stripe.com/keys, "API keys".
//   - npm: docs.npmjs.com, "About access tokens"; the prefix npm_.
//   - age: C2SP age specification, "X25519 recipient type" (Bech32, upper case).
//   - JWT: RFC 7519 and RFC 7515, section 7.1.
//   - OpenBao and Vault: developer.hashicorp.com/vault/docs/concepts/tokens,
//     "Token prefixes".
//   - Grafana: grafana.com/docs, "Service accounts", tokens begin with glsa_.
//   - DigitalOcean: docs.digitalocean.com, "Personal access tokens", dop_v1_.
//   - PyPI: pypi.org/help, "API tokens", pypi-AgEIcHlwaS5vcmc (a macaroon's
//     location in base64).
//   - SendGrid: docs of API keys, "SG." and two parts.
func detectors() []detector {
	re := regexp.MustCompile
	return []detector{
		{"a private key", "PRIVATE KEY", re(`-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n|\\r)*[A-Za-z0-9+/=:\s,-]{32,}`), nil},
		{"an AWS access key", "AKIA", re(`\bAKIA[A-Z2-7]{16}\b`), notExample},
		{"an AWS access key", "ASIA", re(`\bASIA[A-Z2-7]{16}\b`), notExample},
		{"a Google API key", "AIza", re(`\bAIza[0-9A-Za-z_-]{35}\b`), nil},
		{"a Google OAuth client secret", "GOCSPX-", re(`\bGOCSPX-[0-9A-Za-z_-]{28}\b`), nil},
		{"an Azure storage key", "Key=", re(`\b(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{42,86}={1,2}`), nil},
		{"an Azure client secret", "Q~", re(`(?:^|[^0-9A-Za-z~._-])[0-9A-Za-z_~.-]{3}[0-9]Q~[0-9A-Za-z_~.-]{31,34}(?:$|[^0-9A-Za-z~._-])`), nil},
		{"a GitHub token", "gh", re(`\bgh[pousr]_[A-Za-z0-9]{36,251}\b`), nil},
		{"a GitHub token", "github_pat_", re(`\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b`), nil},
		{"a GitLab token", "gl", re(`\bgl(?:pat|dt|rt|rtr|soat|ptt|oas|ft|imt|agent|cbt|wt|ffct)-[0-9A-Za-z_=-]{20,}`), nil},
		{"a Slack token", "xox", re(`\bxox[abeoprs]-[0-9A-Za-z-]{20,}`), nil},
		{"a Slack token", "xapp-", re(`\bxapp-[0-9]-[0-9A-Z]+-[0-9]+-[0-9a-f]{20,}`), nil},
		{"a Slack webhook", "hooks.slack.com", re(`https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9]{8,}/[A-Za-z0-9]{8,}/[A-Za-z0-9]{16,}`), notX},
		{"a Stripe key", "k_", re(`\b[sr]k_(?:live|test)_[0-9A-Za-z]{20,}`), notX},
		{"a Stripe webhook secret", "whsec_", re(`\bwhsec_[0-9A-Za-z+/=]{32,}`), nil},
		{"an npm token", "npm_", re(`\bnpm_[A-Za-z0-9]{36}\b`), nil},
		{"an age key", "AGE-SECRET-KEY-1", re(`AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}`), nil},
		{"a JSON web token", "eyJ", re(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}`), isJWT},
		{"a Vault token", "hv", re(`\bhv[sbr]\.[A-Za-z0-9_-]{24,}`), nil},
		{"a Grafana token", "gl", re(`\bgl(?:sa_[A-Za-z0-9]{32}_[0-9a-f]{8}\b|c_[A-Za-z0-9+/]{32,}={0,2})`), nil},
		{"a DigitalOcean token", "_v1_", re(`\bdo[opr]_v1_[0-9a-f]{64}\b`), nil},
		{"a PyPI token", "pypi-AgEIcHlwaS5vcmc", re(`pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}`), nil},
		{"a SendGrid key", "SG.", re(`\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b`), nil},
		{"a registry's credentials", `"auth"`, re(`"auth"\s*:\s*"[A-Za-z0-9+/]{8,}={0,2}"`), isAuth},
		{"a password in a URL", "://", re(`\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/@:"'<>{}|\\^\x60]*:[^\s/@"'<>|\\^\x60]+@[A-Za-z0-9\[._%$-]`), isCredentialURL},
	}
}

// notExample: the access keys of AWS's own documentation end so.
func notExample(s string) bool { return !strings.HasSuffix(s, "EXAMPLE") }

// notX: documentation writes XXXX for what a token would hold.
func notX(s string) bool {
	return !strings.Contains(s, "XXXXXXXX") && !strings.Contains(s, "xxxxxxxx") && !strings.Contains(s, "00000000")
}

// isJWT: the first part is a JOSE header, and the token is signed.
func isJWT(s string) bool {
	head, _, _ := strings.Cut(s, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return false
	}
	var h struct {
		Alg string `json:"alg"`
	}
	return json.Unmarshal(b, &h) == nil && h.Alg != ""
}

// isAuth: the field "auth" of Docker's config.json is "user:password" in base64
// (kubernetes.io/docs/concepts/configuration/secret, docker config Secrets).
func isAuth(s string) bool {
	_, v, _ := strings.Cut(s, ":")
	b, err := base64.StdEncoding.DecodeString(strings.Trim(strings.TrimSpace(v), `"`))
	if err != nil {
		return false
	}
	user, password, ok := strings.Cut(string(b), ":")
	return ok && user != "" && password != "" && printable(string(b)) && !placeholder(password)
}

// isCredentialURL: user information with a password that is no placeholder
// (RFC 3986, section 3.2.1).
func isCredentialURL(s string) bool {
	_, rest, _ := strings.Cut(s, "://")
	info := rest[:strings.LastIndexByte(rest, '@')]
	_, password, _ := strings.Cut(info, ":")
	if decoded, err := url.PathUnescape(password); err == nil {
		password = decoded
	}
	return !placeholder(password) && !isPort(password)
}

// isPort: "host:5432@" is no password but two addresses written together.
func isPort(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return len(s) <= 5
}

// placeholders stand where a secret will be.
var placeholders = regexp.MustCompile(`(?i)^(?:` +
	`\**|\.*|x+|-+|_+|none|null|nil|true|false|yes|no|todo|tbd|redacted|masked|hidden|secret|password|passwd|pass|token|` +
	`change[-_]?me|changeit|replace[-_]?me|example|dummy|sample|test|foo|bar|your[-_ ].*|my[-_](?:secret|password|token)|` +
	`<.*>|\[.*\]|\{\{.*\}\}.*|\$\(.*\)|\$\{.*\}|\$[A-Za-z_][A-Za-z0-9_]*|%[A-Za-z_]+%|__.*__|enc\[.*\]|` +
	`(?:vault|ref|op|awssm|awsssm|gcpsm|env|file|secretref|aws-sm|gcp-sm|sops):.*)$`)

// placeholder tells whether a value stands for a secret that is elsewhere:
// nothing, a variable, a template, a reference, or what people write into
// examples.
func placeholder(s string) bool {
	s = strings.TrimSpace(s)
	return s == "" || placeholders.MatchString(s) || strings.Contains(s, "${") || strings.Contains(s, "{{") || strings.Contains(s, "$(") || same(s)
}

// same: one character over and over.
func same(s string) bool { return strings.Trim(s, s[:1]) == "" }

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) && !unicode.IsSpace(r) }) < 0
}

// entropy is Shannon's, in bits per character.
func entropy(s string) float64 {
	counts := map[rune]int{}
	n := 0
	for _, r := range s {
		counts[r]++
		n++
	}
	var h float64
	for _, c := range counts {
		p := float64(c) / float64(n)
		h -= p * math.Log2(p)
	}
	return h
}

var (
	uuid     = regexp.MustCompile(`^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	nameLike = regexp.MustCompile(`^[a-z]+(?:[-._/][a-z0-9]+)*$`) // name of an object, a host, a key
	ident    = regexp.MustCompile(`^[A-Za-z]+(?:_[A-Za-z]+)*$`)   // names of fields and variables
)

// random tells whether a value looks drawn by chance: long enough, of several
// kinds of characters, and no name, path or sentence. Keys that only may hold
// a secret are judged by it.
func random(s string) bool {
	if uuid.MatchString(s) {
		return true
	}
	if len(s) < 16 || strings.ContainsAny(s, " \t\n,;<>()") || nameLike.MatchString(s) || ident.MatchString(s) {
		return false
	}
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./") || strings.Contains(s, "://") || strings.HasPrefix(s, "sha256:") {
		return false
	}
	digits := strings.IndexFunc(s, unicode.IsDigit) >= 0
	letters := strings.IndexFunc(s, unicode.IsLetter) >= 0
	return digits && letters && entropy(s) >= 3
}
