//go:build e2e

package e2e

import (
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// An item is one thing that arrived: a log record, a span, a data point or a
// sample. ID says in the test's own words where it came from:
// "<namespace>/<signal>/<number>".
type item struct {
	ID     string
	Tenant string // attribute or label of that name
	// Namespace and Cluster as the agents stamped them.
	Namespace, Cluster string
	Job                string
}

// An arrival is an item and how it came.
type arrival struct {
	item
	At   string // name of the receiver, as "application/loki"
	Path string
	Org  string // X-Scope-OrgID
	User string // of basic auth
	Auth string // header Authorization, where it is not basic
}

// receivers are endpoints that stand in for the gateways of stacks and for a
// tenant's own system. They write down what comes.
type receivers struct {
	tls *tls.Config
	ca  []byte // PEM

	mu       sync.Mutex
	arrivals []arrival
	requests int
	refused  int

	endpoints map[string]*endpoint
}

// An endpoint is one address. It can be made to refuse, and to be away.
type endpoint struct {
	name, addr string

	mu     sync.Mutex
	broken bool
	server *http.Server
}

func newReceivers(t *testing.T, names ...string) *receivers {
	t.Helper()
	r := &receivers{endpoints: map[string]*endpoint{}}
	r.newPKI(t)
	for _, n := range names {
		e := &endpoint{name: n, addr: "127.0.0.1:0"}
		r.endpoints[n] = e
		r.open(t, e)
	}
	t.Cleanup(func() {
		for _, e := range r.endpoints {
			e.close()
		}
	})
	return r
}

func (r *receivers) newPKI(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "e2e"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	r.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	r.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

// open listens, at the address that it had before if it had one.
func (r *receivers) open(t *testing.T, e *endpoint) {
	t.Helper()
	l, err := net.Listen("tcp4", e.addr)
	if err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.addr = l.Addr().String()
	e.server = &http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.serve(e, w, req) }),
		TLSConfig: r.tls.Clone(),
		ErrorLog:  log.New(io.Discard, "", 0), // clients are killed in the middle
	}
	go e.server.ServeTLS(l, "", "")
}

// close takes the endpoint away: connections are refused.
func (e *endpoint) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server != nil {
		e.server.Close()
		e.server = nil
	}
}

// breaks makes the endpoint answer 503, or not.
func (e *endpoint) breaks(broken bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.broken = broken
}

func (e *endpoint) url() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return "https://" + e.addr
}

func (r *receivers) serve(e *endpoint, w http.ResponseWriter, req *http.Request) {
	e.mu.Lock()
	broken := e.broken
	e.mu.Unlock()
	if broken {
		r.mu.Lock()
		r.refused++
		r.mu.Unlock()
		http.Error(w, "e2e: not now", http.StatusServiceUnavailable)
		return
	}
	items, err := decode(req)
	if err != nil {
		// 500 is not tried again by remote write's rules for 4xx, but is by OTLP's:
		// either way the test will miss the items.
		http.Error(w, err.Error(), http.StatusBadRequest)
		items = []item{{ID: "undecodable: " + err.Error()}}
	}
	user, _, basic := req.BasicAuth()
	a := arrival{At: e.name, Path: req.URL.Path, Org: req.Header.Get("X-Scope-OrgID"), User: user}
	if !basic {
		a.Auth = req.Header.Get("Authorization")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	for _, i := range items {
		a.item = i
		r.arrivals = append(r.arrivals, a)
	}
}

// all is a copy of what has arrived.
func (r *receivers) all() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.arrivals)
}

func (r *receivers) counts() (requests, refused int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests, r.refused
}

func decode(req *http.Request) ([]item, error) {
	var body io.Reader = req.Body
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasSuffix(req.URL.Path, "/v1/logs"):
		return decodeLogs(b)
	case strings.HasSuffix(req.URL.Path, "/v1/traces"):
		return decodeTraces(b)
	case strings.HasSuffix(req.URL.Path, "/v1/metrics"):
		return decodeMetrics(b)
	case strings.HasSuffix(req.URL.Path, "/api/v1/push"):
		return decodeWrite(b)
	}
	return nil, fmt.Errorf("nothing is at %s", req.URL.Path)
}

// stamped is an item with what its resource says.
func stamped(r *resource.Resource) item {
	var i item
	for _, a := range r.GetAttributes() {
		switch v := a.GetValue().GetStringValue(); a.GetKey() {
		case "tenant":
			i.Tenant = v
		case "cluster":
			i.Cluster = v
		case "k8s.namespace.name":
			i.Namespace = v
		}
	}
	return i
}

func decodeLogs(b []byte) (out []item, err error) {
	var m collectorlogs.ExportLogsServiceRequest
	if err := proto.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	for _, rl := range m.ResourceLogs {
		i := stamped(rl.Resource)
		for _, sl := range rl.ScopeLogs {
			for _, l := range sl.LogRecords {
				i.ID = l.Body.GetStringValue()
				out = append(out, i)
			}
		}
	}
	return out, nil
}

func decodeTraces(b []byte) (out []item, err error) {
	var m collectortrace.ExportTraceServiceRequest
	if err := proto.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	for _, rs := range m.ResourceSpans {
		i := stamped(rs.Resource)
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				i.ID = s.Name
				out = append(out, i)
			}
		}
	}
	return out, nil
}

func decodeMetrics(b []byte) (out []item, err error) {
	var m collectormetrics.ExportMetricsServiceRequest
	if err := proto.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	for _, rm := range m.ResourceMetrics {
		i := stamped(rm.Resource)
		for _, sm := range rm.ScopeMetrics {
			for _, metric := range sm.Metrics {
				for _, p := range metric.GetGauge().GetDataPoints() {
					for _, a := range p.Attributes {
						if a.Key == "id" {
							i.ID = a.Value.GetStringValue()
						}
					}
					out = append(out, i)
				}
			}
		}
	}
	return out, nil
}

// decodeWrite reads a prometheus.WriteRequest (prompb/remote.proto and
// types.proto): field 1 are TimeSeries, of which field 1 are Labels {1: name, 2:
// value} and field 2 Samples {1: value}.
func decodeWrite(b []byte) (out []item, err error) {
	if b, err = snappy.Decode(nil, b); err != nil {
		return nil, err
	}
	err = fields(b, func(n protowire.Number, series []byte, _ uint64) error {
		if n != 1 {
			return nil
		}
		labels := map[string]string{}
		var samples []float64
		err := fields(series, func(n protowire.Number, b []byte, _ uint64) error {
			switch n {
			case 1:
				var pair [3]string
				if err := fields(b, func(n protowire.Number, b []byte, _ uint64) error {
					if n < 3 {
						pair[n] = string(b)
					}
					return nil
				}); err != nil {
					return err
				}
				labels[pair[1]] = pair[2]
			case 2:
				return fields(b, func(n protowire.Number, _ []byte, bits uint64) error {
					if n == 1 {
						samples = append(samples, math.Float64frombits(bits))
					}
					return nil
				})
			}
			return nil
		})
		if err != nil {
			return err
		}
		i := item{Tenant: labels["tenant"], Namespace: labels["namespace"], Cluster: labels["cluster"], Job: labels["job"]}
		for _, s := range samples {
			// What is not of the test's own targets has no source, as up.
			i.ID = labels["__name__"]
			if labels["source"] != "" && !math.IsNaN(s) {
				i.ID = fmt.Sprintf("%s/%s/%.0f", labels["source"], labels["__name__"], s)
			}
			out = append(out, i)
		}
		return nil
	})
	return out, err
}

// fields calls f with each field of a message: its bytes, or the bits of a
// number.
func fields(b []byte, f func(n protowire.Number, value []byte, bits uint64) error) error {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		var value []byte
		var bits uint64
		switch typ {
		case protowire.BytesType:
			value, size = protowire.ConsumeBytes(b)
		case protowire.Fixed64Type:
			bits, size = protowire.ConsumeFixed64(b)
		case protowire.VarintType:
			bits, size = protowire.ConsumeVarint(b)
		default:
			return errors.New("a field of a type that remote write has not")
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		if err := f(n, value, bits); err != nil {
			return err
		}
	}
	return nil
}
