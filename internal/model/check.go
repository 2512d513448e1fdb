package model

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/contain-platform/contain/internal/diag"
)

// Check finds what a schema cannot say well: variants of which exactly one is
// set, and names that refer to other names. Findings have a CUE path, from
// which the pipeline gets their positions.
func Check(p *Platform) []diag.Finding {
	c := checker{p: p, roles: map[string]bool{}, groups: map[string]bool{}, rules: map[string]bool{}}
	c.collect()
	c.management()
	c.clusters()
	c.infrastructure()
	c.backups()
	c.airGap()
	c.access()
	c.identity()
	c.registry()
	c.secrets()
	c.teams()
	c.layers()
	c.components()
	c.channels()
	c.tenants()
	if c.stacks() {
		c.collection()
	}
	c.delivery()
	c.services()
	c.plane()
	c.federation()
	c.date()
	return c.findings
}

type checker struct {
	p        *Platform
	roles    map[string]bool
	groups   map[string]bool
	rules    map[string]bool
	findings []diag.Finding
}

func (c *checker) collect() {
	for _, r := range c.p.Roles {
		c.roles[r] = true
	}
	for r := range c.p.Access.Roles {
		c.roles[r] = true
	}
	for _, r := range c.p.Rules {
		c.rules[r] = true
	}
	layers := []Policies{c.p.Policies}
	for _, e := range c.p.Environments {
		layers = append(layers, e.Policies)
	}
	for _, cl := range c.p.Clusters {
		layers = append(layers, cl.Policies)
	}
	for _, p := range layers {
		for id, r := range p.Rules {
			if r.Template != nil {
				c.rules[id] = true
			}
		}
	}
	for g := range c.p.Access.Groups {
		c.groups[g] = true
	}
	for _, t := range c.p.Teams {
		for g := range t.Groups {
			c.groups[g] = true
		}
	}
}

func (c *checker) management() {
	m := c.p.Management
	identity := Variants{}
	for _, v := range []string{"keycloak", "external"} {
		if raw, ok := m.Identity[v]; ok {
			identity[v] = raw
		}
	}
	for _, s := range []struct {
		name string
		set  Variants
	}{{"identity", identity}, {"secrets", m.Secrets}, {"dns", m.DNS}, {"pki", m.PKI}, {"backups", m.Backups}} {
		c.one(s.set, "platform", "management", s.name)
	}
}

// one checks that at most one variant is set.
func (c *checker) one(set Variants, path ...string) {
	names := slices.Sorted(maps.Keys(set))
	if len(names) < 2 {
		return
	}
	f := c.add("model/variant", fmt.Sprintf("%s has %s set; only one is allowed", path[len(path)-1], and(names)), "", path...)
	f.Also = make([]string, len(names))
	for i, n := range names {
		f.Also[i] = Path(append(slices.Clone(path), n)...)
	}
}

// exactlyOne checks that one of the kinds is set, of which what is the word for
// one.
func (c *checker) exactlyOne(set Variants, what string, kinds []string, path ...string) {
	c.one(set, path...)
	if len(set) == 0 {
		c.add("model/variant", fmt.Sprintf("%s has no %s set; exactly one is needed", path[len(path)-1], what), "set one of "+or(kinds), path...)
	}
}

// providers of infrastructure (schema/cluster.cue).
var providers = []string{"vsphere", "openstack", "aws", "azure", "metal"}

// releaseName is the repository of the release index, beside the clusters'.
const releaseName = "release"

// gatewayUsers are the users of a stack's gateways that are no clusters
// (catalog/gateway).
var gatewayUsers = []string{"grafana", "tempo"}

// ProductionWorkers is what a production cluster needs at least, so that one
// failure zone of three may be lost while another is drained.
const ProductionWorkers = 6

func (c *checker) clusters() {
	for _, name := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		cl := c.p.Clusters[name]
		if name == releaseName {
			c.add("model/name", fmt.Sprintf("a cluster cannot be called %q: the release index has that name", name), "", "platform", "clusters", name)
		}
		if slices.Contains(gatewayUsers, name) {
			c.add("model/name", fmt.Sprintf("a cluster cannot be called %q: a user of the stacks' gateways has that name, as clusters have theirs", name), "", "platform", "clusters", name)
		}
		c.exactlyOne(cl.Infrastructure.Providers, "provider", providers, "platform", "clusters", name, "infrastructure")
		w := cl.Infrastructure.Workers
		if c.p.Environments[cl.Environment].Production && w.Count < ProductionWorkers && w.Waiver == nil {
			c.add("model/production-workers",
				fmt.Sprintf("a production cluster has at least %d workers, this one has %d", ProductionWorkers, w.Count),
				"raise the count, or say who answers for it in workers.waiver",
				"platform", "clusters", name, "infrastructure", "workers", "count")
		}
	}
}

func (c *checker) access() {
	for _, g := range slices.Sorted(maps.Keys(c.p.Access.Groups)) {
		roles := c.p.Access.Groups[g].Roles
		for _, r := range slices.Sorted(maps.Keys(roles)) {
			path := []string{"platform", "access", "groups", g, "roles", r}
			c.ref("role", r, c.roles, path...)
			c.clusterSet(roles[r].Clusters, append(path, "clusters")...)
		}
	}
}

func (c *checker) teams() {
	owner := map[string]string{}
	teams := map[string]bool{}
	for _, t := range slices.Sorted(maps.Keys(c.p.Teams)) {
		teams[t] = true
		team := c.p.Teams[t]
		c.clusterSet(team.Clusters, "platform", "teams", t, "clusters")
		c.clusterSet(team.Telemetry.Clusters, "platform", "teams", t, "telemetry", "clusters")
		for _, g := range slices.Sorted(maps.Keys(team.Groups)) {
			c.ref("role", team.Groups[g].Role, c.roles, "platform", "teams", t, "groups", g, "role")
		}
		for _, ns := range slices.Sorted(maps.Keys(team.Namespaces)) {
			path := []string{"platform", "teams", t, "namespaces", ns}
			if other, ok := owner[ns]; ok {
				f := c.add("model/namespace-owner", fmt.Sprintf("namespace %q belongs to team %s already", ns, other), "", path...)
				f.Also = []string{f.Path, Path("platform", "teams", other, "namespaces", ns)}
			}
			owner[ns] = t
			if slices.Contains(c.p.ReservedNamespaces, ns) {
				c.add("model/namespace-owner", fmt.Sprintf("namespace %q is the cluster's own; no team can own it", ns), "", path...)
			}
			access := team.Namespaces[ns].Access
			for _, g := range slices.Sorted(maps.Keys(access)) {
				at := append(slices.Clone(path), "access", g)
				c.ref("group", g, c.groups, at...)
				c.ref("role", access[g].Role, c.roles, append(at, "role")...)
			}
		}
	}
	c.selected(c.p.Policies, teams, "platform", "policies")
	for _, e := range slices.Sorted(maps.Keys(c.p.Environments)) {
		c.selected(c.p.Environments[e].Policies, teams, "platform", "environments", e, "policies")
	}
	for _, cl := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		c.selected(c.p.Clusters[cl].Policies, teams, "platform", "clusters", cl, "policies")
	}
}

// selected checks that what a layer says is about rules and teams that exist.
func (c *checker) selected(p Policies, teams map[string]bool, path ...string) {
	for _, r := range slices.Sorted(maps.Keys(p.Rules)) {
		c.ref("rule", r, c.rules, append(slices.Clone(path), "rules", r)...)
		for i, t := range p.Rules[r].Except.Teams {
			c.ref("team", t, teams, append(slices.Clone(path), "rules", r, "except", "teams", strconv.Itoa(i))...)
		}
	}
}

// layers checks that environments and clusters override extensions that exist.
func (c *checker) layers() {
	known := map[string]bool{}
	for _, n := range slices.Sorted(maps.Keys(c.p.Extensions)) {
		e := c.p.Extensions[n]
		known[n] = true
		team, isTeam := strings.CutPrefix(n, "team-")
		if _, exists := c.p.Teams[team]; slices.Contains(c.p.ReservedUnits, n) || isTeam && exists {
			c.add("model/name", fmt.Sprintf("an extension cannot be called %q: a unit of the catalog has that name", n), "", "platform", "extensions", n)
		}
		c.clusterSet(e.Clusters, "platform", "extensions", n, "clusters")
	}
	for _, e := range slices.Sorted(maps.Keys(c.p.Environments)) {
		for _, x := range slices.Sorted(maps.Keys(c.p.Environments[e].Extensions)) {
			c.ref("extension", x, known, "platform", "environments", e, "extensions", x)
		}
	}
	for _, cl := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		for _, x := range slices.Sorted(maps.Keys(c.p.Clusters[cl].Extensions)) {
			c.ref("extension", x, known, "platform", "clusters", cl, "extensions", x)
		}
	}
}

func (c *checker) clusterSet(s ClusterSet, path ...string) {
	names, envs, regions := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for n, cl := range c.p.Clusters {
		names[n], envs[cl.Environment], regions[cl.Region] = true, true, true
	}
	for _, f := range []struct {
		field, what string
		values      []string
		known       map[string]bool
	}{
		{"names", "cluster", s.Names, names},
		{"environments", "environment", s.Environments, envs},
		{"regions", "region", s.Regions, regions},
	} {
		for i, v := range f.values {
			c.ref(f.what, v, f.known, append(slices.Clone(path), f.field, strconv.Itoa(i))...)
		}
	}
}

// ref checks that a name is known.
func (c *checker) ref(what, name string, known map[string]bool, path ...string) {
	if known[name] {
		return
	}
	c.add("model/reference", fmt.Sprintf("%s %q does not exist", what, name), Known(name, slices.Sorted(maps.Keys(known))), path...)
}

// Known is the hint for a name that is not among the known ones, sorted: the
// nearest of them, or all when they are few.
func Known(name string, known []string) string {
	if n := nearest(name, known); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	if len(known) > 0 && len(known) <= 12 {
		return "there is " + and(known)
	}
	return ""
}

func nearest(name string, known []string) string {
	best, dist := "", 3 // further apart is another word
	for _, k := range known {
		if d := levenshtein.ComputeDistance(name, k); d < dist {
			best, dist = k, d
		}
	}
	return best
}

// add gives the finding back, for more to be said about it until the next.
func (c *checker) add(id, message, hint string, path ...string) *diag.Finding {
	f := diag.Finding{ID: id, Message: message, Hint: hint, Path: Path(path...)}
	if len(path) > 2 && path[1] == "clusters" {
		f.Cluster = path[2]
	}
	c.findings = append(c.findings, f)
	return &c.findings[len(c.findings)-1]
}

// Path writes a CUE path: labels that are no identifiers are quoted, numbers
// index lists.
func Path(steps ...string) string {
	var b strings.Builder
	for i, s := range steps {
		if _, err := strconv.Atoi(s); err == nil {
			b.WriteString("[" + s + "]")
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		if identifier(s) {
			b.WriteString(s)
		} else {
			b.WriteString(strconv.Quote(s))
		}
	}
	return b.String()
}

func identifier(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

func and(names []string) string { return list(names, " and ") }

func or(names []string) string { return list(names, " or ") }

func list(names []string, last string) string {
	switch len(names) {
	case 0:
		return "none"
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + last + names[len(names)-1]
}
