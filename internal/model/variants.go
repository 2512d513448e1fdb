package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// drivers of storage (schema/csi.cue), of which a cluster has one. The
// variants of cni and cpi need no check: provided and none are there to win.
var drivers = []string{"nfs", "cinder", "ebs", "azureDisk", "rookCeph", "cephRBD"}

// variantMaps are fields of component values that hold variants by name, with
// fields beside them.
var variantMaps = []struct {
	component, field string
	variants         []string
}{
	{"cert-manager", "issuers", []string{"acme", "openbao", "vault", "ca"}},
	{"external-secrets", "stores", []string{"openbao", "vault", "azureKeyVault", "aws"}},
}

// said is what one layer says about components.
type said struct {
	path       []string
	components map[string]Override
}

// components checks the variants in the values of components.
func (c *checker) components() {
	platform := said{[]string{"platform"}, c.p.Components}
	c.variantMaps(platform)
	environments := map[string]said{}
	for _, e := range slices.Sorted(maps.Keys(c.p.Environments)) {
		environments[e] = said{[]string{"platform", "environments", e}, c.p.Environments[e].Components}
		c.variantMaps(environments[e])
	}
	for _, name := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		cluster := said{[]string{"platform", "clusters", name}, c.p.Clusters[name].Components}
		c.variantMaps(cluster)
		c.storage(name, cluster, environments[c.p.Clusters[name].Environment], platform)
	}
}

func (c *checker) variantMaps(l said) {
	for _, m := range variantMaps {
		var entries map[string]Variants
		if json.Unmarshal(l.components[m.component].Values[m.field], &entries) != nil {
			continue // nothing is said
		}
		for _, e := range slices.Sorted(maps.Keys(entries)) {
			maps.DeleteFunc(entries[e], func(k string, _ json.RawMessage) bool { return !slices.Contains(m.variants, k) })
			c.one(entries[e], append(slices.Clone(l.path), "components", m.component, "values", m.field, e)...)
		}
	}
}

// storage checks that a cluster's layers together choose one driver: merging
// adds them up, and none can be taken back.
func (c *checker) storage(cluster string, layers ...said) {
	chosen, paths := map[string]bool{}, []string{}
	for _, l := range layers {
		for _, d := range drivers {
			if _, ok := l.components["csi"].Values[d]; ok {
				chosen[d] = true
				paths = append(paths, Path(append(slices.Clone(l.path), "components", "csi", "values", d)...))
			}
		}
	}
	if len(chosen) > 1 {
		f := c.add("model/variant", fmt.Sprintf("csi has %s set; only one is allowed", and(slices.Sorted(maps.Keys(chosen)))),
			"layers add up: choose it where no narrower layer chooses another", "platform", "clusters", cluster, "components", "csi", "values")
		f.Also = paths
	}
}
