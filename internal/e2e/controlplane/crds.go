package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// crdResource is where the API server keeps CustomResourceDefinitions.
func crdResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}

// A CRD is one CustomResourceDefinition of apiextensions.k8s.io/v1.
type CRD struct {
	// File is where it was read, for messages.
	File   string
	Object *unstructured.Unstructured
}

// Name is <plural>.<group>.
func (c CRD) Name() string { return c.Object.GetName() }

// UpstreamCRDs reads <dir>/*/crds/*.yaml.
func UpstreamCRDs(dir string) ([]CRD, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "crds", "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no */crds/*.yaml under %s", dir)
	}
	return ReadCRDs(files...)
}

// ReadCRDs reads the CRDs of YAML files with any number of documents. Objects
// of other kinds are passed over: upstream keeps kustomizations and admission
// policies beside its CRDs. The first CRD of a name wins.
func ReadCRDs(files ...string) ([]CRD, error) {
	var crds []CRD
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		objs, err := decodeYAML(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, o := range objs {
			if o.GetKind() == "CustomResourceDefinition" {
				crds = append(crds, CRD{File: file, Object: o})
			}
		}
	}
	return MergeCRDs(crds), nil
}

// MergeCRDs is all of them, in order, and of each name the first.
func MergeCRDs(lists ...[]CRD) []CRD {
	var out []CRD
	seen := map[string]bool{}
	for _, c := range slices.Concat(lists...) {
		if !seen[c.Name()] {
			seen[c.Name()] = true
			out = append(out, c)
		}
	}
	return out
}

// decodeYAML reads a stream of objects. The reader takes a bare = as a string;
// YAML 1.1 gives it a type of its own, and the CRDs of prometheus-operator have
// one in an enum.
func decodeYAML(b []byte) ([]*unstructured.Unstructured, error) {
	var objs []*unstructured.Unstructured
	d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(b), 4<<10)
	for {
		var o unstructured.Unstructured
		err := d.Decode(&o.Object)
		switch {
		case errors.Is(err, io.EOF):
			return objs, nil
		case err != nil:
			return nil, err
		case len(o.Object) > 0:
			objs = append(objs, &o)
		}
	}
}

// ApplyCRDs applies CRDs on the server and returns when every one of them is
// served. An error names the file.
func (cp *ControlPlane) ApplyCRDs(ctx context.Context, crds []CRD) error {
	if len(crds) == 0 {
		return nil
	}
	client := cp.cluster.dynamic.Resource(crdResource())
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, c := range crds {
		group.Go(func() error {
			_, err := client.Apply(gctx, c.Name(), c.Object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
			if err != nil {
				return fmt.Errorf("%s: %w", c.File, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return cp.waitServed(ctx, crds)
}

// waitServed returns when every one of crds is in discovery, which has only
// those that are established.
func (cp *ControlPlane) waitServed(ctx context.Context, crds []CRD) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		served, err := cp.cluster.servedResources()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(crds, func(c CRD) bool { return !served[c.Name()] })
		if i < 0 {
			cp.cluster.mapper.Reset()
			return nil
		}
		select {
		case <-ctx.Done():
			// Its conditions say why; the context to ask with is not the one that is over.
			u, getErr := cp.cluster.dynamic.Resource(crdResource()).Get(context.WithoutCancel(ctx), crds[i].Name(), metav1.GetOptions{})
			if getErr != nil {
				u = nil
			}
			return errors.Join(fmt.Errorf("%s of %s is not served: %w%s", crds[i].Name(), crds[i].File, context.Cause(ctx), describe(u)), cp.Check())
		case <-time.After(pollInterval):
		}
	}
}
