package model_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// registry makes a cluster of the sound platform one that runs Harbor.
const registry = `{
	"management": {
		"git": {"gitlab": {}}, "scanner": {"trivy": {}},
		"identity": {"keycloak": {"federation": {"corp": {"oidc": {"claims": {}}, "groups": {"buyers": {}}}}}},
		"registry": {"host": "registry.example", "mirror": "mirror", "robots": {"path": "robots"}}
	},
	"access": {"groups": {"admins": {}}},
	"clusters": {"mgmt": {"role": "management", "environment": "prod", "region": "eu", "infrastructure": {"metal": {}}, "management": {"harbor": {
		"storage": {"volume": "1Ti"}, "database": {}, "oidc": {"adminGroup": "admins"}, "storageQuota": "100Gi",
		"proxies": {"docker.io": {"kind": "docker-hub"}, "ghcr.io": {"kind": "github-ghcr"}, "quay.io": {"kind": "docker-registry"}},
		"projects": {"base": {"groups": {"admins": {}, "buyers": {}}, "robots": {"ci": {}}, "quota": "1000G"}}
	}}}}
}`

func TestRegistry(t *testing.T) {
	harbor := func(text string) string {
		return `{"clusters": {"mgmt": {"management": {"harbor": ` + text + `}}}}`
	}
	for _, c := range []struct{ name, patch, want string }{
		{"nothing", `{}`, ""},
		{"two git servers", `{"management": {"git": {"github": {}}}}`, `
error platform.management.git [model/variant] : git has github and gitlab set; only one is allowed
  at platform.management.git.github
  at platform.management.git.gitlab
`},
		{"credentials of two kinds", `{"management": {"registry": {"pull": {"path": "pull"}}}}`, `
error platform.management.registry [model/variant] : registry has pull and robots set; only one is allowed
  at platform.management.registry.pull
  at platform.management.registry.robots
`},
		{"no host", `{"management": {"registry": null}}`, `
error platform.clusters.mgmt.management.harbor [registry/harbor] mgmt: Harbor has no host: the platform's registry is not said
  hint: say management: registry: host: …
`},
		{"no identity provider", `{"management": {"identity": {"keycloak": null}}}`, `
error platform.clusters.mgmt.management.harbor [registry/harbor] mgmt: nobody could sign in at Harbor: the platform has no identity provider
  hint: say management: identity: keycloak or external
error platform.clusters."obs-apps".stack.application [telemetry/requires] obs-apps: nobody could log in to Grafana: the platform has no identity provider
  hint: describe management.identity
error platform.clusters."obs-platform".stack.platform [telemetry/requires] obs-platform: nobody could log in to Grafana: the platform has no identity provider
  hint: describe management.identity
`},
		{"two Harbors", `{"clusters": {"mgmt-us": {"role": "management", "environment": "prod", "region": "us", "infrastructure": {"metal": {}}, "management": {"harbor": {}}}}}`, `
error platform.clusters."mgmt-us".management.harbor [registry/harbor] mgmt-us: Harbor runs on mgmt already, and the registry has one host
  at platform.clusters."mgmt-us".management.harbor
  at platform.clusters.mgmt.management.harbor
`},
		{"robots without passwords", `{"management": {"registry": {"robots": null}}}`, `
error platform.clusters.mgmt.management.harbor.projects.base.robots [registry/harbor] mgmt: robots of project "base" have no password: the registry does not say where robots' are
  hint: say management: registry: robots: path: …
`},
		{"two places for images", harbor(`{"storage": {"s3": {}}}`), `
error platform.clusters.mgmt.management.harbor.storage [model/variant] mgmt: storage has s3 and volume set; only one is allowed
  at platform.clusters.mgmt.management.harbor.storage.s3
  at platform.clusters.mgmt.management.harbor.storage.volume
`},
		{"two databases", harbor(`{"database": {"external": {}, "cloudnativePG": {}}}`), `
error platform.clusters.mgmt.management.harbor.database [model/variant] mgmt: database has cloudnativePG and external set; only one is allowed
  at platform.clusters.mgmt.management.harbor.database.cloudnativePG
  at platform.clusters.mgmt.management.harbor.database.external
`},
		{"group", harbor(`{"projects": {"base": {"groups": {"buyer": {}}}}}`), `
error platform.clusters.mgmt.management.harbor.projects.base.groups.buyer [model/reference] mgmt: group "buyer" does not exist
  hint: did you mean "buyers"?
`},
		{"group of administrators", harbor(`{"oidc": {"adminGroup": "admin"}}`), `
error platform.clusters.mgmt.management.harbor.oidc.adminGroup [model/reference] mgmt: group "admin" does not exist
  hint: did you mean "admins"?
`},
		{"Docker Hub as any registry", harbor(`{"proxies": {"docker.io": {"kind": "docker-registry"}}}`), `
error platform.clusters.mgmt.management.harbor.proxies."docker.io".kind [registry/proxy] mgmt: docker.io is not of kind docker-registry
  hint: say kind: "docker-hub"
`},
		{"any registry as Docker Hub", harbor(`{"proxies": {"quay.io": {"kind": "docker-hub"}}}`), `
error platform.clusters.mgmt.management.harbor.proxies."quay.io".kind [registry/proxy] mgmt: quay.io is not of kind docker-hub, which is docker.io alone
  hint: say kind: "docker-registry"
`},
		{"who fills the mirror", harbor(`{"projects": {"mirror": {"groups": {"admins": {}}}}}`), ""},
		{"a project that is a proxy", harbor(`{"projects": {"quay.io": {}}}`), `
error platform.clusters.mgmt.management.harbor.projects."quay.io" [registry/project] mgmt: project "quay.io" is the proxy of that host
  hint: use another name
`},
		{"a team that is the mirror", `{"management": {"registry": {"mirror": "shop"}}}`, `
error platform.teams.shop [registry/project] : project "shop" is what the registry mirrors
  hint: use another name
`},
		{"a team's project", harbor(`{"projects": {"shop": {"quota": "1Ti"}}}`), ""},
		{"more than the volume", harbor(`{"projects": {"base": {"quota": "1025Gi"}}, "storageQuota": "2T"}`), `
error platform.clusters.mgmt.management.harbor.projects.base.quota [registry/quota] mgmt: a quota of 1025Gi is more than the volume of 1Ti that images are kept on
error platform.clusters.mgmt.management.harbor.storageQuota [registry/quota] mgmt: a quota of 2T is more than the volume of 1Ti that images are kept on
`},
		{"more than the volume, which is not there", harbor(`{"storage": {"volume": null, "s3": {}}, "storageQuota": "2Pi"}`), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), found(t, registry, c.patch)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
