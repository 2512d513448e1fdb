package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Findings about the secret store and the authority of certificates.
const (
	findingSecretAuth   = "secrets/authentication"
	findingSecretCircle = "secrets/circle"
	findingSecretPKI    = "secrets/pki"
)

// OpenBao is the secret store where a cluster runs it.
type OpenBao struct {
	Replicas int             `json:"replicas"`
	Seal     Variants        `json:"seal"`
	PKI      json.RawMessage `json:"pki"` // nil for none
}

// secretServer is an OpenBao or Vault, as a store or as an issuer.
type secretServer struct {
	Address string `json:"address"`
	Path    string `json:"path"` // an issuer's
}

// secrets checks that stores know who asks, and that the store that the platform
// runs can start and sign.
func (c *checker) secrets() {
	c.secretStores()
	var runs []string
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		if b := c.p.Clusters[n].Systems.OpenBao; b != nil {
			runs = append(runs, n)
			c.one(b.Seal, append(openbaoOf(n), "seal")...)
		}
	}
	c.secretPKI(runs)
	for _, n := range runs {
		c.secretCircle(n)
	}
}

func openbaoOf(cluster string) []string {
	return []string{"platform", "clusters", cluster, "management", "openbao"}
}

// secretStores: Azure's and OpenBao's stores say who asks by what their schema
// demands; AWS would take whatever identity the pods happen to have.
func (c *checker) secretStores() {
	c.awsStore(c.p.Management.Secrets, "platform", "management", "secrets")
	layers := []said{{[]string{"platform"}, c.p.Components}}
	for _, n := range slices.Sorted(maps.Keys(c.p.Environments)) {
		layers = append(layers, said{[]string{"platform", "environments", n}, c.p.Environments[n].Components})
	}
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		layers = append(layers, said{[]string{"platform", "clusters", n}, c.p.Clusters[n].Components})
	}
	stores := make([]map[string]Variants, len(layers))
	known := map[string]bool{} // stores that some layer says a role of
	for i, l := range layers {
		if json.Unmarshal(l.components["external-secrets"].Values["stores"], &stores[i]) != nil {
			continue // nothing is said
		}
		for n, s := range stores[i] {
			known[n] = known[n] || hasRole(s["aws"])
		}
	}
	for i, l := range layers {
		for _, n := range slices.Sorted(maps.Keys(stores[i])) {
			if !known[n] {
				c.awsStore(stores[i][n], append(slices.Clone(l.path), "components", "external-secrets", "values", "stores", n)...)
			}
		}
	}
}

func hasRole(aws json.RawMessage) bool {
	var v struct{ RoleARN string }
	return json.Unmarshal(aws, &v) == nil && v.RoleARN != ""
}

func (c *checker) awsStore(store Variants, path ...string) {
	if raw, ok := store["aws"]; ok && !hasRole(raw) {
		c.add(findingSecretAuth, "nothing says who asks AWS for secrets: the operator would have whatever its node may", "set roleArn", append(path, "aws")...)
	}
}

// secretPKI: each cluster has an authority in the OpenBao that signs for it, or
// the path of the one that does is said.
func (c *checker) secretPKI(runs []string) {
	// cert-manager has no ClusterIssuer for it, and every Certificate names one.
	if _, ok := c.p.Management.PKI["awsPCA"]; ok {
		c.add(findingSecretPKI, "the catalog makes no issuer of AWS Private CA", "use acme, openbao, vault or ca", "platform", "management", "pki", "awsPCA")
	}
	var issuer, store secretServer
	raw, ok := c.p.Management.PKI["openbao"]
	if !ok || json.Unmarshal(raw, &issuer) != nil || issuer.Path != "" {
		return
	}
	_ = json.Unmarshal(c.p.Management.Secrets["openbao"], &store) // absent: no address
	path := []string{"platform", "management", "pki", "openbao"}
	signs := slices.ContainsFunc(runs, func(n string) bool { return c.p.Clusters[n].Systems.OpenBao.PKI != nil })
	switch {
	case !signs:
		c.add(findingSecretPKI, "no OpenBao of the platform's has authorities, and no path says which one signs", `say path, as "pki/sign/platform", or management: openbao: pki where OpenBao runs`, path...)
	case issuer.Address != store.Address:
		c.add(findingSecretPKI, fmt.Sprintf("the authorities are in the OpenBao at %s, and certificates are asked for at %s", store.Address, issuer.Address), "say the same address, or path", append(path, "address")...)
	}
}

// secretCircle: what nodes need before pods run cannot be in a store whose pods
// run on these nodes.
func (c *checker) secretCircle(cluster string) {
	providers := c.p.Clusters[cluster].Infrastructure.Providers
	for _, name := range slices.Sorted(maps.Keys(providers)) {
		var p struct {
			Credentials *struct{ Store string }
		}
		if json.Unmarshal(providers[name], &p) == nil && p.Credentials != nil && (p.Credentials.Store == "" || p.Credentials.Store == "platform") {
			c.add(findingSecretCircle, "this cluster runs the secret store, and its nodes need this secret before any pod runs", "leave credentials out, and put the Secret there when the cluster is made",
				"platform", "clusters", cluster, "infrastructure", name, "credentials")
		}
	}
}
