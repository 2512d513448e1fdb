package policy

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// Actions that admission takes, as Gatekeeper writes them.
const (
	Deny   = "deny"
	Warn   = "warn"
	Dryrun = "dryrun"
)

// Violation is one result of Gatekeeper's webhook for one object.
type Violation struct {
	// Rule is the rule's id, "images/pinned"; for a template that is not of the
	// library its name.
	Rule           string
	ConstraintKind string
	ConstraintName string
	// Action is what admission does about it; of several scoped actions the
	// strictest.
	Action  string
	Object  *object.Object
	Message string
	// Path is the field that is wrong, in the form that ParsePath reads, or "".
	// The field need not be there: what is wrong may be that it is not.
	Path    string
	Details map[string]any
	// Failed is set when the policy itself broke on the object (an error, a
	// panic, no end within the budget). It fails the build whatever Action says.
	Failed bool
	// Positions is where a policy that Failed did, if that is known.
	Positions []diag.Position
}

// Finding is the violation as a finding without cluster and unit. Severity
// follows Action: deny is an error, warn a warning, dryrun information.
func (v Violation) Finding() diag.Finding {
	f := diag.Finding{
		ID:        v.Rule,
		Message:   oneLine(v.Message),
		Object:    v.Object.String(),
		Path:      v.Path,
		Positions: v.Positions,
	}
	switch {
	case v.Failed:
	case v.Action == Warn:
		f.Severity = diag.Warning
	case v.Action == Dryrun:
		f.Severity = diag.Info
	}
	return f
}

func compareViolations(a, b Violation) int {
	return cmp.Or(
		object.Compare(a.Object, b.Object),
		cmp.Compare(a.Rule, b.Rule),
		cmp.Compare(a.ConstraintKind, b.ConstraintKind),
		cmp.Compare(a.ConstraintName, b.ConstraintName),
		comparePaths(a.Path, b.Path),
		cmp.Compare(a.Message, b.Message),
		cmp.Compare(fmt.Sprint(a.Details), fmt.Sprint(b.Details)), // fmt sorts maps by key
	)
}

// comparePaths puts containers[2] before containers[10].
func comparePaths(a, b string) int {
	as, errA := ParsePath(a)
	bs, errB := ParsePath(b)
	if errA != nil || errB != nil {
		return cmp.Compare(a, b)
	}
	for i := range min(len(as), len(bs)) {
		m, errM := strconv.Atoi(as[i])
		n, errN := strconv.Atoi(bs[i])
		c := cmp.Compare(as[i], bs[i])
		if errM == nil && errN == nil {
			c = cmp.Compare(m, n)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}
