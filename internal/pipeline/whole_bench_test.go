package pipeline_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/policy/platform"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/policies"
)

// BenchmarkWhole asks the library's rules over the model about examples/acme
// with many more production clusters, each with its own name, domain and
// networks. What is measured is all of it: reading and compiling the rules,
// taking the description apart, and the evaluations.
func BenchmarkWhole(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprintf("clusters=%d", n), func(b *testing.B) {
			if n > 100 && os.Getenv("CONTAIN_BENCH_LARGE") == "" {
				b.Skip("CONTAIN_BENCH_LARGE is not set: 1000 clusters take a while")
			}
			in := acmeFleet(b, n)
			start, runs := cpu(b), 0
			for b.Loop() {
				rules, err := rule.Load(policies.FS)
				if err != nil {
					b.Fatal(err)
				}
				set, found := platform.Compile(rules, platform.Options{})
				if len(found) > 0 {
					b.Fatal(found)
				}
				if _, err := set.Review(context.Background(), in); err != nil {
					b.Fatal(err)
				}
				runs++
			}
			b.ReportMetric((cpu(b)-start).Seconds()/float64(runs), "cpu-s")
		})
	}
}

// cpu is the CPU time of the process so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func acmeFleet(b *testing.B, n int) platform.Input {
	b.Helper()
	dir := b.TempDir()
	for _, d := range []string{"cue.mod", "schema", "catalog", "examples/acme"} {
		if err := os.CopyFS(filepath.Join(dir, d), os.DirFS(filepath.Join(root, d))); err != nil {
			b.Fatal(err)
		}
	}
	more := fmt.Sprintf(`package acme

import "list"

platform: clusters: {
	for i in list.Range(0, %d, 1) {
		"fleet-\(i)": {
			environment: "prod"
			region:      ["eu", "us"][mod(i, 2)]
			kubernetes: version: "1.36"
			domain: "fleet-\(i).acme.example"
			infrastructure: {
				aws: {region: "us-east-1", accountId: "123456789012"}
				network: {pods: "fd01:\(i)::/48", services: "fd02:\(i)::/108"}
				controlPlane: count: 3
				workers: count:      6
			}
		}
	}
}
`, n)
	if err := os.WriteFile(filepath.Join(dir, "examples/acme/fleet.cue"), []byte(more), 0o600); err != nil {
		b.Fatal(err)
	}
	r, err := pipeline.Run(context.Background(), pipeline.Input{FS: os.DirFS(dir), Dir: "examples/acme"}, pipeline.Render)
	if err != nil || r.Failed() {
		b.Fatal(err, r.Findings)
	}
	in := platform.Input{Description: r.Platform.JSON}
	for _, c := range r.Clusters {
		cluster := platform.Cluster{Name: c.Name}
		for _, u := range c.Units {
			cluster.Units = append(cluster.Units, platform.Unit{Name: u.Name, Objects: u.Objects})
		}
		in.Clusters = append(in.Clusters, cluster)
	}
	return in
}
