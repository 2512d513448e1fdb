// Package bench measures whole commands as processes: CPU seconds (user and
// system) and peak memory of contain, and beside it of plain cue on the same
// platform in the same run. Nothing is asserted about time.
//
//	make bench
package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/e2e/judge"
)

// BenchmarkAcme is examples/acme.
func BenchmarkAcme(b *testing.B) {
	root := repository(b)
	compare(b, filepath.Join(root, "examples", "acme"))
}

// BenchmarkFleet is a generated platform: clusters that share most of their
// inputs, each with a few of its own, as real fleets do.
func BenchmarkFleet(b *testing.B) {
	for _, n := range []int{10, 100} {
		b.Run(fmt.Sprintf("clusters=%d", n), func(b *testing.B) { compare(b, fleet(b, n)) })
	}
}

// BenchmarkFleetContain is contain alone, at a size where plain cue no longer
// fits.
func BenchmarkFleetContain(b *testing.B) {
	if os.Getenv("CONTAIN_BENCH_LARGE") == "" {
		b.Skip("CONTAIN_BENCH_LARGE is not set: 1000 clusters take a while")
	}
	b.Run("clusters=1000", func(b *testing.B) {
		dir := fleet(b, 1000)
		for b.Loop() {
			report(b, "contain", measure(b, dir, contain(b), "build"))
		}
	})
}

func compare(b *testing.B, dir string) {
	bin := contain(b)
	for b.Loop() {
		c := measure(b, dir, bin, "build")
		report(b, "contain", c)
		p := measure(b, dir, judge.Path(b, "cue"), "export", "-e", "out.objects")
		report(b, "cue", p)
		b.ReportMetric(p.cpu/c.cpu, "cue/contain-cpu")
	}
	b.ReportMetric(0, "ns/op") // of the whole comparison: says nothing
}

func report(b *testing.B, who string, u usage) {
	b.ReportMetric(u.cpu, who+"-cpu-s")
	b.ReportMetric(u.wall, who+"-wall-s")
	b.ReportMetric(u.peak, who+"-peak-MB")
}

type usage struct{ cpu, wall, peak float64 }

// measure runs one process. Peak memory is its maximum resident set.
func measure(b *testing.B, dir, program string, args ...string) usage {
	b.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Stderr = new(strings.Builder)
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s %v: %v\n%s", program, args, err, cmd.Stderr)
	}
	s := cmd.ProcessState
	ru := s.SysUsage().(*syscall.Rusage)
	return usage{
		cpu:  (s.UserTime() + s.SystemTime()).Seconds(),
		wall: time.Since(start).Seconds(),
		peak: float64(ru.Maxrss) / 1024, // KiB on Linux
	}
}

func repository(b *testing.B) string {
	b.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// contain is the binary that `make build` makes.
func contain(b *testing.B) string {
	b.Helper()
	p := filepath.Join(repository(b), ".cache", "bin", "contain")
	if _, err := os.Stat(p); err != nil {
		b.Skip("make build makes the binary that is measured")
	}
	return p
}

// fleet writes a platform of n clusters.
func fleet(b *testing.B, n int) string {
	b.Helper()
	dir := b.TempDir()
	if out, err := exec.Command(contain(b), "init", dir, "--name", "fleet").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	var s strings.Builder
	s.WriteString(`package platform

platform: {
	management: {
		secrets: openbao: address: "https://bao.fleet.example"
		dns: route53: {zones: ["fleet.example"], credentials: path: "dns/route53"}
		pki: acme: {server: "https://acme.fleet.example/directory", email: "pki@fleet.example"}
		backups: s3: {bucket: "velero", endpoint: "https://s3.fleet.example", credentials: path: "velero/s3"}
	}
	environments: prod: components: contour: values: replicas: 3
	teams: {
		for t in ["alpha", "beta", "gamma"] {
			(t): {
				groups: "team-\(t)": role: "developer"
				namespaces: "\(t)-api": {quota: {cpu: "8", memory: "16Gi"}, network: ingress: true}
			}
		}
	}
}
`)
	providers := []string{
		`vsphere: {server: "vc.fleet.example", datacenter: "dc", credentials: path: "vsphere"}`,
		`aws: {region: "eu-central-1", accountId: "123456789012"}`,
		`metal: {}`,
	}
	for i := range n {
		fmt.Fprintf(&s, `
platform: clusters: "c%04d": {
	environment: %q
	region:      %q
	kubernetes: version: "1.36"
	domain: "c%04d.fleet.example"
	infrastructure: {
		%s
		network: {pods: "fd01:%d::/48", services: "fd02:%d::/108"}
		controlPlane: count: 3
		workers: count:      6
	}
	components: velero: values: schedules: daily: cron: "%d 1 * * *"
}
`, i, []string{"dev", "test", "prod"}[i%3], []string{"eu", "us"}[i%2], i, providers[i%3], i, i, i%60)
	}
	// The cluster of the start makes way for the fleet.
	if err := os.WriteFile(filepath.Join(dir, "clusters.cue"), []byte(s.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	return dir
}
