//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/contain-platform/contain/internal/object"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A player says of objects what the controllers that no test can run would say
// when all went well. It plays:
//
//   - helm-controller: a HelmRelease is Ready at its generation. No chart is
//     pulled, and nothing that a chart would install is there.
//   - source-controller, for charts alone, which are on the internet: they are
//     suspended, so that the real one leaves them, and said to be Ready.
//   - Gatekeeper: the CRDs of Constraints, made by Gatekeeper's own code, and
//     status.created of their ConstraintTemplates.
//   - the controllers of Deployments and below: all replicas are available.
//
// It plays no other: custom resources of cert-manager, External Secrets,
// Contour and Velero get no status, and kstatus, by which Flux judges health,
// takes an object without conditions as current.
type player struct {
	cp *controlplane.ControlPlane

	mu   sync.Mutex
	held map[string]bool // names of HelmReleases that do not get Ready
	made map[string]bool // ConstraintTemplates whose CRD is there
}

func newPlayer(cp *controlplane.ControlPlane, held ...string) *player {
	p := &player{cp: cp, held: map[string]bool{}, made: map[string]bool{}}
	for _, h := range held {
		p.held[h] = true
	}
	return p
}

// release lets a HelmRelease get Ready.
func (p *player) release(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, name)
}

// play plays until ctx ends; the error says why it ended earlier.
func (p *player) play(ctx context.Context) error {
	for {
		err := errors.Join(p.charts(ctx), p.releases(ctx), p.templates(ctx), p.deployments(ctx))
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// each calls f for every object of a kind that is not on its way out. Objects
// that went away meanwhile are no error, nor is a kind that is not served.
func (p *player) each(ctx context.Context, kind object.ID, f func(object.ID, *unstructured.Unstructured) error) error {
	list, err := p.cp.List(ctx, kind, "")
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, u := range list {
		if u.GetDeletionTimestamp() != nil {
			continue
		}
		id := kind
		id.Namespace, id.Name = u.GetNamespace(), u.GetName()
		if err := f(id, &u); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("playing %s: %w", id, err)
		}
	}
	return nil
}

// ready writes the condition Ready of the object's generation, once.
func (p *player) ready(ctx context.Context, id object.ID, u *unstructured.Unstructured) error {
	if c, ok := controlplane.ConditionOf(u, controlplane.Ready); ok && c.Status == "True" && c.ObservedGeneration == u.GetGeneration() {
		return nil
	}
	return p.cp.MergePatch(ctx, id, map[string]any{"status": map[string]any{
		"observedGeneration": u.GetGeneration(),
		"conditions": []any{map[string]any{
			"type": controlplane.Ready, "status": "True", "reason": "Played", "message": "played by the test",
			"observedGeneration": u.GetGeneration(), "lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
		}},
	}}, "status")
}

// charts plays the sources of charts: every source but the platform's own.
func (p *player) charts(ctx context.Context) error {
	play := func(id object.ID, u *unstructured.Unstructured) error {
		if id == ociRepository("platform") {
			return nil
		}
		if suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend"); !suspended {
			// The new generation is played next time.
			return p.cp.MergePatch(ctx, id, map[string]any{"spec": map[string]any{"suspend": true}})
		}
		return p.ready(ctx, id, u)
	}
	const group = "source.toolkit.fluxcd.io"
	return errors.Join(
		p.each(ctx, object.ID{Group: group, Version: "v1", Kind: "OCIRepository"}, play),
		p.each(ctx, object.ID{Group: group, Version: "v1", Kind: "HelmRepository"}, play),
	)
}

func (p *player) releases(ctx context.Context) error {
	kind := object.ID{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease"}
	return p.each(ctx, kind, func(id object.ID, u *unstructured.Unstructured) error {
		p.mu.Lock()
		held := p.held[id.Name]
		p.mu.Unlock()
		if held {
			return nil
		}
		return p.ready(ctx, id, u)
	})
}

func (p *player) templates(ctx context.Context) error {
	kind := object.ID{Group: "templates.gatekeeper.sh", Version: "v1", Kind: "ConstraintTemplate"}
	return p.each(ctx, kind, func(id object.ID, u *unstructured.Unstructured) error {
		if p.made[id.Name] {
			return nil
		}
		raw, err := json.Marshal(u.Object)
		if err != nil {
			return err
		}
		o, err := object.New("", raw)
		if err != nil {
			return err
		}
		crd, err := constraintCRD(ctx, o)
		if err != nil {
			return err
		}
		if err := p.cp.ApplyCRDs(ctx, []controlplane.CRD{{File: id.String(), Object: crd}}); err != nil {
			return err
		}
		p.made[id.Name] = true
		return p.cp.MergePatch(ctx, id, map[string]any{"status": map[string]any{"created": true}}, "status")
	})
}

func (p *player) deployments(ctx context.Context) error {
	kind := object.ID{Group: "apps", Version: "v1", Kind: "Deployment"}
	return p.each(ctx, kind, func(id object.ID, u *unstructured.Unstructured) error {
		if observed, _, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration"); observed == u.GetGeneration() {
			return nil
		}
		n, _, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
		return p.cp.MergePatch(ctx, id, map[string]any{"status": map[string]any{
			"observedGeneration": u.GetGeneration(),
			"replicas":           n, "updatedReplicas": n, "readyReplicas": n, "availableReplicas": n,
			"conditions": []any{
				map[string]any{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "played by the test"},
				// kstatus looks for this reason.
				map[string]any{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "played by the test"},
			},
		}}, "status")
	})
}

// isPlayed tells whether Flux waits for the object until a player has spoken.
func isPlayed(id object.ID) bool {
	return slices.Contains([]string{"HelmRelease", "HelmRepository", "OCIRepository", "Deployment"}, id.Kind) ||
		strings.HasPrefix(id.Group, "constraints.gatekeeper.sh")
}
