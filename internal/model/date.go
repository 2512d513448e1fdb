package model

import (
	"maps"
	"slices"

	"github.com/contain-platform/contain/internal/diag"
)

// date asks for the day that waivers, denyFrom and break-glass access are compared
// with, where something is to be compared: the clock would make a build differ
// from day to day.
func (c *checker) date() {
	if c.p.Policies.Date != "" {
		return
	}
	path := c.dated()
	if path == nil {
		return
	}
	f := diag.Finding{
		ID: "policy/date", Path: Path(path...),
		Message: "whether this holds depends on the date, and none is given",
		Hint:    "give --date 2026-11-22, SOURCE_DATE_EPOCH, or policies: date in the platform",
	}
	if path[1] == "clusters" {
		f.Cluster = path[2]
	}
	c.findings = append(c.findings, f)
}

// dated is the path of the first thing that a date is needed for, nil for none.
func (c *checker) dated() []string {
	for _, w := range slices.Sorted(maps.Keys(c.p.Policies.Waivers)) {
		return []string{"platform", "policies", "waivers", w, "expires"}
	}
	for _, b := range slices.Sorted(maps.Keys(c.p.BreakGlass)) {
		return []string{"platform", "breakGlass", b, "expires"}
	}
	denies := func(p Policies, path ...string) []string {
		for _, id := range slices.Sorted(maps.Keys(p.Rules)) {
			if p.Rules[id].DenyFrom != "" {
				return append(path, "policies", "rules", id, "denyFrom")
			}
		}
		return nil
	}
	if path := denies(c.p.Policies, "platform"); path != nil {
		return path
	}
	for _, e := range slices.Sorted(maps.Keys(c.p.Environments)) {
		if path := denies(c.p.Environments[e].Policies, "platform", "environments", e); path != nil {
			return path
		}
	}
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		if path := denies(c.p.Clusters[n].Policies, "platform", "clusters", n); path != nil {
			return path
		}
		if c.p.Clusters[n].Infrastructure.Workers.Waiver != nil {
			return []string{"platform", "clusters", n, "infrastructure", "workers", "waiver", "expires"}
		}
	}
	return nil
}
