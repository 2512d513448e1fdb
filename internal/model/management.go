package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	findingSystem       = "management/system"
	findingSystemAt     = "management/address"
	findingSystemsNeeds = "management/requires"
)

// managementRole is that of clusters that run the management plane.
const managementRole = "management"

// Systems are those of the management plane that run on a cluster; nil where one
// does not.
type Systems struct {
	Keycloak *struct {
		Instances int      `json:"instances"`
		Database  Variants `json:"database"`
	} `json:"keycloak"`
	OpenBao       *OpenBao        `json:"openbao"`
	Harbor        *Harbor         `json:"harbor"`
	ObjectStorage json.RawMessage `json:"objectStorage"`
	ClusterAPI    json.RawMessage `json:"clusterAPI"`
}

// planeSystem is one of them, as far as all are alike.
type planeSystem struct {
	field, name string
	// runs on a cluster.
	runs func(Systems) bool
	// at is the address that others know it by, "" when the platform does not say,
	// and path where it says so; nil where others check that.
	at   func(Management) string
	path []string
}

// planeSystems in the order of their fields. How many make clusters, keep images and
// keep backups, and where, is checked with lifecycles, registry and backups.
func planeSystems() []planeSystem {
	return []planeSystem{
		{"clusterAPI", "Cluster API", func(s Systems) bool { return s.ClusterAPI != nil }, nil, nil},
		{"harbor", "Harbor", func(s Systems) bool { return s.Harbor != nil }, nil, nil},
		{"keycloak", "Keycloak", func(s Systems) bool { return s.Keycloak != nil },
			func(m Management) string { return m.keycloak().Issuer }, []string{"identity", "keycloak", "issuer"}},
		{"objectStorage", "object storage", func(s Systems) bool { return s.ObjectStorage != nil }, nil, nil},
		{"openbao", "OpenBao", func(s Systems) bool { return s.OpenBao != nil },
			func(m Management) string { return addressIn(m.Secrets["openbao"], "address") }, []string{"secrets", "openbao", "address"}},
	}
}

// addressIn is a field of a variant, "" when there is none.
func addressIn(raw json.RawMessage, field string) string {
	var fields map[string]json.RawMessage
	var at string
	if json.Unmarshal(raw, &fields) != nil || json.Unmarshal(fields[field], &at) != nil {
		return ""
	}
	return at
}

// plane checks which clusters run the management plane, and that everybody
// else finds it.
func (c *checker) plane() {
	for _, s := range planeSystems() {
		var on []string
		for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
			if !s.runs(c.p.Clusters[n].Systems) {
				continue
			}
			on = append(on, n)
			if role := c.p.Clusters[n].Role; role != managementRole {
				c.add(findingSystem, fmt.Sprintf("%s runs on a cluster of role management; the role of this one is %s", s.name, role), "", runsAt(n, s)...)
			}
		}
		if len(on) == 0 || s.at == nil {
			continue
		}
		if len(on) > 1 {
			f := c.add(findingSystem, fmt.Sprintf("%s run %s, and the platform has one", and(on), s.name), "keep it on one of them", runsAt(on[1], s)...)
			for _, n := range on {
				f.Also = append(f.Also, Path(runsAt(n, s)...))
			}
		}
		c.found(s, on[0])
	}
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		c.needs(n)
	}
}

func runsAt(cluster string, s planeSystem) []string {
	return []string{"platform", "clusters", cluster, "management", s.field}
}

// found checks that the platform says where a system is that it runs, and that
// this is a name which the platform can give it.
func (c *checker) found(s planeSystem, cluster string) {
	path := append([]string{"platform", "management"}, s.path...)
	at := s.at(c.p.Management)
	if at == "" {
		c.add(findingSystemAt, fmt.Sprintf("nothing says where %s is, for others to find it", s.name),
			"say "+strings.Join(path[1:], ": "), runsAt(cluster, s)...)
		return
	}
	host := hostOf(authority(at))
	own := append(slices.Clone(c.p.Domains), c.p.Clusters[cluster].Domain)
	if slices.ContainsFunc(own, func(d string) bool { return d != "" && below(host, d) }) {
		return
	}
	f := c.add(findingSystemAt, fmt.Sprintf("%s runs on %s, and its host %s is below no domain of the platform's", s.name, cluster, host),
		"it is one of domains, or the cluster's, that names and certificates are made in", path...)
	f.Also = []string{f.Path, Path(runsAt(cluster, s)...)}
}

// below tells whether a host is a domain or below it.
func below(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// needs checks the components that the systems of a cluster do not work without.
func (c *checker) needs(cluster string) {
	s := c.p.Clusters[cluster].Systems
	need := func(system, component, why string) {
		if off := c.off(cluster, component); off != nil {
			f := c.add(findingSystemsNeeds, fmt.Sprintf("%s needs %s for %s, and it is off here", system, component, why), "", off...)
			f.Cluster = cluster
		}
	}
	if s.Keycloak != nil {
		need("Keycloak", "cert-manager", "its certificates")
		need("Keycloak", "contour", "letting anybody in")
		need("Keycloak", "external-secrets", "its credentials")
		if _, ok := s.Keycloak.Database["external"]; !ok {
			need("Keycloak", "cloudnative-pg", "its database")
		}
	}
}
