// Command mimir judges with Mimir's own code what a HelmRelease of its chart
// gives it: the configuration that the chart makes of the values, decoded and
// validated as Mimir does when it starts; the limits of tenants, through the
// loader of the runtime configuration; rules and Alertmanager configurations,
// through the local stores that read them from a pod's volumes.
//
// One request comes as JSON on stdin:
//
//	{"values": {…}, "root": "/dir", "env": {"NAME": "value"}}
//
// values are the HelmRelease's, root is what the paths of volumes begin with, and
// env the pods' environment. The verdicts go to stdout as a JSON array; see
// verdict. It fails when it cannot judge, and not when the verdict is bad.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/go-kit/log"
	"github.com/grafana/dskit/services"
	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	alertstore "github.com/grafana/mimir/pkg/alertmanager/alertstore/local"
	"github.com/grafana/mimir/pkg/mimir"
	rulestore "github.com/grafana/mimir/pkg/ruler/rulestore/local"
	"github.com/grafana/mimir/pkg/util/validation"
)

type request struct {
	Values map[string]any    `json:"values"`
	Root   string            `json:"root"`
	Env    map[string]string `json:"env"`
}

// A verdict is about one configuration.
type verdict struct {
	// What is "config", "overrides", "rules" or "alertmanager".
	What string `json:"what"`

	// Target is the part of Mimir that a configuration was validated for.
	Target string `json:"target,omitempty"`

	// Tenant is an ID; "config", and what cannot be read at all, are of none.
	Tenant string `json:"tenant,omitempty"`

	// Holds says what there is in it, in numbers and words.
	Holds map[string]string `json:"holds,omitempty"`
	Error string            `json:"error,omitempty"`
}

// targets are the parts that the chart runs, each with the one configuration:
// validation is not the same for all.
var targets = [...]string{
	"alertmanager", "compactor", "distributor", "ingester", "overrides-exporter",
	"querier", "query-frontend", "query-scheduler", "ruler", "store-gateway",
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var r request
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return err
	}
	files, err := renderChart(r.Values)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(judge(r, files))
}

func judge(r request, files chartFiles) []verdict {
	text := os.Expand(files.config, func(name string) string { return r.Env[name] })
	var cfg *mimir.Config
	var verdicts []verdict
	for _, target := range targets {
		c, err := loadConfig(text, target)
		if err != nil {
			verdicts = append(verdicts, verdict{What: "config", Target: target, Error: err.Error()})
			continue
		}
		cfg = c
		verdicts = append(verdicts, verdict{What: "config", Target: target, Holds: map[string]string{
			"blocks":       cfg.BlocksStorage.Bucket.Backend,
			"rules":        cfg.RulerStorage.Backend,
			"alertmanager": cfg.AlertmanagerStorage.Backend,
			"copies":       fmt.Sprint(cfg.Ingester.IngesterRing.ReplicationFactor),
			"kafka":        fmt.Sprint(cfg.IngestStorage.Enabled),
		}})
	}
	if cfg == nil {
		return verdicts
	}
	verdicts = append(verdicts, judgeOverrides(cfg, files.runtime)...)
	verdicts = append(verdicts, judgeRules(cfg, r.Root)...)
	return append(verdicts, judgeAlertmanagers(cfg, r.Root)...)
}

// loadConfig does what cmd/mimir does: flags' defaults, strict YAML over them,
// validation.
func loadConfig(text, target string) (*mimir.Config, error) {
	cfg := &mimir.Config{}
	logger := log.NewNopLogger()
	cfg.RegisterFlags(flag.NewFlagSet("mimir", flag.ContinueOnError), logger)
	if err := decodeStrict(text, cfg); err != nil {
		return nil, err
	}
	cfg.Target = []string{target}
	if err := cfg.Validate(logger); err != nil {
		return nil, err
	}
	return cfg, nil
}

// judgeOverrides starts the manager of the runtime configuration, which reads the
// file once, strictly, and validates every tenant's limits.
func judgeOverrides(cfg *mimir.Config, text string) []verdict {
	fail := func(err error) []verdict { return []verdict{{What: "overrides", Error: err.Error()}} }
	dir, err := os.MkdirTemp("", "mimir-judge-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "runtime.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fail(err)
	}
	cfg.RuntimeConfig.LoadPath = []string{file}
	m, err := mimir.NewRuntimeManager(cfg, "judge", prometheus.NewRegistry(), log.NewNopLogger())
	if err != nil {
		return fail(err)
	}
	ctx := context.Background()
	if err := services.StartAndAwaitRunning(ctx, m); err != nil {
		return fail(err)
	}
	defer func() { _ = services.StopAndAwaitTerminated(ctx, m) }()
	// The type is unexported, the field is not.
	limits, ok := reflect.ValueOf(m.GetConfig()).Elem().FieldByName("TenantLimits").Interface().(map[string]*validation.Limits)
	if !ok {
		return fail(fmt.Errorf("a runtime configuration without overrides"))
	}
	var all []verdict
	for _, id := range sorted(limits) {
		l := limits[id]
		all = append(all, verdict{What: "overrides", Tenant: id, Holds: map[string]string{
			"ingestion_rate":                    fmt.Sprint(l.IngestionRate),
			"ingestion_burst_size":              fmt.Sprint(l.IngestionBurstSize),
			"max_global_series_per_user":        fmt.Sprint(l.MaxGlobalSeriesPerUser),
			"compactor_blocks_retention_period": l.CompactorBlocksRetentionPeriod.String(),
			"ruler_max_rule_groups_per_tenant":  fmt.Sprint(l.RulerMaxRuleGroupsPerTenant),
			"out_of_order_time_window":          l.OutOfOrderTimeWindow.String(),
		}})
	}
	return all
}

// judgeRules reads rules as rulers do, which take no file with an unknown field
// or an expression that does not parse.
func judgeRules(cfg *mimir.Config, root string) []verdict {
	local := cfg.RulerStorage.Local
	local.Directory = filepath.Join(root, local.Directory)
	store, err := rulestore.NewLocalRulesClient(local)
	if err != nil {
		return []verdict{{What: "rules", Error: err.Error()}}
	}
	ctx := context.Background()
	users, err := store.ListAllUsers(ctx)
	if err != nil {
		return []verdict{{What: "rules", Error: err.Error()}}
	}
	slices.Sort(users)
	var all []verdict
	for _, id := range users {
		v := verdict{What: "rules", Tenant: id}
		groups, err := store.ListRuleGroupsForUserAndNamespace(ctx, id, "")
		if err != nil {
			v.Error = err.Error()
		}
		rules := 0
		for _, g := range groups {
			rules += len(g.GetRules())
		}
		v.Holds = map[string]string{"groups": fmt.Sprint(len(groups)), "rules": fmt.Sprint(rules)}
		all = append(all, v)
	}
	return all
}

// judgeAlertmanagers reads configurations as Mimir's Alertmanager does: one that
// is wrong, and none is there.
func judgeAlertmanagers(cfg *mimir.Config, root string) []verdict {
	fail := func(err error) []verdict { return []verdict{{What: "alertmanager", Error: err.Error()}} }
	local := cfg.AlertmanagerStorage.Local
	local.Path = filepath.Join(root, local.Path)
	store, err := alertstore.NewStore(local)
	if err != nil {
		return fail(err)
	}
	ctx := context.Background()
	users, err := store.ListAllUsers(ctx)
	if err != nil {
		return fail(err)
	}
	slices.Sort(users)
	var all []verdict
	for _, id := range users {
		v := verdict{What: "alertmanager", Tenant: id}
		if desc, err := store.GetAlertConfig(ctx, id); err != nil {
			v.Error = err.Error()
		} else if c, err := amconfig.Load(desc.RawConfig); err != nil {
			v.Error = err.Error()
		} else {
			v.Holds = map[string]string{
				"receivers": fmt.Sprint(len(c.Receivers)),
				"routes":    fmt.Sprint(len(c.Route.Routes)),
				"default":   c.Route.Receiver,
			}
		}
		all = append(all, v)
	}
	return all
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func decodeStrict(text string, into any) error {
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	return d.Decode(into)
}
