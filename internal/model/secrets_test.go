package model_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bao makes the sound platform's dev cluster run OpenBao.
const bao = `"secrets": {"openbao": {"address": "https://bao"}}, "pki": {"openbao": {"address": "https://bao"}}`

func TestSecretsCheck(t *testing.T) {
	for _, c := range []struct{ name, patch, want string }{
		{"aws with a role", `{"management": {"secrets": {"aws": {"roleArn": "arn"}}}}`, ``},
		{"aws without", `{"management": {"secrets": {"aws": {"region": "eu-central-1"}}}}`, `
error platform.management.secrets.aws [secrets/authentication] : nothing says who asks AWS for secrets: the operator would have whatever its node may
  hint: set roleArn
`},
		{"a store of a layer", `{"environments": {"prod": {"components": {"external-secrets": {"values": {"stores": {"amazon": {"aws": {}}}}}}}}}`, `
error platform.environments.prod.components."external-secrets".values.stores.amazon.aws [secrets/authentication] : nothing says who asks AWS for secrets: the operator would have whatever its node may
  hint: set roleArn
`},
		{"a store that a layer refines", `{"components": {"external-secrets": {"values": {"stores": {"amazon": {"aws": {"roleArn": "arn"}}}}}}, "environments": {"prod": {"components": {"external-secrets": {"values": {"stores": {"amazon": {"aws": {}}}}}}}}}`, ``},
		{"own authorities", `{"management": {` + bao + `}, "clusters": {"dev": {"role": "management", "domain": "bao", "management": {"openbao": {"pki": {}}}}}}`, ``},
		{"two seals", `{"management": {` + bao + `}, "clusters": {"dev": {"role": "management", "domain": "bao", "management": {"openbao": {"pki": {}, "seal": {"static": {}, "transit": {}}}}}}}`, `
error platform.clusters.dev.management.openbao.seal [model/variant] dev: seal has static and transit set; only one is allowed
  at platform.clusters.dev.management.openbao.seal.static
  at platform.clusters.dev.management.openbao.seal.transit
`},
		{"no authority", `{"management": {` + bao + `}, "clusters": {"dev": {"role": "management", "domain": "bao", "management": {"openbao": {}}}}}`, `
error platform.management.pki.openbao [secrets/pki] : no OpenBao of the platform's has authorities, and no path says which one signs
  hint: say path, as "pki/sign/platform", or management: openbao: pki where OpenBao runs
`},
		{"a cloud's authority", `{"management": {"pki": {"awsPCA": {}}}}`, `
error platform.management.pki.awsPCA [secrets/pki] : the catalog makes no issuer of AWS Private CA
  hint: use acme, openbao, vault or ca
`},
		{"an authority that a path names", `{"management": {"pki": {"openbao": {"address": "https://bao", "path": "pki/sign/platform"}}}}`, ``},
		{"authorities elsewhere", `{"management": {"secrets": {"openbao": {"address": "https://bao"}}, "pki": {"openbao": {"address": "https://pki"}}}, "clusters": {"dev": {"role": "management", "domain": "bao", "management": {"openbao": {"pki": {}}}}}}`, `
error platform.management.pki.openbao.address [secrets/pki] : the authorities are in the OpenBao at https://bao, and certificates are asked for at https://pki
  hint: say the same address, or path
`},
		{"nodes that wait for their own pods", `{"management": {` + bao + `}, "clusters": {"dev": {"infrastructure": {"metal": null, "openstack": {"credentials": {"path": "x"}}}, "role": "management", "domain": "bao", "management": {"openbao": {"pki": {}}}}}}`, `
error platform.clusters.dev.infrastructure.openstack.credentials [secrets/circle] dev: this cluster runs the secret store, and its nodes need this secret before any pod runs
  hint: leave credentials out, and put the Secret there when the cluster is made
`},
		{"nodes whose secret is elsewhere", `{"management": {` + bao + `}, "clusters": {"dev": {"infrastructure": {"metal": null, "openstack": {"credentials": {"path": "x", "store": "hq"}}}, "role": "management", "domain": "bao", "management": {"openbao": {"pki": {}}}}}}`, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), found(t, c.patch)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
