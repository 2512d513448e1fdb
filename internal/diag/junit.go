package diag

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// JUnitSuite is a group of test cases for WriteJUnit.
type JUnitSuite struct {
	Name  string
	Cases []JUnitCase
}

// JUnitCase is one line of a CI system's test report. Without Failure and
// Skipped it passed.
type JUnitCase struct {
	Class, Name string
	// Failure and Skipped say why in one line; Type is the class of a failure, an
	// id; Detail is what stands below.
	Failure, Skipped, Type, Detail string
	// Output is said of a case that passed.
	Output string
}

// The elements and attributes are those that Jenkins' schema of JUnit reports
// allows (jenkinsci/xunit-plugin, junit-10.xsd), which GitLab and the usual
// GitHub actions read too. There is no time: nothing here was run twice.
type junitReport struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
	Output  *junitOutput  `xml:"system-out"`
}

type junitOutput struct {
	Text string `xml:",cdata"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",cdata"`
}

// WriteJUnit writes a JUnit report of suites in their order. A report always
// has a case: CI systems take an empty one for a broken job.
func WriteJUnit(w io.Writer, suites []JUnitSuite) error {
	r := junitReport{Name: "contain"}
	for _, s := range suites {
		out := junitSuite{Name: s.Name, Tests: len(s.Cases)}
		for _, c := range s.Cases {
			each := junitCase{Name: c.Name, Class: c.Class}
			if c.Output != "" {
				each.Output = &junitOutput{c.Output}
			}
			switch {
			case c.Failure != "":
				out.Failures++
				each.Failure = &junitMessage{c.Failure, c.Type, c.Detail}
			case c.Skipped != "":
				out.Skipped++
				each.Skipped = &junitMessage{Message: c.Skipped, Text: c.Detail}
			}
			out.Cases = append(out.Cases, each)
		}
		r.Tests += out.Tests
		r.Failures += out.Failures
		r.Suites = append(r.Suites, out)
	}
	if r.Tests == 0 {
		r.Tests = 1
		r.Suites = []junitSuite{{Name: "contain", Tests: 1, Cases: []junitCase{{Name: "nothing to object to", Class: "contain"}}}}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(r); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// printJUnit makes a suite of each group of ids, "images" of images/pinned, and
// a case of each finding: errors fail, what a waiver lets pass is skipped, the
// rest passes and says so in its output. Rules that found nothing are no cases: a rule is asked about every
// object of every cluster, and what was not found has no name.
func printJUnit(w io.Writer, fs []Finding) error {
	groups := map[string][]JUnitCase{}
	for _, f := range fs {
		group, _, _ := strings.Cut(f.ID, "/")
		groups[group] = append(groups[group], f.junit())
	}
	var suites []JUnitSuite
	for _, g := range slices.Sorted(maps.Keys(groups)) { // for determinism
		suites = append(suites, JUnitSuite{g, groups[g]})
	}
	return WriteJUnit(w, suites)
}

func (f Finding) junit() JUnitCase {
	name := strings.ReplaceAll(f.Message, "\n", " ")
	if s := f.Where(); s != "" {
		name = s + ": " + name
	}
	c := JUnitCase{Class: f.ID, Name: name, Type: f.ID}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s [%s]\n", f.Severity, indent(f.Message), f.ID)
	f.below(&b)
	switch {
	case f.Waiver != nil:
		c.Skipped, c.Detail = "waiver "+f.Waiver.String(), b.String()
	case f.Severity == Error:
		c.Failure, c.Detail = strings.ReplaceAll(f.Message, "\n", " "), b.String()
	default:
		c.Output = b.String()
	}
	return c
}
