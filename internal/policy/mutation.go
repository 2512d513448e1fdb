package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/open-policy-agent/gatekeeper/v3/apis/mutations/unversioned"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/controller/config/process"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/mutators"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/mutators/core"
	mutationtypes "github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/types"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// mutationWebhook is Gatekeeper's mutating webhook.
type mutationWebhook struct {
	system *mutation.System
	// mutators are those of the system in its order (pkg/mutation,
	// orderedIDs), with the objects that they are made of.
	mutators []mutator
}

type mutator struct {
	mutationtypes.Mutator
	object *object.Object
}

// compileMutators makes the system of Gatekeeper's mutating webhook. What its
// validating webhook refuses is a finding, and so are mutators that disagree
// about an object's shape: Gatekeeper takes them and applies none.
func compileMutators(objs []*object.Object) (*mutationWebhook, []diag.Finding) {
	if len(objs) == 0 {
		return nil, nil
	}
	var findings []diag.Finding
	w := &mutationWebhook{system: mutation.NewSystem(mutation.SystemOpts{
		// It shows in messages alone, and messages are the same in every build.
		NewUUID: func() uuid.UUID { return uuid.Nil },
	})}
	for _, o := range objs {
		m, f := decodeMutator(o)
		if f != nil {
			findings = append(findings, *f)
			continue
		}
		if err := w.system.Upsert(m); err != nil && len(w.system.GetConflicts(m.ID())) == 0 {
			findings = append(findings, mutatorFinding(o, "", plain(err)))
			continue
		}
		w.mutators = append(w.mutators, mutator{m, o})
	}
	for _, m := range w.mutators {
		var others []string
		for id := range w.system.GetConflicts(m.ID()) {
			if id != m.ID() {
				others = append(others, id.Kind+" "+id.Name)
			}
		}
		if len(others) > 0 {
			slices.Sort(others) // for determinism
			findings = append(findings, mutatorFinding(m.object, "spec.location",
				"one path takes for a list what another takes for a map, and Gatekeeper applies neither: see "+strings.Join(others, ", ")))
		}
	}
	slices.SortFunc(w.mutators, func(a, b mutator) int {
		return strings.Compare(a.ID().Kind+"\x00"+a.ID().Name, b.ID().Kind+"\x00"+b.ID().Name)
	})
	return w, findings
}

func mutatorFinding(o *object.Object, path, msg string) diag.Finding {
	return diag.Finding{ID: FindingMutator, Message: msg, Object: o.String(), Path: path}
}

// decodeMutator validates as pkg/webhook/policy.go does (validateAssign and its
// siblings) and as the API server does by the CRDs.
func decodeMutator(o *object.Object) (m mutationtypes.Mutator, f *diag.Finding) {
	refuse := func(path, msg string) (mutationtypes.Mutator, *diag.Finding) {
		f := mutatorFinding(o, path, msg)
		return nil, &f
	}
	served := []string{"v1", "v1beta1", "v1alpha1"}
	if o.Kind == "AssignImage" {
		served = []string{"v1alpha1"}
	}
	if !slices.Contains(served, o.Version) {
		return refuse("apiVersion", fmt.Sprintf("%s is no version of %s", o.APIVersion(), o.Kind))
	}
	var err error
	var assigned *unversioned.AssignField
	switch o.Kind {
	case "Assign":
		a := &unversioned.Assign{}
		if f := decodeStrict(o, a, FindingMutator); f != nil {
			return nil, f
		}
		assigned = &a.Spec.Parameters.Assign
		m, err = orNil(mutators.MutatorForAssign(a))
	case "AssignMetadata":
		a := &unversioned.AssignMetadata{}
		if f := decodeStrict(o, a, FindingMutator); f != nil {
			return nil, f
		}
		assigned = &a.Spec.Parameters.Assign
		m, err = orNil(mutators.MutatorForAssignMetadata(a))
	case "ModifySet":
		a := &unversioned.ModifySet{}
		if f := decodeStrict(o, a, FindingMutator); f != nil {
			return nil, f
		}
		switch a.Spec.Parameters.Operation {
		case "": // the CRD's default
			a.Spec.Parameters.Operation = unversioned.MergeOp
		case unversioned.MergeOp, unversioned.PruneOp:
		default:
			return refuse("spec.parameters.operation", fmt.Sprintf("is %q, but can only be merge or prune", a.Spec.Parameters.Operation))
		}
		m, err = orNil(mutators.MutatorForModifySet(a))
	case "AssignImage":
		a := &unversioned.AssignImage{}
		if f := decodeStrict(o, a, FindingMutator); f != nil {
			return nil, f
		}
		m, err = orNil(mutators.MutatorForAssignImage(a))
	default:
		return refuse("kind", fmt.Sprintf("Gatekeeper has no mutator of kind %s, only Assign, AssignImage, AssignMetadata and ModifySet", o.Kind))
	}
	if assigned != nil && assigned.ExternalData != nil {
		return refuse("spec.parameters.assign.externalData", "it asks a provider in the cluster, which a build cannot")
	}
	if err != nil {
		return refuse(mutatorPath(err), plain(err))
	}
	return m, nil
}

// orNil keeps a typed nil out of the interface.
func orNil[M interface {
	comparable
	mutationtypes.Mutator
}](m M, err error) (mutationtypes.Mutator, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

// mutatorPath is the field that an error of Gatekeeper is about, as far as its
// words tell.
func mutatorPath(err error) string {
	msg := err.Error()
	switch {
	case errors.Is(err, core.ErrNameLength):
		return "metadata.name"
	case strings.Contains(msg, "applyTo"):
		return "spec.applyTo"
	case strings.Contains(msg, "location"), strings.Contains(msg, "path format"), strings.Contains(msg, "change metadata"):
		return "spec.location"
	case strings.Contains(msg, "assign.value"):
		return "spec.parameters.assign.value"
	case errors.Is(err, unversioned.ErrInvalidAssignField):
		return "spec.parameters.assign"
	case strings.Contains(msg, "parameters"):
		return "spec.parameters"
	case strings.Contains(msg, "sub path"), strings.Contains(msg, "subPath"):
		return "spec.parameters.pathTests"
	}
	return "spec"
}

// mutationFailure says why the mutating webhook refuses an object.
type mutationFailure struct {
	mutator *object.Object // the first that takes part
	message string
}

func (f *mutationFailure) Error() string { return f.message }

// mutate gives what the API server has of an object after the mutating webhook
// (pkg/webhook/mutation.go, mutateRequest): raw itself when nothing changes it.
func (w *mutationWebhook) mutate(s *scope, o *object.Object, raw []byte, ns *corev1.Namespace) ([]byte, error) {
	if w == nil || isGatekeepers(o) || s.excludes(process.Mutation, o) {
		return raw, nil
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	if isNamespace(o) {
		// A Namespace is in itself.
		ns = &corev1.Namespace{}
		if err := json.Unmarshal(raw, ns); err != nil {
			return nil, err
		}
	}
	mutable := &mutationtypes.Mutable{
		Object: u, Namespace: ns, Username: username,
		Source: mutationtypes.SourceTypeOriginal, Operation: admissionv1.Create,
	}
	changed, err := w.apply(mutable)
	if err != nil || !changed {
		return raw, err
	}
	return u.MarshalJSON()
}

// apply runs the system. Most objects are no mutator's business, and the system
// copies an object twice before it knows.
func (w *mutationWebhook) apply(m *mutationtypes.Mutable) (bool, error) {
	concerned := slices.ContainsFunc(w.mutators, func(each mutator) bool {
		ok, err := each.Matches(m)
		return ok || err != nil
	})
	if !concerned {
		return false, nil
	}
	changed, err := w.system.Mutate(context.Background(), m)
	if err != nil {
		return false, w.failure(m, err)
	}
	return changed, nil
}

// failure finds the mutators behind an error of the system.
func (w *mutationWebhook) failure(m *mutationtypes.Mutable, err error) error {
	var taking []string
	var first *object.Object
	for _, each := range w.mutators {
		matches, failed := each.Matches(m)
		if failed == nil && matches {
			var changed bool
			changed, failed = each.Mutate(m)
			if !changed && failed == nil {
				continue
			}
		}
		if failed == nil && !matches {
			continue
		}
		if first == nil {
			first = each.object
		}
		taking = append(taking, each.object.String())
		if !errors.Is(err, mutation.ErrNotConverging) {
			return &mutationFailure{first, "cannot change this object: " + plain(failed)}
		}
	}
	if first == nil {
		first = w.mutators[0].object
	}
	if !errors.Is(err, mutation.ErrNotConverging) {
		return &mutationFailure{first, plain(err)}
	}
	verb := "change"
	if len(taking) == 1 {
		verb = "changes"
	}
	return &mutationFailure{first, fmt.Sprintf("mutation does not settle: %s %s the object again in each pass", strings.Join(taking, " and "), verb)}
}

// isGatekeepers tells objects that Gatekeeper does not mutate (pkg/webhook,
// isGatekeeperResource).
func isGatekeepers(o *object.Object) bool {
	switch o.Group {
	case "templates.gatekeeper.sh", "constraints.gatekeeper.sh", "mutations.gatekeeper.sh", "config.gatekeeper.sh",
		"externaldata.gatekeeper.sh", "expansion.gatekeeper.sh", "status.gatekeeper.sh":
		return true
	}
	return false
}
