//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
)

// tempoKeys are the keys of a tenant's entry that Tempo 2.10 knows, with their
// types: modules/overrides/config.go at v2.10.7, in the nested form. No usable
// version of Tempo's module is served, so this table stands for its strict
// decoding. A key with "?" may be missing: Tempo then looks elsewhere, and
// something empty would be a word of its own. Without any of the others a tenant
// gets zero, because an entry is not merged with the defaults.
var tempoKeys = map[string]string{
	"ingestion.rate_strategy":              "?string", // read from the defaults alone
	"ingestion.rate_limit_bytes":           "int",
	"ingestion.burst_size_bytes":           "int",
	"ingestion.max_traces_per_user":        "int",
	"ingestion.max_global_traces_per_user": "int",
	"ingestion.tenant_shard_size":          "int",
	"ingestion.max_attribute_bytes":        "int",
	"ingestion.artificial_delay":           "?duration",
	"ingestion.retry_info_enabled":         "bool",

	"read.max_bytes_per_tag_values_query":  "int",
	"read.max_blocks_per_tag_values_query": "int",
	"read.max_search_duration":             "duration",
	"read.max_metrics_duration":            "duration",
	"read.unsafe_query_hints":              "bool",

	"compaction.block_retention":     "duration",
	"compaction.compaction_window":   "duration",
	"compaction.compaction_disabled": "bool",

	"metrics_generator.ring_size":                           "int",
	"metrics_generator.processors":                          "list",
	"metrics_generator.max_active_series":                   "int",
	"metrics_generator.max_active_entities":                 "int",
	"metrics_generator.collection_interval":                 "duration",
	"metrics_generator.disable_collection":                  "bool",
	"metrics_generator.generate_native_histograms":          "string",
	"metrics_generator.trace_id_label_name":                 "string",
	"metrics_generator.remote_write_headers":                "map",
	"metrics_generator.forwarder.queue_size":                "int",
	"metrics_generator.forwarder.workers":                   "int",
	"metrics_generator.ingestion_time_range_slack":          "duration",
	"metrics_generator.native_histogram_bucket_factor":      "float",
	"metrics_generator.native_histogram_max_bucket_number":  "int",
	"metrics_generator.native_histogram_min_reset_duration": "duration",
	"metrics_generator.processor":                           "?map",

	"forwarders":                        "list",
	"global.max_bytes_per_trace":        "int",
	"storage.parquet_dedicated_columns": "?list",
	"cost_attribution.max_cardinality":  "int",
	"cost_attribution.dimensions":       "map",
}

// tempoWants is what examples/acme says of traces, with the catalog's defaults.
// retention is in hours.
var tempoWants = map[string]struct{ rate, traces, trace, retention, series float64 }{
	"payments":  {30e6, 10000, 5e6, 30 * 24, 500000},
	"shop":      {30e6, 10000, 5e6, 14 * 24, 150000},
	"data-lake": {30e6, 10000, 5e6, 14 * 24, 300000},
	"platform":  {30e6, 10000, 5e6, 14 * 24, 3000000},
	"*":         {15e6, 10000, 5e6, 100 * 365 * 24, 0},
}

// TestTempoOverrides compares the entries of the observability clusters of
// examples/acme with the keys that Tempo 2.10 knows, one by one, and with what
// the description says.
func TestTempoOverrides(t *testing.T) {
	for cluster, writers := range stacks {
		values := chartValues(t, rendered(t, cluster), "tempo")
		entries := valueAt(t, values, "per_tenant_overrides").(map[string]any)
		want := append(slices.Sorted(maps.Keys(writers)), "*")
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(entries)); !slices.Equal(got, want) {
			t.Fatalf("%s: entries of %v, want %v", cluster, got, want)
		}
		keys := 0
		for _, id := range want {
			entry := entries[id].(map[string]any)
			n, problems := tempoProblems(entry)
			keys += n
			for _, p := range problems {
				t.Errorf("%s: tenant %s: %s", cluster, id, p)
			}
			w := tempoWants[id]
			for key, v := range map[string]any{
				"ingestion.rate_limit_bytes":           w.rate,
				"ingestion.max_global_traces_per_user": w.traces,
				"global.max_bytes_per_trace":           w.trace,
				"compaction.block_retention":           fmt.Sprintf("%vh", int(w.retention)),
				"metrics_generator.max_active_series":  w.series,
			} {
				if got := valueAt(t, entry, strings.Split(key, ".")...); got != v {
					t.Errorf("%s: tenant %s: %s is %v, want %v", cluster, id, key, got, v)
				}
			}
		}
		t.Logf("TABLE of Tempo 2.10's keys: %s: %d keys of %d entries checked, complete and of their types", cluster, keys, len(want))

		entry := clone(t, entries["*"].(map[string]any))
		entry["global"] = map[string]any{"max_bytes_for_trace": 1}
		entry["max_traces_per_user"] = 1 // the flat form of old
		valueAt(t, entry, "ingestion").(map[string]any)["rate_limit_bytes"] = "15MB"
		delete(valueAt(t, entry, "compaction").(map[string]any), "block_retention")
		_, problems := tempoProblems(entry)
		if got, want := strings.Join(problems, "\n"), strings.Join([]string{
			"compaction.block_retention is missing: it would be zero",
			"global.max_bytes_for_trace: no such key",
			"global.max_bytes_per_trace is missing: it would be zero",
			"ingestion.rate_limit_bytes: 15MB is no int",
			"max_traces_per_user: no such key",
		}, "\n"); got != want {
			t.Errorf("problems of an entry that has some:\n%s\nwant\n%s", got, want)
		}
	}
}

// tempoProblems are what Tempo would refuse of an entry, or take as zero.
func tempoProblems(entry map[string]any) (checked int, problems []string) {
	found := map[string]any{}
	flatten("", entry, found)
	for key, v := range found {
		typ, ok := tempoKeys[key]
		if !ok {
			problems = append(problems, key+": no such key")
			continue
		}
		checked++
		if typ = strings.TrimPrefix(typ, "?"); !isOf(typ, v) {
			problems = append(problems, fmt.Sprintf("%s: %v is no %s", key, v, typ))
		}
	}
	for key, typ := range tempoKeys {
		if _, ok := found[key]; !ok && !strings.HasPrefix(typ, "?") {
			problems = append(problems, key+" is missing: it would be zero")
		}
	}
	slices.Sort(problems)
	return checked, problems
}

// flatten stops at keys that are mappings themselves.
func flatten(prefix string, v map[string]any, into map[string]any) {
	for k, x := range v {
		key := prefix + k
		m, ok := x.(map[string]any)
		if ok && !strings.HasSuffix(tempoKeys[key], "map") {
			flatten(key+".", m, into)
			continue
		}
		into[key] = x
	}
}

func isOf(typ string, v any) bool {
	switch x := v.(type) {
	case bool:
		return typ == "bool"
	case string:
		_, err := model.ParseDuration(x)
		return typ == "string" || typ == "duration" && err == nil
	case float64:
		return typ == "float" || typ == "int" && x == float64(int64(x))
	case []any:
		return typ == "list"
	case map[string]any:
		return typ == "map"
	}
	return false
}
