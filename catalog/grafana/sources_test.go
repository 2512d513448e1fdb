package grafana_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fields are those of a data source, and of its jsonData by type, that the
// catalog sets, with their JSON types and where one of few, their values: as in
// https://grafana.com/docs/grafana/v13.2/administration/provisioning/#data-sources
// and the provisioning examples of each data source's own page. A list of
// objects has the fields of one under [].
var (
	fields = map[string]string{
		"name": "string", "type": "prometheus|loki|tempo|alertmanager", "access": "proxy|direct", "uid": "uid", "url": "string",
		"basicAuth": "bool", "basicAuthUser": "string", "jsonData": "object", "secureJsonData": "object",
		"secureJsonData.basicAuthPassword": "string", "secureJsonData.httpHeaderValue1": "string",
	}
	inFile = map[string]string{"orgId": "number", "editable": "bool"}
	inAPI  = map[string]string{"isDefault": "bool"}
	ofType = map[string]map[string]string{
		"prometheus": {
			"httpHeaderName1": "string", "httpMethod": "GET|POST", "prometheusType": "Prometheus|Cortex|Mimir|Thanos", "manageAlerts": "bool", "alertmanagerUid": "uid",
			"exemplarTraceIdDestinations": "list", "exemplarTraceIdDestinations[].name": "string", "exemplarTraceIdDestinations[].datasourceUid": "uid",
		},
		"loki": {
			"httpHeaderName1": "string", "manageAlerts": "bool",
			"derivedFields": "list", "derivedFields[].name": "string", "derivedFields[].matcherType": "label|regex", "derivedFields[].matcherRegex": "string",
			"derivedFields[].datasourceUid": "uid", "derivedFields[].url": "string", "derivedFields[].urlDisplayLabel": "string",
		},
		"tempo": {
			"httpHeaderName1": "string", "nodeGraph": "object", "nodeGraph.enabled": "bool", "serviceMap": "object", "serviceMap.datasourceUid": "uid",
			"tracesToLogsV2": "object", "tracesToLogsV2.datasourceUid": "uid", "tracesToLogsV2.spanStartTimeShift": "shift", "tracesToLogsV2.spanEndTimeShift": "shift",
			"tracesToLogsV2.tags": "list", "tracesToLogsV2.tags[].key": "string", "tracesToLogsV2.tags[].value": "string",
			"tracesToLogsV2.filterByTraceID": "bool", "tracesToLogsV2.filterBySpanID": "bool",
			"tracesToMetrics": "object", "tracesToMetrics.datasourceUid": "uid", "tracesToMetrics.spanStartTimeShift": "shift", "tracesToMetrics.spanEndTimeShift": "shift",
			"tracesToMetrics.tags": "list", "tracesToMetrics.tags[].key": "string", "tracesToMetrics.tags[].value": "string",
			"tracesToMetrics.queries": "list", "tracesToMetrics.queries[].name": "string", "tracesToMetrics.queries[].query": "string",
		},
		"alertmanager": {"httpHeaderName1": "string", "implementation": "prometheus|cortex|mimir", "handleGrafanaManagedAlerts": "bool"},
	}
	uids   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)
	shifts = regexp.MustCompile(`^-?[0-9]+(ms|s|m|h)$`)
)

// compare returns how many fields it held against a table, and appends what is
// wrong.
func compare(where, at string, v any, table map[string]string, problems *[]string) int {
	n := 0
	if at != "" {
		want, ok := table[at]
		if !ok {
			*problems = append(*problems, fmt.Sprintf("%s: %s: no such field", where, at))
			return 0
		}
		n++
		if !is(v, want) {
			*problems = append(*problems, fmt.Sprintf("%s: %s: %v is no %s", where, at, v, want))
		}
		at += "."
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if at == "" && k == "jsonData" {
				continue
			}
			n += compare(where, at+k, v[k], table, problems)
		}
	case []any:
		for _, e := range v {
			for k, x := range e.(map[string]any) {
				n += compare(where, strings.TrimSuffix(at, ".")+"[]."+k, x, table, problems)
			}
		}
	}
	return n
}

func is(v any, want string) bool {
	switch v := v.(type) {
	case bool:
		return want == "bool"
	case float64:
		return want == "number"
	case map[string]any:
		return want == "object"
	case []any:
		return want == "list"
	case string:
		switch want {
		case "string":
			return v != ""
		case "uid":
			return uids.MatchString(v)
		case "shift":
			return shifts.MatchString(v)
		}
		return slices.Contains(strings.Split(want, "|"), v)
	}
	return false
}

func TestDataSources(t *testing.T) {
	long := strings.Repeat("payments-", 6)
	tenants := []tenant{{name: "shop", id: "shop"}, {name: "data", id: "data(lake).*'!"}, {name: long + "a", id: "a"}, {name: long + "b", id: "b"}}
	release := objects(t, "#Component", component("platform", []string{"sre"}, "groups", tenants...))["release"]
	file := at[[]any](t, release, "spec", "values", "datasources", "datasources.yaml", "datasources")

	list := []any{}
	for _, s := range tenants {
		list = append(list, s.data())
	}
	var desired struct {
		Organisations []struct{ DataSources []map[string]any }
	}
	config := objects(t, "#Config", map[string]any{"gateway": map[string]any{"path": "gateway"}, "tenants": list, "values": map[string]any{}})
	if err := json.Unmarshal([]byte(at[string](t, config["organisations"], "data", "organisations.json")), &desired); err != nil {
		t.Fatal(err)
	}
	var api []any
	for _, o := range desired.Organisations {
		for _, s := range o.DataSources {
			api = append(api, s)
		}
	}

	checked, problems := 0, []string{}
	known := map[string]bool{}
	for _, s := range file {
		uid := at[string](t, s, "uid")
		if known[uid] {
			t.Errorf("two data sources %s in one organisation", uid)
		}
		known[uid] = true
	}
	for form, sources := range map[string][]any{"file": file, "API": api} {
		table := maps.Clone(fields)
		maps.Copy(table, map[string]map[string]string{"file": inFile, "API": inAPI}[form])
		for _, s := range sources {
			where, kind := form+" "+at[string](t, s, "uid"), at[string](t, s, "type")
			checked += compare(where, "", s, table, &problems)
			for k, v := range at[map[string]any](t, s, "jsonData") {
				checked += compare(where, k, v, ofType[kind], &problems)
			}
			// What it leads to is there.
			text, _ := json.Marshal(s)
			for _, m := range regexp.MustCompile(`"(?:datasourceUid|alertmanagerUid)":"([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
				if !known[m[1]] {
					t.Errorf("%s: leads to %s, which is not there", where, m[1])
				}
			}
		}
	}
	for _, p := range problems {
		t.Error(p)
	}
	t.Logf("DATA SOURCES: %d fields of %d checked, %d unknown", checked, len(file)+len(api), len(problems))

	// Grafana reads a file's $$ as $, and variables of its environment, after Helm
	// has taken what is in braces.
	for i, s := range file {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "{{") {
			t.Errorf("Helm would take %s for a template", text)
		}
		parts := strings.Split(string(text), "$$")
		for j, p := range parts {
			parts[j] = os.Expand(p, func(name string) string {
				if name != "GATEWAY_PASSWORD" {
					t.Errorf("%s asks for $%s", text, name)
				}
				return "secret"
			})
		}
		var got, want map[string]any
		if err := json.Unmarshal([]byte(strings.Join(parts, "$")), &got); err != nil {
			t.Fatal(err)
		}
		want = maps.Clone(api[i].(map[string]any))
		want["secureJsonData"] = map[string]any{"httpHeaderValue1": at[string](t, want, "secureJsonData", "httpHeaderValue1"), "basicAuthPassword": "secret"}
		delete(want, "isDefault")
		delete(got, "orgId")
		delete(got, "editable")
		got["name"], _, _ = strings.Cut(at[string](t, got, "name"), " (")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -API +file:\n%s", got["uid"], diff)
		}
	}
}
