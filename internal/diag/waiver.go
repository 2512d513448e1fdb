package diag

import (
	"cmp"
	"fmt"
	"slices"
)

// Waiver is what lets a finding pass: somebody answers for it, for a reason,
// until a day. A finding that has one is of severity Info.
type Waiver struct {
	Name    string `json:"name"`
	Owner   string `json:"owner"`
	Reason  string `json:"reason"`
	Expires string `json:"expires"` // YYYY-MM-DD, the last day
}

func (w Waiver) String() string {
	return fmt.Sprintf("%s: %s (%s, until %s)", w.Name, w.Reason, w.Owner, w.Expires)
}

// InEffect is a waiver of the platform as reports list it, with or without
// findings that it lets pass.
type InEffect struct {
	Waiver
	Rule string `json:"rule"` // id or pattern
	// Used is how many findings it let pass, each cluster's counted; 0 as well
	// where nothing was judged yet.
	Used int `json:"used"`
	// Soon is set within 30 days of the end.
	Soon bool `json:"soon,omitempty"`
}

// Summary says in a sentence which waivers are in effect, and in a line each
// which of them end soon; nothing when there are none.
func Summary(waivers []InEffect) []string {
	if len(waivers) == 0 {
		return nil
	}
	head := "1 waiver in effect; it ends "
	if n := len(waivers); n > 1 {
		head = fmt.Sprintf("%d waivers in effect; the next ends ", n)
	}
	next := slices.MinFunc(waivers, func(a, b InEffect) int { return cmp.Compare(a.Expires, b.Expires) })
	out := []string{head + next.Expires}
	for _, w := range waivers {
		if w.Soon {
			out = append(out, fmt.Sprintf("  soon: %s", w.Waiver))
		}
	}
	return out
}

func (f Finding) waiverName() string {
	if f.Waiver == nil {
		return ""
	}
	return f.Waiver.Name
}
