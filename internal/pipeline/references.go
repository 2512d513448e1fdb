package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/render"
)

// secretsTemplate makes the policies of the secret store, one for each cluster,
// and is made from what the objects of all clusters refer to: so a policy has
// what its cluster needs and nothing else, whichever template needs it. Plain cue
// does the same with #Output's _references.
const secretsTemplate = "openbao-config"

// platformStore is the ClusterSecretStore, and the ClusterIssuer, that
// management.secrets and management.pki describe (catalog/externalsecrets,
// catalog/certmanager).
const platformStore = "platform"

// References are what one cluster's objects ask of the platform's secret store
// and issuer, each list sorted.
type References struct {
	Read  []string `json:"read"`  // keys that ExternalSecrets read
	Write []string `json:"write"` // keys that PushSecrets write
	Names []string `json:"names"` // DNS names that Certificates ask for
}

// objects renders the units of the named clusters, and then the units that
// follow from what all clusters refer to.
func (r *Result) objects(ctx context.Context, names []string, workers []render.Renderer) ([]render.Cluster, []diag.Finding) {
	var late []string
	for _, n := range names {
		if slices.ContainsFunc(r.Platform.Units[n], isLate) {
			late = append(late, n)
		}
	}
	if len(late) == 0 {
		return render.Render(ctx, r.Platform, names, workers)
	}

	all := slices.Sorted(maps.Keys(r.Platform.Clusters))
	var others []string
	for _, n := range all {
		if _, ok := r.Platform.Units[n]; !ok {
			others = append(others, n)
		}
	}
	units, found := render.Units(ctx, others, workers)
	if diag.HasErrors(found) || ctx.Err() != nil {
		return nil, found
	}
	maps.Copy(r.Platform.Units, units)
	clusters, found := render.Render(ctx, r.Platform, all, workers)
	if diag.HasErrors(found) || ctx.Err() != nil {
		return clusters, found
	}
	refs := map[string]References{}
	for _, c := range clusters {
		of, err := ReferencesOf(c)
		if err != nil {
			return clusters, []diag.Finding{{ID: "render/object", Cluster: c.Name, Message: err.Error()}}
		}
		refs[c.Name] = of
	}
	made, found, err := r.refer(ctx, late, refs, workers)
	if err != nil {
		return clusters, []diag.Finding{{ID: "render/template", Message: err.Error()}}
	}
	for _, n := range others {
		delete(r.Platform.Units, n)
	}
	var out []render.Cluster
	for _, c := range clusters {
		if !slices.Contains(names, c.Name) {
			continue
		}
		for i, u := range c.Units {
			if isLate(u.Unit) {
				c.Units[i] = made[c.Name][u.Name]
			}
		}
		out = append(out, c)
	}
	return out, found
}

func isLate(u model.Unit) bool { return u.Template == secretsTemplate }

// refer puts refs into the inputs of the named clusters' late units, and renders
// these alone: units by cluster and name.
func (r *Result) refer(ctx context.Context, names []string, refs map[string]References, workers []render.Renderer) (map[string]map[string]render.Unit, []diag.Finding, error) {
	only := &model.Platform{Units: map[string][]model.Unit{}}
	for _, n := range names {
		units := slices.Clone(r.Platform.Units[n])
		for i, u := range units {
			if !isLate(u) {
				continue
			}
			var in map[string]any
			if err := json.Unmarshal(u.In, &in); err != nil {
				return nil, nil, fmt.Errorf("inputs of unit %s: %w", u.Name, err)
			}
			in["references"] = refs
			var err error
			if units[i].In, err = json.Marshal(in); err != nil {
				return nil, nil, err
			}
			only.Units[n] = append(only.Units[n], units[i])
		}
		r.Platform.Units[n] = units
	}
	clusters, found := render.Render(ctx, only, names, workers)
	out := map[string]map[string]render.Unit{}
	for _, c := range clusters {
		out[c.Name] = map[string]render.Unit{}
		for _, u := range c.Units {
			out[c.Name][u.Name] = u
		}
	}
	return out, found, nil
}

// ReferencesOf reads a cluster's ExternalSecrets, PushSecrets and Certificates.
func ReferencesOf(c render.Cluster) (References, error) {
	read, write, names := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, u := range c.Units {
		for _, o := range u.Objects {
			var err error
			switch o.Group + "/" + o.Kind {
			case "external-secrets.io/ExternalSecret":
				err = externalSecret(o, read)
			case "external-secrets.io/PushSecret":
				err = pushSecret(o, write)
			case "cert-manager.io/Certificate":
				err = certificate(o, names)
			}
			if err != nil {
				return References{}, fmt.Errorf("%s: %w", o, err)
			}
		}
	}
	// Never nil: JSON's null is no list.
	sorted := func(m map[string]bool) []string {
		return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(m))))
	}
	return References{Read: sorted(read), Write: sorted(write), Names: sorted(names)}, nil
}

type storeRef struct{ Kind, Name string }

func (s storeRef) platform() bool { return s.Kind == "ClusterSecretStore" && s.Name == platformStore }

// sourceRef is the store of one item, where it is not the object's.
type sourceRef struct{ StoreRef *storeRef }

func (s *sourceRef) or(whole storeRef) storeRef {
	if s == nil || s.StoreRef == nil {
		return whole
	}
	return *s.StoreRef
}

func externalSecret(o *object.Object, read map[string]bool) error {
	var v struct {
		Spec struct {
			SecretStoreRef storeRef
			Data           []struct {
				RemoteRef struct{ Key string }
				SourceRef *sourceRef
			}
			DataFrom []struct {
				Extract   *struct{ Key string }
				SourceRef *sourceRef
			}
		}
	}
	if err := json.Unmarshal(o.JSON, &v); err != nil {
		return err
	}
	for _, d := range v.Spec.Data {
		if d.SourceRef.or(v.Spec.SecretStoreRef).platform() {
			read[d.RemoteRef.Key] = true
		}
	}
	for _, d := range v.Spec.DataFrom {
		if d.Extract != nil && d.SourceRef.or(v.Spec.SecretStoreRef).platform() {
			read[d.Extract.Key] = true
		}
	}
	return nil
}

func pushSecret(o *object.Object, write map[string]bool) error {
	var v struct {
		Spec struct {
			SecretStoreRefs []storeRef
			Data            []struct {
				Match struct{ RemoteRef struct{ RemoteKey string } }
			}
		}
	}
	if err := json.Unmarshal(o.JSON, &v); err != nil {
		return err
	}
	if !slices.ContainsFunc(v.Spec.SecretStoreRefs, storeRef.platform) {
		return nil
	}
	for _, d := range v.Spec.Data {
		write[d.Match.RemoteRef.RemoteKey] = true
	}
	return nil
}

func certificate(o *object.Object, names map[string]bool) error {
	var v struct {
		Spec struct {
			DNSNames  []string
			IssuerRef storeRef
		}
	}
	if err := json.Unmarshal(o.JSON, &v); err != nil {
		return err
	}
	if v.Spec.IssuerRef != (storeRef{"ClusterIssuer", platformStore}) {
		return nil
	}
	for _, n := range v.Spec.DNSNames {
		names[n] = true
	}
	return nil
}
