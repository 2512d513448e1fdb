package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/contain-platform/contain/internal/object"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// pollInterval is how often a wait looks. A watch would be sooner by as much
// and has to be told what to do when it ends.
const pollInterval = 100 * time.Millisecond

// Ready is the condition that every Flux object has.
const Ready = "Ready"

// A Condition is an entry of an object's status.conditions.
type Condition struct {
	Type               string
	Status             metav1.ConditionStatus
	Reason             string
	Message            string
	ObservedGeneration int64
}

// String is the form of an error message: "Ready=False (BuildFailed): …".
func (c Condition) String() string {
	return fmt.Sprintf("%s=%s (%s): %s", c.Type, c.Status, c.Reason, c.Message)
}

// ConditionOf is the condition of that type; false when u has none.
func ConditionOf(u *unstructured.Unstructured, kind string) (Condition, bool) {
	for _, c := range conditionsOf(u) {
		if c.Type == kind {
			return c, true
		}
	}
	return Condition{Type: kind, Status: metav1.ConditionUnknown}, false
}

func conditionsOf(u *unstructured.Unstructured) []Condition {
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	// What is not a condition is left out: the caller waits on.
	raw, err := json.Marshal(list)
	if err != nil {
		return nil
	}
	var out []Condition
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil
	}
	return out
}

// WaitCondition returns the object once its controller has said of its newest
// generation that the condition is True. The error at the end of ctx tells the
// object's conditions.
func (cp *ControlPlane) WaitCondition(ctx context.Context, id object.ID, kind string) (*unstructured.Unstructured, error) {
	return cp.Wait(ctx, id, kind+"=True", func(u *unstructured.Unstructured) bool {
		c, ok := ConditionOf(u, kind)
		return ok && c.Status == metav1.ConditionTrue && observed(u, c)
	})
}

// WaitRefused returns the condition once it is False for the newest generation,
// with a reason and a message that tests compare.
func (cp *ControlPlane) WaitRefused(ctx context.Context, id object.ID, kind string) (Condition, error) {
	u, err := cp.Wait(ctx, id, kind+"=False", func(u *unstructured.Unstructured) bool {
		c, ok := ConditionOf(u, kind)
		return ok && c.Status == metav1.ConditionFalse && observed(u, c)
	})
	if err != nil {
		return Condition{}, err
	}
	c, _ := ConditionOf(u, kind)
	return c, nil
}

// observed says whether c is about the newest generation of u. Conditions of
// some kinds do not say which one they are about.
func observed(u *unstructured.Unstructured, c Condition) bool {
	return c.ObservedGeneration == 0 || c.ObservedGeneration == u.GetGeneration()
}

// Wait returns the object once ok holds of it. An object that is not there yet
// is waited for. what names the condition in the error.
func (cp *ControlPlane) Wait(ctx context.Context, id object.ID, what string, ok func(*unstructured.Unstructured) bool) (*unstructured.Unstructured, error) {
	var last *unstructured.Unstructured
	for {
		u, err := cp.Get(ctx, id)
		switch {
		case err == nil && ok(u):
			return u, nil
		case err == nil:
			last = u
		case ctx.Err() == nil && !apierrors.IsNotFound(err):
			return nil, fmt.Errorf("%s: %w", id, errors.Join(err, cp.Check()))
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s is not %s: %w%s", id, what, context.Cause(ctx), describe(last)), cp.Check())
		case <-time.After(pollInterval):
		}
	}
}

// WaitGone returns once there is no such object.
func (cp *ControlPlane) WaitGone(ctx context.Context, id object.ID) error {
	var last *unstructured.Unstructured
	for {
		u, err := cp.Get(ctx, id)
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err == nil:
			last = u
		case ctx.Err() == nil:
			return fmt.Errorf("%s: %w", id, errors.Join(err, cp.Check()))
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s is still there: %w%s", id, context.Cause(ctx), describe(last)), cp.Check())
		case <-time.After(pollInterval):
		}
	}
}

// describe is the conditions of u, one a line, for an error message.
func describe(u *unstructured.Unstructured) string {
	if u == nil {
		return "\n\tthere is no such object"
	}
	var b strings.Builder
	for _, c := range conditionsOf(u) {
		b.WriteString("\n\t" + c.String())
	}
	if b.Len() == 0 {
		return "\n\tit has no conditions"
	}
	return b.String()
}

// Reconcile has Flux look at an object now, as flux reconcile does, and returns
// the object once Flux has.
func (cp *ControlPlane) Reconcile(ctx context.Context, id object.ID) (*unstructured.Unstructured, error) {
	client, err := cp.cluster.resource(id)
	if err != nil {
		return nil, err
	}
	// Any new value will do.
	token := time.Now().UTC().Format(time.RFC3339Nano)
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{"reconcile.fluxcd.io/requestedAt": token}}})
	if err != nil {
		return nil, err
	}
	if _, err := client.Patch(ctx, id.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager}); err != nil {
		return nil, err
	}
	return cp.Wait(ctx, id, "reconciled", func(u *unstructured.Unstructured) bool {
		handled, _, _ := unstructured.NestedString(u.Object, "status", "lastHandledReconcileAt")
		return handled == token
	})
}
