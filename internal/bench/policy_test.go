package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"

	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/policies"
)

// BenchmarkPolicyPods gives 12 rules of the library 8,400 distinct Pods, and the
// same templates, Constraints and Pods to gator test. Ours is the CPU time of
// compiling and judging; gator's is of the whole process, which reads files too.
func BenchmarkPolicyPods(b *testing.B) {
	p := podRules(b, 12)
	pods := make([]*object.Object, 8400)
	for i := range pods {
		pods[i] = pod(b, i)
	}
	gator := judge.Path(b, "gator")
	defer debug.SetGCPercent(debug.SetGCPercent(200)) // as cmd/contain
	for b.Loop() {
		ours, found := review(b, new(policy.Compiler), p, pods)
		theirs, want := gatorTest(b, gator, p.Templates, p.Constraints, pods)
		if found != want {
			b.Fatalf("%d violations, gator has %d", found, want)
		}
		b.ReportMetric(ours, "contain-cpu-s")
		b.ReportMetric(theirs, "gator-cpu-s")
		b.ReportMetric(theirs/ours, "gator/contain-cpu")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPolicyFleet is the policy stage alone over a rendered fleet: every
// object of every cluster by that cluster's own policies.
func BenchmarkPolicyFleet(b *testing.B) {
	sizes := []int{100}
	if os.Getenv("CONTAIN_BENCH_LARGE") != "" {
		sizes = append(sizes, 1000)
	}
	for _, n := range sizes {
		b.Run(fmt.Sprintf("clusters=%d", n), func(b *testing.B) {
			r, err := pipeline.Run(context.Background(), pipeline.Input{FS: os.DirFS(fleet(b, n)), Dir: "."}, pipeline.Render)
			if err != nil || r.Failed() {
				b.Fatal(err, r.Findings)
			}
			defer debug.SetGCPercent(debug.SetGCPercent(200)) // as cmd/contain
			objects, distinct := 0, map[string]bool{}
			for b.Loop() {
				compiler := new(policy.Compiler)
				objects = 0
				clear(distinct)
				var spent float64
				for _, c := range r.Clusters {
					var all []*object.Object
					for _, u := range c.Units {
						all = append(all, u.Objects...)
					}
					objects += len(all)
					for _, o := range all {
						distinct[string(o.JSON)] = true
					}
					took, _ := review(b, compiler, policy.Select(all), all)
					spent += took
				}
				b.ReportMetric(spent, "contain-cpu-s")
			}
			b.ReportMetric(float64(objects), "objects")
			b.ReportMetric(float64(len(distinct)), "distinct")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// review gives the CPU seconds of compiling and judging, and how many
// violations there are.
func review(b *testing.B, c *policy.Compiler, p policy.Policies, objs []*object.Object) (float64, int) {
	b.Helper()
	start := cpu(b)
	set, findings := c.Compile(p, policy.Options{})
	if len(findings) > 0 {
		b.Fatal(findings)
	}
	vs, err := set.Review(context.Background(), objs, objs)
	if err != nil {
		b.Fatal(err)
	}
	return cpu(b) - start, len(vs)
}

// cpu is the CPU time of this process so far.
func cpu(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// podRules are the first n rules of the library that are about Pods and look at
// nothing else.
func podRules(b *testing.B, n int) policy.Policies {
	b.Helper()
	rules, err := rule.Load(policies.FS)
	if err != nil {
		b.Fatal(err)
	}
	var p policy.Policies
	for _, r := range rule.OverObjects(rules) {
		aboutPods := slices.ContainsFunc(r.Match, func(m any) bool {
			kinds, _ := m.(map[string]any)["kinds"].([]any)
			return slices.Contains(kinds, "Pod")
		})
		if !aboutPods || len(p.Templates) == n {
			continue
		}
		p.Templates = append(p.Templates, fromTree(b, r.Template()))
		p.Constraints = append(p.Constraints, fromTree(b, r.Constraint()))
	}
	if len(p.Templates) < n {
		b.Fatalf("the library has only %d rules about Pods", len(p.Templates))
	}
	return p
}

func fromTree(b *testing.B, tree map[string]any) *object.Object {
	b.Helper()
	raw, err := json.Marshal(tree)
	if err != nil {
		b.Fatal(err)
	}
	o, err := object.New("", raw)
	if err != nil {
		b.Fatal(err)
	}
	return o
}

// pod is a Pod as a careful team writes it.
func pod(b *testing.B, i int) *object.Object {
	b.Helper()
	container := func(name string) map[string]any {
		return map[string]any{
			"name":            name,
			"image":           fmt.Sprintf("ghcr.io/acme/%s@sha256:%064d", name, i),
			"imagePullPolicy": "IfNotPresent",
			"args":            []any{"--port=8080", "--log=json"},
			"env": []any{
				map[string]any{"name": "POD", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.name"}}},
				map[string]any{"name": "N", "value": fmt.Sprint(i)},
			},
			"ports":          []any{map[string]any{"name": "http", "containerPort": 8080}},
			"readinessProbe": map[string]any{"httpGet": map[string]any{"path": "/ready", "port": "http"}, "periodSeconds": 5},
			"livenessProbe":  map[string]any{"httpGet": map[string]any{"path": "/live", "port": "http"}, "periodSeconds": 20},
			"resources":      map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "64Mi"}, "limits": map[string]any{"memory": "64Mi"}},
			"securityContext": map[string]any{
				"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true, "runAsUser": 1000,
				"capabilities": map[string]any{"drop": []any{"ALL"}},
			},
			"volumeMounts": []any{map[string]any{"name": "tmp", "mountPath": "/tmp"}, map[string]any{"name": "config", "mountPath": "/etc/web"}},
		}
	}
	return fromTree(b, map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{
			"name": fmt.Sprintf("pod-%d", i), "namespace": "default",
			"labels":      map[string]any{"app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "shop"},
			"annotations": map[string]any{"prometheus.io/scrape": "true"},
		},
		"spec": map[string]any{
			"serviceAccountName": "web", "automountServiceAccountToken": false,
			"securityContext": map[string]any{"runAsNonRoot": true, "seccompProfile": map[string]any{"type": "RuntimeDefault"}},
			"containers":      []any{container("web"), container("proxy")},
			"volumes":         []any{map[string]any{"name": "tmp", "emptyDir": map[string]any{}}, map[string]any{"name": "config", "configMap": map[string]any{"name": "web"}}},
		},
	})
}

// gatorTest runs gator test, and gives its CPU seconds and how many violations
// it has found.
func gatorTest(b *testing.B, bin string, lists ...[]*object.Object) (float64, int) {
	b.Helper()
	var text bytes.Buffer
	for _, l := range lists {
		for _, o := range l {
			fmt.Fprintf(&text, "---\n%s\n", o.JSON)
		}
	}
	file := filepath.Join(b.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(bin, "test", "--filename", file, "--output", "json")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	// gator leaves with 1 when something is denied.
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || stderr.Len() > 0) {
		b.Fatalf("gator: %v\n%s", err, &stderr)
	}
	var results []json.RawMessage
	if len(bytes.TrimSpace(out)) > 0 {
		if err := json.Unmarshal(out, &results); err != nil {
			b.Fatal(err)
		}
	}
	s := cmd.ProcessState
	return (s.UserTime() + s.SystemTime()).Seconds(), len(results)
}
