package model

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/contain-platform/contain/internal/diag"
)

const (
	findingGroupPrefix       = "access/group-prefix"
	findingGroupName         = "access/group-name"
	findingAudience          = "access/audience"
	findingTokenAge          = "access/token-age"
	findingCABundle          = "access/ca-bundle"
	findingBreakGlass        = "access/break-glass"
	findingBreakGlassUser    = "access/break-glass-user"
	findingBreakGlassExpired = "access/break-glass-expired"
)

// reserved begins the names that Kubernetes keeps to itself.
const reserved = "system:"

// tokenAge is the shortest that API servers can be asked to accept: below, a
// token has ended before a person has used it.
const tokenAge = time.Minute

// Authentication is what a cluster says about it.
type Authentication struct {
	Audience     string `json:"audience"`     // "" for the platform's with the cluster's name
	GroupsPrefix string `json:"groupsPrefix"` // "" for the identity provider's
}

// BreakGlass is access by a certificate for a user, past the identity provider.
type BreakGlass struct {
	User     string     `json:"user"`
	Role     string     `json:"role"`
	Clusters ClusterSet `json:"clusters"`
	Waiver              // who answers for it, why, and until when
}

// identity is what management.identity says besides its variants.
type identity struct {
	Audience    string                            `json:"audience"`
	Prefixes    struct{ Username, Groups string } `json:"prefixes"`
	MaxTokenAge string                            `json:"maxTokenAge"`
	CABundle    string                            `json:"caBundle"`
	Keycloak    struct {
		Federation map[string]struct{ Groups map[string]json.RawMessage }
	} `json:"keycloak"`
}

// identity reads the fields that the schema has checked; what is of another form
// is left out.
func (m Management) identity() identity {
	var out identity
	b, err := json.Marshal(m.Identity)
	if err == nil {
		_ = json.Unmarshal(b, &out)
	}
	return out
}

// identity checks what people are known by: groups, audiences, and those who
// come in past the identity provider.
func (c *checker) identity() {
	id := c.p.Management.identity()
	c.groupNames(id)
	c.audiences(id)
	c.breakGlass(id)
	path := []string{"platform", "management", "identity"}
	if d, err := time.ParseDuration(id.MaxTokenAge); err == nil && d < tokenAge {
		c.add(findingTokenAge, fmt.Sprintf("API servers would refuse every token: none lives for as little as %s", id.MaxTokenAge),
			"say a minute at least; 24h is usual", append(path, "maxTokenAge")...)
	}
	c.certificate(id.CABundle, append(path, "caBundle")...)
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		c.certificate(c.p.Clusters[n].Infrastructure.ControlPlane.CABundle, "platform", "clusters", n, "infrastructure", "controlPlane", "caBundle")
	}
}

// certificate checks that a bundle, if there is one, is certificates and nothing
// else: an API server does not start with another, and a key is not for all to
// read.
func (c *checker) certificate(bundle string, path ...string) {
	if bundle == "" {
		return
	}
	var n int
	for rest := []byte(bundle); ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if strings.TrimSpace(string(rest)) != "" || n == 0 {
				break
			}
			return
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil || block.Type != "CERTIFICATE" {
			break
		}
	}
	c.add(findingCABundle, "what is here is not all certificates in PEM", "embed the file: @embed(file=ca.crt, type=text)", path...)
}

// mention is a group of the identity provider's where it is said.
type mention struct {
	group string
	path  []string
}

// mentions are the groups that the platform speaks of.
func (c *checker) mentions(id identity) []mention {
	var out []mention
	say := func(group string, path ...string) { out = append(out, mention{group, append(path, group)}) }
	for g := range c.p.Access.Groups {
		say(g, "platform", "access", "groups")
	}
	for n, t := range c.p.Teams {
		for g := range t.Groups {
			say(g, "platform", "teams", n, "groups")
		}
		for ns, space := range t.Namespaces {
			for g := range space.Access {
				say(g, "platform", "teams", n, "namespaces", ns, "access")
			}
		}
	}
	for n, t := range c.p.Tenants {
		for g := range t.Readers {
			say(g, "platform", "tenants", n, "readers")
		}
	}
	for g := range c.p.Observability.Admins {
		say(g, "platform", "observability", "admins")
	}
	for n, f := range id.Keycloak.Federation {
		for g := range f.Groups {
			say(g, "platform", "management", "identity", "keycloak", "federation", n, "groups")
		}
	}
	for n, cl := range c.p.Clusters {
		if cl.Systems.Harbor == nil {
			continue
		}
		for p, project := range cl.Systems.Harbor.Projects {
			for g := range project.Groups {
				say(g, "platform", "clusters", n, "management", "harbor", "projects", p, "groups")
			}
		}
	}
	slices.SortFunc(out, func(a, b mention) int { return slices.Compare(a.path, b.path) }) // for determinism
	return out
}

// groupNames checks that groups are called what the identity provider calls
// them. The prefix of a cluster is put in front by the catalog, and a name with
// one in it would be of a group that nobody is in.
func (c *checker) groupNames(id identity) {
	prefixes := []string{id.Prefixes.Groups, id.Prefixes.Username}
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		prefixes = append(prefixes, c.p.Clusters[n].Authentication.GroupsPrefix)
	}
	for _, m := range c.mentions(id) {
		if strings.HasPrefix(m.group, reserved) {
			c.add(findingGroupPrefix, fmt.Sprintf("group %q has a name that Kubernetes reserves: no identity provider hands it out here", m.group),
				"name a group of the identity provider", m.path...)
			continue
		}
		if strings.Contains(m.group, "${") || strings.Contains(m.group, "{{") {
			c.add(findingGroupName, fmt.Sprintf("group %q holds what others would fill in: Flux reads ${…}, and templates of secrets {{…}}", m.group),
				"give the group another name at the identity provider", m.path...)
			continue
		}
		for _, p := range prefixes {
			name, ok := strings.CutPrefix(m.group, p)
			if p == "" || !ok {
				continue
			}
			c.add(findingGroupPrefix, fmt.Sprintf("group %q has the prefix %q in it, which each cluster adds itself", m.group, p),
				fmt.Sprintf("call it %q, as the identity provider does", name), m.path...)
			break
		}
	}
}

// audiences checks that a token for one cluster is good at that one alone.
func (c *checker) audiences(id identity) {
	first := map[string]string{}
	at := func(cluster string) []string {
		path := []string{"platform", "clusters", cluster}
		if c.p.Clusters[cluster].Authentication.Audience != "" {
			path = append(path, "authentication", "audience")
		}
		return path
	}
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		audience := c.p.Clusters[n].Authentication.Audience
		if audience == "" {
			audience = id.Audience + "-" + n
		}
		other, taken := first[audience]
		if !taken {
			first[audience] = n
			continue
		}
		// The one that says it has the line.
		here, there := n, other
		if c.p.Clusters[here].Authentication.Audience == "" {
			here, there = there, here
		}
		f := c.add(findingAudience, fmt.Sprintf("clusters %s and %s have the audience %q: a token for one would be good at the other", other, n, audience),
			"leave audience out, or say one that no other cluster has", at(here)...)
		f.Also = []string{Path(at(here)...), Path(at(there)...)}
	}
}

// breakGlass checks access past the identity provider, and reports what of it is
// in effect.
func (c *checker) breakGlass(id identity) {
	for _, n := range slices.Sorted(maps.Keys(c.p.BreakGlass)) {
		b := c.p.BreakGlass[n]
		before := len(c.findings)
		path := func(field string) []string { return []string{"platform", "breakGlass", n, field} }
		c.ref("role", b.Role, c.roles, path("role")...)
		c.clusterSet(b.Clusters, path("clusters")...)
		for _, p := range []string{id.Prefixes.Username, id.Prefixes.Groups} {
			if p != "" && strings.HasPrefix(b.User, p) {
				c.add(findingBreakGlassUser, fmt.Sprintf("user %q could come from the identity provider, whose names begin with %q", b.User, p),
					"break-glass access is for a certificate: give its common name another beginning", path("user")...)
				break
			}
		}
		date := c.p.Policies.Date
		switch {
		case date == "":
			// Asked for elsewhere.
		case b.Expires < date:
			c.add(findingBreakGlassExpired, fmt.Sprintf("break-glass access %s ended on %s, and it is %s", n, b.Expires, date),
				fmt.Sprintf("remove it, or let %s answer for it longer", b.Owner), path("expires")...)
		case len(c.findings) == before:
			c.add(findingBreakGlass, fmt.Sprintf("user %q has the role %s on %s until %s, past the identity provider: %s (%s)",
				b.User, b.Role, c.named(b.Clusters), b.Expires, b.Reason, b.Owner), "", "platform", "breakGlass", n).Severity = diag.Info
		}
	}
}

// named are the clusters of a set in words.
func (c *checker) named(s ClusterSet) string {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		if s.Has(n, c.p.Clusters[n]) {
			names = append(names, n)
		}
	}
	switch len(names) {
	case 0:
		return "no cluster"
	case len(c.p.Clusters):
		return "every cluster"
	}
	return and(names)
}
