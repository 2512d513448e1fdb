package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	expansionapi "github.com/open-policy-agent/gatekeeper/v3/apis/expansion/unversioned"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/expansion"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/match"
	mutationtypes "github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/types"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// expander is Gatekeeper's expansion of generators: what a Deployment will make
// is judged with it.
type expander struct {
	system *expansion.System
	// sources are the templates' paths of what is generated, by template.
	sources map[string]string
	// generators are the kinds that some template applies to.
	generators map[schema.GroupVersionKind]bool
}

func compileExpansions(objs []*object.Object, w *mutationWebhook) (*expander, []diag.Finding) {
	if len(objs) == 0 {
		return nil, nil
	}
	var mutators *mutation.System
	if w != nil {
		mutators = w.system
	}
	x := &expander{
		system:     expansion.NewSystem(mutators),
		sources:    map[string]string{},
		generators: map[schema.GroupVersionKind]bool{},
	}
	var findings []diag.Finding
	byName := map[string]*object.Object{}
	for _, o := range objs {
		t, f := decodeExpansion(o)
		if f != nil {
			findings = append(findings, *f)
			continue
		}
		byName[o.Name] = o
		if err := x.system.UpsertTemplate(t); err != nil && len(x.system.GetConflicts()) == 0 {
			findings = append(findings, expansionFinding(o, "spec", plain(err)))
			continue
		}
		x.sources[o.Name] = t.Spec.TemplateSource
		for _, a := range t.Spec.ApplyTo {
			for _, gvk := range a.Flatten() {
				x.generators[gvk] = true
			}
		}
	}
	var ring []string
	for id := range x.system.GetConflicts() {
		ring = append(ring, string(id))
	}
	slices.Sort(ring) // for determinism
	for _, name := range ring {
		findings = append(findings, expansionFinding(byName[name], "spec.generatedGVK",
			"expansion goes in a circle, and Gatekeeper applies none of it: "+strings.Join(ring, ", ")))
	}
	return x, findings
}

func expansionFinding(o *object.Object, path, msg string) diag.Finding {
	return diag.Finding{ID: FindingExpansion, Message: msg, Object: o.String(), Path: path}
}

// decodeExpansion validates as pkg/webhook/policy.go does
// (validateExpansionTemplate).
func decodeExpansion(o *object.Object) (*expansionapi.ExpansionTemplate, *diag.Finding) {
	refuse := func(path, msg string) (*expansionapi.ExpansionTemplate, *diag.Finding) {
		f := expansionFinding(o, path, msg)
		return nil, &f
	}
	if o.Version != "v1beta1" && o.Version != "v1alpha1" {
		return refuse("apiVersion", fmt.Sprintf("%s is no version of %s", o.APIVersion(), o.Kind))
	}
	t := &expansionapi.ExpansionTemplate{}
	if f := decodeStrict(o, t, FindingExpansion); f != nil {
		return nil, f
	}
	switch a := t.Spec.EnforcementAction; util.EnforcementAction(a) {
	case "", util.Deny, util.Warn, util.Dryrun:
	default:
		// Gatekeeper takes any text, and then does nothing about a violation.
		return refuse("spec.enforcementAction", fmt.Sprintf("is %q, but can only be deny, warn or dryrun", a))
	}
	if err := expansion.ValidateTemplate(t); err != nil {
		return refuse(expansionProblem(t, err))
	}
	return t, nil
}

// expansionProblem is the field that ValidateTemplate refuses and why.
func expansionProblem(t *expansionapi.ExpansionTemplate, err error) (path, msg string) {
	switch {
	case len(t.Name) >= 64:
		return "metadata.name", "the name is longer than 63 characters"
	case t.Spec.TemplateSource == "":
		return "spec.templateSource", "the field is missing"
	case t.Spec.GeneratedGVK == (expansionapi.GeneratedGVK{}):
		return "spec.generatedGVK", "the field is missing"
	case len(t.Spec.ApplyTo) == 0:
		return "spec.applyTo", "the field is missing"
	}
	made := schema.GroupVersionKind(t.Spec.GeneratedGVK)
	if slices.ContainsFunc(t.Spec.ApplyTo, func(a match.ApplyTo) bool { return a.Matches(made) }) {
		return "spec.applyTo", fmt.Sprintf("it applies to the %s that it makes", made.Kind)
	}
	return "spec", plain(err)
}

// expansionFailure says why expansion cannot take an object apart. The webhook
// then refuses the object.
type expansionFailure struct{ message string }

func (f *expansionFailure) Error() string { return "unable to expand object: " + f.message }

// resultant is an object that a generator will make.
type resultant struct {
	*expansion.Resultant
	// source is the path in the generator of what becomes the resultant; nil
	// when that cannot be told.
	source []string
}

// expand gives what the API server's object will make, mutated (pkg/webhook,
// reviewRequest), in an order that depends on nothing but the content.
func (x *expander) expand(o *object.Object, raw []byte, ns *corev1.Namespace) ([]resultant, error) {
	gvk := schema.GroupVersionKind{Group: o.Group, Version: o.Version, Kind: o.Kind}
	if x == nil || !x.generators[gvk] {
		return nil, nil
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	found, err := x.system.Expand(&mutationtypes.Mutable{Object: u, Namespace: ns, Username: username})
	if err != nil {
		return nil, &expansionFailure{strings.ReplaceAll(plain(err), "mutation "+uuid.Nil.String()+" for ", "")}
	}
	out := make([]resultant, len(found))
	for i, r := range found {
		out[i] = resultant{r, x.source(u, r, found)}
	}
	slices.SortStableFunc(out, func(a, b resultant) int { return strings.Compare(a.TemplateName, b.TemplateName) })
	return out, nil
}

// source follows a resultant to the generator by the owner that expansion has
// written into it: a CronJob makes a Job, which makes a Pod.
func (x *expander) source(generator *unstructured.Unstructured, r *expansion.Resultant, all []*expansion.Resultant) []string {
	var path []string
	for range len(all) {
		path = append(strings.Split(x.sources[r.TemplateName], "."), path...)
		owners := r.Obj.GetOwnerReferences()
		if len(owners) == 0 {
			return nil
		}
		owner := owners[len(owners)-1]
		if owner.APIVersion == generator.GetAPIVersion() && owner.Kind == generator.GetKind() && owner.Name == generator.GetName() {
			return path
		}
		i := slices.IndexFunc(all, func(p *expansion.Resultant) bool {
			return p.Obj.GetAPIVersion() == owner.APIVersion && p.Obj.GetKind() == owner.Kind && p.Obj.GetName() == owner.Name
		})
		if i < 0 {
			return nil
		}
		r = all[i]
	}
	return nil
}
