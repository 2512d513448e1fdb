package kubecheck

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// crdFacts is what the CRDs and charts of the catalog's components say: written
// by TestCRDs from the projects' own CRDs and charts.
//
//go:embed crds.json
var crdFacts []byte

// crd is one kind that a chart brings, or the manifests of a project.
type crd struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
	// Chart whose release makes the kind known, "" when no chart does.
	Chart string `json:"chart,omitempty"`
	// Manifests is the name of the repository whose Kustomization makes the kind
	// known, where no chart does (catalog/upstream).
	Manifests string `json:"manifests,omitempty"`
	// Served versions, the preferred first; Deprecated are those of them that
	// their CRD calls so, Unserved are named by the CRD and refused.
	Served     []string `json:"served"`
	Deprecated []string `json:"deprecated,omitempty"`
	Unserved   []string `json:"unserved,omitempty"`
}

// chartFact is what a chart says of itself.
type chartFact struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	KubeVersion string `json:"kubeVersion,omitempty"`

	supported *semver.Constraints // KubeVersion, nil for all
}

type kindKey struct{ group, kind string }

type facts struct {
	crds   map[kindKey]crd
	groups map[string]bool
	charts map[string]chartFact
}

// catalog reads the facts once.
var catalog = sync.OnceValue(func() facts {
	var in struct {
		Charts []chartFact `json:"charts"`
		CRDs   []crd       `json:"crds"`
	}
	if err := json.Unmarshal(crdFacts, &in); err != nil {
		panic(fmt.Sprintf("crds.json: %v", err)) // embedded: a test reads it too
	}
	f := facts{crds: map[kindKey]crd{}, groups: map[string]bool{}, charts: map[string]chartFact{}}
	for _, c := range in.CRDs {
		f.crds[kindKey{c.Group, c.Kind}] = c
		f.groups[c.Group] = true
	}
	for _, c := range in.Charts {
		if c.KubeVersion != "" {
			supported, err := semver.NewConstraint(c.KubeVersion)
			if err != nil {
				panic(fmt.Sprintf("crds.json: %s: %v", c.Name, err))
			}
			c.supported = supported
		}
		f.charts[c.Name] = c
	}
	return f
})

// comesWith says what makes the kind known, "" when nothing of the catalog does.
func (c crd) comesWith() string {
	switch {
	case c.Chart != "":
		return "chart " + c.Chart
	case c.Manifests != "":
		return "the manifests of " + c.Manifests
	}
	return ""
}

// crdLifecycle judges an object by the CRD that the catalog's chart brings. A
// group that the catalog does not know is not judged.
func crdLifecycle(o *object.Object) []diag.Finding {
	c, ok := catalog().crds[kindKey{o.Group, o.Kind}]
	if !ok {
		return nil
	}
	what := o.APIVersion() + " " + o.Kind
	use := ""
	if i := slices.IndexFunc(c.Served, func(v string) bool { return !slices.Contains(c.Deprecated, v) }); i >= 0 {
		use = fmt.Sprintf("write it as %s/%s", o.Group, c.Served[i])
	}
	from := "the CRD of " + c.Kind
	if what := c.comesWith(); what != "" {
		from = "the CRD of " + what
	}
	switch {
	case slices.Contains(c.Deprecated, o.Version):
		return []diag.Finding{{ID: IDAPIDeprecated, Path: "apiVersion", Hint: use,
			Message: fmt.Sprintf("%s is deprecated, says %s", what, from)}}
	case slices.Contains(c.Served, o.Version):
		return nil
	case slices.Contains(c.Unserved, o.Version):
		return []diag.Finding{{ID: IDAPIRemoved, Path: "apiVersion", Hint: use,
			Message: fmt.Sprintf("%s is no longer served, says %s", what, from)}}
	}
	return []diag.Finding{{ID: IDAPIUnknown, Path: "apiVersion", Hint: use,
		Message: fmt.Sprintf("%s does not exist, says %s, which has %s", what, from, strings.Join(c.Served, ", "))}}
}
