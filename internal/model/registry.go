package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/contain-platform/contain/internal/diag"
)

// Registry is the platform's own container registry.
type Registry struct {
	Host   string `json:"host"`
	Mirror string `json:"mirror"`
	// Pull and Robots are where nodes' credentials are; at most one is set.
	Pull   json.RawMessage `json:"pull"`
	Robots json.RawMessage `json:"robots"`
	// CABundle signed the registry's certificate, in PEM; "" for a public CA.
	CABundle string `json:"caBundle"`
}

// Harbor is what runs behind the registry's host.
type Harbor struct {
	Storage  Variants                 `json:"storage"`
	Database Variants                 `json:"database"`
	Projects map[string]HarborProject `json:"projects"`
	Proxies  map[string]struct {
		Kind string `json:"kind"`
	} `json:"proxies"`
	OIDC struct {
		Client
		AdminGroup string `json:"adminGroup"`
	} `json:"oidc"`
	StorageQuota string `json:"storageQuota"` // "" for none
}

// HarborProject is one project of Harbor's.
type HarborProject struct {
	Groups map[string]json.RawMessage `json:"groups"`
	Robots map[string]json.RawMessage `json:"robots"`
	Quota  string                     `json:"quota"` // "" for Harbor's own
}

const (
	findingHarbor  = "registry/harbor"
	findingProject = "registry/project"
	findingProxy   = "registry/proxy"
	findingQuota   = "registry/quota"
)

// registry checks where images come from, and what runs there.
func (c *checker) registry() {
	c.one(c.p.Management.Git, "platform", "management", "git")
	c.one(c.p.Management.Scanner, "platform", "management", "scanner")
	path := []string{"platform", "management", "registry"}
	if r := c.p.Management.Registry; r != nil {
		set := Variants{}
		if r.Pull != nil {
			set["pull"] = r.Pull
		}
		if r.Robots != nil {
			set["robots"] = r.Robots
		}
		c.one(set, path...)
		c.certificate(r.CABundle, append(slices.Clone(path), "caBundle")...)
	}
	var first string
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		h := c.p.Clusters[n].Systems.Harbor
		if h == nil {
			continue
		}
		at := []string{"platform", "clusters", n, "management", "harbor"}
		switch {
		case first != "":
			f := c.add(findingHarbor, fmt.Sprintf("Harbor runs on %s already, and the registry has one host", first), "", at...)
			f.Also = []string{Path(at...), Path("platform", "clusters", first, "management", "harbor")}
		case c.p.Management.Registry == nil:
			c.add(findingHarbor, "Harbor has no host: the platform's registry is not said", "say management: registry: host: …", at...)
		case !c.p.Management.HasIssuer():
			c.add(findingHarbor, "nobody could sign in at Harbor: the platform has no identity provider", "say management: identity: keycloak or external", at...)
		default:
			c.harbor(h, *c.p.Management.Registry, at...)
		}
		first = n
	}
}

// harbor checks what one Harbor is described as.
func (c *checker) harbor(h *Harbor, r Registry, at ...string) {
	path := func(more ...string) []string { return append(slices.Clone(at), more...) }
	c.one(h.Storage, path("storage")...)
	c.one(h.Database, path("database")...)
	groups := maps.Clone(c.groups)
	for _, f := range c.p.Management.identity().Keycloak.Federation {
		for g := range f.Groups {
			groups[g] = true
		}
	}
	if g := h.OIDC.AdminGroup; g != "" {
		c.ref("group", g, groups, path("oidc", "adminGroup")...)
	}
	for _, host := range slices.Sorted(maps.Keys(h.Proxies)) {
		c.proxy(host, h.Proxies[host].Kind, path("proxies", host)...)
	}
	if _, ok := c.p.Teams[r.Mirror]; ok {
		c.taken(r.Mirror, "what the registry mirrors", "platform", "teams", r.Mirror)
	}
	for _, n := range slices.Sorted(maps.Keys(h.Projects)) {
		p := h.Projects[n]
		if _, ok := h.Proxies[n]; ok {
			c.taken(n, "the proxy of that host", path("projects", n)...)
		}
		for _, g := range slices.Sorted(maps.Keys(p.Groups)) {
			// Of a name that cannot be a group's it has been said already.
			at := path("projects", n, "groups", g)
			if !slices.ContainsFunc(c.findings, func(f diag.Finding) bool { return f.Path == Path(at...) }) {
				c.ref("group", g, groups, at...)
			}
		}
		if len(p.Robots) > 0 && r.Robots == nil {
			c.add(findingHarbor, fmt.Sprintf("robots of project %q have no password: the registry does not say where robots' are", n),
				"say management: registry: robots: path: …", path("projects", n, "robots")...)
		}
		c.fits(p.Quota, h.Storage, path("projects", n, "quota")...)
	}
	c.fits(h.StorageQuota, h.Storage, path("storageQuota")...)
}

// taken says that a project's name is somebody else's.
func (c *checker) taken(name, whose string, path ...string) {
	c.add(findingProject, fmt.Sprintf("project %q is %s", name, whose), "use another name", path...)
}

// upstreams are the kinds of hosts whose API is their own.
var upstreams = map[string]string{"docker.io": "docker-hub", "ghcr.io": "github-ghcr"}

// proxy checks that Harbor speaks to an upstream as that upstream does.
func (c *checker) proxy(host, kind string, path ...string) {
	at := append(slices.Clone(path), "kind")
	if want, ok := upstreams[host]; ok && kind != want {
		c.add(findingProxy, fmt.Sprintf("%s is not of kind %s", host, kind), fmt.Sprintf("say kind: %q", want), at...)
		return
	}
	for own, k := range upstreams {
		if kind == k && host != own {
			c.add(findingProxy, fmt.Sprintf("%s is not of kind %s, which is %s alone", host, kind, own), `say kind: "docker-registry"`, at...)
		}
	}
}

// fits checks that a quota is no more than the volume that images are kept on.
func (c *checker) fits(quota string, storage Variants, path ...string) {
	var volume string
	if quota == "" || json.Unmarshal(storage["volume"], &volume) != nil {
		return
	}
	if bytes(quota) > bytes(volume) {
		c.add(findingQuota, fmt.Sprintf("a quota of %s is more than the volume of %s that images are kept on", quota, volume), "", path...)
	}
}
