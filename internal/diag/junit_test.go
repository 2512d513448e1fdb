package diag_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/diag"
)

// junitSchema is what Jenkins' schema of JUnit reports (jenkinsci/xunit-plugin,
// junit-10.xsd) says of the elements that are used: children and attributes, the
// required ones with "!".
var junitSchema = map[string]struct{ children, attrs []string }{
	"testsuites": {[]string{"testsuite"}, []string{"name", "tests", "failures", "errors"}},
	"testsuite":  {[]string{"testcase"}, []string{"name!", "tests!", "failures!", "errors!", "skipped"}},
	"testcase":   {[]string{"failure", "skipped", "system-out"}, []string{"name!", "classname"}},
	"failure":    {nil, []string{"message", "type"}},
	"skipped":    {nil, []string{"message", "type"}},
	"system-out": {nil, nil},
}

func checkJUnit(t *testing.T, report []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(report))
	stack := []string{""}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name, parent := e.Name.Local, stack[len(stack)-1]
			if parent == "" && name != "testsuites" || parent != "" && !slices.Contains(junitSchema[parent].children, name) {
				t.Errorf("%s in %q", name, parent)
			}
			have := map[string]bool{}
			for _, a := range e.Attr {
				have[a.Name.Local] = true
				if !slices.Contains(junitSchema[name].attrs, a.Name.Local) && !slices.Contains(junitSchema[name].attrs, a.Name.Local+"!") {
					t.Errorf("%s has the attribute %s", name, a.Name.Local)
				}
			}
			for _, a := range junitSchema[name].attrs {
				if required, ok := strings.CutSuffix(a, "!"); ok && !have[required] {
					t.Errorf("%s has no %s", name, required)
				}
			}
			stack = append(stack, name)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		}
	}
}

func TestJUnit(t *testing.T) {
	at := func(file string, line int) []diag.Position {
		return []diag.Position{{File: file, Line: line, Column: 3}}
	}
	found := []diag.Finding{
		{
			ID: "images/pinned", Message: "tag \"latest\" is not allowed", Cluster: "eu1", Clusters: []string{"eu1", "eu2"},
			Unit: "payments", Object: "Deployment payments/api", Path: "spec.template.spec.containers[0].image",
			Positions: append(at("clusters.cue", 8), at("catalog/app.cue", 23)...), Hint: "use a digest",
		},
		{ID: "images/pinned", Message: "two lines\nof <text> & ]]> marks", Positions: at("a.cue", 1)},
		{ID: "workload/privileged", Severity: diag.Warning, Message: "a warning", Cluster: "eu1", Positions: at("a.cue", 2)},
		{
			ID: "workload/privileged", Severity: diag.Info, Message: "privileged", Positions: at("a.cue", 3),
			Waiver: &diag.Waiver{Name: "old-agent", Owner: "ann@acme.example", Reason: "until the new agent", Expires: "2027-03-01"},
		},
		{ID: "backup/coverage", Severity: diag.Info, Message: "for your information"},
	}
	for _, c := range []struct {
		golden string
		found  []diag.Finding
	}{{"findings.xml", found}, {"clean.xml", nil}} {
		var b bytes.Buffer
		if err := diag.Print(&b, diag.JUnit, "p", c.found); err != nil {
			t.Fatal(err)
		}
		checkJUnit(t, b.Bytes())
		golden := filepath.Join("testdata", "junit", c.golden)
		if os.Getenv("CONTAIN_UPDATE") == "1" {
			if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s: %s", c.golden, diff)
		}
	}
}
