package model

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// overlaps checks that no address is in two networks of the platform. A network
// is reported once, with the first of those before it that it overlaps.
func (c *checker) overlaps(names []string) {
	type network struct {
		prefix netip.Prefix
		what   string
		path   []string
	}
	var seen []network
	for _, n := range names {
		net := c.p.Clusters[n].Infrastructure.Network
		for _, f := range []struct{ field, cidr string }{{"nodes", net.Nodes}, {"pods", net.Pods}, {"services", net.Services}} {
			prefix, err := netip.ParsePrefix(f.cidr)
			if err != nil {
				continue // not said, or the schema says why
			}
			mine := network{prefix.Masked(), f.field + " of " + n, at(n, "network", f.field)}
			if i := slices.IndexFunc(seen, func(o network) bool { return o.prefix.Overlaps(mine.prefix) }); i >= 0 {
				other := seen[i]
				found := c.add(findingOverlap, fmt.Sprintf("%s (%s) overlaps %s (%s)", mine.what, f.cidr, other.what, other.prefix),
					"give each cluster networks of its own: what two have, neither can reach at the other", mine.path...)
				found.Also = []string{Path(mine.path...), Path(other.path...)}
			}
			seen = append(seen, mine)
		}
	}
}

// shared checks that no two clusters have one virtual address, or one segment of
// one provider.
func (c *checker) shared(names []string) {
	owners := map[string][]string{}
	own := func(key, what string, path []string) {
		first, taken := owners[key]
		if !taken {
			owners[key] = path
			return
		}
		if first[2] == path[2] {
			return // zones of one cluster share it
		}
		f := c.add(findingAddress, fmt.Sprintf("%s is that of %s already", what, first[2]), "", path...)
		f.Also = []string{Path(path...), Path(first...)}
	}
	for _, n := range names {
		in := c.p.Clusters[n].Infrastructure
		if vip, err := netip.ParseAddr(in.ControlPlane.VIP); err == nil {
			own("vip "+vip.String(), "virtual address "+in.ControlPlane.VIP, at(n, "controlPlane", "vip"))
		}
		name, p := in.provider()
		if in.Network.Segment != "" {
			own("segment "+p.Server+" "+in.Network.Segment, fmt.Sprintf("segment %q", in.Network.Segment), at(n, "network", "segment"))
		}
		for _, z := range slices.Sorted(maps.Keys(p.Zones)) {
			if net := p.Zones[z].Network; net != "" {
				own("segment "+p.Server+" "+net, fmt.Sprintf("segment %q", net), at(n, name, "zones", z, "network"))
			}
		}
	}
}

// domains checks that no cluster's domain is another's or below it: the upper
// one's ExternalDNS takes records of the lower one for its own.
func (c *checker) domains(names []string) {
	for i, n := range names {
		mine := c.p.Clusters[n].Domain
		for _, o := range names[:i] {
			other := c.p.Clusters[o].Domain
			var message string
			switch {
			case mine == "" || other == "":
				continue
			case mine == other:
				message = fmt.Sprintf("domain %s is that of %s already", mine, o)
			case strings.HasSuffix(mine, "."+other):
				message = fmt.Sprintf("domain %s is below that of %s, %s", mine, o, other)
			case strings.HasSuffix(other, "."+mine):
				message = fmt.Sprintf("domain %s is above that of %s, %s", mine, o, other)
			default:
				continue
			}
			path := []string{"platform", "clusters", n, "domain"}
			f := c.add(findingDomain, message, "each cluster writes the DNS records below its domain, and needs one of its own", path...)
			f.Also = []string{Path(path...), Path("platform", "clusters", o, "domain")}
			break
		}
	}
}

// addresses checks that a cluster's addresses are in its segment, and that
// none of them is two things.
func (c *checker) addresses(name string, in Infrastructure) {
	nodes, err := netip.ParsePrefix(in.Network.Nodes)
	if err != nil {
		return
	}
	inside := func(what, address string, path ...string) netip.Addr {
		a, err := netip.ParseAddr(address)
		switch {
		case address == "":
		case err != nil:
			c.add(findingAddress, fmt.Sprintf("%s is no address", address), "", at(name, path...)...)
		case !nodes.Masked().Contains(a):
			f := c.add(findingAddress, fmt.Sprintf("%s %s is not in the segment's network %s", what, address, nodes), "", at(name, path...)...)
			f.Also = []string{f.Path, Path(at(name, "network", "nodes")...)}
		default:
			return a
		}
		return netip.Addr{}
	}
	vip := inside("virtual address", in.ControlPlane.VIP, "controlPlane", "vip")
	gateway := inside("gateway", in.Network.Gateway, "network", "gateway")
	if vip.IsValid() && vip == gateway {
		c.add(findingAddress, fmt.Sprintf("the virtual address is the gateway's, %s", vip), "", at(name, "controlPlane", "vip")...)
	}
	if in.Network.Pool == "" {
		return
	}
	first, last, _ := strings.Cut(in.Network.Pool, "-")
	from, to := inside("the pool's", first, "network", "pool"), inside("the pool's", last, "network", "pool")
	if !from.IsValid() || !to.IsValid() {
		return
	}
	path := at(name, "network", "pool")
	if to.Less(from) {
		c.add(findingAddress, fmt.Sprintf("the pool ends, at %s, before it begins, at %s", to, from), "", path...)
		return
	}
	for _, taken := range []struct {
		what    string
		address netip.Addr
		path    []string
	}{{"the virtual address", vip, at(name, "controlPlane", "vip")}, {"the gateway", gateway, at(name, "network", "gateway")}} {
		if taken.address.IsValid() && !taken.address.Less(from) && !to.Less(taken.address) {
			f := c.add(findingAddress, fmt.Sprintf("%s %s is in the pool that nodes get theirs from", taken.what, taken.address), "", path...)
			f.Also = []string{f.Path, Path(taken.path...)}
		}
	}
	// Each of the two groups is upgraded with one machine more.
	need, have := in.ControlPlane.Count+in.Workers.Count+2, 0
	for a := from; have < need && !to.Less(a); a = a.Next() {
		have++
	}
	if have < need {
		c.add(findingAddress, fmt.Sprintf("the pool has %d addresses, and %d machines and two more, while they are replaced, need %d", have, need-2, need), "", path...)
	}
}
