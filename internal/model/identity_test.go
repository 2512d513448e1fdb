package model_test

import (
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
)

// people is what sound says of people, for the cases below.
const people = `{
	"management": {"identity": {"audience": "kubernetes", "prefixes": {"username": "oidc:", "groups": "acme:"}, "maxTokenAge": "24h"}},
	"policies": {"date": "2026-11-22"},
	"access": {"roles": {"operator": {}}, "groups": {"sre": {"roles": {"operator": {"clusters": "*"}}}}}
}`

// glass is break-glass access with nothing to object to.
const glass = `{"breakGlass": {"night": {"user": "night", "role": "operator", "clusters": {"names": ["prod"]}, "owner": "sre", "reason": "the provider is down", "expires": "2026-11-22"}}}`

const inEffect = `info platform.breakGlass.night [access/break-glass] : user "night" has the role operator on prod until 2026-11-22, past the identity provider: the provider is down (sre)` + "\n"

func TestIdentity(t *testing.T) {
	for name, c := range map[string]struct {
		patch string
		want  string
	}{
		"sound": {`{}`, ""},
		"prefix": {
			`{"access": {"groups": {"acme:sre": {"roles": {"operator": {"clusters": "*"}}}}}}`,
			`error platform.access.groups."acme:sre" [access/group-prefix] : group "acme:sre" has the prefix "acme:" in it, which each cluster adds itself
  hint: call it "sre", as the identity provider does
`,
		},
		"prefix of users": {
			`{"observability": {"admins": {"oidc:sre": {}}}}`,
			`error platform.observability.admins."oidc:sre" [access/group-prefix] : group "oidc:sre" has the prefix "oidc:" in it, which each cluster adds itself
  hint: call it "sre", as the identity provider does
`,
		},
		"prefix of another cluster": {
			`{"clusters": {"dev": {"authentication": {"groupsPrefix": "lab:"}}}, "tenants": {"shop": {"readers": {"lab:ops": {"role": "viewer"}}}}}`,
			`error platform.tenants.shop.readers."lab:ops" [access/group-prefix] : group "lab:ops" has the prefix "lab:" in it, which each cluster adds itself
  hint: call it "ops", as the identity provider does
`,
		},
		"another prefix": {`{"access": {"groups": {"keycloak:sre": {"roles": {}}}}}`, ""},
		"reserved": {
			`{"teams": {"shop": {"groups": {"system:masters": {"role": "operator"}}}}}`,
			`error platform.teams.shop.groups."system:masters" [access/group-prefix] : group "system:masters" has a name that Kubernetes reserves: no identity provider hands it out here
  hint: name a group of the identity provider
`,
		},
		"federated": {
			`{"management": {"identity": {"keycloak": {"federation": {"entra": {"entra": {"claims": {}}, "groups": {"acme:sre": {"value": "x"}}}}}}}}`,
			`error platform.management.identity.keycloak.federation.entra.groups."acme:sre" [access/group-prefix] : group "acme:sre" has the prefix "acme:" in it, which each cluster adds itself
  hint: call it "sre", as the identity provider does
`,
		},
		"project": {
			`{"domains": ["example"], "teams": {"shop": {"images": null}}, "management": {"registry": {"host": "registry.example"}}, "clusters": {"prod": {"role": "management", "management": {"harbor": {"projects": {"tools": {"groups": {"oidc:sre": {"role": "admin"}}}}}}}}}`,
			`error platform.clusters.prod.management.harbor.projects.tools.groups."oidc:sre" [access/group-prefix] prod: group "oidc:sre" has the prefix "oidc:" in it, which each cluster adds itself
  hint: call it "sre", as the identity provider does
`,
		},
		"filled in": {
			`{"access": {"groups": {"sre-${cluster}": {"roles": {}}, "{{ .team }}": {"roles": {}}}}}`,
			`error platform.access.groups."sre-${cluster}" [access/group-name] : group "sre-${cluster}" holds what others would fill in: Flux reads ${…}, and templates of secrets {{…}}
  hint: give the group another name at the identity provider
error platform.access.groups."{{ .team }}" [access/group-name] : group "{{ .team }}" holds what others would fill in: Flux reads ${…}, and templates of secrets {{…}}
  hint: give the group another name at the identity provider
`,
		},
		"two audiences": {
			`{"clusters": {"prod": {"authentication": {"audience": "kubernetes-dev"}}}}`,
			`error platform.clusters.prod.authentication.audience [access/audience] prod: clusters dev and prod have the audience "kubernetes-dev": a token for one would be good at the other
  hint: leave audience out, or say one that no other cluster has
  at platform.clusters.prod.authentication.audience
  at platform.clusters.dev
`,
		},
		"two said audiences": {
			`{"clusters": {"prod": {"authentication": {"audience": "a"}}, "dev": {"authentication": {"audience": "a"}}}}`,
			`error platform.clusters.prod.authentication.audience [access/audience] prod: clusters dev and prod have the audience "a": a token for one would be good at the other
  hint: leave audience out, or say one that no other cluster has
  at platform.clusters.prod.authentication.audience
  at platform.clusters.dev.authentication.audience
`,
		},
		"token age": {
			`{"management": {"identity": {"maxTokenAge": "500ms"}}}`,
			`error platform.management.identity.maxTokenAge [access/token-age] : API servers would refuse every token: none lives for as little as 500ms
  hint: say a minute at least; 24h is usual
`,
		},
		"bundle": {
			`{"management": {"identity": {"caBundle": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"}}}`,
			`error platform.management.identity.caBundle [access/ca-bundle] : what is here is not all certificates in PEM
  hint: embed the file: @embed(file=ca.crt, type=text)
`,
		},
		"bundle of a cluster": {
			`{"clusters": {"prod": {"infrastructure": {"controlPlane": {"caBundle": "-----BEGIN CERTIFICATE-----"}}}}}`,
			`error platform.clusters.prod.infrastructure.controlPlane.caBundle [access/ca-bundle] prod: what is here is not all certificates in PEM
  hint: embed the file: @embed(file=ca.crt, type=text)
`,
		},
		"last day": {glass, inEffect},
		"expired": {
			merge(t, glass, `{"policies": {"date": "2026-11-23"}}`),
			`error platform.breakGlass.night.expires [access/break-glass-expired] : break-glass access night ended on 2026-11-22, and it is 2026-11-23
  hint: remove it, or let sre answer for it longer
`,
		},
		"no date": {
			merge(t, glass, `{"policies": {"date": null}}`),
			`error platform.breakGlass.night.expires [policy/date] : whether this holds depends on the date, and none is given
  hint: give --date 2026-11-22, SOURCE_DATE_EPOCH, or policies: date in the platform
`,
		},
		"user of the provider's": {
			merge(t, glass, `{"breakGlass": {"night": {"user": "oidc:night"}}}`),
			`error platform.breakGlass.night.user [access/break-glass-user] : user "oidc:night" could come from the identity provider, whose names begin with "oidc:"
  hint: break-glass access is for a certificate: give its common name another beginning
`,
		},
		"role and cluster": {
			merge(t, glass, `{"breakGlass": {"night": {"role": "operators", "clusters": {"names": ["prud"]}}}}`),
			`error platform.breakGlass.night.role [model/reference] : role "operators" does not exist
  hint: did you mean "operator"?
error platform.breakGlass.night.clusters.names[0] [model/reference] : cluster "prud" does not exist
  hint: did you mean "prod"?
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, found(t, people, c.patch)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// merge is one patch of two.
func merge(t *testing.T, a, b string) string {
	t.Helper()
	out, err := jsonpatch.MergeMergePatches([]byte(a), []byte(b))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
