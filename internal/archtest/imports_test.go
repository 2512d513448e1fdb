package archtest

import (
	"fmt"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A ban keeps import paths out of packages. Both patterns match whole strings:
// packages the directory, imports the import path.
type ban struct {
	packages, except string
	imports          string
	reason           string
}

var bans = []ban{
	{
		packages: `internal/diag`,
		imports:  `[^/]*\..*`,
		reason:   "findings cross every stage: what diag imports, everything imports",
	},
	{
		packages: `internal/(object|model)`,
		imports:  `os(/.*)?|io/fs|net|net/(http|rpc|smtp|mail|textproto)(/.*)?|syscall|path/filepath|cuelang\.org/.*|(sigs\.)?k8s\.io/.*`, // net/url and net/netip only parse
		reason:   "plain data does no I/O and knows neither CUE nor Kubernetes machinery",
	},
	{
		packages: `.*`, except: `internal/source`,
		imports: `cuelang\.org/go/cue(/(build|cuecontext|load|inject/.*|errors|parser))?`,
		reason:  "source owns every cue.Context; its errors become findings there and nowhere else",
	},
	{
		packages: `.*`, except: `internal/(source|policy/gen|editor)`,
		imports: `cuelang\.org/.*`,
		reason:  "source reads CUE, policy/gen writes it; the other stages see plain data",
	},
	{
		packages: `.*`, except: `internal/(policy(/.*)?|transform|kubecheck|e2e/.*)`,
		imports: `(sigs\.)?k8s\.io/.*`,
		reason:  "objects are plain JSON; only Gatekeeper's and kustomize's own interfaces need Kubernetes' types, and kubecheck, which judges by them",
	},
	{
		packages: `.*`, except: `internal/transform`,
		imports: `sigs\.k8s\.io/kustomize/.*`,
		reason:  "transform is the one place where a patch is applied",
	},
	{
		packages: `.*`, except: `internal/policy(/.*)?`,
		imports: `github\.com/open-policy-agent/.*`,
		reason:  "policy is the one place where a verdict is made",
	},
	{
		packages: `.*`, except: `internal/(promql|e2e/.*)`,
		imports: `github\.com/prometheus/.*`,
		reason:  "promql is the one place where a rule of Prometheus is read",
	},
	{
		packages: `.*`, except: `internal/(artifact|registry|e2e/.*)`,
		imports: `github\.com/google/go-containerregistry/.*`,
		reason:  "artifact makes images, registry moves them; nobody else knows OCI",
	},
	{
		packages: `.*`, except: `internal/registry`,
		imports: `github\.com/google/go-containerregistry/pkg/(authn|v1/remote|registry)(/.*)?`,
		reason:  "registry is the one place that talks to a registry",
	},
	{
		packages: `.*`, except: `internal/(sign|editor)`,
		imports: `crypto/(ecdsa|ed25519|rsa|rand)|github\.com/(sigstore|secure-systems-lab)/.*`,
		reason:  "sign is the one place that touches keys; editor makes the token of its server",
	},
	{
		packages: `.*`, except: `internal/(registry|cli|editor|e2e/.*)`,
		imports: `net|net/(http|rpc|smtp|mail|textproto)(/.*)?`, // net/url and net/netip only parse
		reason:  "no network but what the user asked for: registry does it, cli listens for serve and editor",
	},
	{
		packages: `.*`, except: `internal/cli`,
		imports: `github\.com/spf13/.*|golang\.org/x/term|os/signal`,
		reason:  "cli is the only package that knows the terminal and the process",
	},
	{
		packages: `.*`, except: `internal/e2e/.*`,
		imports: `testing|os/exec|.*/internal/e2e(/.*)?`,
		reason:  "what tests need stays out of the binary, and contain runs no programs",
	},
	{
		packages: `.*`,
		imports:  `math/rand(/.*)?|expvar|plugin|unsafe`,
		reason:   "outputs depend on the input alone",
	},
	{
		packages: `.*`, except: `internal/registry`,
		imports: `log(/.*)?`,
		reason:  "people read findings, which cli prints; registry silences the loggers of the servers that it runs",
	},
}

// controlplane are the packages of tests against real programs, where the
// product's bans do not hold.
const controlplane = `internal/e2e(/.*)?`

// stages are strangers to each other; whatever they exchange is data that
// pipeline passes on.
var stages = []string{"source", "render", "transform", "kubecheck", "policy", "promql", "waiver", "artifact", "sign", "registry", "bootstrap"}

// plain are the packages of plain data that any stage may import.
var plain = []string{"object", "diag", "model"}

// acquaintances are the imports between packages of internal that are not of
// plain data, each with its reason.
var acquaintances = map[string]string{
	"transform -> render":  "transform takes and gives render.Cluster, the plain data that render makes",
	"kubecheck -> render":  "kubecheck reads render.Cluster",
	"registry -> artifact": "registry moves artifact's images and layouts, and asks artifact for the form of a signature",
	"registry -> sign":     "registry reads a signature back before it tags: it needs the verifier, never a private key",

	"model -> diag": "what is wrong with a model is findings",

	"policy/platform -> policy/rule": "it asks what rule has read",
	"policy/platform -> policy":      "the built-ins that no rule may use, the ids of what is wrong with Rego and the form of paths are the same",

	"pipeline -> policy/platform": "pipeline knows the order of the stages",
	"pipeline -> policy/rule":     "pipeline gives the library's rules to those who judge by them",

	"policy/gen -> policy/rule":      "gen writes what rule has read",
	"policy/ruletest -> policy":      "samples are judged by the engine that judges builds",
	"policy/ruletest -> policy/rule": "it tests what rule has read",

	"policy/ruletest -> policy/platform": "samples are judged by the engine that judges builds",
	"policy/suite -> policy":             "what is wrong with a template or a Constraint policy says best, with its line",

	"pipeline -> source":    "pipeline knows the order of the stages",
	"pipeline -> render":    "pipeline knows the order of the stages",
	"pipeline -> transform": "pipeline knows the order of the stages",
	"pipeline -> kubecheck": "pipeline knows the order of the stages",
	"pipeline -> promql":    "pipeline knows the order of the stages",
	"pipeline -> policy":    "pipeline knows the order of the stages",

	"pipeline -> policy/selection":    "findings get the severity that their rule comes to in their cluster",
	"pipeline -> policy/bundle":       "sources of policies are read before units are made",
	"policy/bundle -> policy/rule":    "a source may hold rule directories",
	"pipeline -> waiver":              "findings that are waived pass",
	"policy/selection -> policy/rule": "selection is of the rules that rule has read",
	"pipeline -> artifact":            "pipeline knows the order of the stages",
	"pipeline -> sign":                "pipeline knows the order of the stages",

	"cli -> pipeline":  "a command is a prefix of the pipeline",
	"cli -> mirror":    "contain mirror prints what mirror lists",
	"cli -> recovery":  "contain backup-policy and contain restore print what recovery says",
	"cli -> tenancy":   "contain tenants prints what tenancy says of a model, or of two",
	"cli -> render":    "contain render prints render.Cluster",
	"cli -> artifact":  "build writes layouts, push, verify and serve read them",
	"cli -> registry":  "push, verify and serve",
	"cli -> sign":      "keygen, and the keys that the command line names",
	"cli -> bootstrap": "contain bootstrap",
	"cli -> editor":    "contain editor",

	"cli -> policy/rule":     "contain explain prints the pages of the library's rules",
	"cli -> policy/ruletest": "contain policy test runs the tests of rule directories, with a platform or without",
	"cli -> policy/suite":    "contain policy verify runs Suite files, which belong to no platform",
}

func TestImports(t *testing.T) {
	files := sources(t)
	report(t, banned(files))
	problems, used := strangers(files)
	report(t, problems)
	for edge := range acquaintances {
		if !used[edge] {
			t.Errorf("acquaintances: nothing needs %q any more", edge)
		}
	}
}

// banned finds imports against the table, tests and e2e apart: judges may be
// of any kind.
func banned(files []*file) []string {
	var out []string
	for _, b := range bans {
		packages, except, imports := whole(b.packages), whole(b.except), whole(b.imports)
		for _, f := range files {
			if f.test || whole(controlplane).MatchString(f.dir) || !packages.MatchString(f.dir) || b.except != "" && except.MatchString(f.dir) {
				continue
			}
			for _, i := range f.imports() {
				if imports.MatchString(i) {
					out = append(out, fmt.Sprintf("%s imports %s: %s", f.name, i, b.reason))
				}
			}
		}
	}
	return out
}

// strangers finds imports within internal that no table allows.
func strangers(files []*file) (problems []string, used map[string]bool) {
	used = map[string]bool{}
	for _, f := range files {
		from, ok := strings.CutPrefix(f.dir, "internal/")
		if !ok || f.test || whole(controlplane).MatchString(f.dir) {
			continue
		}
		for _, i := range f.imports() {
			to, ok := strings.CutPrefix(i, module+"/internal/")
			if !ok || slices.Contains(plain, to) && !slices.Contains(plain, from) {
				continue
			}
			edge := from + " -> " + to
			if acquaintances[edge] != "" {
				used[edge] = true
				continue
			}
			reason := "packages of internal know only plain data (object, diag, model)"
			if slices.Contains(stages, from) && slices.Contains(stages, to) {
				reason = "stages are strangers to each other: pipeline passes values"
			}
			problems = append(problems, fmt.Sprintf("%s: %s: %s", f.name, edge, reason))
		}
	}
	return problems, used
}

func whole(pattern string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + pattern + `)$`) }

func TestImportRulesFind(t *testing.T) {
	fset := token.NewFileSet()
	files := []*file{
		parse(t, fset, "internal/diag/x.go", `package diag; import _ "golang.org/x/text"`),
		parse(t, fset, "internal/object/x.go", `package object; import _ "io/fs"`),
		parse(t, fset, "internal/render/x.go", `package render; import (_ "cuelang.org/go/cue/token"; _ "`+module+`/internal/policy")`),
		parse(t, fset, "internal/render/x_test.go", `package render; import _ "cuelang.org/go/cue/token"`),
		parse(t, fset, "internal/model/x.go", `package model; import _ "`+module+`/internal/source"`),
	}
	problems, _ := strangers(files)
	wants(t, append(banned(files), problems...),
		"internal/diag/x.go imports golang.org/x/text: findings cross every stage: what diag imports, everything imports",
		"internal/object/x.go imports io/fs: plain data does no I/O and knows neither CUE nor Kubernetes machinery",
		"internal/render/x.go imports cuelang.org/go/cue/token: source reads CUE, policy/gen writes it; the other stages see plain data",
		"internal/render/x.go: render -> policy: stages are strangers to each other: pipeline passes values",
		"internal/model/x.go: model -> source: packages of internal know only plain data (object, diag, model)",
	)
}
