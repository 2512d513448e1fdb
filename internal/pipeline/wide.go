package pipeline

import (
	"context"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/policy/platform"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/internal/render"
)

// reviewWhole judges each cluster as a whole, and the platform, by the rules
// that are asked about more than one object. parameters may be nil.
func reviewWhole(ctx context.Context, rules []rule.Rule, p *model.Platform, clusters []render.Cluster, parameters func(rule.Rule, string) (map[string]any, bool)) ([]diag.Finding, error) {
	set, found := platform.Compile(rules, platform.Options{})
	in := platform.Input{Description: p.JSON, Parameters: parameters}
	for _, c := range clusters {
		cluster := platform.Cluster{Name: c.Name}
		for _, u := range c.Units {
			cluster.Units = append(cluster.Units, platform.Unit{Name: u.Name, Objects: u.Objects})
		}
		in.Clusters = append(in.Clusters, cluster)
	}
	verdicts, err := set.Review(ctx, in)
	return append(found, verdicts...), err
}
