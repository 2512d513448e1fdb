package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
)

// IDAirGap is the id of what is beyond an air gap, in the description as in what
// follows from it: one rule governs both.
const IDAirGap = "objects/air-gap"

// Boundary is what is within a platform: its registry, its domains and those of
// its clusters with everything below, its clusters' networks and whatever no
// address of the internet stands for.
type Boundary struct {
	registry string
	domains  []string
	networks []netip.Prefix
}

// Boundary of the platform.
func (p *Platform) Boundary() Boundary {
	var b Boundary
	if p.Management.Registry != nil {
		b.registry = hostOf(p.Management.Registry.Host)
	}
	b.domains = slices.Clone(p.Domains)
	for _, name := range slices.Sorted(maps.Keys(p.Clusters)) {
		c := p.Clusters[name]
		b.domains = append(b.domains, c.Domain)
		for _, n := range []string{c.Infrastructure.Network.Nodes, c.Infrastructure.Network.Pods, c.Infrastructure.Network.Services} {
			if prefix, err := netip.ParsePrefix(n); err == nil {
				b.networks = append(b.networks, prefix)
			}
		}
	}
	return b
}

// Inside tells whether a host, with or without a port, is within the platform. A
// name without a dot is looked up in the cluster itself, as are those that end
// in svc or cluster.local; addresses are within when they are private (RFC 1918,
// RFC 4193), the machine's own or its link's, or of a cluster's network.
func (b Boundary) Inside(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(hostOf(host), "."))
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap()
		return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() ||
			slices.ContainsFunc(b.networks, func(n netip.Prefix) bool { return n.Contains(a) })
	}
	if host == b.registry || !strings.Contains(host, ".") {
		return true
	}
	if strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".cluster.local") || strings.HasSuffix(host, ".localhost") {
		return true
	}
	return slices.ContainsFunc(b.domains, func(d string) bool { return d != "" && (host == d || strings.HasSuffix(host, "."+d)) })
}

// hostOf is host:port without the port.
func hostOf(hostport string) string {
	if a, err := netip.ParseAddrPort(hostport); err == nil {
		return a.Addr().String()
	}
	if host, _, ok := strings.Cut(hostport, ":"); ok && strings.Count(hostport, ":") == 1 {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// authority is the host of an address, with its port: what stands between the
// scheme, if there is one, and the path.
func authority(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	host, _, _ := strings.Cut(address, "/")
	return host
}

// An Outside is a system of the management plane that an air-gapped cluster uses
// and cannot reach.
type Outside struct {
	Cluster string
	Path    []string
	Host    string // "" where the description names a service and no address
	Service string // "" where it names an address
}

// Outside finds what the description itself says, so that one line of it is one
// finding, however many objects follow from it. What else is beyond the air gap
// is found in the objects.
func (p *Platform) Outside() []Outside {
	var out []Outside
	b := p.Boundary()
	c := checker{p: p}
	for _, name := range slices.Sorted(maps.Keys(p.Clusters)) {
		if !p.Clusters[name].Infrastructure.AirGapped {
			continue
		}
		for _, s := range c.systems() {
			if s.component != "" && c.off(name, s.component) != nil {
				continue
			}
			for _, kind := range slices.Sorted(maps.Keys(s.set)) {
				if o, ok := beyond(b, s.kinds[kind], s.set[kind]); ok {
					o.Cluster = name
					o.Path = append([]string{"platform", "management", s.name, kind}, o.Path...)
					out = append(out, o)
				}
			}
		}
	}
	return out
}

// system is one of the management plane's, and how its kinds say where it is.
type system struct {
	name      string
	component string // that uses it; "" for the cluster itself
	set       Variants
	kinds     map[string]kind
}

// kind is the field with the address, and the service that stands for it where
// the field is not set or there is none.
type kind struct{ field, service string }

func (c *checker) systems() []system {
	m := c.p.Management
	return []system{
		{"identity", "", m.Identity, map[string]kind{"keycloak": {field: "issuer"}, "external": {field: "issuer"}}},
		{"secrets", "external-secrets", m.Secrets, map[string]kind{
			"openbao": {field: "address"}, "vault": {field: "address"},
			"azureKeyVault": {field: "vaultUrl"}, "aws": {service: "AWS Secrets Manager"},
		}},
		{"dns", "external-dns", m.DNS, map[string]kind{
			"rfc2136": {field: "server"}, "route53": {service: "Amazon Route 53"},
			"azure": {service: "Azure DNS"}, "google": {service: "Google Cloud DNS"},
		}},
		{"pki", "cert-manager", m.PKI, map[string]kind{
			"acme": {field: "server"}, "openbao": {field: "address"}, "vault": {field: "address"},
			"awsPCA": {service: "AWS Private CA"},
		}},
		{"backups", "velero", m.Backups, map[string]kind{
			"s3": {field: "endpoint", service: "Amazon S3"}, "azure": {service: "Azure Blob Storage"},
		}},
	}
}

// beyond reads one kind of a system, and says what of it is outside.
func beyond(b Boundary, k kind, raw json.RawMessage) (Outside, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return Outside{}, false // the schema says why
	}
	var address string
	if k.field != "" && json.Unmarshal(fields[k.field], &address) == nil && address != "" {
		host := authority(address)
		return Outside{Path: []string{k.field}, Host: host}, !b.Inside(host)
	}
	return Outside{Service: k.service}, k.service != ""
}

// airGap checks what air-gapped clusters are told to use.
func (c *checker) airGap() {
	for _, name := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		if c.p.Clusters[name].Infrastructure.AirGapped && c.p.Management.Registry == nil {
			c.add("infrastructure/air-gap", "the cluster is air-gapped, and the platform has no registry that it could pull from",
				"set management.registry, and fill it with what contain mirror lists", "platform", "clusters", name, "infrastructure", "airGapped")
		}
	}
	for _, o := range c.p.Outside() {
		f := diag.Finding{ID: IDAirGap, Cluster: o.Cluster, Path: Path(o.Path...)}
		if o.Service != "" {
			f.Message = fmt.Sprintf("the cluster is air-gapped, but %s is outside of the platform", o.Service)
			f.Hint = "use one that the platform runs itself"
		} else {
			f.Message = fmt.Sprintf("the cluster is air-gapped, but %s is outside of the platform", hostOf(o.Host))
			f.Hint = "only management.registry and what is below platform.domains and the clusters' domains is within"
		}
		c.findings = append(c.findings, f)
	}
}
