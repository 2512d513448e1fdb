// Package model holds one platform as plain data: what the user said, merged
// and complete, and the units that follow for every cluster. It does no I/O
// and knows neither CUE nor Kubernetes machinery.
//
// Invariants: slices that stand for CUE maps are sorted by name, and In is the
// JSON that a unit's template is rendered from, with nothing left out that the
// template could read.
package model

import (
	"encoding/json"
	"slices"
	"strings"
)

// Platform is the decoded value "platform", as far as Go looks at it, and the
// units that follow from it.
type Platform struct {
	Name         string                 `json:"name"`
	Domains      []string               `json:"domains"`
	Management   Management             `json:"management"`
	Access       Access                 `json:"access"`
	BreakGlass   map[string]BreakGlass  `json:"breakGlass"`
	Policies     Policies               `json:"policies"`
	Teams        map[string]Team        `json:"teams"`
	Environments map[string]Environment `json:"environments"`
	Extensions   map[string]Extension   `json:"extensions"`
	Components   map[string]Override    `json:"components"`
	Clusters     map[string]Cluster     `json:"clusters"`

	Tenants       map[string]Tenant   `json:"tenants"`
	Channels      map[string]Variants `json:"channels"`
	Observability Plane               `json:"observability"`
	Services      Services            `json:"services"`

	// JSON is all of it, what Go does not look at too.
	JSON json.RawMessage `json:"-"`

	// Roles and rules that the catalog has.
	Roles []string `json:"-"`
	Rules []string `json:"-"`
	// Units and namespaces of the catalog's, whose names are taken.
	ReservedUnits      []string `json:"-"`
	ReservedNamespaces []string `json:"-"`
	// Units by cluster, each list sorted by name.
	Units map[string][]Unit `json:"-"`
}

// UnmarshalJSON keeps what it reads.
func (p *Platform) UnmarshalJSON(b []byte) error {
	type plain Platform
	if err := json.Unmarshal(b, (*plain)(p)); err != nil {
		return err
	}
	p.JSON = slices.Clone(b)
	return nil
}

// Management is the management plane. Variants are kept raw: only their names
// and what others refer to matter here.
type Management struct {
	Identity Variants  `json:"identity"`
	Secrets  Variants  `json:"secrets"`
	DNS      Variants  `json:"dns"`
	PKI      Variants  `json:"pki"`
	Backups  Variants  `json:"backups"`
	Registry *Registry `json:"registry"`
	Git      Variants  `json:"git"`
	Scanner  Variants  `json:"scanner"`
}

// HasIssuer tells whether there is an identity provider.
func (m Management) HasIssuer() bool {
	_, keycloak := m.Identity["keycloak"]
	_, external := m.Identity["external"]
	return keycloak || external
}

// Variants holds one raw field per kind that is set.
type Variants map[string]json.RawMessage

// Access maps groups to roles.
type Access struct {
	Groups map[string]struct {
		Roles map[string]struct {
			Clusters   ClusterSet `json:"clusters"`
			Namespaces []string   `json:"namespaces"`
		} `json:"roles"`
	} `json:"groups"`
	Roles map[string]json.RawMessage `json:"roles"`
}

// Policies is what one layer, platform, environment or cluster, says about
// rules. Date, Waivers and Sources are the platform's alone.
type Policies struct {
	Profile string                `json:"profile"` // "" when the layer does not say
	Rules   map[string]PolicyRule `json:"rules"`
	// Date is what waivers and denyFrom are compared with, YYYY-MM-DD.
	Date    string                  `json:"date"`
	Waivers map[string]PolicyWaiver `json:"waivers"`
	Sources map[string]PolicySource `json:"sources"`
}

// PolicyRule refines a rule, or brings one of the platform's own.
type PolicyRule struct {
	Enforcement string         `json:"enforcement"` // "" when the layer does not say
	Parameters  map[string]any `json:"parameters"`
	Except      struct {
		Namespaces []string `json:"namespaces"`
		Teams      []string `json:"teams"`
	} `json:"except"`
	// DenyFrom is the day from which the rule denies, YYYY-MM-DD, or "".
	DenyFrom string `json:"denyFrom"`
	Template *struct {
		Kind string `json:"kind"`
	} `json:"template"`
}

// PolicyWaiver is an exception from rules. All of the patterns that are given
// must match; "*" stands for any text in them.
type PolicyWaiver struct {
	Waiver
	Rule       string            `json:"rule"`     // id or pattern
	Clusters   []string          `json:"clusters"` // patterns
	Namespaces []string          `json:"namespaces"`
	Kinds      []string          `json:"kinds"`
	Labels     map[string]string `json:"labels"`
	Names      []string          `json:"names"`
}

// PolicySource is where policies of the platform's own come from: one of Dir,
// OCI and Objects is set.
type PolicySource struct {
	Dir      string                     `json:"dir"`
	OCI      string                     `json:"oci"`
	Objects  map[string]json.RawMessage `json:"objects"`
	Clusters ClusterSet                 `json:"clusters"`
}

// Team owns namespaces.
type Team struct {
	Groups map[string]struct {
		Role string `json:"role"`
	} `json:"groups"`
	Clusters   ClusterSet `json:"clusters"`
	Namespaces map[string]struct {
		Access map[string]struct {
			Role string `json:"role"`
		} `json:"access"`
		Network struct {
			From []string `json:"from"`
		} `json:"network"`
		Backup struct {
			Volumes bool `json:"volumes"`
		} `json:"backup"`
	} `json:"namespaces"`

	Tenant    string `json:"tenant"` // "" for none
	Telemetry struct {
		Clusters ClusterSet `json:"clusters"`
	} `json:"telemetry"`
	Source   *TeamSource               `json:"source"`
	Images   *ImageAutomation          `json:"images"`
	Notify   []string                  `json:"notify"`
	Services map[string]ServiceRequest `json:"services"`
}

// Environment is a stage of delivery.
type Environment struct {
	Production bool                `json:"production"`
	Telemetry  Collection          `json:"telemetry"`
	Components map[string]Override `json:"components"`
	Extensions map[string]Override `json:"extensions"`
	Policies   Policies            `json:"policies"`
}

// Override is what a layer says about a component, as far as Go looks at it.
type Override struct {
	Enabled *bool                      `json:"enabled"`
	Values  map[string]json.RawMessage `json:"values"`
}

// Extension is a component of the platform's own.
type Extension struct {
	Clusters  ClusterSet `json:"clusters"`
	DependsOn []string   `json:"dependsOn"`
}

// Roles of clusters: Observability runs a stack, Workload what teams bring. The
// third, "management", runs the management plane.
const (
	Observability = "observability"
	Workload      = "workload"
)

// Cluster is one Kubernetes cluster.
type Cluster struct {
	Role           string              `json:"role"`
	Environment    string              `json:"environment"`
	Region         string              `json:"region"`
	Domain         string              `json:"domain"`
	Kubernetes     Kubernetes          `json:"kubernetes"`
	Lifecycle      string              `json:"lifecycle"`
	Systems        Systems             `json:"management"`
	Infrastructure Infrastructure      `json:"infrastructure"`
	Authentication Authentication      `json:"authentication"`
	Stack          map[string]Stack    `json:"stack"` // by kind
	Telemetry      Collection          `json:"telemetry"`
	Backup         Backup              `json:"backup"`
	Services       Offers              `json:"services"`
	Components     map[string]Override `json:"components"`
	Extensions     map[string]Override `json:"extensions"`
	Policies       Policies            `json:"policies"`
}

// Waiver is an exception with an owner, a reason and an end.
type Waiver struct {
	Owner   string `json:"owner"`
	Reason  string `json:"reason"`
	Expires string `json:"expires"` // YYYY-MM-DD
}

// ClusterSet selects clusters; see schema.#ClusterSet.
type ClusterSet struct {
	All          bool
	Names        []string
	Environments []string
	Regions      []string
	Roles        []string
}

// Has tells whether a cluster is in the set; schema.#ClusterSet says when.
func (s ClusterSet) Has(name string, c Cluster) bool {
	for _, f := range []struct {
		values []string
		have   string
	}{{s.Names, name}, {s.Environments, c.Environment}, {s.Regions, c.Region}, {s.Roles, c.Role}} {
		if len(f.values) > 0 && !slices.Contains(f.values, f.have) {
			return false
		}
	}
	return true
}

// UnmarshalJSON reads "*" or a struct.
func (s *ClusterSet) UnmarshalJSON(b []byte) error {
	if strings.TrimSpace(string(b)) == `"*"` {
		s.All = true
		return nil
	}
	type plain ClusterSet
	return json.Unmarshal(b, (*plain)(s))
}

// Unit is what one Flux Kustomization of one cluster applies.
type Unit struct {
	Name      string           `json:"-"`
	Component string           `json:"component"`
	Template  string           `json:"template"`
	In        json.RawMessage  `json:"in"`
	DependsOn []string         `json:"dependsOn"`
	Patches   map[string]Patch `json:"patches"`
}

// Patch is one kustomize patch.
type Patch struct {
	Target *Target `json:"target"`
	Patch  string  `json:"patch"`
}

// Target selects objects as kustomize's target does: group, version, kind,
// namespace and name are anchored regular expressions, selectors are labels.
type Target struct {
	Group              string `json:"group"`
	Version            string `json:"version"`
	Kind               string `json:"kind"`
	Namespace          string `json:"namespace"`
	Name               string `json:"name"`
	LabelSelector      string `json:"labelSelector"`
	AnnotationSelector string `json:"annotationSelector"`
}
