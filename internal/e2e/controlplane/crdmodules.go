package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// A Module is a Go module whose zip holds CRDs. Its checksum is verified by the
// go command against the checksum database.
type Module struct {
	Path, Version string
	// Files are patterns of path/filepath.Glob in the module.
	Files []string
}

// FluxModules are the modules of the Flux controllers of release 2.9.4: the two
// that Start runs, and those whose objects they apply.
func FluxModules() []Module {
	const bases = "config/crd/bases/*.yaml"
	return []Module{
		{"github.com/fluxcd/source-controller", "v1.9.4", []string{bases}},
		{"github.com/fluxcd/kustomize-controller", "v1.9.5", []string{bases}},
		{"github.com/fluxcd/helm-controller", "v1.6.3", []string{bases}},
		{"github.com/fluxcd/notification-controller", "v1.9.3", []string{bases}},
		{"github.com/fluxcd/image-reflector-controller", "v1.2.4", []string{bases}},
		{"github.com/fluxcd/image-automation-controller", "v1.2.4", []string{bases}},
	}
}

// ComponentModules are the modules of catalog components, at the catalog's
// versions. external-secrets has no module of major version 2; its newest
// module serves the same API versions with fewer fields.
func ComponentModules() []Module {
	return []Module{
		{"github.com/cert-manager/cert-manager", "v1.21.1", []string{"deploy/crds/*.yaml"}},
		{"github.com/cilium/cilium", "v1.20.0", []string{"pkg/k8s/apis/cilium.io/client/crds/v2*/*.yaml"}},
		{"github.com/cloudnative-pg/cloudnative-pg", "v1.30.0", []string{"config/crd/bases/*.yaml"}},
		{"github.com/external-secrets/external-secrets", "v1.3.2", []string{"config/crds/bases/*.yaml"}},
		{"github.com/kubernetes-csi/external-snapshotter/client/v8", "v8.6.0", []string{"config/crd/*.yaml"}},
		{"github.com/open-policy-agent/gatekeeper/v3", "v3.23.1", []string{"charts/gatekeeper/crds/*.yaml"}},
		{"github.com/projectcontour/contour", "v1.33.6", []string{"examples/contour/01-crds.yaml"}},
		{"github.com/prometheus-operator/prometheus-operator", "v0.93.1", []string{"example/prometheus-operator-crd/*.yaml"}},
		{"github.com/rook/rook", "v1.20.6", []string{"deploy/examples/crds.yaml"}},
		{"github.com/vmware-tanzu/velero", "v1.18.1", []string{"config/crd/v1/bases/*.yaml", "config/crd/v2alpha1/bases/*.yaml"}},
		{"sigs.k8s.io/cluster-api", "v1.14.0", []string{"core/config/crd/bases/*.yaml", "bootstrap/kubeadm/config/crd/bases/*.yaml", "controlplane/kubeadm/config/crd/bases/*.yaml"}},
		{"sigs.k8s.io/cluster-api-operator", "v0.28.0", []string{"config/crd/bases/*.yaml"}},
		{"sigs.k8s.io/cluster-api-provider-vsphere", "v1.16.1", []string{"config/default/crd/bases/*.yaml"}},
		{"sigs.k8s.io/external-dns", "v0.21.0", []string{"charts/external-dns/crds/*.yaml"}},
		{"sigs.k8s.io/gateway-api", "v1.6.1", []string{"config/crd/standard/*.yaml"}},
	}
}

// PluginModules are modules of catalog components that are parts of others, and
// that a directory of the projects' CRDs may leave out.
func PluginModules() []Module {
	return []Module{
		{"github.com/cloudnative-pg/plugin-barman-cloud", "v0.13.0", []string{"config/crd/bases/*.yaml"}},
		{"sigs.k8s.io/cluster-api-provider-aws/v2", "v2.13.0", []string{"config/crd/bases/infrastructure.cluster.x-k8s.io_aws*.yaml"}},
	}
}

// ModuleCRDs reads CRDs from the module cache and downloads what it lacks.
func ModuleCRDs(ctx context.Context, modules ...Module) ([]CRD, error) {
	dirs, err := downloadModules(ctx, modules)
	if err != nil {
		return nil, err
	}
	var all []string
	for i, m := range modules {
		for _, pattern := range m.Files {
			files, err := filepath.Glob(filepath.Join(dirs[i], filepath.FromSlash(pattern)))
			if err != nil {
				return nil, err
			}
			if len(files) == 0 {
				return nil, fmt.Errorf("%s@%s has no %s", m.Path, m.Version, pattern)
			}
			all = append(all, files...)
		}
	}
	return ReadCRDs(all...)
}

// downloadModules returns the directory of each module.
func downloadModules(ctx context.Context, modules []Module) ([]string, error) {
	args := []string{"mod", "download", "-json"}
	for _, m := range modules {
		args = append(args, m.Path+"@"+m.Version)
	}
	// Outside of any module, so that no go.mod has a say in the versions.
	dir, err := os.MkdirTemp("", "contain-e2e-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GO111MODULE=on", "PWD="+dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// It also fails when one module does; that module's own error says more.
	runErr := cmd.Run()

	type result struct{ Path, Version, Dir, Error string }
	found := map[string]string{}
	var errs []error
	for d := json.NewDecoder(&stdout); d.More(); {
		var r result
		if err := d.Decode(&r); err != nil {
			return nil, fmt.Errorf("go mod download: %w", err)
		}
		if r.Error != "" {
			errs = append(errs, errors.New(r.Error))
		}
		found[r.Path+"@"+r.Version] = r.Dir
	}
	if len(errs) == 0 && runErr != nil {
		errs = append(errs, fmt.Errorf("go mod download: %w: %s", runErr, bytes.TrimSpace(stderr.Bytes())))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	dirs := make([]string, len(modules))
	for i, m := range modules {
		dirs[i] = found[m.Path+"@"+m.Version]
	}
	if i := slices.Index(dirs, ""); i >= 0 {
		return nil, fmt.Errorf("go mod download did not report %s", modules[i].Path)
	}
	return dirs, nil
}
