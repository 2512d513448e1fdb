package model

import (
	"encoding/json"
	"maps"
	"slices"
)

// Kinds of stacks (schema/observability.cue), which never share a cluster.
const (
	PlatformStack    = "platform"
	ApplicationStack = "application"
)

// Plane is what all stacks and agents have in common.
type Plane struct {
	Tenant      string              `json:"tenant"` // of the platform's own telemetry
	Application bool                `json:"application"`
	Admins      map[string]struct{} `json:"admins"`
}

// Collection is what a layer says about the telemetry of its clusters.
type Collection struct {
	Application *bool             `json:"application"`
	Stacks      map[string]string `json:"stacks"` // by kind: an observability cluster
}

// Stack is one LGTM stack, as far as Go looks at it.
type Stack struct {
	Replication int      `json:"replication"`
	Storage     Variants `json:"storage"`
	OIDC        struct {
		Client
		AuthURL  string `json:"authUrl"`
		TokenURL string `json:"tokenUrl"`
		APIURL   string `json:"apiUrl"`
	} `json:"oidc"`
	Alerts *struct {
		Channel string `json:"channel"`
	} `json:"alerts"`
}

// ObjectStorage is either kind of a stack's storage.
type ObjectStorage struct {
	BucketPrefix    string          `json:"bucketPrefix"`    // s3
	ContainerPrefix string          `json:"containerPrefix"` // azure
	RoleARN         string          `json:"roleArn"`
	Credentials     json.RawMessage `json:"credentials"`
}

// Tenant is an isolated owner of telemetry. Retention is in days, "30d".
type Tenant struct {
	ID      string `json:"id"` // "" for the tenant's name; see IDOf
	Owner   string `json:"owner"`
	Stack   string `json:"stack"` // kind
	Readers map[string]struct {
		Role string `json:"role"`
	} `json:"readers"`
	Metrics Signal `json:"metrics"`
	Logs    Signal `json:"logs"`
	Traces  Signal `json:"traces"`
	Alerts  *struct {
		Channel string `json:"channel"`
		Routes  map[string]struct {
			Channel string `json:"channel"`
		} `json:"routes"`
	} `json:"alerts"`
	Rules   map[string]RuleGroup `json:"rules"`
	Forward map[string]Forward   `json:"forward"`
}

// Signal is metrics, logs or traces of a tenant.
type Signal struct {
	Retention string `json:"retention"`
}

// RuleGroup is a group of Prometheus' rules.
type RuleGroup struct {
	Interval string `json:"interval"`
	Rules    []Rule `json:"rules"`
}

// Rule is an alert or a record, in Prometheus' words.
type Rule struct {
	Alert         string            `json:"alert"`
	Record        string            `json:"record"`
	Expr          string            `json:"expr"`
	For           string            `json:"for"`
	KeepFiringFor string            `json:"keep_firing_for"`
	Labels        map[string]string `json:"labels"`
	Annotations   map[string]string `json:"annotations"`
}

// Forward is a system that gets a copy of a tenant's telemetry.
type Forward struct {
	Signals     []string        `json:"signals"`
	OTLP        json.RawMessage `json:"otlp"`
	RemoteWrite json.RawMessage `json:"remoteWrite"`
}

// What follows says in Go what catalog/telemetry says in CUE, and decides there.
// A test of the pipeline holds the two together over random platforms.

// IDOf is what a tenant is called in X-Scope-OrgID.
func (p *Platform) IDOf(tenant string) string {
	if id := p.Tenants[tenant].ID; id != "" {
		return id
	}
	return tenant
}

// Stacks are the clusters that run a stack of a kind, sorted.
func (p *Platform) Stacks(kind string) []string {
	var out []string
	for _, n := range slices.Sorted(maps.Keys(p.Clusters)) {
		if _, ok := p.Clusters[n].Stack[kind]; ok {
			out = append(out, n)
		}
	}
	return out
}

// Target is the stack of a kind that a cluster's telemetry goes to, "" where
// there is none, or no telling which.
func (p *Platform) Target(kind, cluster string) string {
	c := p.Clusters[cluster]
	for _, layer := range []Collection{c.Telemetry, p.Environments[c.Environment].Telemetry} {
		if n := layer.Stacks[kind]; n != "" {
			return n
		}
	}
	stacks := p.Stacks(kind)
	if slices.Contains(stacks, cluster) {
		return cluster
	}
	var near []string
	for _, n := range stacks {
		if p.Clusters[n].Region == c.Region {
			near = append(near, n)
		}
	}
	switch {
	case len(near) == 1:
		return near[0]
	case len(stacks) == 1:
		return stacks[0]
	}
	return ""
}

// CollectsApplications tells whether customers' telemetry is collected in a
// cluster.
func (p *Platform) CollectsApplications(cluster string) bool {
	c := p.Clusters[cluster]
	for _, layer := range []Collection{c.Telemetry, p.Environments[c.Environment].Telemetry} {
		if layer.Application != nil {
			return *layer.Application
		}
	}
	return p.Observability.Application
}

// Asked tells whether a team's telemetry of a cluster is asked for.
func (t Team) Asked(name string, c Cluster) bool {
	return t.Tenant != "" && len(t.Namespaces) > 0 && t.Clusters.Has(name, c) && t.Telemetry.Clusters.Has(name, c)
}

// Sends are the tenants that a cluster writes for, each with the stack that it
// writes to and the namespaces that it collects from. The platform's own has
// whatever comes from no team's namespace.
func (p *Platform) Sends(cluster string) map[string]Sent {
	out := map[string]Sent{}
	c := p.Clusters[cluster]
	if own := p.Observability.Tenant; p.Target(PlatformStack, cluster) != "" {
		if t, ok := p.Tenants[own]; ok && t.Stack == PlatformStack {
			out[own] = Sent{Stack: p.Target(PlatformStack, cluster)}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Teams)) {
		team := p.Teams[name]
		tenant, ok := p.Tenants[team.Tenant]
		if !ok || !team.Asked(cluster, c) || tenant.Stack == ApplicationStack && !p.CollectsApplications(cluster) {
			continue
		}
		to := p.Target(tenant.Stack, cluster)
		if to == "" {
			continue
		}
		s := out[team.Tenant]
		s.Stack = to
		s.Namespaces = append(s.Namespaces, slices.Sorted(maps.Keys(team.Namespaces))...)
		slices.Sort(s.Namespaces)
		out[team.Tenant] = s
	}
	return out
}

// Sent is what a cluster sends for a tenant.
type Sent struct {
	Stack      string
	Namespaces []string // sorted; none for what comes from no team's namespace
}
