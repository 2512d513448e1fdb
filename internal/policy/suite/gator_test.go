package suite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/policy/suite"
)

const suites = "../../../testdata/suites"

// lines of gator verify --verbose (pkg/gator/verify, printer_go.go).
var (
	testSkip = regexp.MustCompile(`^=== SKIP  (.*)$`)
	testDone = regexp.MustCompile(`^--- (PASS|FAIL): (.*)\t\(`)
	caseSkip = regexp.MustCompile(`^    === SKIP  (.*)$`)
	caseDone = regexp.MustCompile(`^    --- (PASS|FAIL): (.*)\t\(`)
	suiteEnd = regexp.MustCompile(`^(ok|FAIL)\t(\S+)\t`)
)

// verdicts are lines "suite | test | case | outcome", in the order of the file,
// and the exit code: 0, or 1 for anything else.
type verdicts struct {
	Lines []string
	Exit  int
}

// gator gives the verdicts of gator verify.
func gator(t *testing.T, dir, run string) verdicts {
	t.Helper()
	cmd := exec.Command(judge.Path(t, "gator"), "verify", "--verbose", "--run", run, dir)
	cmd.Dir = suites
	out, err := cmd.Output()
	var v verdicts
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		v.Exit = 1
	} else if err != nil {
		t.Fatal(err)
	}
	var ofTest, ofSuite []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if m := caseSkip.FindStringSubmatch(line); m != nil {
			ofTest = append(ofTest, m[1]+" | skip")
		} else if m := caseDone.FindStringSubmatch(line); m != nil {
			ofTest = append(ofTest, m[2]+" | "+strings.ToLower(m[1]))
		} else if m := testSkip.FindStringSubmatch(line); m != nil {
			ofSuite = append(ofSuite, m[1]+" | | skip")
		} else if m := testDone.FindStringSubmatch(line); m != nil {
			for _, c := range ofTest {
				ofSuite = append(ofSuite, m[2]+" | "+c)
			}
			ofSuite = append(ofSuite, m[2]+" | | "+strings.ToLower(m[1]))
			ofTest = nil
		} else if m := suiteEnd.FindStringSubmatch(line); m != nil {
			for _, s := range ofSuite {
				v.Lines = append(v.Lines, m[2]+" | "+s)
			}
			v.Lines = append(v.Lines, m[2]+" | | | "+strings.ToLower(m[1]))
			ofSuite = nil
		}
	}
	return v
}

// ours gives the verdicts of this package in the same form.
func ours(t *testing.T, dir, run string) (verdicts, []suite.Result, []diag.Finding) {
	t.Helper()
	fsys := os.DirFS(suites)
	files, err := suite.Find(fsys, strings.TrimSuffix(dir, "/..."), strings.HasSuffix(dir, "/..."))
	if err != nil {
		t.Fatal(err)
	}
	read, found := suite.Read(fsys, files)
	if diag.HasErrors(found) {
		return verdicts{Exit: 1}, nil, found
	}
	results, err := suite.Run(context.Background(), fsys, read, run)
	if err != nil {
		t.Fatal(err)
	}
	var v verdicts
	for _, r := range results {
		word := "ok"
		if r.Status == suite.Fail {
			word, v.Exit = "fail", 1
		}
		for _, test := range r.Tests {
			for _, c := range test.Cases {
				v.Lines = append(v.Lines, fmt.Sprintf("%s | %s | %s | %s", r.File, test.Name, c.Name, c.Status))
			}
			v.Lines = append(v.Lines, fmt.Sprintf("%s | %s | | %s", r.File, test.Name, test.Status))
		}
		v.Lines = append(v.Lines, fmt.Sprintf("%s | | | %s", r.File, word))
	}
	return v, results, found
}

// Every case of every suite comes out as gator has it, and so do tests, suites
// and the exit code.
func TestGator(t *testing.T) {
	dirs, err := os.ReadDir(suites)
	if err != nil {
		t.Fatal(err)
	}
	compared := map[string]int{}
	for _, d := range dirs {
		// invalid-case makes gator 3.23.1 panic, which is an exit code too.
		for _, run := range []string{"", "e$", "no-", "cases//", "//^passes$|labels", "required-labels//wants"} {
			if run != "" && d.Name() != "failing" && d.Name() != "skip" && d.Name() != "rego-v0" {
				continue
			}
			want := gator(t, d.Name(), run)
			got, _, _ := ours(t, d.Name(), run)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s --run %q, gator -, contain +:\n%s", d.Name(), run, diff)
			}
			for _, l := range want.Lines {
				f := strings.Split(l, " | ")
				if len(f) == 4 && f[1] != "" && f[2] != "" && run == "" {
					compared[f[3]]++
				}
			}
		}
	}
	t.Logf("%d directories; cases compared: %d pass, %d fail, %d skip", len(dirs), compared["pass"], compared["fail"], compared["skip"])
	if compared["pass"] < 40 || compared["fail"] < 15 || compared["skip"] < 1 {
		t.Error("that is fewer than there are")
	}
}

// Whatever fails says why, at a line, and in words of one's own: nothing of Go,
// and no place of this machine.
func TestFindings(t *testing.T) {
	dirs, err := os.ReadDir(suites)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, d := range dirs {
		_, results, found := ours(t, d.Name(), "")
		for _, r := range results {
			for _, test := range r.Tests {
				found = append(found, test.Findings...)
				if test.Status == suite.Fail && len(test.Cases) == 0 && len(test.Findings) == 0 {
					t.Errorf("%s, %s: fails without a word", r.File, test.Name)
				}
				for _, c := range test.Cases {
					found = append(found, c.Findings...)
					if c.Status == suite.Fail && len(c.Findings) == 0 {
						t.Errorf("%s, %s, %s: fails without a word", r.File, test.Name, c.Name)
					}
				}
			}
		}
		for _, f := range found {
			if len(f.Positions) == 0 || f.Positions[0].Line == 0 {
				t.Errorf("%s: %s: no line", d.Name(), f.Message)
			}
		}
		if err := diag.Print(&b, diag.Text, ".", found); err != nil {
			t.Fatal(err)
		}
	}
	for _, word := range []string{"json:", "unmarshal", "verify.", "Go struct", "%!", "nil", "0x", "/tmp"} {
		if strings.Contains(b.String(), word) {
			t.Errorf("%q stands in a finding", word)
		}
	}
	golden := path.Join("testdata", "findings.golden")
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
		t.Error(diff)
	}
}

// The one difference: a policy that reaches the network is refused, here by
// name and in gator not at all.
func TestNetwork(t *testing.T) {
	fsys := os.DirFS(path.Join("testdata", "network"))
	read, found := suite.Read(fsys, []string{"suite.yaml"})
	if len(found) > 0 {
		t.Fatal(found)
	}
	results, err := suite.Run(context.Background(), fsys, read, "")
	if err != nil {
		t.Fatal(err)
	}
	want := []diag.Finding{{
		ID:      "policy/builtin",
		Message: "built-in http.send is not allowed: it reaches the network", Object: "ConstraintTemplate asker",
		Path:      "spec.targets[0].code[0].source.rego",
		Positions: []diag.Position{{File: "template.yaml", Line: 20, Column: 17}},
	}}
	if diff := cmp.Diff(want, results[0].Tests[0].Findings); diff != "" {
		t.Error(diff)
	}
}

func TestFilter(t *testing.T) {
	for _, run := range []string{"a//b//c", "("} {
		if _, err := suite.Run(context.Background(), os.DirFS(suites), nil, run); !errors.Is(err, suite.ErrFilter) {
			t.Errorf("%q: %v", run, err)
		}
	}
}

func TestFind(t *testing.T) {
	fsys := os.DirFS(suites)
	for _, c := range []struct {
		target    string
		recursive bool
		want      error
	}{
		{"nowhere", false, os.ErrNotExist},
		{"broken/empty.txt", false, suite.ErrNotYAML},
		{"broken/suite.yaml", true, suite.ErrNotDirectory},
	} {
		if _, err := suite.Find(fsys, c.target, c.recursive); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.target, err, c.want)
		}
	}
	if files, err := suite.Find(fsys, ".", false); err != nil || len(files) > 0 {
		t.Errorf("a directory that is not searched gives %v, %v", files, err)
	}
	if files, err := suite.Find(fsys, ".", true); err != nil || len(files) < 40 {
		t.Errorf("a search gives %d files, %v", len(files), err)
	}
}
