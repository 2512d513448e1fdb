package model

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Lifecycles of clusters: who makes the machines.
const (
	ByClusterAPI = "cluster-api"
	ByOthers     = "external"
)

// Kubernetes is the cluster's version, "1.36" or "1.36.2". From is what it runs
// as long as it is being upgraded, or "".
type Kubernetes struct {
	Version string `json:"version"`
	From    string `json:"from"`
}

// Infrastructure is where nodes run; Providers are the variants that are set.
type Infrastructure struct {
	Providers    Variants
	AirGapped    bool
	Network      Network
	ControlPlane struct {
		Count   int
		VIP     string
		Zones   []string
		Machine Machine
		// CABundle is what kubeconfigs trust; "" for none.
		CABundle string
	}
	Workers struct {
		Count   int
		Zones   []string
		Machine Machine
		Waiver  *Waiver
	}
}

// Network is a cluster's segment. Nodes, Segment, Gateway and Pool may be "".
type Network struct {
	Nodes, Pods, Services  string
	Segment, Gateway, Pool string
}

// Machine is what a node is made of, as far as Go looks at it.
type Machine struct{ Type, Image string }

// provider is what all kinds of infrastructure may say.
type provider struct {
	Server      string
	Template    string
	VPC         string
	Credentials *struct{}
	Zones       map[string]struct {
		Network string
		Subnet  string
	}
}

// UnmarshalJSON takes the fields that are not providers out of the struct.
func (i *Infrastructure) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &i.Providers); err != nil {
		return err
	}
	// Without its methods, and without what is read already.
	type plain Infrastructure
	if err := json.Unmarshal(b, (*plain)(i)); err != nil {
		return err
	}
	maps.DeleteFunc(i.Providers, func(k string, _ json.RawMessage) bool { return !slices.Contains(providers, k) })
	return nil
}

// provider is the one that is set, and its name; "" when there is none, or more
// than one.
func (i Infrastructure) provider() (string, provider) {
	var p provider
	if len(i.Providers) != 1 {
		return "", p
	}
	for name, raw := range i.Providers {
		if json.Unmarshal(raw, &p) != nil {
			return "", p // the schema says why
		}
		return name, p
	}
	return "", p
}

const (
	findingOverlap   = "infrastructure/overlap"
	findingAddress   = "infrastructure/address"
	findingDomain    = "infrastructure/domain"
	findingVersion   = "infrastructure/version"
	findingWorkers   = "infrastructure/workers"
	findingLifecycle = "infrastructure/lifecycle"
)

// infrastructure checks what machines and networks have to have for a cluster to
// come up, and that no two clusters have the same.
func (c *checker) infrastructure() {
	names := slices.Sorted(maps.Keys(c.p.Clusters))
	c.overlaps(names)
	c.shared(names)
	c.domains(names)
	makers := c.makers(names)
	for _, n := range names {
		cl := c.p.Clusters[n]
		c.addresses(n, cl.Infrastructure)
		c.zones(n, cl.Infrastructure)
		c.version(n, cl.Kubernetes)
		c.spread(n, cl)
		if cl.Lifecycle == ByClusterAPI {
			c.made(n, cl, makers)
		}
	}
}

// at is a path below a cluster's infrastructure.
func at(cluster string, steps ...string) []string {
	return append([]string{"platform", "clusters", cluster, "infrastructure"}, steps...)
}

// zones checks that machines are put into zones that the provider has.
func (c *checker) zones(name string, in Infrastructure) {
	provider, p := in.provider()
	if provider == "" {
		return
	}
	known := map[string]bool{}
	for z := range p.Zones {
		known[z] = true
	}
	for _, g := range []struct {
		field string
		zones []string
	}{{"controlPlane", in.ControlPlane.Zones}, {"workers", in.Workers.Zones}} {
		for i, z := range g.zones {
			path := at(name, g.field, "zones", fmt.Sprint(i))
			switch {
			case len(known) == 0:
				c.add("model/reference", fmt.Sprintf("zone %q does not exist: %s has no zones here", z, provider), "describe them in infrastructure."+provider+".zones", path...)
			case slices.Contains(g.zones[:i], z):
				c.add("model/reference", fmt.Sprintf("zone %q is there twice", z), "", path...)
			default:
				c.ref("zone", z, known, path...)
			}
		}
	}
}

// version checks that an upgrade goes one minor at a time: Kubernetes supports no
// other, and the API server of the next but one no longer reads all of what the
// old one wrote.
func (c *checker) version(name string, k Kubernetes) {
	from, to := versionOf(k.From), versionOf(k.Version)
	if from == nil || to == nil {
		return
	}
	var message, hint string
	switch {
	case from[1] > to[1] || from[1] == to[1] && len(from) > 2 && len(to) > 2 && from[2] > to[2]:
		message = fmt.Sprintf("Kubernetes goes from %s back to %s: what etcd holds cannot be read by an older version", k.From, k.Version)
		hint = "restore a backup into a new cluster to go back"
	case to[1]-from[1] > 1:
		message = fmt.Sprintf("Kubernetes goes from %s to %s and skips 1.%d", k.From, k.Version, from[1]+1)
		hint = "upgrade one minor at a time: kubeadm and the API server support no other way"
	default:
		return
	}
	path := []string{"platform", "clusters", name, "kubernetes"}
	f := c.add(findingVersion, message, hint, append(slices.Clone(path), "version")...)
	f.Also = []string{f.Path, Path(append(slices.Clone(path), "from")...)}
}

// versionOf is nil for what is none: the schema says so.
func versionOf(v string) []int {
	var major, minor, patch int
	switch n, _ := fmt.Sscanf(v, "%d.%d.%d", &major, &minor, &patch); n {
	case 2:
		return []int{major, minor}
	case 3:
		return []int{major, minor, patch}
	}
	return nil
}

// spread checks that there are workers for what is to run on as many nodes:
// replicas of one component are there so that one may be lost with its node, and
// a stack's copies are kept apart by force.
func (c *checker) spread(name string, cl Cluster) {
	workers := cl.Infrastructure.Workers.Count
	if workers == 0 {
		return // the schema says why
	}
	short := func(need int, what string, path ...string) {
		if need <= workers {
			return
		}
		f := c.add(findingWorkers, fmt.Sprintf("%s needs %d workers, and there are %d", what, need, workers),
			"raise workers.count, or ask for fewer", at(name, "workers", "count")...)
		f.Also = []string{f.Path, Path(path...)}
	}
	components := map[string]bool{}
	for _, l := range c.layersOf(name) {
		for k := range l.components {
			components[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(components)) {
		if c.off(name, k) != nil {
			continue
		}
		for _, r := range c.replicas(name, k) {
			short(r.count, fmt.Sprintf("%s with %d %s", k, r.count, r.field), r.path...)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(cl.Stack)) {
		n := cl.Stack[kind].Replication
		short(n, fmt.Sprintf("the %s stack, which keeps %d copies,", kind, n), "platform", "clusters", name, "stack", kind, "replication")
	}
	if k := cl.Systems.Keycloak; k != nil {
		short(k.Instances, fmt.Sprintf("Keycloak with %d instances", k.Instances), "platform", "clusters", name, "management", "keycloak", "instances")
	}
	if b := cl.Systems.OpenBao; b != nil {
		short(b.Replicas, fmt.Sprintf("OpenBao with %d replicas", b.Replicas), "platform", "clusters", name, "management", "openbao", "replicas")
	}
	_, p := cl.Infrastructure.provider()
	zones, path := cl.Infrastructure.Workers.Zones, at(name, "workers", "zones")
	if len(zones) == 0 {
		zones = slices.Sorted(maps.Keys(p.Zones))
		for provider := range cl.Infrastructure.Providers {
			path = at(name, provider, "zones")
		}
	}
	short(len(zones), fmt.Sprintf("one in each of %d zones", len(zones)), path...)
}

// replicated is a number of pods that a component's values ask for.
type replicated struct {
	field string // "replicas", "shard.replicas"
	count int
	path  []string
}

// replicas are those of a component on a cluster, sorted by field: whatever is
// called so in its values, from the narrowest layer that says it.
func (c *checker) replicas(cluster, component string) []replicated {
	found := map[string]replicated{}
	var walk func(values map[string]json.RawMessage, path []string, field string)
	walk = func(values map[string]json.RawMessage, path []string, field string) {
		for k, raw := range values {
			below, inner := append(slices.Clone(path), k), map[string]json.RawMessage{}
			var n int
			switch {
			case k == "replicas" && json.Unmarshal(raw, &n) == nil:
				if _, narrower := found[field+k]; !narrower {
					found[field+k] = replicated{field + k, n, below}
				}
			case json.Unmarshal(raw, &inner) == nil:
				walk(inner, below, field+k+".")
			}
		}
	}
	for _, l := range c.layersOf(cluster) {
		walk(l.components[component].Values, append(slices.Clone(l.path), "components", component, "values"), "")
	}
	return slices.SortedFunc(maps.Values(found), func(a, b replicated) int { return cmp.Compare(a.field, b.field) })
}

// makers are the clusters that run Cluster API, of which there is at most one.
func (c *checker) makers(names []string) []string {
	var makers []string
	for _, n := range names {
		if c.p.Clusters[n].Systems.ClusterAPI != nil {
			makers = append(makers, n)
		}
	}
	if len(makers) > 1 {
		f := c.add(findingLifecycle, fmt.Sprintf("%s run Cluster API, and each would make every cluster", and(makers)),
			"keep it on one management cluster", "platform", "clusters", makers[1], "management", "clusterAPI")
		for _, m := range makers {
			f.Also = append(f.Also, Path("platform", "clusters", m, "management", "clusterAPI"))
		}
	}
	if len(makers) > 0 {
		return makers
	}
	var asked []string
	for _, n := range names {
		if c.p.Clusters[n].Lifecycle == ByClusterAPI {
			asked = append(asked, n)
		}
	}
	if len(asked) > 0 {
		f := c.add(findingLifecycle, "no cluster runs Cluster API, which is to make this one",
			"say management: clusterAPI: {} at a cluster of role management, or lifecycle: external here", "platform", "clusters", asked[0], "lifecycle")
		for _, n := range asked {
			f.Also = append(f.Also, Path("platform", "clusters", n, "lifecycle"))
		}
	}
	return nil
}

// made checks that Cluster API is told what it needs to make a cluster.
func (c *checker) made(name string, cl Cluster, makers []string) {
	in := cl.Infrastructure
	if slices.Contains(makers, name) {
		c.add(findingLifecycle, "the cluster that runs Cluster API cannot make itself", `say lifecycle: "external"`, "platform", "clusters", name, "lifecycle")
		return
	}
	need := func(ok bool, what, hint string, path ...string) {
		if !ok {
			c.add(findingLifecycle, "to make this cluster, Cluster API needs "+what, hint, path...)
		}
	}
	need(len(versionOf(cl.Kubernetes.Version)) != 2, "the whole version of Kubernetes, with its patch", "for example "+cl.Kubernetes.Version+".2",
		"platform", "clusters", name, "kubernetes", "version")
	if in.Network.Pool != "" {
		c.add(findingLifecycle, "Cluster API hands out no addresses of a pool: the catalog has no provider for that",
			"leave pool out, for DHCP", at(name, "network", "pool")...)
	}
	provider, p := in.provider()
	switch provider {
	case "":
	case "vsphere":
		need(p.Template != "", "the template that machines are cloned from", "say template", at(name, "vsphere")...)
		need(p.Credentials != nil, "credentials of vSphere's", "say credentials", at(name, "vsphere")...)
		need(in.ControlPlane.VIP != "", "the address that answers for the API servers", "say vip", at(name, "controlPlane")...)
		for _, z := range slices.Sorted(maps.Keys(p.Zones)) {
			need(in.Network.Segment != "" || p.Zones[z].Network != "", "the name of the segment that its machines are in", "say segment, or the zone's network", at(name, "vsphere", "zones", z)...)
		}
		need(in.Network.Segment != "" || len(p.Zones) > 0, "the name of the segment that its machines are in", "say segment", at(name, "network")...)
	case "aws":
		need(in.ControlPlane.Machine.Type != "", "the type of the control plane's machines", `say type, as "m6i.large"`, at(name, "controlPlane", "machine")...)
		need(in.Workers.Machine.Type != "", "the type of the workers' machines", `say type, as "m6i.xlarge"`, at(name, "workers", "machine")...)
		need(len(p.Zones) > 0, "the availability zones that its machines are in", "say zones", at(name, "aws")...)
		for _, z := range slices.Sorted(maps.Keys(p.Zones)) {
			need((p.VPC != "") == (p.Zones[z].Subnet != ""), "the VPC and each zone's subnet, or neither", "without them it makes its own", at(name, "aws", "zones", z)...)
		}
	default:
		c.add(findingLifecycle, fmt.Sprintf("Cluster API makes clusters on vSphere and AWS here, and not on %s", provider),
			`say lifecycle: "external", and make it with what contain node-files prints`, at(name, provider)...)
	}
}
