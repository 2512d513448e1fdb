package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

const (
	findingStack       = "telemetry/stack"
	findingStorage     = "telemetry/storage"
	findingRequires    = "telemetry/requires"
	findingTarget      = "telemetry/target"
	findingApplication = "telemetry/application"
)

// stackNeeds are the components that no stack works without, and what for.
var stackNeeds = []struct{ component, why string }{
	{"cert-manager", "its gateways' certificates"},
	{"contour", "letting anybody in"},
	{"external-secrets", "its credentials"},
}

// stacks checks which clusters run a stack, and that they can. It is false where
// stacks are where they cannot be: who sends to which is a question for later.
func (c *checker) stacks() bool {
	misplaced := false
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		cl := c.p.Clusters[n]
		path := []string{"platform", "clusters", n}
		kinds := slices.Sorted(maps.Keys(cl.Stack))
		switch {
		case cl.Role != Observability && len(kinds) > 0:
			c.add(findingStack, fmt.Sprintf("a stack runs on clusters of role observability; the role of this one is %s", cl.Role), "", append(path, "stack", kinds[0])...)
			misplaced = true
		case cl.Role == Observability && len(kinds) == 0:
			c.add(findingStack, "an observability cluster runs a stack, and this one has none",
				"describe stack: platform, for those who run the platform, or stack: application, for its customers", append(path, "role")...)
		case len(kinds) > 1:
			f := c.add(findingStack, "those who run the platform and its customers never share a cluster for their telemetry: this one has both stacks",
				"keep one of them, and describe another observability cluster for the other", append(path, "stack")...)
			for _, k := range kinds {
				f.Also = append(f.Also, Path(append(slices.Clone(path), "stack", k)...))
			}
			misplaced = true
		case len(kinds) == 1:
			c.stack(n, cl.Stack[kinds[0]], append(path, "stack", kinds[0])...)
		}
	}
	return !misplaced
}

// stack checks the settings of one.
func (c *checker) stack(cluster string, s Stack, path ...string) {
	storage := append(slices.Clone(path), "storage")
	c.exactlyOne(s.Storage, "kind", []string{"s3", "azure"}, storage...)
	if raw, ok := s.Storage["s3"]; ok && len(s.Storage) == 1 {
		var s3 ObjectStorage
		if json.Unmarshal(raw, &s3) == nil && s3.Credentials == nil && s3.RoleARN == "" {
			c.add(findingStorage, "nothing says how the stack gets at its buckets",
				"set credentials, or roleArn where the infrastructure gives pods an identity", append(storage, "s3")...)
		}
	}
	if s.Alerts != nil {
		c.channel(s.Alerts.Channel, append(slices.Clone(path), "alerts", "channel")...)
	}
	c.login(s, path...)
	for _, need := range stackNeeds {
		if off := c.off(cluster, need.component); off != nil {
			f := c.add(findingRequires, fmt.Sprintf("a stack needs %s for %s, and it is off here", need.component, need.why), "", off...)
			f.Cluster = cluster
		}
	}
}

// login checks that people can log in to Grafana.
func (c *checker) login(s Stack, path ...string) {
	id := c.p.Management.Identity
	_, keycloak := id["keycloak"]
	_, external := id["external"]
	switch {
	case !keycloak && !external:
		c.add(findingRequires, "nobody could log in to Grafana: the platform has no identity provider",
			"describe management.identity", path...)
	case !keycloak && (s.OIDC.AuthURL == "" || s.OIDC.TokenURL == "" || s.OIDC.APIURL == ""):
		c.add(findingRequires, "nobody could log in to Grafana: of an identity provider that is not Keycloak it needs to be told the addresses",
			"set authUrl, tokenUrl and apiUrl; the provider's /.well-known/openid-configuration has them", append(slices.Clone(path), "oidc")...)
	}
}

// off is the path of what switches a component off in a cluster, nil when it is
// on: the narrowest layer that says something counts.
func (c *checker) off(cluster, component string) []string {
	for _, l := range c.layersOf(cluster) {
		if e := l.components[component].Enabled; e != nil {
			if *e {
				return nil
			}
			return append(slices.Clone(l.path), "components", component, "enabled")
		}
	}
	return nil
}

// layersOf are what is said about a cluster's components, narrowest first.
func (c *checker) layersOf(cluster string) []said {
	cl := c.p.Clusters[cluster]
	return []said{
		{[]string{"platform", "clusters", cluster}, cl.Components},
		{[]string{"platform", "environments", cl.Environment}, c.p.Environments[cl.Environment].Components},
		{[]string{"platform"}, c.p.Components},
	}
}

// collection checks where telemetry goes.
func (c *checker) collection() {
	for _, e := range slices.Sorted(maps.Keys(c.p.Environments)) {
		c.collected(c.p.Environments[e].Telemetry, "platform", "environments", e, "telemetry")
	}
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		c.collected(c.p.Clusters[n].Telemetry, "platform", "clusters", n, "telemetry")
		if len(c.p.Stacks(PlatformStack)) > 0 {
			c.target(n, PlatformStack)
		}
	}
	for _, t := range slices.Sorted(maps.Keys(c.p.Teams)) {
		c.asked(t)
	}
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		if c.sendsApplications(n) {
			c.target(n, ApplicationStack)
		}
	}
}

// collected checks the stacks that a layer names.
func (c *checker) collected(l Collection, path ...string) {
	for _, kind := range slices.Sorted(maps.Keys(l.Stacks)) {
		name := l.Stacks[kind]
		known := c.p.Stacks(kind)
		if slices.Contains(known, name) {
			continue
		}
		message := fmt.Sprintf("cluster %q does not exist", name)
		if _, ok := c.p.Clusters[name]; ok {
			message = fmt.Sprintf("cluster %q runs no stack of kind %s", name, kind)
		}
		c.add("model/reference", message, Known(name, known), append(slices.Clone(path), "stacks", kind)...)
	}
}

// target checks that it is clear which of several stacks a cluster's telemetry
// goes to.
func (c *checker) target(cluster, kind string) {
	stacks := c.p.Stacks(kind)
	if len(stacks) == 0 || c.p.Target(kind, cluster) != "" {
		return
	}
	c.add(findingTarget, fmt.Sprintf("telemetry could go to the %s stack of %s, and nothing says to which", kind, or(stacks)),
		fmt.Sprintf("say telemetry: stacks: %s: %q in the cluster or its environment; a stack alone in the cluster's region needs no word", kind, stacks[0]),
		"platform", "clusters", cluster)
}

// sendsApplications tells whether a team's telemetry of a cluster is asked for,
// and collected, for a tenant of the application stack.
func (c *checker) sendsApplications(cluster string) bool {
	if !c.p.CollectsApplications(cluster) {
		return false
	}
	for _, t := range c.p.Teams {
		if c.p.Tenants[t.Tenant].Stack == ApplicationStack && t.Asked(cluster, c.p.Clusters[cluster]) {
			return true
		}
	}
	return false
}

// asked checks that what a team asks for is stored somewhere, and collected on
// all of the clusters that it names.
func (c *checker) asked(name string) {
	t := c.p.Teams[name]
	tenant, ok := c.p.Tenants[t.Tenant]
	if !ok {
		return // said elsewhere, or not asked for
	}
	team := []string{"platform", "teams", name}
	path := append(slices.Clone(team), "telemetry", "clusters")
	// The set has a default: then the line of the tenant shows that it is asked for.
	also := []string{Path(path...), Path(append(slices.Clone(team), "tenant")...)}
	stacks := c.p.Stacks(tenant.Stack)
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		switch {
		case !t.Asked(n, c.p.Clusters[n]):
		case len(stacks) == 0:
			f := c.add(findingTarget, fmt.Sprintf("tenant %s is of the %s stack, and no cluster runs one", t.Tenant, tenant.Stack),
				fmt.Sprintf("describe an observability cluster with stack: %s, or leave out the team's tenant", tenant.Stack), append(team, "tenant")...)
			f.Cluster = n
		case tenant.Stack == ApplicationStack && !c.p.CollectsApplications(n):
			f := c.add(findingApplication, "the team's telemetry is asked for where application telemetry is off",
				"narrow telemetry.clusters of the team to where it is on, or say telemetry: application: true in the cluster or its environment", path...)
			f.Cluster, f.Also = n, also
		}
	}
}
