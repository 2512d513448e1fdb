package model_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/model"
)

// sound is a platform with nothing to object to, as JSON: two stacks, a team
// with all that a team can have.
const sound = `{
	"management": {"identity": {"keycloak": {}, "audience": "k"}},
	"access": {},
	"observability": {"tenant": "platform", "application": true},
	"channels": {"chat": {"slack": {}}, "mail": {"email": {}}},
	"tenants": {
		"platform": {"owner": "sre", "stack": "platform"},
		"shop": {
			"owner": "shop", "stack": "application",
			"alerts": {"channel": "chat", "routes": {"page": {"channel": "mail"}}},
			"forward": {"siem": {"signals": ["logs", "traces"], "otlp": {}}, "metrics": {"signals": ["metrics"], "remoteWrite": {}}}
		}
	},
	"teams": {
		"sre": {"clusters": "*", "telemetry": {"clusters": "*"}},
		"shop": {
			"clusters": {"roles": ["workload"]},
			"telemetry": {"clusters": "*"},
			"tenant": "shop",
			"namespaces": {"shop-web": {}},
			"source": {"git": {"url": "https://git.example/shop", "branch": "main", "credentials": {"path": "x"}}, "namespace": "shop-web"},
			"images": {"cluster": "prod", "repositories": {"web": {"policy": {"semver": "1.x", "pattern": "x"}}}},
			"notify": ["chat"]
		}
	},
	"environments": {"prod": {}, "dev": {}},
	"clusters": {
		"prod": {"role": "workload", "environment": "prod", "region": "eu", "infrastructure": {"metal": {}}},
		"dev": {"role": "workload", "environment": "dev", "region": "us", "infrastructure": {"metal": {}}},
		"obs-platform": {
			"role": "observability", "environment": "prod", "region": "eu", "infrastructure": {"metal": {}},
			"stack": {"platform": {"storage": {"s3": {"credentials": {"path": "x"}}}, "alerts": {"channel": "chat"}}}
		},
		"obs-apps": {
			"role": "observability", "environment": "prod", "region": "eu", "infrastructure": {"metal": {}},
			"stack": {"application": {"storage": {"azure": {}}}}
		}
	}
}`

// found is a finding in one line: cluster, path, id and message, then the hint
// and further paths.
func found(t *testing.T, patches ...string) string {
	t.Helper()
	b := []byte(sound)
	for _, patch := range patches {
		var err error
		if b, err = jsonpatch.MergePatch(b, []byte(patch)); err != nil {
			t.Fatal(err)
		}
	}
	var p model.Platform
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range model.Check(&p) {
		fmt.Fprintf(&out, "%s %s [%s] %s: %s\n", f.Severity, f.Path, f.ID, f.Cluster, f.Message)
		if f.Hint != "" {
			fmt.Fprintf(&out, "  hint: %s\n", f.Hint)
		}
		for _, a := range f.Also {
			fmt.Fprintf(&out, "  at %s\n", a)
		}
	}
	return out.String()
}

// Each case is a mistake in a platform that is sound otherwise, and all that is
// said about it.
func TestCheck(t *testing.T) {
	for _, c := range []struct{ name, patch, want string }{
		{"nothing", `{}`, ""},
		{"owner", `{"tenants": {"shop": {"owner": "shpo"}}}`, `
error platform.tenants.shop.owner [model/reference] : team "shpo" does not exist
  hint: did you mean "shop"?
`},
		{"a gateway's user", `{"clusters": {"grafana": {"role": "workload", "environment": "dev", "region": "us", "infrastructure": {"metal": {}}}}}`, `
error platform.clusters.grafana [model/name] grafana: a cluster cannot be called "grafana": a user of the stacks' gateways has that name, as clusters have theirs
`},
		{"same id", `{"tenants": {"shop": {"id": "platform"}}}`, `
error platform.tenants.shop.id [tenants/id] : tenants platform and shop have the same ID "platform": each would read and write the other's data
  hint: an ID is the tenant's name unless id says otherwise
  at platform.tenants.shop.id
  at platform.tenants.platform
`},
		{"team's tenant", `{"teams": {"shop": {"tenant": "shpo"}}}`, `
error platform.teams.shop.tenant [model/reference] : tenant "shpo" does not exist
  hint: did you mean "shop"?
`},
		{"own tenant", `{"observability": {"tenant": "ops"}}`, `
error platform.observability.tenant [model/reference] : tenant "ops", which the platform's own telemetry belongs to, does not exist
  hint: there is platform and shop
  at platform.observability.tenant
  at platform.clusters."obs-platform".stack.platform
`},
		{"own tenant is a customer's", `{"observability": {"tenant": "shop"}}`, `
error platform.tenants.shop.stack [tenants/platform] : tenant "shop" has the platform's own telemetry, and its stack is application
  hint: say stack: "platform" there, or name another tenant in observability.tenant
  at platform.observability.tenant
  at platform.tenants.shop.stack
`},
		{"own tenant, and no stack", `{"observability": {"tenant": "ops"}, "clusters": {"obs-platform": null}}`, ``},
		{"channel of no kind", `{"channels": {"chat": {"slack": null}}}`, `
error platform.channels.chat [model/variant] : chat has no kind set; exactly one is needed
  hint: set one of slack, msteams, pagerduty, opsgenie, webhook or email
`},
		{"channel of two kinds", `{"channels": {"chat": {"webhook": {}}}}`, `
error platform.channels.chat [model/variant] : chat has slack and webhook set; only one is allowed
  at platform.channels.chat.slack
  at platform.channels.chat.webhook
`},
		{"channel of a tenant", `{"tenants": {"shop": {"alerts": {"channel": "caht"}}}}`, `
error platform.tenants.shop.alerts.channel [model/reference] : channel "caht" does not exist
  hint: did you mean "chat"?
`},
		{"channel of a route", `{"tenants": {"shop": {"alerts": {"routes": {"page": {"channel": "pager"}}}}}}`, `
error platform.tenants.shop.alerts.routes.page.channel [model/reference] : channel "pager" does not exist
  hint: there is chat and mail
`},
		{"channel of a stack", `{"clusters": {"obs-platform": {"stack": {"platform": {"alerts": {"channel": "pager"}}}}}}`, `
error platform.clusters."obs-platform".stack.platform.alerts.channel [model/reference] obs-platform: channel "pager" does not exist
  hint: there is chat and mail
`},
		{"channel of a team", `{"teams": {"shop": {"notify": ["pager"]}}}`, `
error platform.teams.shop.notify[0] [model/reference] : channel "pager" does not exist
  hint: there is chat and mail
`},
		{"channel of flux", `{"components": {"flux": {"values": {"notify": ["chat", "pager"]}}}}`, `
error platform.components.flux.values.notify[1] [model/reference] : channel "pager" does not exist
  hint: there is chat and mail
`},
		{"channel of flux in an environment", `{"environments": {"prod": {"components": {"flux": {"values": {"notify": ["pager"]}}}}}}`, `
error platform.environments.prod.components.flux.values.notify[0] [model/reference] : channel "pager" does not exist
  hint: there is chat and mail
`},
		{"channel of flux in a cluster", `{"clusters": {"prod": {"components": {"flux": {"values": {"notify": ["pager"]}}}}}}`, `
error platform.clusters.prod.components.flux.values.notify[0] [model/reference] prod: channel "pager" does not exist
  hint: there is chat and mail
`},
		{"email by flux", `{"components": {"flux": {"values": {"notify": ["mail"]}}}}`, `
error platform.components.flux.values.notify[0] [teams/notify] : Flux sends no email, and channel "mail" is email alone
  hint: name a channel of another kind; email is for alerts of tenants and stacks
`},
		{"pagerduty by flux", `{"channels": {"pager": {"pagerduty": {}}}, "components": {"flux": {"values": {"notify": ["pager"]}}}}`, `
error platform.components.flux.values.notify[0] [teams/notify] : Flux takes PagerDuty's key in plain text alone, and channel "pager" keeps it in the secret store
  hint: name a channel of another kind; pagerduty is for alerts of tenants and stacks
`},
		{"email to a team", `{"teams": {"shop": {"notify": ["chat", "mail"]}}}`, `
error platform.teams.shop.notify[1] [teams/notify] : Flux sends no email, and channel "mail" is email alone
  hint: name a channel of another kind; email is for alerts of tenants and stacks
`},
		{"stack on a workload cluster", `{"clusters": {"prod": {"stack": {"application": {}}}}}`, `
error platform.clusters.prod.stack.application [telemetry/stack] prod: a stack runs on clusters of role observability; the role of this one is workload
`},
		{"no stack", `{"clusters": {"obs-apps": {"stack": {"application": null}}}, "teams": {"shop": {"tenant": null}}}`, `
error platform.clusters."obs-apps".role [telemetry/stack] obs-apps: an observability cluster runs a stack, and this one has none
  hint: describe stack: platform, for those who run the platform, or stack: application, for its customers
`},
		{"both stacks", `{"clusters": {"obs-apps": {"stack": {"platform": {}}}}}`, `
error platform.clusters."obs-apps".stack [telemetry/stack] obs-apps: those who run the platform and its customers never share a cluster for their telemetry: this one has both stacks
  hint: keep one of them, and describe another observability cluster for the other
  at platform.clusters."obs-apps".stack.application
  at platform.clusters."obs-apps".stack.platform
`},
		{"no storage", `{"clusters": {"obs-apps": {"stack": {"application": {"storage": {"azure": null}}}}}}`, `
error platform.clusters."obs-apps".stack.application.storage [model/variant] obs-apps: storage has no kind set; exactly one is needed
  hint: set one of s3 or azure
`},
		{"two storages", `{"clusters": {"obs-apps": {"stack": {"application": {"storage": {"s3": {}}}}}}}`, `
error platform.clusters."obs-apps".stack.application.storage [model/variant] obs-apps: storage has azure and s3 set; only one is allowed
  at platform.clusters."obs-apps".stack.application.storage.azure
  at platform.clusters."obs-apps".stack.application.storage.s3
`},
		{"s3 without credentials", `{"clusters": {"obs-platform": {"stack": {"platform": {"storage": {"s3": {"credentials": null}}}}}}}`, `
error platform.clusters."obs-platform".stack.platform.storage.s3 [telemetry/storage] obs-platform: nothing says how the stack gets at its buckets
  hint: set credentials, or roleArn where the infrastructure gives pods an identity
`},
		{"s3 with a role", `{"clusters": {"obs-platform": {"stack": {"platform": {"storage": {"s3": {"credentials": null, "roleArn": "arn"}}}}}}}`, ``},
		{"no identity", `{"management": {"identity": {"keycloak": null}}, "clusters": {"obs-apps": null}, "teams": {"shop": {"tenant": null}}}`, `
error platform.clusters."obs-platform".stack.platform [telemetry/requires] obs-platform: nobody could log in to Grafana: the platform has no identity provider
  hint: describe management.identity
`},
		{"external identity", `{"management": {"identity": {"keycloak": null, "external": {}}}, "clusters": {"obs-platform": {"stack": {"platform": {"oidc": {"authUrl": "a", "tokenUrl": "t", "apiUrl": "u"}}}}}}`, `
error platform.clusters."obs-apps".stack.application.oidc [telemetry/requires] obs-apps: nobody could log in to Grafana: of an identity provider that is not Keycloak it needs to be told the addresses
  hint: set authUrl, tokenUrl and apiUrl; the provider's /.well-known/openid-configuration has them
`},
		{"contour off", `{"environments": {"prod": {"components": {"contour": {"enabled": false}}}}}`, `
error platform.environments.prod.components.contour.enabled [telemetry/requires] obs-apps: a stack needs contour for letting anybody in, and it is off here
error platform.environments.prod.components.contour.enabled [telemetry/requires] obs-platform: a stack needs contour for letting anybody in, and it is off here
`},
		{"contour off and on", `{"environments": {"prod": {"components": {"contour": {"enabled": false}}}}, "clusters": {"obs-apps": {"components": {"contour": {"enabled": true}}}, "obs-platform": {"components": {"contour": {"enabled": true}}}}}`, ``},
		{"cert-manager and external-secrets off", `{"clusters": {"obs-apps": {"components": {"cert-manager": {"enabled": false}, "external-secrets": {"enabled": false}}}}}`, `
error platform.clusters."obs-apps".components."cert-manager".enabled [telemetry/requires] obs-apps: a stack needs cert-manager for its gateways' certificates, and it is off here
error platform.clusters."obs-apps".components."external-secrets".enabled [telemetry/requires] obs-apps: a stack needs external-secrets for its credentials, and it is off here
`},
		{"stack that is no cluster", `{"environments": {"dev": {"telemetry": {"stacks": {"application": "obs-app"}}}}}`, `
error platform.environments.dev.telemetry.stacks.application [model/reference] : cluster "obs-app" does not exist
  hint: did you mean "obs-apps"?
`},
		{"stack that is of the other kind", `{"clusters": {"dev": {"telemetry": {"stacks": {"application": "obs-platform"}}}}}`, `
error platform.clusters.dev.telemetry.stacks.application [model/reference] dev: cluster "obs-platform" runs no stack of kind application
  hint: there is obs-apps
`},
		{"stack that is no stack", `{"clusters": {"dev": {"telemetry": {"stacks": {"platform": "prod"}}}}}`, `
error platform.clusters.dev.telemetry.stacks.platform [model/reference] dev: cluster "prod" runs no stack of kind platform
  hint: there is obs-platform
`},
		{"no stack for a tenant", `{"clusters": {"obs-apps": null}}`, `
error platform.teams.shop.tenant [telemetry/target] dev: tenant shop is of the application stack, and no cluster runs one
  hint: describe an observability cluster with stack: application, or leave out the team's tenant
error platform.teams.shop.tenant [telemetry/target] prod: tenant shop is of the application stack, and no cluster runs one
  hint: describe an observability cluster with stack: application, or leave out the team's tenant
`},
		{"several stacks", `{"clusters": {"obs-more": {"role": "observability", "environment": "prod", "region": "eu", "infrastructure": {"metal": {}}, "stack": {"application": {"storage": {"azure": {}}}}}}}`, `
error platform.clusters.dev [telemetry/target] dev: telemetry could go to the application stack of obs-apps or obs-more, and nothing says to which
  hint: say telemetry: stacks: application: "obs-apps" in the cluster or its environment; a stack alone in the cluster's region needs no word
error platform.clusters.prod [telemetry/target] prod: telemetry could go to the application stack of obs-apps or obs-more, and nothing says to which
  hint: say telemetry: stacks: application: "obs-apps" in the cluster or its environment; a stack alone in the cluster's region needs no word
`},
		{"several platform stacks", `{"clusters": {"obs-more": {"role": "observability", "environment": "prod", "region": "ap", "infrastructure": {"metal": {}}, "stack": {"platform": {"storage": {"azure": {}}}}}}}`, `
error platform.clusters.dev [telemetry/target] dev: telemetry could go to the platform stack of obs-more or obs-platform, and nothing says to which
  hint: say telemetry: stacks: platform: "obs-more" in the cluster or its environment; a stack alone in the cluster's region needs no word
`},
		{"several stacks, told which", `{"clusters": {"obs-more": {"role": "observability", "environment": "prod", "region": "eu", "infrastructure": {"metal": {}}, "stack": {"application": {"storage": {"azure": {}}}}}}, "environments": {"prod": {"telemetry": {"stacks": {"application": "obs-more"}}}, "dev": {"telemetry": {"stacks": {"application": "obs-apps"}}}}}`, ``},
		{"application off for one", `{"environments": {"dev": {"telemetry": {"application": false}}}}`, `
error platform.teams.shop.telemetry.clusters [telemetry/application] dev: the team's telemetry is asked for where application telemetry is off
  hint: narrow telemetry.clusters of the team to where it is on, or say telemetry: application: true in the cluster or its environment
  at platform.teams.shop.telemetry.clusters
  at platform.teams.shop.tenant
`},
		{"application off for all", `{"observability": {"application": false}}`, `
error platform.teams.shop.telemetry.clusters [telemetry/application] dev: the team's telemetry is asked for where application telemetry is off
  hint: narrow telemetry.clusters of the team to where it is on, or say telemetry: application: true in the cluster or its environment
  at platform.teams.shop.telemetry.clusters
  at platform.teams.shop.tenant
error platform.teams.shop.telemetry.clusters [telemetry/application] prod: the team's telemetry is asked for where application telemetry is off
  hint: narrow telemetry.clusters of the team to where it is on, or say telemetry: application: true in the cluster or its environment
  at platform.teams.shop.telemetry.clusters
  at platform.teams.shop.tenant
`},
		{"application off, and on in a cluster", `{"observability": {"application": false}, "clusters": {"prod": {"telemetry": {"application": true}}, "dev": {"telemetry": {"application": true}}}}`, ``},
		{"application off where it is not asked for", `{"environments": {"dev": {"telemetry": {"application": false}}}, "teams": {"shop": {"telemetry": {"clusters": {"environments": ["prod"]}}}}}`, ``},
		{"application off, and a tenant of the platform", `{"observability": {"application": false}, "tenants": {"shop": {"stack": "platform"}}}`, ``},
		{"forward by both", `{"tenants": {"shop": {"forward": {"siem": {"remoteWrite": {}}}}}}`, `
error platform.tenants.shop.forward.siem [model/variant] : siem has otlp and remoteWrite set; only one is allowed
  at platform.tenants.shop.forward.siem.otlp
  at platform.tenants.shop.forward.siem.remoteWrite
`},
		{"forward by neither", `{"tenants": {"shop": {"forward": {"siem": {"otlp": null}}}}}`, `
error platform.tenants.shop.forward.siem [model/variant] : siem has no protocol set; exactly one is needed
  hint: set one of otlp or remoteWrite
`},
		{"forward metrics by otlp", `{"tenants": {"shop": {"forward": {"siem": {"signals": ["logs", "metrics"]}}}}}`, `
error platform.tenants.shop.forward.siem.signals[1] [tenants/forward] : metrics are not forwarded by otlp
  hint: forward them by remoteWrite, under another name
`},
		{"forward logs by remoteWrite", `{"tenants": {"shop": {"forward": {"metrics": {"signals": ["logs"]}}}}}`, `
error platform.tenants.shop.forward.metrics.signals[0] [tenants/forward] : logs are not forwarded by remoteWrite, which takes metrics alone
  hint: forward them by otlp, under another name
`},
		{"telemetry of a region", `{"teams": {"shop": {"telemetry": {"clusters": {"regions": ["asia"]}}}}}`, `
error platform.teams.shop.telemetry.clusters.regions[0] [model/reference] : region "asia" does not exist
  hint: there is eu and us
`},
		{"source of no kind", `{"teams": {"shop": {"source": {"git": null}, "images": null}}}`, `
error platform.teams.shop.source [model/variant] : source has no kind set; exactly one is needed
  hint: set one of git or oci
`},
		{"source of two kinds", `{"teams": {"shop": {"source": {"oci": {}}}}}`, `
error platform.teams.shop.source [model/variant] : source has git and oci set; only one is allowed
  at platform.teams.shop.source.git
  at platform.teams.shop.source.oci
`},
		{"branch and tag", `{"teams": {"shop": {"source": {"git": {"tag": "v1"}}}}}`, `
error platform.teams.shop.source.git [model/variant] : git has branch and tag set; only one is allowed
  at platform.teams.shop.source.git.branch
  at platform.teams.shop.source.git.tag
`},
		{"tag and digest", `{"teams": {"shop": {"images": null, "source": {"git": null, "oci": {"url": "x", "tag": "v1", "digest": "x"}}}}}`, `
error platform.teams.shop.source.oci [model/variant] : oci has digest and tag set; only one is allowed
  at platform.teams.shop.source.oci.digest
  at platform.teams.shop.source.oci.tag
`},
		{"verify by nobody", `{"teams": {"shop": {"images": null, "source": {"git": null, "oci": {"url": "x", "verify": {}}}}}}`, `
error platform.teams.shop.source.oci.verify [model/variant] : verify has no signer set; exactly one is needed
  hint: set one of identity or publicKey
`},
		{"verify by two", `{"teams": {"shop": {"images": null, "source": {"git": null, "oci": {"url": "x", "verify": {"publicKey": {}, "identity": {}}}}}}}`, `
error platform.teams.shop.source.oci.verify [model/variant] : verify has identity and publicKey set; only one is allowed
  at platform.teams.shop.source.oci.verify.identity
  at platform.teams.shop.source.oci.verify.publicKey
`},
		{"source to another's namespace", `{"teams": {"shop": {"source": {"namespace": "payments"}}}}`, `
error platform.teams.shop.source.namespace [teams/namespace] : namespace "payments" is not the team's
  hint: there is shop-web
`},
		{"source of a team without namespaces", `{"teams": {"shop": {"namespaces": null, "source": {"namespace": null}}}}`, `
error platform.teams.shop.source [teams/source] : a source is applied to the team's namespaces, and the team has none
`},
		{"images without git", `{"teams": {"shop": {"source": {"git": null, "oci": {"url": "x"}}}}}`, `
error platform.teams.shop.images [teams/images] : new tags of images are committed to the team's Git repository, and the team has none
  hint: describe source: git
`},
		{"images without credentials", `{"teams": {"shop": {"source": {"git": {"credentials": null}}}}}`, `
error platform.teams.shop.images [teams/images] : new tags of images are pushed with the credentials of the team's Git repository, and it has none
  hint: describe source: git: credentials
`},
		{"images unsigned", `{"teams": {"shop": {"source": {"git": {"verify": {"keys": {}}}}}}}`, `
error platform.teams.shop.images [teams/images] : the team's Git repository is applied only when it is signed, and what Flux commits would not be
  hint: give images a signingKey, and add its public half to the keys of the source
`},
		{"images signed", `{"teams": {"shop": {"source": {"git": {"verify": {"keys": {}}}}, "images": {"signingKey": {"path": "x"}}}}}`, ``},
		{"images to a tag", `{"teams": {"shop": {"source": {"git": {"branch": null, "tag": "v1"}}}}}`, `
error platform.teams.shop.images [teams/images] : the team's source follows tags, which nothing can be committed to
  hint: name the branch for commits in images: branch
`},
		{"images to a branch beside a tag", `{"teams": {"shop": {"source": {"git": {"branch": null, "tag": "v1"}}, "images": {"branch": "main"}}}}`, ``},
		{"images in no cluster", `{"teams": {"shop": {"images": {"cluster": "pord"}}}}`, `
error platform.teams.shop.images.cluster [model/reference] : cluster "pord" does not exist
  hint: did you mean "prod"?
`},
		{"images where the team is not", `{"teams": {"shop": {"images": {"cluster": "obs-apps"}}}}`, `
error platform.teams.shop.images.cluster [teams/images] : the team has no namespaces in cluster "obs-apps", which is to follow its images
  hint: name one of the team's clusters
`},
		{"images where Flux does not follow them", `{"components": {"flux": {"values": {"controllers": {"imageAutomation": false}}}}}`, `
error platform.teams.shop.images.cluster [teams/images] prod: images are followed by controllers of Flux that are off in this cluster
  at platform.teams.shop.images.cluster
  at platform.components.flux.values.controllers.imageAutomation
`},
		{"images where Flux follows them again", `{"components": {"flux": {"values": {"controllers": {"imageAutomation": false}}}}, "clusters": {"prod": {"components": {"flux": {"values": {"controllers": {"imageAutomation": true}}}}}}}`, ``},
		{"images where Flux is off", `{"clusters": {"prod": {"components": {"flux": {"enabled": false}}}}, "teams": {"shop": {"notify": []}}}`, `
error platform.teams.shop.images.cluster [teams/images] prod: images are followed by controllers of Flux that are off in this cluster
  at platform.teams.shop.images.cluster
  at platform.clusters.prod.components.flux.enabled
`},
		{"policy of no kind", `{"teams": {"shop": {"images": {"repositories": {"web": {"policy": {"semver": null}}}}}}}`, `
error platform.teams.shop.images.repositories.web.policy [model/variant] : policy has no kind set; exactly one is needed
  hint: set one of alphabetical, numerical or semver
`},
		{"policy of two kinds", `{"teams": {"shop": {"images": {"repositories": {"web": {"policy": {"numerical": "asc"}}}}}}}`, `
error platform.teams.shop.images.repositories.web.policy [model/variant] : policy has numerical and semver set; only one is allowed
  at platform.teams.shop.images.repositories.web.policy.numerical
  at platform.teams.shop.images.repositories.web.policy.semver
`},
		{"notify where Flux does not", `{"clusters": {"dev": {"components": {"flux": {"values": {"controllers": {"notification": false}}}}}}}`, `
error platform.teams.shop.notify [teams/notify] dev: the team's channels are told by a controller of Flux that is off here
  at platform.teams.shop.notify
  at platform.clusters.dev.components.flux.values.controllers.notification
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), found(t, c.patch)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}
