//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/object"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// secondPush changes the platform: the team data is gone, which only clusters
// in Europe had, and metrics-server is off in this cluster. Flux takes what is
// gone out of the API server, but leaves the team's namespace with what the
// team itself has put there, and a cluster elsewhere keeps its digest.
func (r *platformRun) secondPush(ctx context.Context, t *testing.T) {
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	const elsewhere = "prod-us1"
	platform := changedAcme(t)
	layout := filepath.Join(t.TempDir(), "dist")
	report := build(t, platform, layout, r.private)
	changed := renderTree(t, platform, r.cluster)
	if report.digest(t, elsewhere) != r.report.digest(t, elsewhere) {
		t.Errorf("%s has another digest", elsewhere)
	}
	if report.digest(t, r.cluster) == r.report.digest(t, r.cluster) {
		t.Fatalf("%s has the same digest", r.cluster)
	}

	var pushed struct {
		Clusters []struct {
			Name      string
			Unchanged bool
		}
	}
	out := contain(t, "push", layout, "oci://"+harness.registry.Host+"/acme", "--key", r.private, "--format", "json")
	if err := json.Unmarshal([]byte(out), &pushed); err != nil {
		t.Fatal(err)
	}
	for _, c := range pushed.Clusters {
		if c.Unchanged != (report.digest(t, c.Name) == r.report.digest(t, c.Name)) {
			t.Errorf("pushed %s: unchanged is %t", c.Name, c.Unchanged)
		}
	}

	gone, left := r.missing(changed)
	if len(gone) == 0 {
		t.Fatal("nothing is to be pruned")
	}
	namespace := object.ID{Version: "v1", Kind: "Namespace", Name: "data-lake"}
	// What a service of the team holds stays with it, and closed off.
	stay := []object.ID{
		{Version: "v1", Kind: "Namespace", Name: "services-data"},
		{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy", Namespace: "services-data", Name: "default-deny"},
		{Group: "objectbucket.io", Version: "v1alpha1", Kind: "ObjectBucketClaim", Namespace: "rook-ceph", Name: "data-raw"},
		namespace,
	}
	if !slices.Equal(left, stay) {
		t.Fatalf("to be left are %v, want %v", left, stay)
	}
	claim := r.claim(ctx, t, namespace.Name)
	t0 := time.Now()
	if _, err := r.Reconcile(ctx, ociRepository("platform")); err != nil {
		t.Fatal(err)
	}
	want := "latest@" + report.digest(t, r.cluster)
	for _, k := range append(changed.names(), "platform") {
		_, err := r.Wait(ctx, kustomization(k), "at "+want, func(u *unstructured.Unstructured) bool { return revision(u) == want })
		if err != nil {
			t.Fatal(err)
		}
	}
	r.waitReady(ctx, t, append(changed.names(), "platform")...)
	for _, id := range gone {
		if err := r.WaitGone(ctx, id); err != nil {
			t.Error(err)
		}
	}
	// Everything else of the team is gone by now, its Kustomization too, which
	// is there until Flux has pruned what it wants to.
	for _, id := range append(left, claim) {
		if u, err := r.Get(ctx, id); err != nil || u.GetDeletionTimestamp() != nil {
			t.Errorf("%s of the removed team is being deleted, or gone: %v", id, err)
		}
	}
	objs := changed.objects()
	if n := len(r.stored(ctx, t, objs)); n != len(objs) {
		t.Errorf("%d of %d objects are in the API server", n, len(objs))
	}
	t.Logf("SECOND PUSH: %d objects pruned, %d kept, %s unchanged: %.1f s", len(gone), len(objs), elsewhere, time.Since(t0).Seconds())
}

// claim puts a volume claim into a namespace, as a team would.
func (r *platformRun) claim(ctx context.Context, t *testing.T, namespace string) object.ID {
	t.Helper()
	objs := objectsOf(t, `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: own, namespace: `+namespace+`}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`)
	if err := r.Apply(ctx, objs); err != nil {
		t.Fatal(err)
	}
	return objs[0].ID
}

// missing are the objects of the first push, Flux's own among them, that tr
// lacks: gone are those that Flux is to prune, left those that it is told not
// to.
func (r *platformRun) missing(tr tree) (gone, left []object.ID) {
	kept := map[object.ID]bool{}
	for _, o := range tr.objects() {
		kept[o.Key()] = true
	}
	for _, o := range r.want.objects() {
		value, _, _ := unstructured.NestedString(o.Tree(), "metadata", "annotations", "kustomize.toolkit.fluxcd.io/prune")
		switch {
		case kept[o.Key()]:
		case value == "disabled":
			left = append(left, o.ID)
		default:
			gone = append(gone, o.ID)
		}
	}
	for _, u := range r.want.names() {
		if !slices.Contains(tr.names(), u) {
			gone = append(gone, kustomization(u))
		}
	}
	return gone, left
}

// acmeCopy is a copy of examples/acme, beside copies of what it imports, without
// its queues: their operator comes from its project's own repository, which no
// test reaches.
func acmeCopy(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"cue.mod", "schema", "catalog", "examples/acme"} {
		to := filepath.Join(root, filepath.FromSlash(dir))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(to, os.DirFS(filepath.Join("..", "..", filepath.FromSlash(dir)))); err != nil {
			t.Fatal(err)
		}
	}
	acme := filepath.Join(root, "examples", "acme")
	edit(t, filepath.Join(acme, "clusters.cue"), func(s string) string { return strings.ReplaceAll(s, ", queue: {}", "") })
	edit(t, filepath.Join(acme, "teams.cue"), func(s string) string {
		before, rest, ok := strings.Cut(s, "\t\tservices: sessions: ")
		if !ok {
			t.Fatal("teams.cue asks for no queue")
		}
		_, after, _ := strings.Cut(rest, "\n")
		return before + after
	})
	return acme
}

// changedAcme is a copy of examples/acme with the changes of the second push.
func changedAcme(t *testing.T) string {
	t.Helper()
	acme := acmeCopy(t)
	edit(t, filepath.Join(acme, "teams.cue"), func(s string) string {
		before, _, ok := strings.Cut(s, "\tdata: {\n")
		if !ok {
			t.Fatal("teams.cue has no team data")
		}
		return before + "}\n"
	})
	edit(t, filepath.Join(acme, "management.cue"), func(s string) string {
		before, rest, ok := strings.Cut(s, "\t\t\t\t\t\"acme-data\": value:")
		if !ok {
			t.Fatal("management.cue maps no group acme-data")
		}
		_, after, _ := strings.Cut(rest, "\n")
		return before + after
	})
	// What the team has stored stays, and somebody has to own it.
	edit(t, filepath.Join(acme, "observability.cue"), func(s string) string {
		const owner = "owner: \"data\"\n"
		if strings.Count(s, owner) != 1 {
			t.Fatalf("observability.cue has not one %q", owner)
		}
		return strings.Replace(s, owner, "owner: \"sre\"\n", 1)
	})
	edit(t, filepath.Join(acme, "clusters.cue"), func(s string) string {
		const anchor = "velero: values: schedules: daily: cron: \"30 */6 * * *\"\n"
		if strings.Count(s, anchor) != 1 {
			t.Fatalf("clusters.cue has not one %q", anchor)
		}
		return strings.Replace(s, anchor, anchor+"\"metrics-server\": enabled: false\n", 1)
	})
	return acme
}

func edit(t *testing.T, path string, change func(string) string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(change(string(readFile(t, path)))), 0o644); err != nil {
		t.Fatal(err)
	}
}
