package rule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"sigs.k8s.io/yaml"
)

// Profiles are the selections of rules, each stricter than the one before.
func Profiles() []string { return []string{"baseline", "restricted", "regulated"} }

// Refinement is what a profile changes in a rule.
type Refinement struct {
	Enforcement string         `json:"enforcement,omitempty"` // "" keeps the rule's
	Parameters  map[string]any `json:"parameters,omitempty"`
}

// Input is what a rule is asked about.
type Input string

// Inputs. Rules over an object become ConstraintTemplates and are Gatekeeper's
// as well; the others are judged at build alone.
const (
	Object   Input = "object"   // one object, as admission sees it
	Cluster  Input = "cluster"  // the objects of one cluster, with the platform
	Platform Input = "platform" // the platform's description with all its clusters
)

// metadata is what a rule says of itself: the METADATA comment of rule.rego, in
// OPA's annotation format, or the same fields as rule.yaml.
type metadata struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	Custom      custom `json:"custom"`
}

type custom struct {
	Kind        string                `json:"kind"`
	Severity    string                `json:"severity"`
	Enforcement string                `json:"enforcement"`
	Profile     string                `json:"profile"`
	Stricter    map[string]Refinement `json:"stricter"`
	Input       Input                 `json:"input"`
	Fixed       bool                  `json:"fixed"`
	Match       []any                 `json:"match"`
	Sync        []Kind                `json:"sync"`
	Parameters  map[string]any        `json:"parameters"`
}

// annotated reads the METADATA comment of the package.
func annotated(m *ast.Module) (Rule, error) {
	for _, a := range m.Annotations {
		if a.Scope != "package" {
			continue
		}
		b, err := json.Marshal(map[string]any{"title": a.Title, "description": a.Description, "custom": a.Custom})
		if err != nil {
			return Rule{}, err
		}
		return described(b)
	}
	return Rule{}, errors.New("has no METADATA comment on its package")
}

// loadCheck reads a check that is Go: its page and what it says of itself.
func loadCheck(fsys fs.FS, file string) (Rule, error) {
	b, err := fs.ReadFile(fsys, file)
	if err != nil {
		return Rule{}, err
	}
	if b, err = yaml.YAMLToJSON(b); err != nil {
		return Rule{}, err
	}
	r, err := described(b)
	if err != nil {
		return Rule{}, err
	}
	if r.Input == Object {
		return Rule{}, errors.New("custom.input is object, and a rule over an object is Rego")
	}
	r.ID = path.Dir(file)
	doc, err := fs.ReadFile(fsys, path.Join(r.ID, "README.md"))
	r.Doc = string(doc)
	return r, err
}

func described(b []byte) (Rule, error) {
	var m metadata
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return Rule{}, fmt.Errorf("METADATA: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	c := m.Custom
	if c.Input == "" {
		c.Input = Object
	}
	if c.Parameters == nil && c.Input != Object {
		c.Parameters = map[string]any{"type": "object"}
	}
	if c.Parameters != nil {
		// Without it the defaults below would not reach a Constraint that has no
		// parameters at all.
		c.Parameters["default"] = map[string]any{}
	}
	if err := c.valid(); err != nil {
		return Rule{}, err
	}
	if m.Title == "" || strings.TrimSpace(m.Description) == "" {
		return Rule{}, errors.New("METADATA has no title or no description")
	}
	return Rule{
		Title: m.Title, Description: strings.TrimSpace(m.Description),
		Kind: c.Kind, Severity: c.Severity, Enforcement: c.Enforcement,
		Profile: c.Profile, Stricter: c.Stricter, Input: c.Input, Fixed: c.Fixed,
		Match: c.Match, Sync: c.Sync, Parameters: c.Parameters,
	}, nil
}

func (c custom) valid() error {
	actions := []string{"deny", "warn", "dryrun"}
	switch {
	case !slices.Contains([]string{"low", "medium", "high", "critical"}, c.Severity):
		return fmt.Errorf("custom.severity is %q, want low, medium, high or critical", c.Severity)
	case !slices.Contains(actions, c.Enforcement):
		return fmt.Errorf("custom.enforcement is %q, want deny, warn or dryrun", c.Enforcement)
	case !slices.Contains(Profiles(), c.Profile):
		return fmt.Errorf("custom.profile is %q, want baseline, restricted or regulated", c.Profile)
	case !slices.Contains([]Input{Object, Cluster, Platform}, c.Input):
		return fmt.Errorf("custom.input is %q, want object, cluster or platform", c.Input)
	case c.Input == Object && len(c.Match) == 0:
		return errors.New("custom.match names no kinds")
	case c.Input != Object && c.Kind != "":
		return errors.New("custom.kind is for rules over an object")
	case c.Input != Object && len(c.Sync) > 0:
		return errors.New("custom.sync is for rules over an object")
	case slices.ContainsFunc(c.Sync, func(k Kind) bool { return k.Version == "" || k.Kind == "" }):
		return errors.New("custom.sync names a kind without its version or its kind")
	case c.Parameters["type"] != "object":
		return errors.New("custom.parameters is no schema of an object")
	}
	for p, r := range c.Stricter {
		if !slices.Contains(Profiles(), p) || slices.Index(Profiles(), p) < slices.Index(Profiles(), c.Profile) {
			return fmt.Errorf("custom.stricter.%s is no profile that has the rule", p)
		}
		if r.Enforcement != "" && !slices.Contains(actions, r.Enforcement) {
			return fmt.Errorf("custom.stricter.%s.enforcement is %q, want deny, warn or dryrun", p, r.Enforcement)
		}
	}
	return nil
}
