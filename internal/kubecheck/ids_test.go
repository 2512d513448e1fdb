package kubecheck

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/diag"
)

// Every id has a page and every page an id, with one severity.
func TestPages(t *testing.T) {
	policies := os.DirFS("../../policies")
	files, err := fs.Glob(policies, "*/*/rule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]diag.Severity{}
	for _, f := range files {
		var page struct {
			Custom struct {
				Enforcement string `json:"enforcement"`
			} `json:"custom"`
		}
		b, err := fs.ReadFile(policies, f)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(b, &page); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		severity := diag.Warning
		if page.Custom.Enforcement == "deny" {
			severity = diag.Error
		}
		got[path.Dir(f)] = severity
		doc, err := fs.ReadFile(policies, path.Join(path.Dir(f), "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(doc), "# "+path.Dir(f)+"\n") {
			t.Errorf("%s: the page has another title", path.Dir(f))
		}
		for _, section := range []string{"What", "Why", "Bad", "Good", "Parameters"} {
			if !strings.Contains(string(doc), "\n## "+section+"\n") {
				t.Errorf("%s: the page has no section %s", path.Dir(f), section)
			}
		}
	}
	// Checks of other packages have pages of the same form.
	mine := Severities()
	groups := map[string]bool{}
	for id := range mine {
		groups[path.Dir(id)] = true
	}
	maps.DeleteFunc(got, func(id string, _ diag.Severity) bool { return !groups[path.Dir(id)] })
	if diff := cmp.Diff(mine, got); diff != "" {
		t.Errorf("ids and pages (-ids +pages):\n%s", diff)
	}
}

// Every id that the package writes is one of the constants: a finding with
// another would have no page.
func TestIDs(t *testing.T) {
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Sorted(maps.Keys(Severities()))
	text := ""
	for _, f := range files {
		if f == "ids.go" || strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text += string(b)
		if strings.Contains(string(b), `ID: "`) {
			t.Errorf("%s writes an id that is no constant", f)
		}
	}
	b, err := os.ReadFile("ids.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		name, id, ok := strings.Cut(line, "=")
		name, id = strings.TrimSpace(name), strings.Trim(strings.TrimSpace(id), `"`)
		if !ok || !strings.HasPrefix(name, "ID") {
			continue
		}
		n++
		if !slices.Contains(all, id) {
			t.Errorf("%s has no severity", id)
		}
		if !strings.Contains(text, name) {
			t.Errorf("nothing finds %s", id)
		}
	}
	if n != len(all) {
		t.Errorf("%d constants, %d severities", n, len(all))
	}
}
