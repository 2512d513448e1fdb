package kubecheck

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// An artifact is signed, not encrypted, and whoever may pull it reads it. The
// findings here say where a secret is and of what kind, never what it is: no
// value, length or hash.

// plaintextOf finds the secrets of one object: Secrets that carry values, and
// whatever else looks like a secret anywhere in it.
func plaintextOf(o *object.Object) []diag.Finding {
	var out []diag.Finding
	t := o.Tree()
	secret := o.Group == "" && o.Kind == "Secret"
	if secret {
		for _, field := range []string{"data", "stringData"} {
			if values, ok := t[field].(map[string]any); ok && len(values) > 0 {
				out = append(out, diag.Finding{
					ID: IDSecret, Path: field,
					Message: "the values of the Secret would be in the artifact, in plain text",
					Hint:    "keep them in the platform's secret store and bring an ExternalSecret",
				})
			}
		}
	}
	s := searcher{object: o}
	for k, v := range t {
		if secret && (k == "data" || k == "stringData") {
			continue // said above
		}
		s.walk(v, k, &trail{key: k, index: -1})
	}
	slices.SortFunc(s.found, func(a, b diag.Finding) int { return strings.Compare(a.Path, b.Path) }) // for determinism
	return append(out, s.found...)
}

// trail is the way to a value; it is written out for findings alone.
type trail struct {
	up    *trail
	key   string
	index int // of a list, else -1
}

func (t *trail) String() string {
	switch {
	case t.up == nil:
		return t.key
	case t.index >= 0:
		return t.up.String() + "[" + strconv.Itoa(t.index) + "]"
	}
	return t.up.String() + step(t.key)
}

// searcher looks through one object.
type searcher struct {
	object *object.Object
	found  []diag.Finding
}

func (s *searcher) add(at *trail, what string) {
	hint := "keep it in the platform's secret store and bring an ExternalSecret"
	if s.object.Group == helm {
		hint = "keep it in the platform's secret store, bring an ExternalSecret and name its Secret in valuesFrom or the chart's existingSecret"
	}
	s.found = append(s.found, diag.Finding{ID: IDPlaintext, Path: at.String(), Hint: hint,
		Message: what + " would be in the artifact, in plain text"})
}

// walk looks at a value, which stands at a place under key.
func (s *searcher) walk(v any, key string, at *trail) {
	switch v := v.(type) {
	case string:
		if what := s.secretIn(key, v); what != "" {
			s.add(at, what)
		}
	case []any:
		for i, e := range v {
			s.walk(e, key, &trail{up: at, index: i})
		}
	case map[string]any:
		if sealed(s.object, key) {
			return
		}
		name, _ := v["name"].(string)
		for k, e := range v {
			if formatIn(k) != "" {
				s.add(at, "a secret in a key")
				continue // its name is not repeated
			}
			under := k
			if k == "value" && name != "" {
				under = name // the value of a variable that is called so
			}
			s.walk(e, under, &trail{up: at, key: k, index: -1})
		}
	}
}

// step writes a key as a part of a path.
func step(k string) string {
	if k == "" || strings.ContainsAny(k, `.[]"\ `) || strings.IndexFunc(k, unicode.IsControl) >= 0 {
		return "[" + strconv.Quote(k) + "]"
	}
	return "." + k
}

// sealed values are encrypted for somebody: those of a SealedSecret, and SOPS's
// own bookkeeping.
func sealed(o *object.Object, key string) bool {
	return o.Group == "bitnami.com" && o.Kind == "SealedSecret" && key == "encryptedData" || key == "sops"
}

// secretIn says what secret a value is or holds, "" for none.
func (s *searcher) secretIn(key, v string) string {
	if strings.HasPrefix(v, "ENC[") {
		return "" // SOPS
	}
	if what := formatIn(v); what != "" {
		return what
	}
	if what := s.byKey(key, v); what != "" {
		return what
	}
	// Arguments and files say keys and values of their own.
	if what := argument(v); what != "" {
		return what
	}
	if strings.Contains(v, "\n") && s.object.Group != "templates.gatekeeper.sh" { // Rego is no configuration
		return inText(v)
	}
	return ""
}

// formatIn finds secrets that have a format of their own, also one level of
// base64 deep.
func formatIn(v string) string {
	if len(v) < 12 {
		return ""
	}
	if what := detected(v); what != "" {
		return what
	}
	if b := unbase64(v); b != "" {
		return detected(b)
	}
	return ""
}

var allDetectors = sync.OnceValue(detectors)

func detected(v string) string {
	for _, d := range allDetectors() {
		if !strings.Contains(v, d.hint) {
			continue
		}
		for _, m := range d.re.FindAllString(v, -1) {
			if d.is == nil || d.is(m) {
				return d.what
			}
		}
	}
	return ""
}

// unbase64 is the text that a value holds in base64, "" when it holds none.
func unbase64(v string) string {
	v = strings.TrimSpace(v)
	if len(v) < 24 || strings.ContainsAny(v, " .:{}") {
		return ""
	}
	v = strings.NewReplacer("\n", "", "\r", "").Replace(v)
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		if b, err = base64.RawURLEncoding.DecodeString(v); err != nil {
			return ""
		}
	}
	if !printable(string(b)) {
		return ""
	}
	return string(b)
}

// byKey judges a value by the name that it stands under.
func (s *searcher) byKey(key, v string) string {
	if s.object.Group == secrets || s.object.Group == "generators.external-secrets.io" {
		return "" // every field of theirs names where a secret is
	}
	switch keyKind(key) {
	case passwordKey:
		if isPassword(v) {
			return "a password"
		}
	case secretKey:
		if !placeholder(v) && (random(v) || random(unbase64(v))) {
			return "a value that looks like a secret"
		}
	}
	return ""
}

// isPassword: under a key that is a password's, everything is one but a
// placeholder, a path, and a name that says it is a reference.
func isPassword(v string) bool {
	if placeholder(v) || strings.HasPrefix(v, "/") || strings.HasPrefix(v, "$2") || strings.HasPrefix(v, "{SSHA") {
		return false // the last two are hashes: crypt(3) and RFC 2307
	}
	if strings.ContainsAny(v, "\n \t") {
		return false // a sentence or a file, which is looked through
	}
	for _, word := range words(v) {
		switch word {
		case "secret", "password", "passwords", "credentials", "ref", "key", "file":
			return false // "velero-credentials", "db-password": a name
		}
	}
	return true
}

type kindOfKey int

const (
	plainKey kindOfKey = iota
	secretKey
	passwordKey
)

// keyKind judges a key by its last words, in any way of writing them:
// adminPassword, DB_PASSWORD, api-key. What follows the word says that the
// value is something else: passwordFile, secretName, tokenUrl.
func keyKind(key string) kindOfKey {
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		if strings.HasPrefix(key, "checksum/") {
			return plainKey
		}
		key = key[i+1:]
	}
	w := words(key)
	if len(w) == 0 {
		return plainKey
	}
	last, before := w[len(w)-1], ""
	if len(w) > 1 {
		before = w[len(w)-2]
	}
	switch last {
	case "password", "passwd", "passphrase", "pwd":
		return passwordKey
	case "pass":
		if before != "" {
			return passwordKey
		}
	case "secret", "token", "apikey", "apitoken", "privatekey", "secretkey", "accesskey", "credential", "credentials":
		switch before {
		case "pull", "existing", "image", "tls", "csrf", "public", "checksum":
			return plainKey
		}
		return secretKey
	case "key":
		switch before {
		case "api", "private", "access", "secret", "signing", "encryption", "account", "master", "shared", "license", "storage", "auth":
			return secretKey
		}
	}
	return plainKey
}

// words splits a name at punctuation and at changes of case.
func words(s string) []string {
	var out []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, strings.ToLower(b.String()))
			b.Reset()
		}
	}
	rs := []rune(s)
	for i, r := range rs {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			continue
		case i > 0 && unicode.IsUpper(r) && (unicode.IsLower(rs[i-1]) || unicode.IsDigit(rs[i-1]) || i+1 < len(rs) && unicode.IsUpper(rs[i-1]) && unicode.IsLower(rs[i+1])):
			flush()
		}
		b.WriteRune(r)
	}
	flush()
	return out
}

// flag is a command line's way to say a value: --name=value.
var flag = regexp.MustCompile(`^--?([A-Za-z][A-Za-z0-9_.-]*)=(.+)$`)

func argument(v string) string {
	m := flag.FindStringSubmatch(v)
	if m == nil {
		return ""
	}
	return said(m[1], m[2])
}

// setting is a line of a file that says a value: YAML, JSON, properties, INI,
// TOML, shell.
var setting = regexp.MustCompile(`^\s*(?:-\s+)?(?:export\s+)?["']?([A-Za-z_][A-Za-z0-9_./-]*)["']?\s*[:=]\s*["']?([^"'\s,#]+)["']?\s*,?\s*(?:[#;].*)?$`)

func inText(text string) string {
	for line := range strings.Lines(text) {
		if m := setting.FindStringSubmatch(strings.TrimRight(line, "\r\n")); m != nil {
			if what := said(m[1], m[2]); what != "" {
				return what
			}
		}
	}
	return ""
}

// said judges a key and a value that stand in a text, by the same names.
func said(key, v string) string {
	s := searcher{object: &object.Object{}}
	return s.byKey(key, v)
}

// hides tells whether a label's or annotation's value may be a secret, so that
// no message repeats it.
func hides(key, v string) bool {
	return formatIn(v) != "" || said(key, v) != ""
}
