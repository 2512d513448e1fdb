package model_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// machines makes a cluster of the sound platform one that Cluster API makes on
// vSphere, on a management cluster that runs it, with what patch changes.
const machines = `{"clusters": {
	"mgmt": {"role": "management", "environment": "prod", "region": "eu", "domain": "mgmt.example", "management": {"clusterAPI": {}}, "infrastructure": {"metal": {}, "network": {"nodes": "10.9.0.0/24", "pods": "10.90.0.0/16", "services": "10.91.0.0/16"}}},
	"prod": {
		"lifecycle": "cluster-api", "domain": "prod.example", "kubernetes": {"version": "1.36.2"},
		"infrastructure": {
			"metal": null,
			"vsphere": {"server": "vc", "template": "t", "credentials": {}, "zones": {"a": {}, "b": {}, "c": {}}},
			"network": {"nodes": "10.10.0.0/24", "pods": "10.20.0.0/16", "services": "10.21.0.0/16", "segment": "prod"},
			"controlPlane": {"count": 3, "vip": "10.10.0.10"},
			"workers": {"count": 6}
		}
	},
	"dev": {
		"lifecycle": "external", "domain": "dev.example", "kubernetes": {"version": "1.37"},
		"infrastructure": {"network": {"pods": "fd00:1::/48", "services": "10.31.0.0/16"}, "controlPlane": {"count": 3}, "workers": {"count": 3}}
	}
}}`

func TestInfrastructure(t *testing.T) {
	for _, c := range []struct{ name, patch, want string }{
		{"nothing", `{}`, ""},
		{"overlap of two clusters", `{"clusters": {"prod": {"infrastructure": {"network": {"pods": "10.31.128.0/17"}}}}}`, `
error platform.clusters.prod.infrastructure.network.pods [infrastructure/overlap] prod: pods of prod (10.31.128.0/17) overlaps services of dev (10.31.0.0/16)
  hint: give each cluster networks of its own: what two have, neither can reach at the other
  at platform.clusters.prod.infrastructure.network.pods
  at platform.clusters.dev.infrastructure.network.services
`},
		{"overlap within a cluster, of IPv6", `{"clusters": {"dev": {"infrastructure": {"network": {"services": "fd00:1:0:1::/112"}}}}}`, `
error platform.clusters.dev.infrastructure.network.services [infrastructure/overlap] dev: services of dev (fd00:1:0:1::/112) overlaps pods of dev (fd00:1::/48)
  hint: give each cluster networks of its own: what two have, neither can reach at the other
  at platform.clusters.dev.infrastructure.network.services
  at platform.clusters.dev.infrastructure.network.pods
`},
		{"a network that overlaps two is found once", `{"clusters": {"prod": {"infrastructure": {"network": {"pods": "10.0.0.0/8", "nodes": null}, "controlPlane": {"vip": "10.200.0.1"}}}}}`, `
error platform.clusters.prod.infrastructure.network.pods [infrastructure/overlap] prod: pods of prod (10.0.0.0/8) overlaps services of dev (10.31.0.0/16)
  hint: give each cluster networks of its own: what two have, neither can reach at the other
  at platform.clusters.prod.infrastructure.network.pods
  at platform.clusters.dev.infrastructure.network.services
error platform.clusters.prod.infrastructure.network.services [infrastructure/overlap] prod: services of prod (10.21.0.0/16) overlaps pods of prod (10.0.0.0/8)
  hint: give each cluster networks of its own: what two have, neither can reach at the other
  at platform.clusters.prod.infrastructure.network.services
  at platform.clusters.prod.infrastructure.network.pods
`},
		{"one virtual address", `{"clusters": {"dev": {"infrastructure": {"controlPlane": {"vip": "10.10.0.10"}}}}}`, `
error platform.clusters.prod.infrastructure.controlPlane.vip [infrastructure/address] prod: virtual address 10.10.0.10 is that of dev already
  at platform.clusters.prod.infrastructure.controlPlane.vip
  at platform.clusters.dev.infrastructure.controlPlane.vip
`},
		{"one segment", `{"clusters": {"dev": {"infrastructure": {"metal": null, "vsphere": {"server": "vc", "zones": {"a": {"network": "prod"}}}}}}}`, `
error platform.clusters.prod.infrastructure.network.segment [infrastructure/address] prod: segment "prod" is that of dev already
  at platform.clusters.prod.infrastructure.network.segment
  at platform.clusters.dev.infrastructure.vsphere.zones.a.network
`},
		{"one segment's name at two servers", `{"clusters": {"dev": {"infrastructure": {"metal": null, "vsphere": {"server": "other"}, "network": {"segment": "prod"}}}}}`, ``},
		{"one domain", `{"clusters": {"prod": {"domain": "dev.example"}}}`, `
error platform.clusters.prod.domain [infrastructure/domain] prod: domain dev.example is that of dev already
  hint: each cluster writes the DNS records below its domain, and needs one of its own
  at platform.clusters.prod.domain
  at platform.clusters.dev.domain
`},
		{"one domain below another", `{"clusters": {"prod": {"domain": "a.dev.example"}}}`, `
error platform.clusters.prod.domain [infrastructure/domain] prod: domain a.dev.example is below that of dev, dev.example
  hint: each cluster writes the DNS records below its domain, and needs one of its own
  at platform.clusters.prod.domain
  at platform.clusters.dev.domain
`},
		{"one domain above another", `{"clusters": {"dev": {"domain": "dev.prod.example"}}}`, `
error platform.clusters.prod.domain [infrastructure/domain] prod: domain prod.example is above that of dev, dev.prod.example
  hint: each cluster writes the DNS records below its domain, and needs one of its own
  at platform.clusters.prod.domain
  at platform.clusters.dev.domain
`},
		{"a virtual address elsewhere", `{"clusters": {"prod": {"infrastructure": {"controlPlane": {"vip": "10.10.1.10"}}}}}`, `
error platform.clusters.prod.infrastructure.controlPlane.vip [infrastructure/address] prod: virtual address 10.10.1.10 is not in the segment's network 10.10.0.0/24
  at platform.clusters.prod.infrastructure.controlPlane.vip
  at platform.clusters.prod.infrastructure.network.nodes
`},
		{"a virtual address that is none", `{"clusters": {"prod": {"infrastructure": {"controlPlane": {"vip": "10.10.0.256"}}}}}`, `
error platform.clusters.prod.infrastructure.controlPlane.vip [infrastructure/address] prod: 10.10.0.256 is no address
`},
		{"a gateway elsewhere", `{"clusters": {"dev": {"infrastructure": {"network": {"nodes": "10.11.0.0/24", "gateway": "10.10.0.1"}}}}}`, `
error platform.clusters.dev.infrastructure.network.gateway [infrastructure/address] dev: gateway 10.10.0.1 is not in the segment's network 10.11.0.0/24
  at platform.clusters.dev.infrastructure.network.gateway
  at platform.clusters.dev.infrastructure.network.nodes
`},
		{"the gateway's address", `{"clusters": {"prod": {"infrastructure": {"network": {"gateway": "10.10.0.10"}}}}}`, `
error platform.clusters.prod.infrastructure.controlPlane.vip [infrastructure/address] prod: the virtual address is the gateway's, 10.10.0.10
`},
		{"a pool", `{"clusters": {"dev": {"infrastructure": {"network": {"nodes": "10.11.0.0/24", "gateway": "10.11.0.1", "pool": "10.11.0.20-10.11.0.27"}}}}}`, ``},
		{"a pool elsewhere", `{"clusters": {"dev": {"infrastructure": {"network": {"nodes": "10.11.0.0/24", "pool": "10.11.0.20-10.11.1.27"}}}}}`, `
error platform.clusters.dev.infrastructure.network.pool [infrastructure/address] dev: the pool's 10.11.1.27 is not in the segment's network 10.11.0.0/24
  at platform.clusters.dev.infrastructure.network.pool
  at platform.clusters.dev.infrastructure.network.nodes
`},
		{"a pool the wrong way round", `{"clusters": {"dev": {"infrastructure": {"network": {"nodes": "10.11.0.0/24", "pool": "10.11.0.27-10.11.0.20"}}}}}`, `
error platform.clusters.dev.infrastructure.network.pool [infrastructure/address] dev: the pool ends, at 10.11.0.20, before it begins, at 10.11.0.27
`},
		{"a pool with what is taken", `{"clusters": {"dev": {"infrastructure": {"network": {"nodes": "10.11.0.0/24", "gateway": "10.11.0.20", "pool": "10.11.0.20-10.11.0.27"}, "controlPlane": {"vip": "10.11.0.27"}}}}}`, `
error platform.clusters.dev.infrastructure.network.pool [infrastructure/address] dev: the virtual address 10.11.0.27 is in the pool that nodes get theirs from
  at platform.clusters.dev.infrastructure.network.pool
  at platform.clusters.dev.infrastructure.controlPlane.vip
error platform.clusters.dev.infrastructure.network.pool [infrastructure/address] dev: the gateway 10.11.0.20 is in the pool that nodes get theirs from
  at platform.clusters.dev.infrastructure.network.pool
  at platform.clusters.dev.infrastructure.network.gateway
`},
		{"a pool that is too small", `{"clusters": {"dev": {"infrastructure": {"network": {"nodes": "10.11.0.0/24", "pool": "10.11.0.20-10.11.0.26"}}}}}`, `
error platform.clusters.dev.infrastructure.network.pool [infrastructure/address] dev: the pool has 7 addresses, and 6 machines and two more, while they are replaced, need 8
`},
		{"a zone that does not exist", `{"clusters": {"prod": {"infrastructure": {"controlPlane": {"zones": ["a", "d"]}, "workers": {"zones": ["b", "b"]}}}}}`, `
error platform.clusters.prod.infrastructure.controlPlane.zones[1] [model/reference] prod: zone "d" does not exist
  hint: did you mean "a"?
error platform.clusters.prod.infrastructure.workers.zones[1] [model/reference] prod: zone "b" is there twice
`},
		{"a zone where there are none", `{"clusters": {"dev": {"infrastructure": {"workers": {"zones": ["rack-1"]}}}}}`, `
error platform.clusters.dev.infrastructure.workers.zones[0] [model/reference] dev: zone "rack-1" does not exist: metal has no zones here
  hint: describe them in infrastructure.metal.zones
`},
		{"an upgrade", `{"clusters": {"prod": {"kubernetes": {"from": "1.35.4"}}, "dev": {"kubernetes": {"from": "1.37"}}}}`, ``},
		{"an upgrade that skips a minor", `{"clusters": {"prod": {"kubernetes": {"from": "1.34.9"}}}}`, `
error platform.clusters.prod.kubernetes.version [infrastructure/version] prod: Kubernetes goes from 1.34.9 to 1.36.2 and skips 1.35
  hint: upgrade one minor at a time: kubeadm and the API server support no other way
  at platform.clusters.prod.kubernetes.version
  at platform.clusters.prod.kubernetes.from
`},
		{"a downgrade", `{"clusters": {"prod": {"kubernetes": {"from": "1.36.3"}}, "dev": {"kubernetes": {"version": "1.36", "from": "1.37.1"}}}}`, `
error platform.clusters.dev.kubernetes.version [infrastructure/version] dev: Kubernetes goes from 1.37.1 back to 1.36: what etcd holds cannot be read by an older version
  hint: restore a backup into a new cluster to go back
  at platform.clusters.dev.kubernetes.version
  at platform.clusters.dev.kubernetes.from
error platform.clusters.prod.kubernetes.version [infrastructure/version] prod: Kubernetes goes from 1.36.3 back to 1.36.2: what etcd holds cannot be read by an older version
  hint: restore a backup into a new cluster to go back
  at platform.clusters.prod.kubernetes.version
  at platform.clusters.prod.kubernetes.from
`},
		{"more replicas than workers", `{"components": {"contour": {"values": {"replicas": 4}}}, "clusters": {"prod": {"infrastructure": {"workers": {"count": 4}}}}}`, `
error platform.clusters.dev.infrastructure.workers.count [infrastructure/workers] dev: contour with 4 replicas needs 4 workers, and there are 3
  hint: raise workers.count, or ask for fewer
  at platform.clusters.dev.infrastructure.workers.count
  at platform.components.contour.values.replicas
`},
		{"more replicas in one layer, fewer in a narrower one", `{"components": {"contour": {"values": {"replicas": 9}}}, "environments": {"prod": {"components": {"contour": {"values": {"replicas": 2}}}}, "dev": {"components": {"contour": {"enabled": false}}}}}`, ``},
		{"more replicas of a part", `{"clusters": {"dev": {"components": {"mimir": {"values": {"ingester": {"replicas": 5}}}}}}}`, `
error platform.clusters.dev.infrastructure.workers.count [infrastructure/workers] dev: mimir with 5 ingester.replicas needs 5 workers, and there are 3
  hint: raise workers.count, or ask for fewer
  at platform.clusters.dev.infrastructure.workers.count
  at platform.clusters.dev.components.mimir.values.ingester.replicas
`},
		{"more copies than workers", `{"clusters": {"obs-platform": {"stack": {"platform": {"replication": 3}}, "infrastructure": {"workers": {"count": 2}}}}}`, `
error platform.clusters."obs-platform".infrastructure.workers.count [infrastructure/workers] obs-platform: the platform stack, which keeps 3 copies, needs 3 workers, and there are 2
  hint: raise workers.count, or ask for fewer
  at platform.clusters."obs-platform".infrastructure.workers.count
  at platform.clusters."obs-platform".stack.platform.replication
`},
		{"more of the management plane than workers", `{"domains": ["mgmt.example"], "management": {"identity": {"keycloak": {"issuer": "https://id.mgmt.example/realms/p"}}, "secrets": {"openbao": {"address": "https://bao.mgmt.example"}}}, "clusters": {"mgmt": {"management": {"keycloak": {"instances": 4}, "openbao": {"replicas": 5}}, "infrastructure": {"workers": {"count": 3}}}}}`, `
error platform.clusters.mgmt.infrastructure.workers.count [infrastructure/workers] mgmt: Keycloak with 4 instances needs 4 workers, and there are 3
  hint: raise workers.count, or ask for fewer
  at platform.clusters.mgmt.infrastructure.workers.count
  at platform.clusters.mgmt.management.keycloak.instances
error platform.clusters.mgmt.infrastructure.workers.count [infrastructure/workers] mgmt: OpenBao with 5 replicas needs 5 workers, and there are 3
  hint: raise workers.count, or ask for fewer
  at platform.clusters.mgmt.infrastructure.workers.count
  at platform.clusters.mgmt.management.openbao.replicas
`},
		{"more zones than workers", `{"clusters": {"prod": {"infrastructure": {"vsphere": {"zones": {"d": {}}}, "workers": {"count": 3}}}}}`, `
error platform.clusters.prod.infrastructure.workers.count [infrastructure/workers] prod: one in each of 4 zones needs 4 workers, and there are 3
  hint: raise workers.count, or ask for fewer
  at platform.clusters.prod.infrastructure.workers.count
  at platform.clusters.prod.infrastructure.vsphere.zones
`},
		{"nobody makes it", `{"clusters": {"mgmt": null}}`, `
error platform.clusters.prod.lifecycle [infrastructure/lifecycle] prod: no cluster runs Cluster API, which is to make this one
  hint: say management: clusterAPI: {} at a cluster of role management, or lifecycle: external here
  at platform.clusters.prod.lifecycle
`},
		{"two make it", `{"clusters": {"obs-apps": {"management": {"clusterAPI": {}}}}}`, `
error platform.clusters."obs-apps".management.clusterAPI [infrastructure/lifecycle] obs-apps: mgmt and obs-apps run Cluster API, and each would make every cluster
  hint: keep it on one management cluster
  at platform.clusters.mgmt.management.clusterAPI
  at platform.clusters."obs-apps".management.clusterAPI
error platform.clusters."obs-apps".management.clusterAPI [management/system] obs-apps: Cluster API runs on a cluster of role management; the role of this one is observability
`},
		{"it makes itself", `{"clusters": {"mgmt": {"lifecycle": "cluster-api"}}}`, `
error platform.clusters.mgmt.lifecycle [infrastructure/lifecycle] mgmt: the cluster that runs Cluster API cannot make itself
  hint: say lifecycle: "external"
`},
		{"no provider for it", `{"clusters": {"dev": {"lifecycle": "cluster-api", "kubernetes": {"version": "1.37.1"}}}}`, `
error platform.clusters.dev.infrastructure.metal [infrastructure/lifecycle] dev: Cluster API makes clusters on vSphere and AWS here, and not on metal
  hint: say lifecycle: "external", and make it with what contain node-files prints
`},
		{"too little said for vSphere", `{"clusters": {"prod": {"kubernetes": {"version": "1.36"}, "infrastructure": {"vsphere": {"template": null, "credentials": null, "zones": null}, "network": {"segment": null, "pool": "10.10.0.100-10.10.0.200"}, "controlPlane": {"vip": null}}}}}`, `
error platform.clusters.prod.kubernetes.version [infrastructure/lifecycle] prod: to make this cluster, Cluster API needs the whole version of Kubernetes, with its patch
  hint: for example 1.36.2
error platform.clusters.prod.infrastructure.network.pool [infrastructure/lifecycle] prod: Cluster API hands out no addresses of a pool: the catalog has no provider for that
  hint: leave pool out, for DHCP
error platform.clusters.prod.infrastructure.vsphere [infrastructure/lifecycle] prod: to make this cluster, Cluster API needs the template that machines are cloned from
  hint: say template
error platform.clusters.prod.infrastructure.vsphere [infrastructure/lifecycle] prod: to make this cluster, Cluster API needs credentials of vSphere's
  hint: say credentials
error platform.clusters.prod.infrastructure.controlPlane [infrastructure/lifecycle] prod: to make this cluster, Cluster API needs the address that answers for the API servers
  hint: say vip
error platform.clusters.prod.infrastructure.network [infrastructure/lifecycle] prod: to make this cluster, Cluster API needs the name of the segment that its machines are in
  hint: say segment
`},
		{"too little said for AWS", `{"clusters": {"prod": {"infrastructure": {"vsphere": null, "aws": {"vpc": "vpc-1", "zones": {"a": {"subnet": "subnet-1"}, "b": {}}}}}}}`, `
error platform.clusters.prod.infrastructure.controlPlane.machine [infrastructure/lifecycle] prod: to make this cluster, Cluster API needs the type of the control plane's machines
  hint: say type, as "m6i.large"
error platform.clusters.prod.infrastructure.workers.machine [infrastructure/lifecycle] prod: to make this cluster, Cluster API needs the type of the workers' machines
  hint: say type, as "m6i.xlarge"
error platform.clusters.prod.infrastructure.aws.zones.b [infrastructure/lifecycle] prod: to make this cluster, Cluster API needs the VPC and each zone's subnet, or neither
  hint: without them it makes its own
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), found(t, machines, c.patch)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
