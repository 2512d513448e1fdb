//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// verdict looks at everything that arrived: under whose name, where, with which
// stamps, and how often.
func (d *delivery) verdict(t *testing.T, away time.Duration) {
	t.Helper()
	foreign, duplicates := 0, 0
	seen := map[string]bool{}
	perTenant := map[string]int{}
	siem := 0
	for _, a := range d.all() {
		if a.At == "siem" {
			siem++
			if problem := siemProblem(a); problem != "" {
				t.Errorf("siem: %s", problem)
			}
			continue
		}
		if problem := d.problem(a); problem != "" {
			if foreign++; foreign <= 10 {
				t.Errorf("%s: %s", a.ID, problem)
			}
			continue
		}
		if !strings.Contains(a.ID, "/") {
			continue // not of the test's own
		}
		key := a.Org + " " + a.ID
		if seen[key] {
			duplicates++
			continue
		}
		seen[key] = true
		perTenant[a.Org]++
	}
	// Logs of payments are in its SIEM too, all of them.
	wantSIEM := map[string]bool{}
	for id, owners := range d.owners {
		if slices.Contains(owners, "payments") && (strings.Contains(id, "/log/") || strings.Contains(id, "/file/")) {
			wantSIEM[id] = true
		}
	}
	for _, a := range d.all() {
		if a.At == "siem" {
			delete(wantSIEM, a.ID)
		}
	}
	if len(wantSIEM) > 0 {
		t.Errorf("%d log records of payments are not in its SIEM", len(wantSIEM))
	}
	for _, s := range d.senders {
		if n, ok := s.scrapes["e2e_spied"]; ok && n.Load() > 0 {
			t.Errorf("a monitor of shop-web had %s scraped %d times", s.namespace, n.Load())
		}
	}
	var counts []string
	for _, tenant := range []string{"payments", "shop", "platform"} {
		if perTenant[tenant] == 0 {
			t.Errorf("nothing of %s", tenant)
		}
		counts = append(counts, fmt.Sprintf("%s %d", tenant, perTenant[tenant]))
	}
	requests, refused := d.counts()
	t.Logf("AGENTS: %s items arrived under their own tenant; %d under another's; %d missing; %d twice; %d at payments' SIEM; stacks away for %.0f s with %d requests refused and the collector killed; %d requests taken",
		strings.Join(counts, ", "), foreign, len(d.missing()), duplicates, siem, away.Seconds(), refused, requests)
}

// problem says what is wrong with an arrival at a stack, if anything.
func (d *delivery) problem(a arrival) string {
	stack, part, _ := strings.Cut(a.At, "/")
	namespace, signal, own := cutID(a.ID)
	want := "application"
	if a.Org == "platform" {
		want = "platform"
	}
	path := map[string][]string{"loki": {"/otlp/v1/logs"}, "tempo": {"/v1/traces"}, "mimir": {"/otlp/v1/metrics", "/api/v1/push"}}[part]
	switch {
	case stack != want:
		return fmt.Sprintf("tenant %s at the stack %s", a.Org, stack)
	case !slices.Contains(path, a.Path):
		return fmt.Sprintf("%s asked for %s", part, a.Path)
	case a.User != "prod-eu1":
		return fmt.Sprintf("sent by the user %q", a.User)
	case a.Tenant != a.Org:
		return fmt.Sprintf("stamped %q, and sent for %q", a.Tenant, a.Org)
	case a.Cluster != "prod-eu1":
		return fmt.Sprintf("stamped as cluster %q", a.Cluster)
	case !own && a.Org != "platform" && tenantOf(a.Namespace) != a.Org:
		return fmt.Sprintf("of namespace %q, sent for %q", a.Namespace, a.Org)
	case !own && a.Org == "platform" && tenantOf(a.Namespace) != "platform" && a.Job != "kubelet" && a.Job != "kube-state-metrics":
		return fmt.Sprintf("of namespace %q, sent for %q by job %q", a.Namespace, a.Org, a.Job)
	case !own:
		return ""
	case a.Namespace != namespace:
		return fmt.Sprintf("stamped as of namespace %q", a.Namespace)
	case signal == "metrics":
		// kube-state-metrics': the platform has all, a tenant its own.
		if a.Org != "platform" && a.Org != tenantOf(namespace) || a.Job != "kube-state-metrics" {
			return fmt.Sprintf("what Kubernetes says is sent for %q by job %q", a.Org, a.Job)
		}
		return ""
	}
	// Scrapes go on after the test stopped counting.
	if owners, known := d.owners[a.ID]; known && !slices.Contains(owners, a.Org) || a.Org != tenantOf(namespace) {
		return fmt.Sprintf("sent for %q", a.Org)
	}
	return ""
}

func siemProblem(a arrival) string {
	namespace, signal, _ := cutID(a.ID)
	switch {
	case tenantOf(namespace) != "payments" || signal != "log" && signal != "file":
		return a.ID + " is none of its"
	case a.Path != "/v1/logs" || a.Auth != siemHeader || a.Org != "":
		return fmt.Sprintf("%s with Authorization %q and tenant %q", a.Path, a.Auth, a.Org)
	}
	return ""
}

// cutID takes apart the ID of an item of the test's own sources.
func cutID(id string) (namespace, signal string, own bool) {
	parts := strings.Split(id, "/")
	if len(parts) != 3 {
		return "", "", false
	}
	return parts[0], parts[1], true
}
