package tenancy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/contain-platform/contain/internal/model"
)

// Change is one change of the description, and what it does to stored data.
type Change struct {
	// What changes: exactly one of Tenant, by its name before or, when it is new,
	// after, Team and Stack, a cluster, is set.
	Tenant string `json:"tenant,omitempty"`
	Team   string `json:"team,omitempty"`
	Stack  string `json:"stack,omitempty"`
	// Kind is added, removed, renamed, id, moved, retention, owner, readers,
	// tenant (of a team) or storage (of a stack).
	Kind string `json:"kind"`
	// Deletes tells that stored data is deleted in consequence.
	Deletes bool `json:"deletes"`
	// Change says what changes, and Effect what becomes of data and readers.
	Change string `json:"change"`
	Effect string `json:"effect"`
	// Where data stays that nothing leads to any more: buckets with prefixes.
	Where []string `json:"where,omitempty"`
}

// comparison is of two states of one platform.
type comparison struct {
	before, after *model.Platform
	// pairs are the tenants that are the same before and after: those of the same
	// name, and those that were renamed and kept their ID.
	pairs   map[string]string
	changes []Change
}

// Compare says what the way from one state of a platform to another does to
// stored telemetry: tenants first, by name, then teams, then stacks.
func Compare(before, after *model.Platform) []Change {
	c := comparison{before: before, after: after, pairs: map[string]string{}}
	c.pair()
	for _, n := range slices.Sorted(maps.Keys(before.Tenants)) {
		if now, ok := c.pairs[n]; ok {
			c.tenant(n, now)
		} else {
			c.removed(n)
		}
	}
	renamed := map[string]bool{}
	for _, now := range c.pairs {
		renamed[now] = true
	}
	for _, n := range slices.Sorted(maps.Keys(after.Tenants)) {
		if !renamed[n] {
			c.add(Change{Tenant: n, Kind: "added", Change: "is new", Effect: fmt.Sprintf("It begins empty, under the ID %q.", after.IDOf(n))})
		}
	}
	c.teams()
	c.stacks()
	slices.SortStableFunc(c.changes, func(a, b Change) int { // for determinism
		return cmp.Or(cmp.Compare(a.Stack, b.Stack), cmp.Compare(a.Team, b.Team), cmp.Compare(a.Tenant, b.Tenant))
	})
	return c.changes
}

func (c *comparison) add(x Change) { c.changes = append(c.changes, x) }

func (c *comparison) pair() {
	for n := range c.before.Tenants {
		if _, ok := c.after.Tenants[n]; ok {
			c.pairs[n] = n
		}
	}
	for n := range c.before.Tenants {
		for now := range c.after.Tenants {
			_, had := c.before.Tenants[now]
			if _, ok := c.pairs[n]; !ok && !had && c.after.IDOf(now) == c.before.IDOf(n) {
				c.pairs[n] = now
			}
		}
	}
}

// stored are the stacks that may hold data of a tenant: those that clusters
// write to for it.
func stored(p *model.Platform, tenant string) []string {
	var out []string
	for cl := range p.Clusters {
		if s, ok := p.Sends(cl)[tenant]; ok {
			out = append(out, s.Stack)
		}
	}
	slices.Sort(out) // for determinism
	return slices.Compact(out)
}

// where is the data of a tenant in stacks.
func where(p *model.Platform, tenant string, stacks []string) []string {
	var out []string
	for _, s := range stacks {
		for _, b := range buckets(p, s) {
			out = append(out, b+"/"+p.IDOf(tenant)+"/")
		}
	}
	return out
}

func (c *comparison) removed(n string) {
	at := stored(c.before, n)
	x := Change{Tenant: n, Kind: "removed", Change: "is removed", Where: where(c.before, n, at)}
	switch {
	case len(at) == 0:
		x.Effect = "No cluster wrote for it, as the platform was."
	default:
		x.Effect = fmt.Sprintf("What is stored stays in %s, and nobody reads it through Grafana any more. It is not deleted by itself: what a stack holds of a tenant that it does not know is kept for ever.", list(at))
	}
	if other := c.takes(c.before.IDOf(n), n); other != "" {
		x.Effect = fmt.Sprintf("Its ID %q becomes that of %s, whose readers read what is stored.", c.before.IDOf(n), other)
		x.Where = nil
	}
	c.add(x)
}

// takes is the tenant, not the same as before, that has an ID from now on.
func (c *comparison) takes(id, but string) string {
	for _, n := range slices.Sorted(maps.Keys(c.after.Tenants)) {
		if c.after.IDOf(n) == id && c.pairs[but] != n {
			return n
		}
	}
	return ""
}

// tenant compares one that is there before and after.
func (c *comparison) tenant(was, now string) {
	b, a := c.before.Tenants[was], c.after.Tenants[now]
	if was != now {
		c.add(Change{Tenant: was, Kind: "renamed", Change: "is renamed to " + now + ", and keeps its ID",
			Effect: fmt.Sprintf("Stored data stays readable. What comes from now on has the label tenant=%q, and Grafana's organisation is another: dashboards that people saved in the old one stay there.", now)})
	}
	if from, to := c.before.IDOf(was), c.after.IDOf(now); from != to {
		at := stored(c.before, was)
		x := Change{Tenant: was, Kind: "id", Change: fmt.Sprintf("changes its ID from %q to %q", from, to), Where: where(c.before, was, at),
			Effect: "To the stacks this is a new, empty tenant. What is stored stays under the old ID, where no query sees it and no retention reaches it."}
		if len(at) == 0 {
			x.Effect = "No cluster wrote for it under the old ID."
		}
		for _, n := range slices.Sorted(maps.Keys(c.before.Tenants)) {
			if n != was && c.before.IDOf(n) == to {
				x.Effect += fmt.Sprintf(" The new ID was that of %s: its data is read by this tenant's readers.", n)
			}
		}
		c.add(x)
	}
	c.moved(was, now)
	for _, s := range []struct {
		signal   string
		from, to string
	}{
		{"metrics", b.Metrics.Retention, a.Metrics.Retention},
		{"logs", b.Logs.Retention, a.Logs.Retention},
		{"traces", b.Traces.Retention, a.Traces.Retention},
	} {
		c.retention(was, s.signal, s.from, s.to)
	}
	c.readers(was, b, a)
}

// moved compares which stacks clusters write to for a tenant.
func (c *comparison) moved(was, now string) {
	moves := map[[2]string][]string{}
	for _, cl := range slices.Sorted(maps.Keys(c.before.Clusters)) {
		b, had := c.before.Sends(cl)[was]
		a, has := c.after.Sends(cl)[now]
		if had && has && b.Stack != a.Stack {
			k := [2]string{b.Stack, a.Stack}
			moves[k] = append(moves[k], cl)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(moves), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		c.add(Change{Tenant: was, Kind: "moved", Change: fmt.Sprintf("moves from the stack of %s to that of %s, for what %s sends", k[0], k[1], list(moves[k])),
			Effect: fmt.Sprintf("What is stored stays in %s and is not copied: Grafana of %s begins without it.", k[0], k[1]),
			Where:  where(c.before, was, []string{k[0]})})
	}
	if b, a := c.before.Tenants[was].Stack, c.after.Tenants[now].Stack; b != a && len(moves) == 0 {
		at := stored(c.before, was)
		x := Change{Tenant: was, Kind: "moved", Change: fmt.Sprintf("moves from the %s stack to the %s stack", b, a), Effect: "No cluster wrote for it, as the platform was.", Where: where(c.before, was, at)}
		if len(at) > 0 {
			x.Effect = fmt.Sprintf("What is stored stays in %s, where nobody reads it any more.", list(at))
		}
		c.add(x)
	}
}

func (c *comparison) retention(tenant, signal, from, to string) {
	f, t := days(from), days(to)
	switch {
	case t < f:
		c.add(Change{Tenant: tenant, Kind: "retention", Deletes: true, Change: fmt.Sprintf("keeps %s for %s instead of %s", signal, to, from),
			Effect: fmt.Sprintf("What is older than %s is deleted by the compactor within a day, and cannot be had back.", to)})
	case t > f:
		c.add(Change{Tenant: tenant, Kind: "retention", Change: fmt.Sprintf("keeps %s for %s instead of %s", signal, to, from),
			Effect: "What is stored now is kept for longer; what is deleted stays deleted."})
	}
}

// days of a retention, which the schema lets be nothing but "30d".
func days(s string) int {
	n, err := strconv.Atoi(strings.TrimSuffix(s, "d"))
	if err != nil {
		return 0
	}
	return n
}

// readers compares who reads a tenant, by way of its owner and otherwise.
func (c *comparison) readers(tenant string, b, a model.Tenant) {
	before, after := readers(c.before, b), readers(c.after, a)
	var parts []string
	for _, g := range slices.Sorted(maps.Keys(after)) {
		switch was, ok := before[g]; {
		case !ok:
			parts = append(parts, fmt.Sprintf("%s reads all that is stored, as %s", g, after[g]))
		case was != after[g]:
			parts = append(parts, fmt.Sprintf("%s is %s instead of %s", g, after[g], was))
		}
	}
	for _, g := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[g]; !ok {
			parts = append(parts, fmt.Sprintf("%s reads nothing of it any more", g))
		}
	}
	effect := "Nothing changes for those who read it."
	if len(parts) > 0 {
		effect = "From the next login on " + strings.Join(parts, "; ") + "."
	}
	switch {
	case b.Owner != a.Owner:
		c.add(Change{Tenant: tenant, Kind: "owner", Change: fmt.Sprintf("belongs to %s instead of %s", a.Owner, b.Owner), Effect: effect})
	case len(parts) > 0:
		c.add(Change{Tenant: tenant, Kind: "readers", Change: "changes who reads it", Effect: effect})
	}
}

// teams compares which tenant telemetry of namespaces belongs to.
func (c *comparison) teams() {
	for _, n := range slices.Sorted(maps.Keys(c.before.Teams)) {
		from := c.before.Teams[n].Tenant
		a, still := c.after.Teams[n]
		switch {
		case from == "" || c.pairs[from] != "" && still && c.pairs[from] == a.Tenant:
		case !still:
			c.add(Change{Team: n, Kind: "tenant", Change: "is removed", Effect: fmt.Sprintf("Nothing more is collected for tenant %s from its namespaces; what is stored stays.", from)})
		case a.Tenant == "":
			c.add(Change{Team: n, Kind: "tenant", Change: "leaves tenant " + from, Effect: fmt.Sprintf("Nothing more is collected from its namespaces; what is stored stays with %s.", from)})
		default:
			c.add(Change{Team: n, Kind: "tenant", Change: fmt.Sprintf("moves from tenant %s to %s", from, a.Tenant),
				Effect: fmt.Sprintf("Telemetry of its namespaces goes to %s from now on; what is stored stays with %s, and is read by its readers.", a.Tenant, from)})
		}
	}
}

// stacks compares where stacks store.
func (c *comparison) stacks() {
	for _, n := range slices.Sorted(maps.Keys(c.before.Clusters)) {
		from, to := buckets(c.before, n), buckets(c.after, n)
		switch {
		case len(from) == 0 || slices.Equal(from, to):
		case len(to) == 0:
			c.add(Change{Stack: n, Kind: "storage", Change: "runs no stack any more", Effect: "What is stored stays in its buckets, and nothing reads, keeps or deletes it any more.", Where: from})
		default:
			c.add(Change{Stack: n, Kind: "storage", Change: fmt.Sprintf("stores in %s instead of %s", to[0], from[0]), Effect: "The stack begins empty, for all of its tenants. What is stored stays in the old buckets, and nothing reads, keeps or deletes it any more.", Where: from})
		}
	}
}

func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
