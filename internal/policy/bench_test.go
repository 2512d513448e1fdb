package policy_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
)

// cpu is the CPU time of the process so far: what counts on a machine that
// does other things too.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkCompile(b *testing.B) {
	templates, constraints := library(b)
	b.ReportAllocs()
	start, n := cpu(b), 0
	for b.Loop() {
		compile(b, templates, constraints)
		n++
	}
	b.ReportMetric(float64((cpu(b)-start).Microseconds())/1000/float64(n), "cpu-ms/op")
}

// pods makes n distinct Pods that no rule of the library has anything against.
func pods(b testing.TB, n int) []*object.Object {
	b.Helper()
	out := make([]*object.Object, n)
	for i := range out {
		out[i] = fromJSON(b, fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Pod",
			"metadata":{"name":"pod-%d","namespace":"shop","labels":{"app.kubernetes.io/name":"web","app.kubernetes.io/part-of":"shop"},"annotations":{"prometheus.io/scrape":"true"}},
			"spec":{"serviceAccountName":"web","automountServiceAccountToken":false,"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},
			"containers":[%s,%s],"volumes":[{"name":"tmp","emptyDir":{}},{"name":"config","configMap":{"name":"web"}}]}}`,
			i, container("web", i), container("proxy", i)))
	}
	return out
}

func container(name string, i int) string {
	return fmt.Sprintf(`{"name":%q,"image":"ghcr.io/acme/%s:v1.%d.0","args":["--port=8080","--log=json"],
		"env":[{"name":"POD","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},{"name":"N","value":"%d"}],
		"ports":[{"name":"http","containerPort":8080}],
		"readinessProbe":{"httpGet":{"path":"/ready","port":"http"},"periodSeconds":5},
		"resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"64Mi"}},
		"securityContext":{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"]}},
		"volumeMounts":[{"name":"tmp","mountPath":"/tmp"},{"name":"config","mountPath":"/etc/web"}]}`, name, name, i, i)
}

// BenchmarkReview judges 8,400 distinct Pods for the first time, and then again
// by a Set that knows them.
func BenchmarkReview(b *testing.B) {
	templates, constraints := library(b)
	objs := pods(b, 8400)
	for _, known := range []bool{false, true} {
		b.Run(fmt.Sprintf("known=%v", known), func(b *testing.B) {
			b.ReportAllocs()
			var set *policy.Set
			var spent time.Duration
			n := 0
			for b.Loop() {
				b.StopTimer()
				if set == nil || !known {
					set = compile(b, templates, constraints)
				}
				if known {
					review(b, set, objs)
				}
				b.StartTimer()
				start := cpu(b)
				if vs := review(b, set, objs); len(vs) > 0 {
					b.Fatal(vs[0])
				}
				spent += cpu(b) - start
				n++
			}
			b.ReportMetric(float64(spent.Microseconds())/float64(n*len(objs)), "cpu-µs/object")
		})
	}
}
