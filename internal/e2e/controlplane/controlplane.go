package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The programs, as their logs are named.
const (
	etcd                  = "etcd"
	kubeAPIServer         = "kube-apiserver"
	kubeControllerManager = "kube-controller-manager"
	sourceController      = "source-controller"
	kustomizeController   = "kustomize-controller"
)

// FluxNamespace is where Flux's controllers belong. Start makes it.
const FluxNamespace = "flux-system"

// Options say what Start starts.
type Options struct {
	// Bin is the directory of the programs that build.sh made.
	Bin string
	// Dir is an empty directory for everything that is written. It is left as
	// it is by Stop, so that logs can be read.
	Dir string
	// CRDs are in the API server before any controller starts.
	CRDs []CRD
	// Flux starts source-controller and kustomize-controller; CRDs have to
	// include theirs (FluxModules).
	Flux bool
	// Gatekeeper starts its manager; CRDs have to include its own. Its webhooks
	// are asked nothing before GatekeeperWebhooks are applied.
	Gatekeeper bool
	// Authentication is the file that the API server's --authentication-config
	// names; "" for none.
	Authentication string
}

// A ControlPlane is a running one. Its methods are safe for concurrent use.
type ControlPlane struct {
	// Config is the administrator's, without a client-side rate limit.
	Config *rest.Config
	// Kubeconfig is the path of a file that says the same.
	Kubeconfig string
	// Started says how long each step of Start took, in order.
	Started []Step

	dir       string
	cluster   *cluster
	processes []*process
	webhooks  string // URL of Gatekeeper's webhooks
	authority []byte // PEM of what signed their certificate
	stop      sync.Once
}

// A Step is a part of Start and the time that it took.
type Step struct {
	Name     string
	Duration time.Duration
}

// Usage is what a process had used when Stop ended it.
type Usage struct {
	Name   string
	Memory int64 // largest resident size, in bytes; 0 where it is not known
	CPU    time.Duration
}

// Start starts a control plane and returns when every part of it is ready.
// After an error nothing runs. The control plane ends with Stop or with ctx.
func Start(ctx context.Context, o Options) (*ControlPlane, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	cp := &ControlPlane{dir: dir, Kubeconfig: filepath.Join(dir, "kubeconfig")}
	if err := cp.start(ctx, o); err != nil {
		cp.Stop()
		return nil, err
	}
	context.AfterFunc(ctx, func() { cp.Stop() })
	return cp, nil
}

func (cp *ControlPlane) start(ctx context.Context, o Options) error {
	ports, err := freePorts(12)
	if err != nil {
		return err
	}
	port := func() int {
		p := ports[0]
		ports = ports[1:]
		return p
	}
	keys, err := newPKI(cp.dir)
	if err != nil {
		return err
	}
	store := fmt.Sprintf("http://127.0.0.1:%d", port())
	if err := cp.step(etcd, func() error { return cp.startEtcd(ctx, o.Bin, store, port()) }); err != nil {
		return err
	}
	if err := cp.step(kubeAPIServer, func() error { return cp.startAPIServer(ctx, o, store, port(), keys) }); err != nil {
		return err
	}
	if err := cp.step(kubeControllerManager, func() error { return cp.startControllerManager(ctx, o.Bin, port(), keys) }); err != nil {
		return err
	}
	if err := cp.step(fmt.Sprintf("%d CRDs", len(o.CRDs)), func() error { return cp.ApplyCRDs(ctx, o.CRDs) }); err != nil {
		return err
	}
	if err := cp.ensureNamespace(ctx, FluxNamespace); err != nil {
		return err
	}
	if o.Gatekeeper {
		if err := cp.step(gatekeeperManager, func() error { return cp.startGatekeeper(ctx, o.Bin, port, keys) }); err != nil {
			return err
		}
	}
	if !o.Flux {
		return nil
	}
	return cp.step("flux", func() error { return cp.startFlux(ctx, o.Bin, port) })
}

func (cp *ControlPlane) step(name string, f func() error) error {
	t0 := time.Now()
	err := f()
	cp.Started = append(cp.Started, Step{name, time.Since(t0)})
	return err
}

// run starts a process that Stop will end.
func (cp *ControlPlane) run(bin, name string, env []string, args ...string) (*process, error) {
	p, err := run(cp.dir, bin, name, env, args...)
	if err != nil {
		return nil, err
	}
	cp.processes = append(cp.processes, p)
	return p, nil
}

// A Program is one that a test runs beside the control plane.
type Program struct{ p *process }

// Run starts the program of bin under a name that no other has at the time, with
// env added to its environment, and returns when url answers 200. Its output is
// in Log(name); a program that is started again under its name writes it anew.
// It ends with Kill or with the control plane.
func (cp *ControlPlane) Run(ctx context.Context, bin, program, name, url string, env []string, args ...string) (*Program, error) {
	p, err := runAs(cp.dir, bin, program, name, env, args...)
	if err != nil {
		return nil, err
	}
	cp.processes = append(cp.processes, p)
	return &Program{p}, p.waitHTTP(ctx, http.DefaultClient, url)
}

// Kill ends the program as a power cut would, without asking it first, and
// returns when it is gone.
func (p *Program) Kill() { p.p.stop() }

func (cp *ControlPlane) startEtcd(ctx context.Context, bin, url string, peerPort int) error {
	peer := fmt.Sprintf("http://127.0.0.1:%d", peerPort)
	p, err := cp.run(bin, etcd, nil,
		"--name=e2e",
		"--data-dir="+filepath.Join(cp.dir, "etcd"),
		"--listen-client-urls="+url,
		"--advertise-client-urls="+url,
		"--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer,
		"--initial-cluster=e2e="+peer,
		// Nothing has to survive a crash.
		"--unsafe-no-fsync",
	)
	if err != nil {
		return err
	}
	return p.waitHTTP(ctx, http.DefaultClient, url+"/health")
}

func (cp *ControlPlane) startAPIServer(ctx context.Context, o Options, store string, port int, keys *pki) error {
	url := fmt.Sprintf("https://127.0.0.1:%d", port)
	args := []string{
		"--etcd-servers=" + store,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--cert-dir=" + cp.dir,
		"--tls-cert-file=" + keys.cert,
		"--tls-private-key-file=" + keys.key,
		"--client-ca-file=" + keys.ca,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + keys.serviceAccountKey,
		"--service-account-signing-key-file=" + keys.serviceAccountKey,
		"--service-cluster-ip-range=10.96.0.0/16",
		"--authorization-mode=RBAC",
		// Network and storage drivers are privileged, as on any real cluster.
		"--allow-privileged=true",
		// 127.0.0.1 is no address that a Service may point to.
		"--endpoint-reconciler-type=none",
		// Tests are the only users: none of them has to wait for the others.
		"--enable-priority-and-fairness=false",
		"--max-requests-inflight=0",
		"--max-mutating-requests-inflight=0",
		"--profiling=false",
	}
	if o.Authentication != "" {
		args = append(args, "--authentication-config="+o.Authentication)
	}
	p, err := cp.run(o.Bin, kubeAPIServer, nil, args...)
	if err != nil {
		return err
	}
	if err := cp.writeKubeconfig(url, keys); err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(keys.caPEM)
	pair, err := tls.X509KeyPair(keys.adminCert, keys.adminKey)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	if err := p.waitHTTP(ctx, &http.Client{Transport: transport}, url+"/readyz"); err != nil {
		return err
	}
	cp.cluster, err = newCluster(cp.Config)
	return err
}

// writeKubeconfig sets Config and writes the file Kubeconfig.
func (cp *ControlPlane) writeKubeconfig(url string, keys *pki) error {
	const name = "e2e"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: url, CertificateAuthorityData: keys.caPEM}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: keys.adminCert, ClientKeyData: keys.adminKey}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, cp.Kubeconfig); err != nil {
		return err
	}
	var err error
	cp.Config, err = clientcmd.NewDefaultClientConfig(*config, nil).ClientConfig()
	if err != nil {
		return err
	}
	cp.Config.QPS = -1
	return nil
}

// startControllerManager runs the controllers that finish what a deletion
// starts (namespaces, owned objects), those whose work Flux and RBAC wait for, and
// the one that signs certificates. Without nodes the others have nothing true to
// say.
func (cp *ControlPlane) startControllerManager(ctx context.Context, bin string, port int, keys *pki) error {
	p, err := cp.run(bin, kubeControllerManager, nil,
		"--kubeconfig="+cp.Kubeconfig,
		"--authentication-kubeconfig="+cp.Kubeconfig,
		"--authorization-kubeconfig="+cp.Kubeconfig,
		"--authorization-always-allow-paths=/healthz",
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--cert-dir="+cp.dir,
		"--tls-cert-file="+keys.cert,
		"--tls-private-key-file="+keys.key,
		"--service-account-private-key-file="+keys.serviceAccountKey,
		"--leader-elect=false",
		"--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller,clusterrole-aggregation-controller,certificatesigningrequest-signing-controller",
		"--cluster-signing-cert-file="+keys.ca,
		"--cluster-signing-key-file="+keys.caKey,
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--profiling=false",
	)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(keys.caPEM)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	return p.waitHTTP(ctx, &http.Client{Transport: transport}, fmt.Sprintf("https://127.0.0.1:%d/healthz", port))
}

// startFlux starts both controllers before it waits for either.
func (cp *ControlPlane) startFlux(ctx context.Context, bin string, port func() int) error {
	env := []string{
		"KUBECONFIG=" + cp.Kubeconfig,
		"RUNTIME_NAMESPACE=" + FluxNamespace,
		// Charts are on the internet, and tests are not: a proxy that nobody
		// serves refuses at once, and loopback needs none.
		"HTTP_PROXY=http://127.0.0.1:1",
		"HTTPS_PROXY=http://127.0.0.1:1",
		"NO_PROXY=127.0.0.1",
	}
	start := func(name string, args ...string) (*process, string, error) {
		health := fmt.Sprintf("127.0.0.1:%d", port())
		args = append(args,
			"--enable-leader-election=false",
			"--log-level=info",
			"--log-encoding=json",
			"--metrics-addr=127.0.0.1:0",
			"--health-addr="+health,
		)
		p, err := cp.run(bin, name, env, args...)
		return p, "http://" + health + "/readyz", err
	}

	storage := filepath.Join(cp.dir, "artifacts")
	if err := os.MkdirAll(storage, 0o700); err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port())
	source, sourceReady, err := start(sourceController,
		"--storage-path="+storage,
		"--storage-addr="+address,
		"--storage-adv-addr="+address,
	)
	if err != nil {
		return err
	}
	kustomize, kustomizeReady, err := start(kustomizeController,
		// How often a Kustomization looks again at what it depends on. The
		// default of 30 s is for clusters that must be gentle.
		"--requeue-dependency=1s",
		// A Kustomization that waits for what it applied holds a worker.
		"--concurrent=40",
	)
	if err != nil {
		return err
	}
	if err := source.waitHTTP(ctx, http.DefaultClient, sourceReady); err != nil {
		return err
	}
	return kustomize.waitHTTP(ctx, http.DefaultClient, kustomizeReady)
}

// Stop ends every process, the last started first. It may be called more than
// once, and says each time what the processes had used.
func (cp *ControlPlane) Stop() []Usage {
	cp.stop.Do(func() {
		for _, p := range slices.Backward(cp.processes) {
			p.stop()
		}
	})
	var used []Usage
	for _, p := range cp.processes {
		used = append(used, Usage{p.name, p.memory, p.state.UserTime() + p.state.SystemTime()})
	}
	return used
}

// Check says which processes have ended by themselves, each with the end of its
// log. A test that waited in vain asks it why.
func (cp *ControlPlane) Check() error {
	for _, p := range cp.processes {
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended: %v%s", p.name, p.err, p.tail())
		default:
		}
	}
	return nil
}

// Log is the path of the log of the program name, as "source-controller".
func (cp *ControlPlane) Log(name string) string { return filepath.Join(cp.dir, name+".log") }
