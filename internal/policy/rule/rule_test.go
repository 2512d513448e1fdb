package rule_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	templates "github.com/open-policy-agent/frameworks/constraint/pkg/apis/templates/v1"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/cachemanager/parser"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/policy/rule"
)

const text = `# METADATA
# title: No names
# description: Names are refused.
# custom:
#   kind: ContainDemoNoNames
#   severity: low
#   enforcement: warn
#   profile: baseline
#   match:
#   - apiGroups: [""]
#     kinds: [Pod]
#   parameters:
#     type: object
#     properties:
#       max:
#         type: integer
#         default: 3
#       other:
#         type: string
package contain.demo.no_names

import data.lib.b

violation contains {"msg": "m"} if b.bad
`

func library() fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"demo/no-names/rule.rego": file(text),
		"demo/no-names/README.md": file("# demo/no-names\n"),
		"lib/a.rego":              file("package lib.a\n\nx := 1\n"),
		"lib/b.rego":              file("package lib.b\n\nimport data.lib.a\n\nbad if a.x == 1\n"),
		"lib/b_test.rego":         file("package lib.b_test\n"),
		"lib/unused.rego":         file("package lib.unused\n\nx := 1\n"),
	}
}

func TestLoad(t *testing.T) {
	rules, err := rule.Load(library())
	if err != nil {
		t.Fatal(err)
	}
	fsys := library()
	want := []rule.Rule{{
		ID:          "demo/no-names",
		Title:       "No names",
		Description: "Names are refused.",
		Kind:        "ContainDemoNoNames",
		Severity:    "low",
		Enforcement: "warn", Profile: "baseline", Input: rule.Object,
		Match:      []any{map[string]any{"apiGroups": []any{""}, "kinds": []any{"Pod"}}},
		Parameters: rules[0].Parameters,
		Module:     rule.Module{File: "policies/demo/no-names/rule.rego", Rego: text},
		Libs: []rule.Module{
			{File: "policies/lib/a.rego", Rego: string(fsys["lib/a.rego"].Data)},
			{File: "policies/lib/b.rego", Rego: string(fsys["lib/b.rego"].Data)},
		},
		Doc: "# demo/no-names\n",
	}}
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"max"}, keys(rules[0].Defaults())); diff != "" {
		t.Error(diff)
	}
	files := map[string][]diag.Position{"containdemononames": {
		{File: "policies/demo/no-names/rule.rego", Line: 1, Column: 1},
		{File: "policies/lib/a.rego", Line: 1, Column: 1},
		{File: "policies/lib/b.rego", Line: 1, Column: 1},
	}}
	if diff := cmp.Diff(files, rule.Files(rules)); diff != "" {
		t.Error(diff)
	}
}

func keys(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

// What is wrong with a rule directory is said with the file's name.
func TestLoadErrors(t *testing.T) {
	const file = "demo/no-names/rule.rego"
	for _, c := range []struct{ file, from, to, want string }{
		{file, "package contain.demo.no_names", "package contain.demo.names", "policies/demo/no-names/rule.rego: package is data.contain.demo.names, want data.contain.demo.no_names"},
		{file, "kind: ContainDemoNoNames", "kind: NoNames", `policies/demo/no-names/rule.rego: custom.kind is "NoNames", want "ContainDemoNoNames"`},
		{file, "severity: low", "severity: awful", `policies/demo/no-names/rule.rego: custom.severity is "awful", want low, medium, high or critical`},
		{file, "enforcement: warn", "enforcement: shout", `policies/demo/no-names/rule.rego: custom.enforcement is "shout", want deny, warn or dryrun`},
		{file, "#   severity", "#   serverity: low\n#   severity", "policies/demo/no-names/rule.rego: METADATA: unknown field \"serverity\""},
		{file, "match:\n", "sync: [{group: apps, kind: Deployment}]\n#   match:\n", "policies/demo/no-names/rule.rego: custom.sync names a kind without its version or its kind"},
		{file, "title: No names", "title: \"\"", "policies/demo/no-names/rule.rego: METADATA has no title or no description"},
		{file, "match:\n#   - apiGroups: [\"\"]\n#     kinds: [Pod]\n", "match: []\n", "policies/demo/no-names/rule.rego: custom.match names no kinds"},
		{file, "type: object", "type: array", "policies/demo/no-names/rule.rego: custom.parameters is no schema of an object"},
		{file, "# METADATA", "# DATA", "policies/demo/no-names/rule.rego: has no METADATA comment on its package"},
		{file, "data.lib.b\n", "data.lib.c\n", "policies/demo/no-names/rule.rego: imports data.lib.c, which policies/lib does not hold"},
		{"lib/b.rego", "package lib.b", "package lib.c", "policies/lib/b.rego: package is data.lib.c, want data.lib.b"},
		{"lib/b.rego", "data.lib.a", "data.lib.z", "policies/demo/no-names/rule.rego: imports data.lib.z, which policies/lib does not hold"},
	} {
		fsys := library()
		s := string(fsys[c.file].Data)
		if !strings.Contains(s, c.from) {
			t.Fatalf("%q is not in %s", c.from, c.file)
		}
		fsys[c.file] = &fstest.MapFile{Data: []byte(strings.Replace(s, c.from, c.to, 1))}
		_, err := rule.Load(fsys)
		if err == nil || err.Error() != c.want {
			t.Errorf("%q: %v\nwant %s", c.to, err, c.want)
		}
	}
	fsys := library()
	delete(fsys, "demo/no-names/README.md")
	if _, err := rule.Load(fsys); err == nil {
		t.Error("a rule without its page is a rule")
	}
}

// Gatekeeper's own reader finds in the template what the rule reads in the
// inventory.
func TestSync(t *testing.T) {
	fsys := library()
	fsys["demo/no-names/rule.rego"] = &fstest.MapFile{Data: []byte(strings.Replace(text,
		"#   match:\n", "#   sync:\n#   - {version: v1, kind: Pod}\n#   - {group: apps, version: v1, kind: Deployment}\n#   match:\n", 1))}
	rules, err := rule.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(rules[0].Template())
	if err != nil {
		t.Fatal(err)
	}
	var template templates.ConstraintTemplate
	if err := json.Unmarshal(b, &template); err != nil {
		t.Fatal(err)
	}
	versionless, err := template.ToVersionless()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parser.ReadSyncRequirements(versionless)
	if err != nil {
		t.Fatal(err)
	}
	want := parser.SyncRequirements{
		{schema.GroupVersionKind{Version: "v1", Kind: "Pod"}: {}},
		{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}: {}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
