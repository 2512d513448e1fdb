package suite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	constraintclient "github.com/open-policy-agent/frameworks/constraint/pkg/client"
	regodriver "github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator/verify"

	"github.com/contain-platform/contain/internal/diag"
)

// Status is the outcome of a suite, a test or a case.
type Status string

// Statuses.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	Skip Status = "skip" // by skip: true or by the filter
)

// Result is the outcome of one Suite file.
type Result struct {
	File   string `json:"file"`
	Status Status `json:"status"`
	Tests  []Test `json:"tests"`
}

// Test is the outcome of one pair of template and Constraint.
type Test struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Findings say why no case could be run, or that a Constraint which is
	// expected to be invalid is not.
	Findings []diag.Finding `json:"findings,omitempty"`
	Cases    []Case         `json:"cases,omitempty"`
	Position diag.Position  `json:"position"`
}

// Case is the outcome of one object.
type Case struct {
	Name     string         `json:"name"`
	Status   Status         `json:"status"`
	Findings []diag.Finding `json:"findings,omitempty"`
	Print    string         `json:"print,omitempty"` // what the policy printed
	Position diag.Position  `json:"position"`
}

// ErrFilter is a filter that cannot be read.
var ErrFilter = errors.New("invalid filter")

// network are the built-ins that reach it. Gatekeeper's chart takes http.send
// away as well; a schema may name another one by URL.
var network = []string{"http.send", "net.lookup_ip_addr", "json.match_schema", "json.verify_schema"}

// Run runs the suites' tests that match filter, which is that of gator verify
// --run: one regular expression for tests or cases, or TEST//CASE. The errors
// are ErrFilter and ctx's.
func Run(ctx context.Context, fsys fs.FS, suites []Suite, filter string) ([]Result, error) {
	f, err := verify.NewFilter(filter)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrFilter, strings.NewReplacer(gator.ErrInvalidFilter.Error()+": ", "", "error parsing regexp: ", "").Replace(err.Error()))
	}
	// The client of gator verify (cmd/gator/verify, runSuites), without network.
	runner, err := verify.NewRunner(fsys, func(opts ...gator.Opt) (gator.Client, error) {
		return gator.NewOPAClient(false, append(opts, offline, gator.WithK8sCEL())...)
	})
	if err != nil {
		return nil, err
	}
	out := make([]Result, 0, len(suites))
	for _, s := range suites {
		r := s.run(ctx, fsys, runner, f)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func offline() ([]constraintclient.Opt, []regodriver.Arg, error) {
	return nil, []regodriver.Arg{regodriver.DisableBuiltins(network...)}, nil
}

func (s Suite) run(ctx context.Context, fsys fs.FS, runner *verify.Runner, f verify.Filter) Result {
	got := runner.Run(ctx, f, s.read)
	out := Result{File: s.File, Status: Pass, Tests: []Test{}}
	if got.Skipped {
		out.Status = Skip
	}
	for i := range got.TestResults {
		t := s.test(fsys, i, &got.TestResults[i])
		if t.Status == Fail {
			out.Status = Fail
		}
		out.Tests = append(out.Tests, t)
	}
	return out
}

func (s Suite) test(fsys fs.FS, i int, got *verify.TestResult) Test {
	p := problems{fsys: fsys, suite: s, test: i}
	out := Test{Name: got.Name, Status: status(got.Skipped, got.IsFailure()), Position: s.doc.at("tests", i)}
	if got.Error != nil {
		out.Findings = p.ofTest(got.Error)
	}
	for j, c := range got.CaseResults {
		each := Case{Name: c.Name, Status: status(c.Skipped, c.IsFailure()), Print: c.Print, Position: s.doc.at("tests", i, "cases", j)}
		if c.Error != nil {
			each.Findings = p.ofCase(j, c.Error)
		}
		out.Cases = append(out.Cases, each)
	}
	return out
}

func status(skipped, failed bool) Status {
	switch {
	case skipped:
		return Skip
	case failed:
		return Fail
	}
	return Pass
}
