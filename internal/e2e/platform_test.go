//go:build e2e

package e2e

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/object"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// platformTimeout bounds TestPlatform, which is a minute on an idle machine.
const platformTimeout = 8 * time.Minute

// A platformRun is one cluster of examples/acme and the fresh API server that
// it is reconciled into.
type platformRun struct {
	*controlplane.ControlPlane
	cleanup         func(func()) // at the end of TestPlatform
	acme            string       // directory of the copy that was built
	cluster         string
	private, public string // key files
	layout          string
	report          buildReport
	want            tree
	// before are the objects of want that were there before Flux pulled
	// anything.
	before map[object.ID]bool
}

// TestPlatform takes a production cluster of examples/acme the whole way:
// contain keygen, build, push and bootstrap, then real Flux against an API
// server of its own, in which nothing is that Flux or this test did not put
// there. First come the artifacts that Flux must refuse, then the real one, then
// a second push. What no test can run is played, see player.
func TestPlatform(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), platformTimeout)
	defer cancel()
	r := startPlatform(ctx, t, "prod-eu1")
	t.Run("refusals", func(t *testing.T) { r.refusals(ctx, t) })
	if !t.Run("first push", func(t *testing.T) { r.firstPush(ctx, t) }) {
		return
	}
	t.Run("second push", func(t *testing.T) { r.secondPush(ctx, t) })
}

func startPlatform(ctx context.Context, t *testing.T, cluster string) *platformRun {
	t.Helper()
	r := &platformRun{cleanup: t.Cleanup, cluster: cluster, layout: filepath.Join(t.TempDir(), "dist")}
	r.private, r.public = keygen(t)
	r.acme = acmeCopy(t)
	t0 := time.Now()
	r.report = build(t, r.acme, r.layout, r.private)
	t.Logf("contain build: %.2f s", time.Since(t0).Seconds())
	r.want = renderTree(t, r.acme, cluster)

	bin, err := judge.Dir()
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir, because the logs are needed when the test fails.
	dir, err := os.MkdirTemp("", "contain-e2e-platform-")
	if err != nil {
		t.Fatal(err)
	}
	r.ControlPlane, err = controlplane.Start(ctx, controlplane.Options{Bin: bin, Dir: dir, Flux: true, CRDs: crdsOf(r.want.objects())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Stop()
		if t.Failed() {
			t.Logf("the logs are in %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	r.before = map[object.ID]bool{}
	for _, id := range r.stored(ctx, t, r.want.objects()) {
		r.before[id] = true
	}
	return r
}

// crdsOf are the harness's CRDs of the groups that objects use.
func crdsOf(objs []*object.Object) []controlplane.CRD {
	groups := map[string]bool{
		"source.toolkit.fluxcd.io": true, "kustomize.toolkit.fluxcd.io": true, "helm.toolkit.fluxcd.io": true,
	}
	for _, o := range objs {
		groups[o.Group] = true
	}
	var out []controlplane.CRD
	for _, c := range harness.crds {
		group, _, _ := unstructured.NestedString(c.Object.Object, "spec", "group")
		if groups[group] {
			out = append(out, c)
		}
	}
	return out
}

// A tree is what contain render -o writes for one cluster.
type tree struct {
	units map[string][]*object.Object
	// dependsOn are the edges of Flux's graph.
	dependsOn map[string][]string
}

func renderTree(t *testing.T, platform, cluster string) tree {
	t.Helper()
	dir := t.TempDir()
	contain(t, "render", platform, "--cluster", cluster, "-o", dir)
	out := tree{units: map[string][]*object.Object{}, dependsOn: map[string][]string{}}
	read := func(pattern string) []*object.Object {
		files, err := filepath.Glob(filepath.Join(dir, cluster, pattern))
		if err != nil {
			t.Fatal(err)
		}
		var objs []*object.Object
		for _, f := range files {
			if filepath.Base(f) != "kustomization.yaml" {
				objs = append(objs, objectsOf(t, string(readFile(t, f)))...)
			}
		}
		return objs
	}
	for _, k := range read("flux/*.yaml") {
		out.units[k.Name] = read("units/" + k.Name + "/*.yaml")
		out.dependsOn[k.Name] = nil
		spec, _ := k.Tree()["spec"].(map[string]any)
		edges, _ := spec["dependsOn"].([]any)
		for _, e := range edges {
			out.dependsOn[k.Name] = append(out.dependsOn[k.Name], e.(map[string]any)["name"].(string))
		}
	}
	if len(out.units) == 0 {
		t.Fatalf("contain render wrote nothing for %s", cluster)
	}
	return out
}

func (tr tree) names() []string { return slices.Sorted(maps.Keys(tr.units)) }

// objects are those of all units, or of the named ones.
func (tr tree) objects(units ...string) []*object.Object {
	if len(units) == 0 {
		units = tr.names()
	}
	var out []*object.Object
	for _, u := range units {
		out = append(out, tr.units[u]...)
	}
	return out
}

// split tells the units that get Ready from those that wait, when waits says of
// a unit by itself that it does: a unit waits with any that it depends on.
// blocked, a part of waiting, are the units of which nothing is applied, because
// one that they depend on waits.
func (tr tree) split(waits func(unit string) bool) (ready, waiting, blocked []string) {
	var isBlocked, isWaiting func(string) bool
	isBlocked = func(u string) bool { return slices.ContainsFunc(tr.dependsOn[u], isWaiting) }
	isWaiting = func(u string) bool { return waits(u) || isBlocked(u) }
	for _, u := range tr.names() {
		if isWaiting(u) {
			waiting = append(waiting, u)
		} else {
			ready = append(ready, u)
		}
		if isBlocked(u) {
			blocked = append(blocked, u)
		}
	}
	return ready, waiting, blocked
}

// stored are the ids of those objects that the API server has.
func (r *platformRun) stored(ctx context.Context, t *testing.T, objs []*object.Object) []object.ID {
	t.Helper()
	var out []object.ID
	for _, o := range objs {
		_, err := r.Get(ctx, o.ID)
		switch {
		case err == nil:
			out = append(out, o.ID)
		case !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err):
			t.Fatalf("%s: %v", o.ID, err)
		}
	}
	return out
}

// nothingOf fails the test if the API server has objects of units that it did
// not have before.
func (r *platformRun) nothingOf(ctx context.Context, t *testing.T, why string, units ...string) {
	t.Helper()
	for _, id := range r.stored(ctx, t, r.want.objects(units...)) {
		if !r.before[id] {
			t.Errorf("%s, and %s is there", why, id)
		}
	}
}

// bootstrap applies what contain bootstrap prints for a place in a registry.
func (r *platformRun) bootstrap(ctx context.Context, t *testing.T, host, path string) {
	t.Helper()
	objs := objectsOf(t, contain(t, "bootstrap", r.cluster, r.acme,
		"--url", "oci://"+host+"/"+path, "--key", r.public, "--insecure"))
	if err := r.Apply(ctx, objs); err != nil {
		t.Fatal(err)
	}
}

// waitReady waits until the Kustomizations of units are Ready.
func (r *platformRun) waitReady(ctx context.Context, t *testing.T, units ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	for _, u := range units {
		if _, err := r.WaitCondition(ctx, kustomization(u), controlplane.Ready); err != nil {
			t.Fatal(err)
		}
	}
}

// firstPush reconciles the real artifact, in three steps: without any player,
// with one that holds cert-manager back, and with all.
func (r *platformRun) firstPush(ctx context.Context, t *testing.T) {
	t0 := time.Now()
	contain(t, "push", r.layout, "oci://"+harness.registry.Host+"/acme", "--key", r.private)
	t.Logf("contain push: %.2f s", time.Since(t0).Seconds())
	t0 = time.Now()
	r.bootstrap(ctx, t, harness.registry.Host, "acme")
	if _, err := r.WaitCondition(ctx, ociRepository("platform"), "SourceVerified"); err != nil {
		t.Fatal(err)
	}
	source, err := r.WaitCondition(ctx, ociRepository("platform"), controlplane.Ready)
	if err != nil {
		t.Fatal(err)
	}
	digest := r.report.digest(t, r.cluster)
	if got, _, _ := unstructured.NestedString(source.Object, "status", "artifact", "revision"); got != "latest@"+digest {
		t.Errorf("pulled %s, built %s", got, digest)
	}
	r.waitReady(ctx, t, "platform")
	t.Logf("verified and root Kustomization Ready: %.1f s", time.Since(t0).Seconds())

	// Nobody plays: what depends on no chart gets Ready by itself.
	t0 = time.Now()
	alone, _, blocked := r.want.split(func(u string) bool {
		return slices.ContainsFunc(r.want.units[u], func(o *object.Object) bool { return isPlayed(o.ID) })
	})
	r.waitReady(ctx, t, alone...)
	r.nothingOf(ctx, t, "a unit that others wait for is not Ready", blocked...)
	t.Logf("without kubelet and helm-controller: %d of %d Kustomizations Ready (%s): %.1f s",
		len(alone), len(r.want.units), strings.Join(alone, ", "), time.Since(t0).Seconds())

	t0 = time.Now()
	const held = "cert-manager"
	player := newPlayer(r.ControlPlane, held)
	r.startPlaying(ctx, t, player)
	ready, _, blocked := r.want.split(func(u string) bool { return u == held })
	r.waitReady(ctx, t, ready...)
	r.nothingOf(ctx, t, "cert-manager is not Ready", blocked...)
	t.Logf("with %s held: %d Kustomizations Ready, nothing of %s applied: %.1f s", held, len(ready), strings.Join(blocked, ", "), time.Since(t0).Seconds())

	t0 = time.Now()
	player.release(held)
	r.waitReady(ctx, t, r.want.names()...)
	objs := r.want.objects()
	if n := len(r.stored(ctx, t, objs)); n != len(objs) {
		t.Errorf("%d of %d objects are in the API server", n, len(objs))
	}
	t.Logf("REAL FLUX: %d of %d Kustomizations Ready, %d objects in the API server: %.1f s", len(r.want.units), len(r.want.units), len(objs), time.Since(t0).Seconds())
	r.look(ctx, t)
}

// startPlaying plays until TestPlatform ends, the subtests that follow included.
func (r *platformRun) startPlaying(ctx context.Context, t *testing.T, p *player) {
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	go func() { ended <- p.play(ctx) }()
	r.cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// look reads back what people rely on.
func (r *platformRun) look(ctx context.Context, t *testing.T) {
	t.Helper()
	get := func(id object.ID) map[string]any {
		u, err := r.Get(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return u.Object
	}
	const rbac = "rbac.authorization.k8s.io"
	binding := get(object.ID{Group: rbac, Version: "v1", Kind: "RoleBinding", Namespace: "payments-api", Name: "platform-developer"})
	want := []any{map[string]any{"apiGroup": rbac, "kind": "Group", "name": "oidc:acme-payments"}}
	if diff := cmp.Diff(want, binding["subjects"]); diff != "" {
		t.Errorf("subjects of the team's RoleBinding (-want +got):\n%s", diff)
	}
	namespace := get(object.ID{Version: "v1", Kind: "Namespace", Name: "payments-api"})
	labels, _, _ := unstructured.NestedStringMap(namespace, "metadata", "labels")
	for k, v := range map[string]string{
		"contain.platform/team":                 "payments",
		"pod-security.kubernetes.io/enforce":    "restricted",
		"kustomize.toolkit.fluxcd.io/name":      "team-payments",
		"kustomize.toolkit.fluxcd.io/namespace": controlplane.FluxNamespace,
		"kubernetes.io/metadata.name":           "payments-api",
	} {
		if labels[k] != v {
			t.Errorf("Namespace payments-api has %s=%q, want %q", k, labels[k], v)
		}
	}
	// What Flux says that it applied is what the artifact holds.
	for _, u := range r.want.names() {
		k, err := r.Get(ctx, kustomization(u))
		if err != nil {
			t.Fatal(err)
		}
		entries, _, _ := unstructured.NestedSlice(k.Object, "status", "inventory", "entries")
		if len(entries) != len(r.want.units[u]) {
			t.Errorf("unit %s: Flux applied %d objects, the artifact holds %d", u, len(entries), len(r.want.units[u]))
		}
	}
	t.Logf("Namespace payments-api: %v; RoleBinding subjects: %v", labels, binding["subjects"])
}
