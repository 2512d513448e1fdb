//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// nodeName is the node that the agents are on.
const nodeName = "node-1"

// A source is a Pod that the API server knows and the test plays: it has an
// address of loopback, from which its telemetry comes.
type source struct {
	namespace, name, ip string
	// claims is a namespace that it says to be of, in every way there is.
	claims string

	uid  string
	logs string // directory of its container's log file

	// scrapes is how often each metric was asked for, which is its value too: a
	// value that did not arrive is a scrape that was lost.
	scrapes map[string]*atomic.Int64
	port    int
}

// create makes the Pod with its address, and its log directory as the kubelet
// lays it out.
func (s *source) create(ctx context.Context, t *testing.T, client kubernetes.Interface, pods string, annotations, labels map[string]string) {
	t.Helper()
	no, yes, user := false, true, int64(65534)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: s.name, Namespace: s.namespace, Annotations: annotations, Labels: labels},
		Spec: corev1.PodSpec{
			NodeName: nodeName, AutomountServiceAccountToken: &no,
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "main", Image: "e2e",
				Ports:           []corev1.ContainerPort{{Name: "metrics", ContainerPort: int32(s.port)}},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
	var made *corev1.Pod
	// The namespace's account comes a moment after it.
	patient, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	err := eventually(patient, func() (err error) {
		made, err = client.CoreV1().Pods(s.namespace).Create(ctx, pod, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	made.Status.Phase = corev1.PodRunning
	made.Status.PodIP = s.ip
	made.Status.PodIPs = []corev1.PodIP{{IP: s.ip}}
	made.Status.HostIP = "127.0.0.1"
	made.Status.HostIPs = []corev1.HostIP{{IP: "127.0.0.1"}}
	made.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if _, err := client.CoreV1().Pods(s.namespace).UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.uid = string(made.UID)
	s.logs = filepath.Join(pods, fmt.Sprintf("%s_%s_%s", s.namespace, s.name, s.uid), "main")
	if err := os.MkdirAll(s.logs, 0o755); err != nil {
		t.Fatal(err)
	}
}

// An exposed is a metric that a source serves at /<name>: a counter of its own
// scrapes, once for each of labels.
type exposed struct {
	name   string
	labels []string
}

// listen serves metrics on the Pod's address.
func (s *source) listen(t *testing.T, port string, metrics ...exposed) {
	t.Helper()
	l, err := net.Listen("tcp4", net.JoinHostPort(s.ip, port))
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	s.scrapes = map[string]*atomic.Int64{}
	mux := http.NewServeMux()
	for _, m := range metrics {
		n := new(atomic.Int64)
		s.scrapes[m.name] = n
		mux.HandleFunc("/"+m.name, func(w http.ResponseWriter, _ *http.Request) {
			v := n.Add(1)
			for _, l := range m.labels {
				fmt.Fprintf(w, "%s{%s} %d\n", m.name, l, v)
			}
		})
	}
	server := &http.Server{Handler: mux}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

// writeLog appends n lines to the Pod's log, as containerd writes them, and
// returns their IDs.
func (s *source) writeLog(t *testing.T, from, n int) (ids []string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(s.logs, "0.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range n {
		id := fmt.Sprintf("%s/file/%d", s.namespace, from+i)
		if _, err := fmt.Fprintf(f, "%s stdout F %s\n", time.Now().UTC().Format(time.RFC3339Nano), id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// dial connects from the Pod's address.
func (s *source) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(s.ip)}}
	return d.DialContext(ctx, network, addr)
}

// claim is what a sender says about itself: its own service, and somebody
// else's everything.
func (s *source) claim() map[string]string {
	return map[string]string{
		"service.name": s.name, "tenant": tenantOf(s.claims), "contain.team": "",
		"k8s.namespace.name": s.claims, "k8s.pod.uid": "00000000-0000-0000-0000-000000000000", "k8s.pod.ip": "127.0.10.1",
		"cluster": "elsewhere", "environment": "elsewhere", "region": "elsewhere",
	}
}

// send sends n log records and n data points by OTLP over HTTP, and n spans by
// OTLP over gRPC, each one request, and returns their IDs.
func (s *source) send(ctx context.Context, t *testing.T, collector string, from, n int) (ids []string) {
	t.Helper()
	attribute := func(k, v string) any {
		return map[string]any{"key": k, "value": map[string]any{"stringValue": v}}
	}
	var attributes []any
	var labels []*common.KeyValue
	for k, v := range s.claim() {
		attributes = append(attributes, attribute(k, v))
		labels = append(labels, &common.KeyValue{Key: k, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: v}}})
	}
	id := func(signal string, i int) string {
		id := fmt.Sprintf("%s/%s/%d", s.namespace, signal, from+i)
		ids = append(ids, id)
		return id
	}
	now := fmt.Sprint(time.Now().UnixNano())
	var records, points []any
	var spans []*trace.Span
	for i := range n {
		records = append(records, map[string]any{"timeUnixNano": now, "body": map[string]any{"stringValue": id("log", i)}})
		points = append(points, map[string]any{"timeUnixNano": now, "asInt": "1", "attributes": []any{attribute("id", id("point", i))}})
		spans = append(spans, &trace.Span{Name: id("span", i), TraceId: bytes.Repeat([]byte{1}, 16), SpanId: bytes.Repeat([]byte{1}, 8), StartTimeUnixNano: 1, EndTimeUnixNano: 2})
	}
	who := map[string]any{"attributes": attributes}
	s.post(ctx, t, "http://"+collector+":4318/v1/logs", map[string]any{"resourceLogs": []any{map[string]any{"resource": who, "scopeLogs": []any{map[string]any{"logRecords": records}}}}})
	s.post(ctx, t, "http://"+collector+":4318/v1/metrics", map[string]any{"resourceMetrics": []any{map[string]any{"resource": who, "scopeMetrics": []any{map[string]any{
		"metrics": []any{map[string]any{"name": "e2e_points", "gauge": map[string]any{"dataPoints": points}}},
	}}}}})

	conn, err := grpc.NewClient("passthrough:///"+collector+":4317", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return s.dial(ctx, "tcp4", addr) }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = collectortrace.NewTraceServiceClient(conn).Export(ctx, &collectortrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: labels}, ScopeSpans: []*trace.ScopeSpans{{Spans: spans}},
	}}})
	if err != nil {
		t.Errorf("%s/%s: OTLP over gRPC: %v", s.namespace, s.name, err)
	}
	return ids
}

func (s *source) post(ctx context.Context, t *testing.T, url string, message any) {
	t.Helper()
	b, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{DialContext: s.dial}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Errorf("%s/%s: %s: %s: %s", s.namespace, s.name, url, resp.Status, body)
	}
}

// eventually calls f until it succeeds or ctx ends, and returns its last error.
func eventually(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}
