package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/contain-platform/contain/internal/diag"
)

const (
	findingClaims = "identity/claims"
	findingGroup  = "identity/group"
	findingClient = "identity/client"
)

// federated are the kinds of providers behind Keycloak (schema/management.cue).
var federated = []string{"entra", "okta", "oidc"}

// keycloak is the identity provider where the platform has Keycloak.
type keycloak struct {
	Issuer     string                `json:"issuer"`
	Federation map[string]federation `json:"federation"`
}

// federation is a provider behind Keycloak; Kinds are the variants that are set.
type federation struct {
	Kinds  Variants
	Groups map[string]struct {
		Value string `json:"value"`
	}
}

// UnmarshalJSON takes the kinds out of the struct.
func (f *federation) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &f.Kinds); err != nil {
		return err
	}
	if raw, ok := f.Kinds["groups"]; ok {
		if err := json.Unmarshal(raw, &f.Groups); err != nil {
			return err
		}
	}
	maps.DeleteFunc(f.Kinds, func(k string, _ json.RawMessage) bool { return !slices.Contains(federated, k) })
	return nil
}

// Client is a client of the identity provider that keeps a secret.
type Client struct {
	ID     string          `json:"clientId"`
	Secret json.RawMessage `json:"clientSecret"` // nil when nothing says where it is
}

// keycloak is what is said about it, nothing where there is none.
func (m Management) keycloak() keycloak {
	var k keycloak
	if json.Unmarshal(m.Identity["keycloak"], &k) != nil {
		return keycloak{}
	}
	return k
}

// federation checks where people log in instead of Keycloak, and what their
// groups there are here.
func (c *checker) federation() {
	known := c.spokenOf()
	all := c.p.Management.keycloak().Federation
	for _, alias := range slices.Sorted(maps.Keys(all)) {
		f := all[alias]
		path := []string{"platform", "management", "identity", "keycloak", "federation", alias}
		c.exactlyOne(f.Kinds, "provider", federated, path...)
		for _, kind := range slices.Sorted(maps.Keys(f.Kinds)) {
			var client struct {
				Claims *struct{} `json:"claims"`
			}
			if json.Unmarshal(f.Kinds[kind], &client) == nil && client.Claims == nil {
				c.add(findingClaims, fmt.Sprintf("nothing says which claims of %s's tokens people and their groups are made from", alias),
					`add claims: {username: "preferred_username", groups: "groups"}, by the names that its tokens have`, append(slices.Clone(path), kind)...)
			}
		}
		c.mapped(f, known, append(path, "groups")...)
	}
	c.clients()
}

// mapped checks a provider's groups: each is one group, which the platform names.
func (c *checker) mapped(f federation, known map[string]bool, path ...string) {
	byValue := map[string]string{}
	for _, g := range slices.Sorted(maps.Keys(f.Groups)) {
		at := append(slices.Clone(path), g)
		if v := f.Groups[g].Value; v != "" {
			if other, ok := byValue[v]; ok {
				found := c.add(findingGroup, fmt.Sprintf("the provider's group %s is mapped to %s and to %s", v, other, g),
					"whoever is in it would be in both; grant one group what the other has", append(slices.Clone(at), "value")...)
				found.Also = []string{found.Path, Path(append(slices.Clone(path), other, "value")...)}
			}
			byValue[v] = g
		}
		// What is wrong with a name in itself is said already.
		if known[g] || slices.ContainsFunc(c.findings, func(f diag.Finding) bool { return f.Path == Path(at...) }) {
			continue
		}
		c.add(findingGroup, fmt.Sprintf("group %q is mapped, and nothing on the platform names it", g),
			Known(g, slices.Sorted(maps.Keys(known))), at...)
	}
}

// spokenOf are the groups that something on the platform names, but for the
// providers behind Keycloak.
func (c *checker) spokenOf() map[string]bool {
	known := map[string]bool{}
	for _, m := range c.mentions(c.p.Management.identity()) {
		if !slices.Contains(m.path, "federation") {
			known[m.group] = true
		}
	}
	for _, cl := range c.p.Clusters {
		if h := cl.Systems.Harbor; h != nil && h.OIDC.AdminGroup != "" {
			known[h.OIDC.AdminGroup] = true
		}
	}
	return known
}

// clients checks that systems which share a client of a Keycloak that the
// platform runs share its secret too: it has one.
func (c *checker) clients() {
	if !slices.ContainsFunc(slices.Collect(maps.Values(c.p.Clusters)), func(cl Cluster) bool { return cl.Systems.Keycloak != nil }) {
		return
	}
	type user struct {
		Client
		path []string
	}
	var users []user
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		cl := c.p.Clusters[n]
		for _, kind := range slices.Sorted(maps.Keys(cl.Stack)) {
			users = append(users, user{cl.Stack[kind].OIDC.Client, []string{"platform", "clusters", n, "stack", kind, "oidc"}})
		}
		if h := cl.Systems.Harbor; h != nil {
			users = append(users, user{h.OIDC.Client, []string{"platform", "clusters", n, "management", "harbor", "oidc"}})
		}
	}
	first := map[string]user{}
	for _, u := range users {
		other, ok := first[u.ID]
		switch {
		case u.ID == "":
		case !ok:
			first[u.ID] = u
		case string(other.Secret) != string(u.Secret):
			f := c.add(findingClient, fmt.Sprintf("client %q has two secrets: what is said here is not what is said elsewhere", u.ID),
				"give each a client of its own by clientId, or both the same clientSecret", u.path...)
			f.Also = []string{f.Path, Path(other.path...)}
		}
	}
}
