// Package diag holds findings, the one shape for everything that contain has
// to say about its input, and their printers.
//
// Invariants:
//   - A finding carries the user's positions first, then the template's, and
//     never a position in contain's own Go source.
//   - File names are slash-separated and relative to the platform's directory;
//     nothing of the machine appears in a finding.
//   - Findings never hold values of secrets: a stage that finds one says where
//     it is, not what it is.
//
// Only the standard library is imported, so that every stage can use it.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity ranks findings. The zero value is Error, so that a forgotten
// severity fails closed.
type Severity int

// Severities, most severe first.
const (
	Error Severity = iota
	Warning
	Info
)

func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "info"
}

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Position is a place in a file. Line and Column count from 1; 0 is unknown.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Finding is one diagnostic.
type Finding struct {
	// ID names the rule or the class of error, "images/pinned"; people
	// re-level and waive by it, so it never changes once released.
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	// Message is one sentence without final full stop.
	Message string `json:"message"`
	// Where in the platform: any of these may be empty.
	Cluster string `json:"cluster,omitempty"`
	Unit    string `json:"unit,omitempty"`
	Object  string `json:"object,omitempty"` // "Deployment payments/api"
	Path    string `json:"path,omitempty"`   // field path, "spec.replicas"
	// Positions, the user's first.
	Positions []Position `json:"positions,omitempty"`
	// Also are further paths whose lines belong to the finding, for those who
	// look the lines up.
	Also []string `json:"-"`
	// Hint says what to do, where that is known.
	Hint string `json:"hint,omitempty"`
	// Clusters that share the finding, sorted; filled by Group.
	Clusters []string `json:"clusters,omitempty"`
	// Waiver lets the finding pass; nil for almost all.
	Waiver *Waiver `json:"waiver,omitempty"`
}

// HasErrors tells whether any finding is an error.
func HasErrors(fs []Finding) bool {
	return slices.ContainsFunc(fs, func(f Finding) bool { return f.Severity == Error })
}

// Count says how many findings are errors and how many are warnings.
func Count(fs []Finding) (errors, warnings int) {
	for _, f := range fs {
		switch f.Severity {
		case Error:
			errors++
		case Warning:
			warnings++
		}
	}
	return errors, warnings
}

// Group sorts findings, drops duplicates and joins those that differ in the
// cluster alone into one with Clusters set. The result's order depends on
// nothing but its content.
func Group(fs []Finding) []Finding {
	type group struct {
		f        Finding
		clusters map[string]bool
	}
	groups := map[string]*group{}
	for _, f := range fs {
		k := f.groupKey()
		g := groups[k]
		if g == nil {
			g = &group{f: f, clusters: map[string]bool{}}
			groups[k] = g
		}
		if f.Cluster != "" {
			g.clusters[f.Cluster] = true
		}
		for _, c := range f.Clusters {
			g.clusters[c] = true
		}
	}
	out := make([]Finding, 0, len(groups))
	for _, g := range groups {
		g.f.Cluster, g.f.Clusters = "", nil
		for c := range g.clusters {
			g.f.Clusters = append(g.f.Clusters, c)
		}
		slices.Sort(g.f.Clusters)
		if len(g.f.Clusters) > 0 {
			g.f.Cluster = g.f.Clusters[0]
		}
		if len(g.f.Clusters) == 1 {
			g.f.Clusters = nil
		}
		out = append(out, g.f)
	}
	slices.SortFunc(out, compare) // for determinism
	return out
}

// Ungroup takes findings of several clusters apart, into one for each.
func Ungroup(fs []Finding) []Finding {
	out := make([]Finding, 0, len(fs))
	for _, f := range fs {
		clusters := f.Clusters
		f.Clusters = nil
		if len(clusters) == 0 {
			out = append(out, f)
		}
		for _, c := range clusters {
			f.Cluster = c
			out = append(out, f)
		}
	}
	return out
}

// groupKey is everything but the cluster. Two clusters that break the same
// rule at different lines of the user's are two mistakes, so positions count.
func (f Finding) groupKey() string {
	var b strings.Builder
	for _, s := range []string{f.ID, f.Severity.String(), f.Message, f.Unit, f.Object, f.Path, f.Hint} {
		b.WriteString(s)
		b.WriteByte(0)
	}
	for _, p := range f.Positions {
		b.WriteString(p.String())
		b.WriteByte(0)
	}
	if len(f.Positions) == 0 {
		b.WriteString(f.Cluster)
	}
	b.WriteByte(0)
	b.WriteString(f.waiverName())
	return b.String()
}

func compare(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(a.Severity, b.Severity),
		slices.CompareFunc(a.Positions, b.Positions, func(p, q Position) int {
			return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
		}),
		cmp.Compare(a.Cluster, b.Cluster),
		cmp.Compare(a.Unit, b.Unit),
		cmp.Compare(a.Object, b.Object),
		cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.ID, b.ID),
		cmp.Compare(a.Message, b.Message),
		cmp.Compare(a.Hint, b.Hint),
		cmp.Compare(a.waiverName(), b.waiverName()),
	)
}
