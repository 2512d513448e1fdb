package model_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plane makes the sound platform one that runs all of its management plane, with
// people who log in at Entra ID.
const plane = `{
	"domains": ["acme.example"],
	"management": {
		"identity": {"keycloak": {
			"issuer": "https://id.acme.example/realms/platform",
			"federation": {"entra": {
				"entra": {"claims": {"username": "preferred_username", "groups": "groups"}},
				"groups": {"acme-sre": {"value": "1"}, "acme-audit": {"value": "2"}, "acme-web": {"value": "3"}, "acme-builders": {"value": "4"}}
			}}
		}},
		"secrets": {"openbao": {"address": "https://bao.acme.example:8200"}},
		"registry": {"host": "registry.acme.example"}
	},
	"observability": {"admins": {"acme-sre": {}}},
	"tenants": {"shop": {"readers": {"acme-audit": {"role": "viewer"}}}},
	"access": {"groups": {"acme-web": {"roles": {}}, "acme-builders": {"roles": {}}}},
	"clusters": {
		"mgmt": {
			"role": "management", "environment": "prod", "region": "eu", "domain": "mgmt.example",
			"infrastructure": {"metal": {}, "workers": {"count": 6}, "network": {"nodes": "10.9.0.0/24", "pods": "10.90.0.0/16", "services": "10.91.0.0/16"}},
			"management": {
				"keycloak": {"instances": 2, "database": {}},
				"openbao": {"replicas": 3},
				"harbor": {"database": {}, "oidc": {"clientId": "harbor", "clientSecret": {"path": "x"}}, "projects": {"base": {"groups": {"acme-builders": {"role": "developer"}}}}}
			}
		},
		"obs-platform": {"stack": {"platform": {"oidc": {"clientId": "grafana-platform"}}}},
		"obs-apps": {"stack": {"application": {"oidc": {"clientId": "grafana-apps"}}}}
	}
}`

func TestFederation(t *testing.T) {
	const entra = `platform.management.identity.keycloak.federation.entra`
	in := func(federation string) string {
		return `{"management": {"identity": {"keycloak": {"federation": ` + federation + `}}}}`
	}
	for _, c := range []struct{ name, patch, want string }{
		{"nothing", `{}`, ""},
		{"no claims", in(`{"entra": {"entra": {"claims": null}}}`), `
error ` + entra + `.entra [identity/claims] : nothing says which claims of entra's tokens people and their groups are made from
  hint: add claims: {username: "preferred_username", groups: "groups"}, by the names that its tokens have
`},
		{"no provider", in(`{"entra": {"entra": null}}`), `
error ` + entra + ` [model/variant] : entra has no provider set; exactly one is needed
  hint: set one of entra, okta or oidc
`},
		{"two providers", in(`{"entra": {"okta": {"claims": {}}}}`), `
error ` + entra + ` [model/variant] : entra has entra and okta set; only one is allowed
  at ` + entra + `.entra
  at ` + entra + `.okta
`},
		{"an unknown group", in(`{"entra": {"groups": {"acme-sra": {"value": "5"}}}}`), `
error ` + entra + `.groups."acme-sra" [identity/group] : group "acme-sra" is mapped, and nothing on the platform names it
  hint: did you mean "acme-sre"?
`},
		{"a group with a prefix", `{"management": {"identity": {"prefixes": {"groups": "oidc:"}, "keycloak": {"federation": {"entra": {"groups": {"acme-sre": null, "oidc:acme-sre": {"value": "1"}}}}}}}}`, `
error ` + entra + `.groups."oidc:acme-sre" [access/group-prefix] : group "oidc:acme-sre" has the prefix "oidc:" in it, which each cluster adds itself
  hint: call it "acme-sre", as the identity provider does
`},
		{"a group mapped twice", in(`{"entra": {"groups": {"acme-sre": {"value": "2"}}}}`), `
error ` + entra + `.groups."acme-sre".value [identity/group] : the provider's group 2 is mapped to acme-audit and to acme-sre
  hint: whoever is in it would be in both; grant one group what the other has
  at ` + entra + `.groups."acme-sre".value
  at ` + entra + `.groups."acme-audit".value
`},
		{"the same group of another provider", in(`{"partner": {"oidc": {"claims": {}}, "groups": {"acme-sre": {"value": "1"}}}}`), ""},
		{"one client, two secrets", `{"clusters": {"obs-apps": {"stack": {"application": {"oidc": {"clientId": "harbor"}}}}}}`, `
error platform.clusters."obs-apps".stack.application.oidc [identity/client] obs-apps: client "harbor" has two secrets: what is said here is not what is said elsewhere
  hint: give each a client of its own by clientId, or both the same clientSecret
  at platform.clusters."obs-apps".stack.application.oidc
  at platform.clusters.mgmt.management.harbor.oidc
`},
		{"one client, one secret", `{"clusters": {"obs-apps": {"stack": {"application": {"oidc": {"clientId": "grafana-platform"}}}}}}`, ""},
		{"one client of somebody else's Keycloak", `{"clusters": {"mgmt": {"management": {"keycloak": null}}, "obs-apps": {"stack": {"application": {"oidc": {"clientId": "harbor"}}}}}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), found(t, plane, c.patch)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSystems(t *testing.T) {
	for _, c := range []struct{ name, patch, want string }{
		{"another role", `{"clusters": {"prod": {"management": {"clusterAPI": {}}}}}`, `
error platform.clusters.prod.management.clusterAPI [management/system] prod: Cluster API runs on a cluster of role management; the role of this one is workload
`},
		{"two of one", `{"clusters": {"mgmt-2": {
			"role": "management", "environment": "prod", "region": "eu", "domain": "mgmt2.example",
			"infrastructure": {"metal": {}, "workers": {"count": 6}, "network": {"nodes": "10.8.0.0/24", "pods": "10.80.0.0/16", "services": "10.81.0.0/16"}},
			"management": {"keycloak": {"instances": 2}}
		}}}`, `
error platform.clusters."mgmt-2".management.keycloak [management/system] mgmt-2: mgmt and mgmt-2 run Keycloak, and the platform has one
  hint: keep it on one of them
  at platform.clusters.mgmt.management.keycloak
  at platform.clusters."mgmt-2".management.keycloak
`},
		{"Keycloak is nowhere", `{"management": {"identity": {"keycloak": null, "external": {"issuer": "https://login.example"}}}}`, `
error platform.clusters."obs-apps".stack.application.oidc [telemetry/requires] obs-apps: nobody could log in to Grafana: of an identity provider that is not Keycloak it needs to be told the addresses
  hint: set authUrl, tokenUrl and apiUrl; the provider's /.well-known/openid-configuration has them
error platform.clusters."obs-platform".stack.platform.oidc [telemetry/requires] obs-platform: nobody could log in to Grafana: of an identity provider that is not Keycloak it needs to be told the addresses
  hint: set authUrl, tokenUrl and apiUrl; the provider's /.well-known/openid-configuration has them
error platform.clusters.mgmt.management.keycloak [management/address] mgmt: nothing says where Keycloak is, for others to find it
  hint: say management: identity: keycloak: issuer
`},
		{"OpenBao is nowhere", `{"management": {"secrets": {"openbao": null}}}`, `
error platform.clusters.mgmt.management.openbao [management/address] mgmt: nothing says where OpenBao is, for others to find it
  hint: say management: secrets: openbao: address
`},
		{"an issuer elsewhere", `{"management": {"identity": {"keycloak": {"issuer": "https://id.other.example/realms/platform"}}}}`, `
error platform.management.identity.keycloak.issuer [management/address] : Keycloak runs on mgmt, and its host id.other.example is below no domain of the platform's
  hint: it is one of domains, or the cluster's, that names and certificates are made in
  at platform.management.identity.keycloak.issuer
  at platform.clusters.mgmt.management.keycloak
`},
		{"without certificates", `{"clusters": {"mgmt": {"components": {"cert-manager": {"enabled": false}}}}}`, `
error platform.clusters.mgmt.components."cert-manager".enabled [management/requires] mgmt: Keycloak needs cert-manager for its certificates, and it is off here
`},
		{"without a database", `{"components": {"cloudnative-pg": {"enabled": false}}}`, `
error platform.components."cloudnative-pg".enabled [management/requires] mgmt: Keycloak needs cloudnative-pg for its database, and it is off here
`},
		{"with another's database", `{"components": {"cloudnative-pg": {"enabled": false}}, "clusters": {"mgmt": {"management": {"keycloak": {"database": {"external": {}}}}}}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), found(t, plane, c.patch)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
