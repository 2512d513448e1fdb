package model_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/model"
)

// gap makes the cluster prod of the sound platform an air-gapped one.
const gap = `{"domains": ["acme.example"], "management": {"registry": {"host": "registry.acme.example:5000", "mirror": "mirror"}, "identity": {"keycloak": {"issuer": "https://id.acme.example/realms/x"}}, "secrets": null, "dns": null, "pki": null, "backups": null}, "clusters": {"prod": {"infrastructure": {"airGapped": true}}}}`

func TestAirGap(t *testing.T) {
	const within = "\n  hint: only management.registry and what is below platform.domains and the clusters' domains is within\n"
	const service = "\n  hint: use one that the platform runs itself\n"
	for _, c := range []struct{ name, patch, want string }{
		{"all within", `{"management": {"secrets": {"openbao": {"address": "https://bao.acme.example:8200"}}, "dns": {"rfc2136": {"server": "10.0.0.53"}}, "pki": {"vault": {"address": "https://bao.acme.example"}}, "backups": {"s3": {"endpoint": "https://s3.acme.example"}}}}`, ""},
		{"no registry", `{"management": {"registry": null}}`, `
error platform.clusters.prod.infrastructure.airGapped [infrastructure/air-gap] prod: the cluster is air-gapped, and the platform has no registry that it could pull from
  hint: set management.registry, and fill it with what contain mirror lists
`},
		{"issuer", `{"management": {"identity": {"keycloak": {"issuer": "https://login.example.com/realms/x"}}}}`, `
error platform.management.identity.keycloak.issuer [objects/air-gap] prod: the cluster is air-gapped, but login.example.com is outside of the platform` + within},
		{"secret store", `{"management": {"secrets": {"openbao": {"address": "https://bao.example.com"}}}}`, `
error platform.management.secrets.openbao.address [objects/air-gap] prod: the cluster is air-gapped, but bao.example.com is outside of the platform` + within},
		{"secret store of a cloud", `{"management": {"secrets": {"aws": {"region": "eu-central-1", "roleArn": "arn"}}}}`, `
error platform.management.secrets.aws [objects/air-gap] prod: the cluster is air-gapped, but AWS Secrets Manager is outside of the platform` + service},
		{"nobody reads secrets", `{"management": {"secrets": {"aws": {"region": "eu-central-1", "roleArn": "arn"}}}, "clusters": {"prod": {"components": {"external-secrets": {"enabled": false}}}}}`, ""},
		{"name server", `{"management": {"dns": {"rfc2136": {"server": "9.9.9.9"}}}}`, `
error platform.management.dns.rfc2136.server [objects/air-gap] prod: the cluster is air-gapped, but 9.9.9.9 is outside of the platform` + within},
		{"DNS of a cloud", `{"management": {"dns": {"google": {"project": "x"}}}}`, `
error platform.management.dns.google [objects/air-gap] prod: the cluster is air-gapped, but Google Cloud DNS is outside of the platform` + service},
		{"public authority", `{"management": {"pki": {"acme": {"server": "https://acme-v02.api.letsencrypt.org/directory"}}}}`, `
error platform.management.pki.acme.server [objects/air-gap] prod: the cluster is air-gapped, but acme-v02.api.letsencrypt.org is outside of the platform` + within},
		{"authority of a cloud", `{"management": {"pki": {"awsPCA": {}}}}`, `
error platform.management.pki.awsPCA [objects/air-gap] prod: the cluster is air-gapped, but AWS Private CA is outside of the platform` + service + `error platform.management.pki.awsPCA [secrets/pki] : the catalog makes no issuer of AWS Private CA
  hint: use acme, openbao, vault or ca
`},
		{"backups at AWS", `{"management": {"backups": {"s3": {"bucket": "b"}}}}`, `
error platform.management.backups.s3 [objects/air-gap] prod: the cluster is air-gapped, but Amazon S3 is outside of the platform` + service},
		{"backups elsewhere", `{"management": {"backups": {"s3": {"endpoint": "https://s3.example.com"}}}}`, `
error platform.management.backups.s3.endpoint [objects/air-gap] prod: the cluster is air-gapped, but s3.example.com is outside of the platform` + within},
		{"nobody is air-gapped", `{"management": {"registry": null, "dns": {"google": {"project": "x"}}}, "clusters": {"prod": {"infrastructure": {"airGapped": false}}}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), found(t, gap, c.patch)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestBoundary(t *testing.T) {
	p := &model.Platform{Domains: []string{"acme.example"}}
	p.Management.Registry = &model.Registry{Host: "registry.acme.test:5000"}
	p.Clusters = map[string]model.Cluster{"one": {Domain: "one.acme.test"}}
	c := p.Clusters["one"]
	c.Infrastructure.Network.Pods = "203.0.113.0/24"
	p.Clusters["one"] = c
	b := p.Boundary()
	for host, want := range map[string]bool{
		"acme.example": true, "id.acme.example:443": true, "ID.Acme.Example.": true, "notacme.example": false, "acme.example.com": false,
		"registry.acme.test": true, "registry.acme.test:5000": true, "x.registry.acme.test": false, "api.one.acme.test": true, "acme.test": false,
		"mimir.mimir.svc": true, "mimir.mimir.svc.cluster.local:80": true, "svc.example.com": false, "localhost": true, "grafana": true,
		"10.1.2.3": true, "172.31.0.1:80": true, "192.168.1.1": true, "127.0.0.1": true, "169.254.169.254": true, "0.0.0.0": true,
		"203.0.113.7": true, "8.8.8.8:53": false, "172.32.0.1": false, "::1": true, "[fd00::1]:443": true, "2001:db8::1": false, "[2606:4700::1111]:53": false,
	} {
		if got := b.Inside(host); got != want {
			t.Errorf("%s: inside is %v", host, got)
		}
	}
}
