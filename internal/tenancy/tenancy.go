// Package tenancy says who owns which telemetry, and what a change of the
// platform does to what is stored.
//
// Invariants: it reads two models and nothing else, so that what it says of a
// change is what the description says of it; lists are sorted by name.
package tenancy

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/contain-platform/contain/internal/model"
)

// Tenant is one tenant, as a list shows it.
type Tenant struct {
	Name  string `json:"name"`
	ID    string `json:"id"`
	Owner string `json:"owner"`
	// Stack is the kind, and Stored the clusters whose stacks store it.
	Stack  string   `json:"stack"`
	Stored []string `json:"stored"`
	// Writers are the clusters that send for it.
	Writers []string `json:"writers"`
	// Retention is in days, "30d".
	Retention Retention `json:"retention"`
	// Readers by group: "editor" or "viewer". The owner's groups are editors.
	Readers map[string]string `json:"readers"`
	// Alerts are the channels that its alerts go to.
	Alerts []string `json:"alerts"`
}

// Retention is how long each signal is kept, in days: "30d".
type Retention struct {
	Metrics string `json:"metrics"`
	Logs    string `json:"logs"`
	Traces  string `json:"traces"`
}

// List gives the tenants of a platform, by name.
func List(p *model.Platform) []Tenant {
	sent := map[string]map[string]model.Sent{}
	for c := range p.Clusters {
		sent[c] = p.Sends(c)
	}
	out := []Tenant{}
	for _, n := range slices.Sorted(maps.Keys(p.Tenants)) {
		t := p.Tenants[n]
		row := Tenant{
			Name: n, ID: p.IDOf(n), Owner: t.Owner, Stack: t.Stack,
			Retention: Retention{Metrics: t.Metrics.Retention, Logs: t.Logs.Retention, Traces: t.Traces.Retention},
			Readers:   readers(p, t),
			Stored:    []string{}, Writers: []string{}, Alerts: []string{},
		}
		for _, c := range slices.Sorted(maps.Keys(sent)) {
			if s, ok := sent[c][n]; ok {
				row.Writers = append(row.Writers, c)
				row.Stored = append(row.Stored, s.Stack)
			}
		}
		if t.Alerts != nil {
			row.Alerts = append(row.Alerts, t.Alerts.Channel)
			for _, r := range slices.Sorted(maps.Keys(t.Alerts.Routes)) {
				row.Alerts = append(row.Alerts, t.Alerts.Routes[r].Channel)
			}
		}
		for _, l := range []*[]string{&row.Stored, &row.Alerts} {
			slices.Sort(*l)
			*l = slices.Compact(*l)
		}
		out = append(out, row)
	}
	return out
}

// readers are the groups that read a tenant: its owner's are editors, whatever
// else is said of them.
func readers(p *model.Platform, t model.Tenant) map[string]string {
	out := map[string]string{}
	for g, r := range t.Readers {
		out[g] = r.Role
	}
	for g := range p.Teams[t.Owner].Groups {
		out[g] = "editor"
	}
	return out
}

// buckets are where the stack of a cluster keeps what, as schema/observability.cue
// names them: of metrics, logs and traces. None where the stack is gone.
func buckets(p *model.Platform, cluster string) []string {
	for _, s := range p.Clusters[cluster].Stack {
		for _, raw := range s.Storage {
			var o model.ObjectStorage
			if json.Unmarshal(raw, &o) != nil {
				continue
			}
			prefix := o.BucketPrefix + o.ContainerPrefix
			return []string{prefix + "-mimir-blocks", prefix + "-loki-chunks", prefix + "-tempo-traces"}
		}
	}
	return nil
}
