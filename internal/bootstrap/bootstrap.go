// Package bootstrap makes the objects that a cluster's Flux needs before it
// can pull anything: the one piece of configuration that is not in the
// artifact, because it says where the artifact is and by whose key it is to be
// believed.
//
// Names are fixed: the Kustomizations inside every artifact refer to the
// OCIRepository "platform" in flux-system (catalog/sync).
package bootstrap

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/contain-platform/contain/internal/object"
)

// Options say where the artifact is.
type Options struct {
	Platform string
	Cluster  string
	// URL is "oci://HOST/PATH", to which the cluster's name is added.
	URL string
	Tag string
	// Interval is a Go duration.
	Interval string
	// Keys are public keys in PEM; a signature by any one is accepted.
	Keys [][]byte
	// PullSecret names a kubernetes.io/dockerconfigjson Secret; "" is none.
	PullSecret string
	// Insecure lets Flux speak plain HTTP.
	Insecure bool
}

// Names of the objects.
const (
	namespace = "flux-system"
	name      = "platform"
	keySecret = "platform-key"
)

// layer is the media type of the one layer of an artifact, Flux's own
// (fluxcd/pkg/oci, CanonicalContentMediaType).
const layer = "application/vnd.cncf.flux.content.v1.tar+gzip"

// Objects are the Secret, the OCIRepository and the root Kustomization, in the
// order of their application. The error is an option that Flux would refuse.
func Objects(o Options) ([]*object.Object, error) {
	url := strings.TrimSuffix(o.URL, "/")
	if err := check(url, o); err != nil {
		return nil, err
	}
	labels := map[string]any{
		"app.kubernetes.io/managed-by": "contain",
		"contain.platform/platform":    o.Platform,
		"contain.platform/cluster":     o.Cluster,
	}
	meta := func(name string) map[string]any {
		return map[string]any{"name": name, "namespace": namespace, "labels": labels}
	}

	data := map[string]any{}
	for i, k := range o.Keys {
		// source-controller tries every entry that ends in .pub.
		data[fmt.Sprintf("key-%d.pub", i+1)] = base64.StdEncoding.EncodeToString(k)
	}
	source := map[string]any{
		"interval": o.Interval,
		"url":      url + "/" + o.Cluster,
		"ref":      map[string]any{"tag": o.Tag},
		// source-controller checks a layer's digest at the layer's end. To
		// extract, its default, it stops at the archive's end, which is before,
		// and believes bytes that the signature does not cover. To copy it
		// reads all.
		"layerSelector": map[string]any{"mediaType": layer, "operation": "copy"},
		"verify":        map[string]any{"provider": "cosign", "secretRef": map[string]any{"name": keySecret}},
	}
	if o.PullSecret != "" {
		source["secretRef"] = map[string]any{"name": o.PullSecret}
	}
	if o.Insecure {
		source["insecure"] = true
	}

	var out []*object.Object
	for _, t := range []map[string]any{
		{"apiVersion": "v1", "kind": "Secret", "metadata": meta(keySecret), "type": "Opaque", "data": data},
		{"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository", "metadata": meta(name), "spec": source},
		{"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": meta(name), "spec": map[string]any{
			"interval": "10m", "retryInterval": "1m", "timeout": "5m", "path": "./flux", "prune": true, "wait": false,
			"sourceRef": map[string]any{"kind": "OCIRepository", "name": name},
		}},
	} {
		obj, err := object.FromTree("", t)
		if err != nil {
			return nil, err
		}
		out = append(out, obj)
	}
	return out, nil
}

var (
	// referenceText is HOST/PATH without tag or digest (OCI distribution spec,
	// "Pulling manifests"); a host may have a port.
	referenceText = regexp.MustCompile(`^oci://[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)+$`)
	tagText       = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	// intervalText is the pattern of spec.interval in Flux's CRDs.
	intervalText = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)
	// secretText is a DNS subdomain, which names of Secrets are.
	secretText = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
)

func check(url string, o Options) error {
	switch {
	case !referenceText.MatchString(url):
		return errors.New("the URL must be oci://HOST/PATH, without tag or digest")
	case !tagText.MatchString(o.Tag):
		return fmt.Errorf("%q is not a tag", o.Tag)
	case !intervalText.MatchString(o.Interval):
		return fmt.Errorf("the interval must be a duration like 1m or 90s, not %q", o.Interval)
	case o.PullSecret != "" && !secretText.MatchString(o.PullSecret):
		return fmt.Errorf("%q is not the name of a Secret", o.PullSecret)
	}
	return nil
}
