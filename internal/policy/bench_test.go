package policy_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
)

func BenchmarkCompile(b *testing.B) {
	templates, constraints := library(b)
	b.ReportAllocs()
	for b.Loop() {
		compile(b, templates, constraints)
	}
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

// BenchmarkReview judges distinct Pods for the first time.
func BenchmarkReview(b *testing.B) {
	templates, constraints := library(b)
	objs := pods(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		set := compile(b, templates, constraints)
		b.StartTimer()
		if vs, err := set.Review(context.Background(), objs, policy.NamespacesIn(objs)); err != nil || len(vs) > 0 {
			b.Fatal(vs, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(objs)), "µs/object")
}

// BenchmarkReviewAgain judges objects that the Set knows.
func BenchmarkReviewAgain(b *testing.B) {
	templates, constraints := library(b)
	objs := pods(b, 1000)
	set := compile(b, templates, constraints)
	for b.Loop() {
		if _, err := set.Review(context.Background(), objs, policy.NamespacesIn(objs)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(objs)), "µs/object")
}
