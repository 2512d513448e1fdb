package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	configv1alpha1 "github.com/open-policy-agent/gatekeeper/v3/apis/config/v1alpha1"
	syncsetv1alpha1 "github.com/open-policy-agent/gatekeeper/v3/apis/syncset/v1alpha1"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/cachemanager/parser"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/controller/config/process"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// The one Config that Gatekeeper reads (gatekeeper pkg/keys); the namespace is
// that of its own pods.
const (
	configName      = "config"
	configNamespace = "gatekeeper-system"
)

// scope is which objects reach which part of Gatekeeper.
type scope struct {
	excluded *process.Excluder
	// synced are the kinds that data.inventory holds.
	synced map[schema.GroupVersionKind]bool
}

// excludes tells whether a process of Gatekeeper leaves the object alone. The
// excluder's error is always nil.
func (s *scope) excludes(p process.Process, o *object.Object) bool {
	meta := &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: o.APIVersion(), Kind: o.Kind},
		ObjectMeta: metav1.ObjectMeta{Name: o.Name, Namespace: o.Namespace},
	}
	out, err := s.excluded.IsNamespaceExcluded(p, meta)
	return out && err == nil
}

// compileScope reads Config and SyncSets as their controllers do.
func compileScope(configs, syncSets []*object.Object) (*scope, []diag.Finding) {
	s := &scope{excluded: process.New(), synced: map[schema.GroupVersionKind]bool{}}
	var findings []diag.Finding
	for _, o := range configs {
		c := &configv1alpha1.Config{}
		if f := decodeStrict(o, c, FindingConfig); f != nil {
			findings = append(findings, *f)
			continue
		}
		switch {
		case o.Name != configName:
			findings = append(findings, diag.Finding{
				ID: FindingConfig, Object: o.String(), Path: "metadata.name",
				Message: fmt.Sprintf("Gatekeeper refuses a Config whose name is not %q", configName),
			})
			continue
		case o.Namespace != configNamespace:
			findings = append(findings, diag.Finding{
				ID: FindingConfig, Severity: diag.Warning, Object: o.String(), Path: "metadata.namespace",
				Message: fmt.Sprintf("Gatekeeper reads the Config in its own namespace, %s, and does not see this one", configNamespace),
			})
			continue
		}
		findings = append(findings, s.config(o, c)...)
	}
	for _, o := range syncSets {
		c := &syncsetv1alpha1.SyncSet{}
		if f := decodeStrict(o, c, FindingConfig); f != nil {
			findings = append(findings, *f)
			continue
		}
		for i, e := range c.Spec.GVKs {
			findings = append(findings, s.sync(o, fmt.Sprintf("spec.gvks[%d]", i), e.ToGroupVersionKind())...)
		}
	}
	return s, findings
}

// wildcards are those that the CRD of Config lets in (config/crd/bases of
// gatekeeper, config.gatekeeper.sh_configs.yaml).
var wildcards = regexp.MustCompile(`^\*?[-:a-z0-9]*\*?$`)

func (s *scope) config(o *object.Object, c *configv1alpha1.Config) []diag.Finding {
	var findings []diag.Finding
	known := []string{string(process.Star), string(process.Audit), string(process.Mutation), string(process.Sync), string(process.Webhook)}
	for i, m := range c.Spec.Match {
		for k, ns := range m.ExcludedNamespaces {
			if !wildcards.MatchString(string(ns)) {
				findings = append(findings, diag.Finding{
					ID: FindingConfig, Object: o.String(), Path: fmt.Sprintf("spec.match[%d].excludedNamespaces[%d]", i, k),
					Message: fmt.Sprintf("%q is no namespace with * at its front or end", ns),
				})
			}
		}
		for k, p := range m.Processes {
			// Gatekeeper takes any text and does nothing about it.
			if !slices.Contains(known, p) {
				findings = append(findings, diag.Finding{
					ID: FindingConfig, Object: o.String(), Path: fmt.Sprintf("spec.match[%d].processes[%d]", i, k),
					Message: fmt.Sprintf("Gatekeeper has no process %q, only %s", p, strings.Join(known, ", ")),
				})
			}
		}
	}
	s.excluded.Add(c.Spec.Match)
	for i, e := range c.Spec.Sync.SyncOnly {
		findings = append(findings, s.sync(o, fmt.Sprintf("spec.sync.syncOnly[%d]", i), e.ToGroupVersionKind())...)
	}
	return findings
}

// sync takes a kind into the inventory. Gatekeeper cannot watch what has no
// kind or no version, and then fills in nothing of the same list.
func (s *scope) sync(o *object.Object, path string, gvk schema.GroupVersionKind) []diag.Finding {
	if gvk.Version == "" || gvk.Kind == "" || slices.Contains([]string{gvk.Group, gvk.Version, gvk.Kind}, "*") {
		return []diag.Finding{{
			ID: FindingConfig, Object: o.String(), Path: path,
			Message: "what is synced is named by group, version and kind, each exactly one",
		}}
	}
	s.synced[gvk] = true
	return nil
}

// unsynced says which kinds a template wants in the inventory that nothing
// syncs (metadata.gatekeeper.sh/requires-sync-data), as gator sync test does.
func (s *scope) unsynced(t *template) []diag.Finding {
	finding := func(severity diag.Severity, msg string) diag.Finding {
		return diag.Finding{
			ID: FindingSync, Severity: severity, Message: msg, Object: t.object.String(),
			Path: fmt.Sprintf("metadata.annotations[%q]", parser.SyncAnnotationName),
		}
	}
	requirements, err := parser.ReadSyncRequirements(t.decoded)
	if err != nil {
		return []diag.Finding{finding(diag.Error, "the annotation is not a list of lists of groups, versions and kinds: "+plain(err))}
	}
	var out []diag.Finding
	for _, r := range requirements {
		var names []string
		met := false
		for gvk := range r {
			met = met || s.synced[gvk]
			names = append(names, gvk.GroupVersion().String()+" "+gvk.Kind)
		}
		if met {
			continue
		}
		slices.Sort(names) // for determinism
		f := finding(diag.Warning, "the policy looks into the inventory for "+strings.Join(names, " or ")+", which neither Config nor a SyncSet fills in")
		f.Hint = "name the kind in a SyncSet or in spec.sync.syncOnly of the Config"
		out = append(out, f)
	}
	return out
}

// decodeStrict reads an object into its type; a field that the type does not
// have is refused as by Flux's server-side apply.
func decodeStrict(o *object.Object, into any, id string) *diag.Finding {
	d := json.NewDecoder(bytes.NewReader(o.JSON))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		return nil
	}
	f := diag.Finding{ID: id, Object: o.String()}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		f.Path = wrong.Field
	}
	f.Message = plain(err)
	return &f
}
