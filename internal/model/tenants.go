package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

const (
	findingTenantID = "tenants/id"
	findingForward  = "tenants/forward"
	findingOwn      = "tenants/platform"
)

// tenants checks who owns telemetry, and where alerts and copies of it go.
func (c *checker) tenants() {
	teams := map[string]bool{}
	for t := range c.p.Teams {
		teams[t] = true
	}
	byID := map[string]string{}
	known := map[string]bool{}
	for _, n := range slices.Sorted(maps.Keys(c.p.Tenants)) {
		t := c.p.Tenants[n]
		known[n] = true
		path := []string{"platform", "tenants", n}
		c.ref("team", t.Owner, teams, append(path, "owner")...)
		id := c.p.IDOf(n)
		if other, ok := byID[id]; ok {
			c.sameID(id, other, n)
		} else {
			byID[id] = n
		}
		if t.Alerts != nil {
			c.channel(t.Alerts.Channel, append(path, "alerts", "channel")...)
			for _, r := range slices.Sorted(maps.Keys(t.Alerts.Routes)) {
				c.channel(t.Alerts.Routes[r].Channel, append(path, "alerts", "routes", r, "channel")...)
			}
		}
		for _, f := range slices.Sorted(maps.Keys(t.Forward)) {
			c.forward(t.Forward[f], append(path, "forward", f)...)
		}
	}
	for _, t := range slices.Sorted(maps.Keys(c.p.Teams)) {
		if tenant := c.p.Teams[t].Tenant; tenant != "" {
			c.ref("tenant", tenant, known, "platform", "teams", t, "tenant")
		}
	}
	c.ownTenant(known)
}

// sameID is about two tenants whose data nothing would tell apart.
func (c *checker) sameID(id, first, second string) {
	said := func(tenant string) []string {
		path := []string{"platform", "tenants", tenant}
		if c.p.Tenants[tenant].ID != "" {
			path = append(path, "id")
		}
		return path
	}
	f := c.add(findingTenantID, fmt.Sprintf("tenants %s and %s have the same ID %q: each would read and write the other's data", first, second, id),
		"an ID is the tenant's name unless id says otherwise", said(second)...)
	f.Also = []string{f.Path, Path(said(first)...)}
}

// forward checks one system that gets a copy.
func (c *checker) forward(f Forward, path ...string) {
	kinds, set := []string{"otlp", "remoteWrite"}, Variants{}
	for i, raw := range []json.RawMessage{f.OTLP, f.RemoteWrite} {
		if raw != nil {
			set[kinds[i]] = raw
		}
	}
	c.exactlyOne(set, "protocol", kinds, path...)
	if len(set) != 1 {
		return
	}
	for i, s := range f.Signals {
		at := append(slices.Clone(path), "signals", strconv.Itoa(i))
		switch {
		case f.OTLP != nil && s == "metrics":
			c.add(findingForward, "metrics are not forwarded by otlp", "forward them by remoteWrite, under another name", at...)
		case f.RemoteWrite != nil && s != "metrics":
			c.add(findingForward, s+" are not forwarded by remoteWrite, which takes metrics alone", "forward them by otlp, under another name", at...)
		}
	}
}

// ownTenant checks that there is a tenant for what the platform sends itself,
// where something stores it.
func (c *checker) ownTenant(known map[string]bool) {
	own := c.p.Observability.Tenant
	stacks := c.p.Stacks(PlatformStack)
	if len(stacks) == 0 {
		return
	}
	// The name has a default: then the stack's line is the one to show.
	also := []string{Path("platform", "observability", "tenant"), Path("platform", "clusters", stacks[0], "stack", PlatformStack)}
	t, ok := c.p.Tenants[own]
	switch {
	case !ok:
		hint := Known(own, slices.Sorted(maps.Keys(known)))
		if hint == "" {
			hint = fmt.Sprintf("describe tenants: %s: {owner: …, stack: \"platform\"}, or name another in observability.tenant", own)
		}
		c.add("model/reference", fmt.Sprintf("tenant %q, which the platform's own telemetry belongs to, does not exist", own), hint, "platform", "observability", "tenant").Also = also
	case t.Stack != PlatformStack:
		also[1] = Path("platform", "tenants", own, "stack")
		c.add(findingOwn, fmt.Sprintf("tenant %q has the platform's own telemetry, and its stack is %s", own, t.Stack),
			`say stack: "platform" there, or name another tenant in observability.tenant`, "platform", "tenants", own, "stack").Also = also
	}
}
