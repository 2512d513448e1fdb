// Command loki has Loki's own code read what is generated for Loki: its
// configuration, and the runtime file with tenants' limits.
//
// Cases come as JSON on stdin, one after another:
//
//	{"config": "…", "runtime": "…", "tenants": […]}
//
// and answers go to stdout in their order: what Loki refuses, or else what it
// understood of each tenant, asked of the code that enforces it.
//
//	{"refused": "…"}
//	{"tenants": {"…": {"ingestionBytes": 1, "burstBytes": 1, "streams": 1, "retentionSeconds": 1}}}
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	// First, as in Loki's own main: see there.
	_ "google.golang.org/grpc/encoding/proto"

	"github.com/grafana/dskit/kv"
	"github.com/grafana/loki/v3/pkg/loki"
	"github.com/grafana/loki/v3/pkg/runtime"
	"github.com/grafana/loki/v3/pkg/util/cfg"
	"github.com/grafana/loki/v3/pkg/validation"
	"gopkg.in/yaml.v2"
)

type question struct {
	Config  string   `json:"config"`
	Runtime string   `json:"runtime"`
	Tenants []string `json:"tenants"`
}

type answer struct {
	Refused string            `json:"refused,omitempty"`
	Tenants map[string]limits `json:"tenants,omitempty"`
}

type limits struct {
	IngestionBytes   float64 `json:"ingestionBytes"`
	BurstBytes       int     `json:"burstBytes"`
	Streams          int     `json:"streams"`
	RetentionSeconds float64 `json:"retentionSeconds"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	dir, err := os.MkdirTemp("", "loki-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d, e := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q question
		if err := d.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var a answer
		if a.Tenants, err = judge(q, filepath.Join(dir, "config.yaml")); err != nil {
			a.Refused = err.Error()
		}
		if err := e.Encode(a); err != nil {
			return err
		}
	}
}

// runtimeFile has the fields of pkg/loki's runtimeConfigValues, which has no
// exported name.
type runtimeFile struct {
	Overrides map[string]*validation.Limits `yaml:"overrides"`
	Configs   map[string]*runtime.Config    `yaml:"configs"`
	Multi     kv.MultiRuntimeConfig         `yaml:"multi_kv_config"`
}

func (f runtimeFile) TenantLimits(tenant string) *validation.Limits { return f.Overrides[tenant] }

func (f runtimeFile) AllByUserID() map[string]*validation.Limits { return f.Overrides }

// judge does what Loki does when it starts (cmd/loki/main.go) and when it loads
// the runtime file (pkg/loki/runtime_config.go).
func judge(q question, file string) (map[string]limits, error) {
	if err := os.WriteFile(file, []byte(q.Config), 0o600); err != nil {
		return nil, err
	}
	var c loki.ConfigWrapper
	args := []string{"-config.file=" + file, "-config.expand-env=true"}
	if err := cfg.DynamicUnmarshal(&c, args, flag.NewFlagSet("loki", flag.ContinueOnError)); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	c.LimitsConfig.SetGlobalOTLPConfig(c.Distributor.OTLPConfig)
	if err := c.LimitsConfig.SetDefaultPolicyStreamMapping(c.Distributor.DefaultPolicyStreamMappings); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	validation.SetDefaultLimitsForYAMLUnmarshalling(c.LimitsConfig)
	runtime.SetDefaultLimitsForYAMLUnmarshalling(c.OperationalConfig)
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}

	var f runtimeFile
	if q.Runtime != "" {
		d := yaml.NewDecoder(strings.NewReader(q.Runtime))
		d.SetStrict(true)
		if err := d.Decode(&f); err != nil {
			return nil, fmt.Errorf("runtime: %w", err)
		}
	}
	for tenant, l := range f.Overrides {
		if l == nil {
			continue
		}
		if err := l.Validate(); err != nil {
			return nil, fmt.Errorf("runtime: tenant %s: %w", tenant, err)
		}
	}
	o, err := validation.NewOverrides(c.LimitsConfig, f)
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	out := map[string]limits{}
	for _, t := range q.Tenants {
		out[t] = limits{
			IngestionBytes:   o.IngestionRateBytes(t),
			BurstBytes:       o.IngestionBurstSizeBytes(t),
			Streams:          o.MaxGlobalStreamsPerUser(t),
			RetentionSeconds: o.RetentionPeriod(t).Seconds(),
		}
	}
	return out, nil
}
