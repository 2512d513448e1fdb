//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/contain-platform/contain/internal/e2e/judge"
	"sigs.k8s.io/yaml"
)

// lokiLimits are what a tenant gets of Loki, in its own units.
type lokiLimits struct {
	IngestionBytes   float64 `json:"ingestionBytes"`
	BurstBytes       int     `json:"burstBytes"`
	Streams          int     `json:"streams"`
	RetentionSeconds float64 `json:"retentionSeconds"`
}

type lokiVerdict struct {
	Refused string
	Tenants map[string]lokiLimits
}

// lokiWants is what examples/acme says of logs, with the catalog's defaults: 4 MB
// a second, 5000 streams, 30 days; and of an ID that no tenant has, which Loki's
// own defaults hold for and nothing deletes.
var lokiWants = map[string]lokiLimits{
	"payments":  {10e6, 15e6, 10000, 365 * 86400},
	"shop":      {4e6, 6 << 20, 5000, 30 * 86400},
	"data-lake": {4e6, 6 << 20, 5000, 7 * 86400},
	"platform":  {20e6, 30e6, 20000, 90 * 86400},
	"gone":      {4 << 20, 6 << 20, 5000, 0},
}

// TestLokiConfiguration has Loki's own code read its configuration and tenants'
// limits as the observability clusters of examples/acme get them, and say what it
// understood. Of the configuration it is what the catalog sets, put together as
// the chart does; the rest is the chart's.
func TestLokiConfiguration(t *testing.T) {
	for cluster, writers := range stacks {
		loki := valueAt(t, chartValues(t, rendered(t, cluster), "loki"), "loki").(map[string]any)
		config := lokiConfig(t, loki)
		runtime := loki["runtimeConfig"].(map[string]any)
		tenants := append(slices.Sorted(maps.Keys(writers)), "gone")
		v := askLoki(t, config, runtime, tenants)
		if v.Refused != "" {
			t.Errorf("%s: Loki refuses it: %s", cluster, v.Refused)
		}
		for _, id := range tenants {
			if v.Tenants[id] != lokiWants[id] {
				t.Errorf("%s: tenant %s gets %+v, want %+v", cluster, id, v.Tenants[id], lokiWants[id])
			}
		}
		t.Logf("JUDGE Loki 3.7.6 (pkg/loki, pkg/validation): %s: configuration and overrides of %d tenants accepted, limits as described", cluster, len(writers))

		for what, refused := range map[string]struct {
			edit func(config, limits map[string]any)
			says string
		}{
			"an unknown key of the configuration": {func(c, _ map[string]any) { c["limit_config"] = map[string]any{} }, "limit_config"},
			"an unknown limit":                    {func(_, l map[string]any) { l["ingestion_rate"] = 1 }, "ingestion_rate"},
			"a rate that is text":                 {func(_, l map[string]any) { l["ingestion_rate_mb"] = "4MB" }, "4MB"},
			"an hour of retention for a stream": {func(_, l map[string]any) {
				l["retention_stream"] = []any{map[string]any{"selector": `{a="b"}`, "priority": 1, "period": "1h"}}
			}, "retention period must be >= 24h"},
			"retention without a store for deletions": {func(c, _ map[string]any) {
				delete(c["compactor"].(map[string]any), "delete_request_store")
			}, "delete-request-store"},
		} {
			config, runtime := clone(t, config), clone(t, runtime)
			limits := valueAt(t, runtime, "overrides", tenants[0]).(map[string]any)
			refused.edit(config, limits)
			if v := askLoki(t, config, runtime, nil); !strings.Contains(v.Refused, refused.says) {
				t.Errorf("%s: %s: Loki says %q, want it to speak of %s", cluster, what, v.Refused, refused.says)
			}
		}
	}
}

// lokiConfig is what the chart makes of the values that the catalog sets: value
// names on the left, Loki's on the right.
func lokiConfig(t *testing.T, values map[string]any) map[string]any {
	t.Helper()
	s3 := valueAt(t, values, "storage", "s3").(map[string]any)
	client := map[string]any{"bucketnames": valueAt(t, values, "storage", "bucketNames", "chunks")}
	for value, name := range map[string]string{
		"region": "region", "endpoint": "endpoint", "s3ForcePathStyle": "s3forcepathstyle",
		"accessKeyId": "access_key_id", "secretAccessKey": "secret_access_key",
	} {
		if v, ok := s3[value]; ok {
			client[name] = v
		}
	}
	common := maps.Clone(values["commonConfig"].(map[string]any))
	common["path_prefix"] = "/var/loki"
	common["storage"] = map[string]any{"s3": client}
	return map[string]any{
		"auth_enabled":  values["auth_enabled"],
		"common":        common,
		"schema_config": values["schemaConfig"],
		"compactor":     values["compactor"],
		"analytics":     values["analytics"],
		"limits_config": values["limits_config"],
	}
}

func askLoki(t *testing.T, config, runtime map[string]any, tenants []string) lokiVerdict {
	t.Helper()
	question := map[string]any{"config": asYAML(t, config), "runtime": asYAML(t, runtime), "tenants": tenants}
	in, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(judge.Path(t, "loki"))
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	// What the pods get from the secret.
	cmd.Env = append(os.Environ(), "S3_ACCESS_KEY_ID=key", "S3_SECRET_ACCESS_KEY=secret")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var v lokiVerdict
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return v
}

func asYAML(t *testing.T, v any) string {
	t.Helper()
	b, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func clone(t *testing.T, v map[string]any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
