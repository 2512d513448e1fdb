package rule

import (
	"encoding/json"
	"strings"
)

// TemplateName is the ConstraintTemplate's name: its kind in lower case, as
// Gatekeeper demands.
func (r Rule) TemplateName() string { return strings.ToLower(r.Kind) }

// ConstraintName is the Constraint's name unless the platform has several: the
// id with "-" for "/".
func (r Rule) ConstraintName() string { return strings.ReplaceAll(r.ID, "/", "-") }

// Template is the ConstraintTemplate as plain data.
func (r Rule) Template() map[string]any {
	source := map[string]any{"version": "v1", "rego": r.Module.Rego}
	if len(r.Libs) > 0 {
		libs := make([]any, len(r.Libs))
		for i, l := range r.Libs {
			libs[i] = l.Rego
		}
		source["libs"] = libs
	}
	annotations := map[string]any{
		Annotation:                     r.ID,
		"metadata.gatekeeper.sh/title": r.Title,
		"description":                  r.Description,
	}
	if len(r.Sync) > 0 {
		annotations["metadata.gatekeeper.sh/requires-sync-data"] = requiresSync(r.Sync)
	}
	return map[string]any{
		"apiVersion": "templates.gatekeeper.sh/v1",
		"kind":       "ConstraintTemplate",
		"metadata":   map[string]any{"name": r.TemplateName(), "annotations": annotations},
		"spec": map[string]any{
			"crd": map[string]any{"spec": map[string]any{
				"names":      map[string]any{"kind": r.Kind},
				"validation": map[string]any{"openAPIV3Schema": r.Parameters},
			}},
			"targets": []any{map[string]any{
				"target": Target,
				"code":   []any{map[string]any{"engine": "Rego", "source": source}},
			}},
		},
	}
}

// requiresSync is the annotation that tells people and gator sync what a
// template reads in data.inventory: every one of a list of requirements, each a
// list of kinds of which one will do (gatekeeper pkg/cachemanager/parser).
func requiresSync(kinds []Kind) string {
	type clause struct {
		Groups   []string `json:"groups"`
		Versions []string `json:"versions"`
		Kinds    []string `json:"kinds"`
	}
	all := make([][]clause, len(kinds))
	for i, k := range kinds {
		all[i] = []clause{{[]string{k.Group}, []string{k.Version}, []string{k.Kind}}}
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err) // strings alone
	}
	return string(b)
}

// SyncSet has Gatekeeper keep a copy of what the rule reads; nil when it reads
// nothing but the object.
func (r Rule) SyncSet() map[string]any {
	if len(r.Sync) == 0 {
		return nil
	}
	kinds := make([]any, len(r.Sync))
	for i, k := range r.Sync {
		kinds[i] = map[string]any{"group": k.Group, "version": k.Version, "kind": k.Kind}
	}
	return map[string]any{
		"apiVersion": "syncset.gatekeeper.sh/v1alpha1",
		"kind":       "SyncSet",
		"metadata":   map[string]any{"name": r.ConstraintName()},
		"spec":       map[string]any{"gvks": kinds},
	}
}

// Constraint is the rule's Constraint as plain data, with the rule's own
// defaults.
func (r Rule) Constraint() map[string]any {
	return map[string]any{
		"apiVersion": "constraints.gatekeeper.sh/v1beta1",
		"kind":       r.Kind,
		"metadata": map[string]any{
			"name":        r.ConstraintName(),
			"annotations": map[string]any{Annotation: r.ID},
		},
		"spec": map[string]any{
			"enforcementAction": r.Enforcement,
			"match":             map[string]any{"kinds": r.Match},
			"parameters":        r.Defaults(),
		},
	}
}

// Defaults are the parameters that the schema's defaults make.
func (r Rule) Defaults() map[string]any {
	out := map[string]any{}
	properties, _ := r.Parameters["properties"].(map[string]any)
	for name, p := range properties {
		if schema, ok := p.(map[string]any); ok {
			if v, ok := schema["default"]; ok {
				out[name] = v
			}
		}
	}
	return out
}
