package model_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// serving makes production offer all that there is, to a platform with somewhere
// for secrets and backups.
const serving = `{
	"management": {"secrets": {"openbao": {}}, "backups": {"s3": {}}},
	"services": {
		"postgresql": {"sizes": {"small": {"instances": 2, "memory": "1Gi", "storage": "10Gi"}, "medium": {"instances": 3, "memory": "4Gi", "storage": "50Gi"}}},
		"objectStorage": {"sizes": {"small": {"storage": "50Gi"}}},
		"queue": {"sizes": {"small": {"replicas": 1, "memory": "1Gi", "storage": "10Gi"}, "large": {"replicas": 3, "memory": "8Gi", "storage": "100Gi"}}}
	},
	"clusters": {"prod": {
		"components": {"csi": {"values": {"rookCeph": {}}}},
		"services": {
			"credentials": {"path": "services"},
			"postgresql": {"retention": "720h", "perTeam": {"instances": 2, "storage": "100Gi"}},
			"objectStorage": {"perTeam": {"instances": 1, "storage": "1Ti"}},
			"queue": {"perTeam": {"instances": 2, "storage": "500Gi"}}
		}
	}}
}`

// asks is a request of the team shop.
func asks(name, request string) string {
	return `{"teams": {"shop": {"services": {"` + name + `": ` + request + `}}}}`
}

func TestServices(t *testing.T) {
	const prod = `"namespace": "shop-web", "clusters": {"names": ["prod"]}`
	long := strings.Repeat("a", 46)
	for _, c := range []struct {
		name    string
		patches []string
		want    string
	}{
		{"all kinds", []string{
			asks("db", `{`+prod+`, "postgresql": {"size": "medium"}}`),
			asks("files", `{`+prod+`, "objectStorage": {"size": "small", "storage": "1Ti"}}`),
			asks("jobs", `{`+prod+`, "queue": {"size": "large", "storage": "16Gi"}}`),
		}, ""},
		{"no kind", []string{asks("db", `{`+prod+`}`)}, `
error platform.teams.shop.services.db [model/variant] : db has no kind set; exactly one is needed
  hint: set one of objectStorage, postgresql or queue
`},
		{"two kinds", []string{asks("db", `{`+prod+`, "postgresql": {"size": "small"}, "queue": {"size": "small"}}`)}, `
error platform.teams.shop.services.db [model/variant] : db has postgresql and queue set; only one is allowed
  at platform.teams.shop.services.db.postgresql
  at platform.teams.shop.services.db.queue
`},
		{"another's namespace", []string{asks("db", `{"namespace": "shop-wbe", "clusters": {"names": ["prod"]}, "queue": {"size": "small"}}`)}, `
error platform.teams.shop.services.db.namespace [teams/namespace] : namespace "shop-wbe" is not the team's
  hint: did you mean "shop-web"?
`},
		{"a region that is none", []string{asks("db", `{"namespace": "shop-web", "clusters": {"regions": ["asia"]}, "queue": {"size": "small"}}`)}, `
error platform.teams.shop.services.db.clusters.regions[0] [model/reference] : region "asia" does not exist
  hint: there is eu and us
`},
		{"offered nowhere", []string{`{"clusters": {"prod": {"services": {"queue": null}}}}`, asks("jobs", `{`+prod+`, "queue": {"size": "small"}}`)}, `
error platform.teams.shop.services.jobs.queue [teams/service] : prod offers no managed queues, which the team asks for there
  hint: no cluster offers it: describe services: queue of one
`},
		{"offered elsewhere", []string{asks("jobs", `{"namespace": "shop-web", "clusters": {"names": ["dev"]}, "queue": {"size": "small"}}`)}, `
error platform.teams.shop.services.jobs.queue [teams/service] : dev offers no managed queues, which the team asks for there
  hint: ask for it on prod, which offers it
`},
		{"offered on some", []string{asks("jobs", `{"namespace": "shop-web", "clusters": "*", "queue": {"size": "small"}}`)}, `
error platform.teams.shop.services.jobs.queue [teams/service] : dev offers no managed queues, which the team asks for there as well
  hint: narrow clusters of the request to prod, or offer it there
`},
		{"on none of the team's clusters", []string{asks("jobs", `{"namespace": "shop-web", "clusters": {"names": ["obs-apps"]}, "queue": {"size": "small"}}`)}, `
error platform.teams.shop.services.jobs.clusters [teams/service] : the request is for none of the team's clusters
  hint: the team has dev and prod
`},
		{"too many", []string{asks("a", `{`+prod+`, "postgresql": {"size": "small"}}`), asks("b", `{`+prod+`, "postgresql": {"size": "small"}}`), asks("c", `{`+prod+`, "postgresql": {"size": "small"}}`)}, `
error platform.teams.shop.services.c.postgresql [teams/service] prod: a, b and c are 3 services of managed PostgreSQL, and prod offers 2 to a team
  hint: ask for less, or raise perTeam of the offer
  at platform.teams.shop.services.c.postgresql
  at platform.clusters.prod.services.postgresql.perTeam.instances
`},
		{"too much storage", []string{asks("a", `{`+prod+`, "postgresql": {"size": "medium"}}`), asks("b", `{`+prod+`, "postgresql": {"size": "small", "storage": "51Gi"}}`)}, `
error platform.teams.shop.services.b.postgresql [teams/service] prod: a and b ask for 101Gi of managed PostgreSQL, and prod offers 100Gi to a team
  hint: ask for less, or raise perTeam of the offer
  at platform.teams.shop.services.b.postgresql
  at platform.clusters.prod.services.postgresql.perTeam.storage
`},
		{"too much storage of one", []string{asks("a", `{`+prod+`, "objectStorage": {"size": "small", "storage": "1.5Ti"}}`)}, `
error platform.teams.shop.services.a.objectStorage [teams/service] prod: a asks for 1536Gi of managed object storage, and prod offers 1Ti to a team
  hint: ask for less, or raise perTeam of the offer
  at platform.teams.shop.services.a.objectStorage
  at platform.clusters.prod.services.objectStorage.perTeam.storage
`},
		{"a queue without room", []string{asks("jobs", `{`+prod+`, "queue": {"size": "large", "storage": "8Gi"}}`)}, `
error platform.teams.shop.services.jobs.queue.storage [teams/service] : a queue of 8Gi storage and 8Gi memory takes no messages: it stops while less of its disk is free than it has memory
  hint: ask for twice the memory at least
`},
		{"fewer workers than instances", []string{`{"clusters": {"prod": {"infrastructure": {"workers": {"count": 2}}}}}`, asks("jobs", `{`+prod+`, "queue": {"size": "large"}}`)}, `
error platform.teams.shop.services.jobs.queue [teams/service] prod: size large has 3 instances, each on a node of its own, and prod has 2 workers
  hint: ask for a smaller size, or raise workers.count
  at platform.teams.shop.services.jobs.queue
  at platform.clusters.prod.infrastructure.workers.count
`},
		{"long names", []string{asks(long, `{`+prod+`, "queue": {"size": "small"}}`), asks(long+"-base", `{`+prod+`, "postgresql": {"size": "small"}}`), asks(long+"-and-more-files", `{`+prod+`, "objectStorage": {"size": "small"}}`)}, `
error platform.teams.shop.services.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa [teams/service] : the queue would be called "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", which is longer than 45 characters
error platform.teams.shop.services."aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-and-more-files" [teams/service] : the bucket would be called "shop-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-and-more-files", which is longer than 63 characters
error platform.teams.shop.services."aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-base" [teams/service] : the database would be called "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-base", which is longer than 50 characters
`},
		{"a long team", []string{`{"teams": {"` + long + `-workshop": {"clusters": "*", "telemetry": {"clusters": "*"}, "namespaces": {"far": {}}, "services": {"jobs": {"namespace": "far", "clusters": {"names": ["prod"]}, "queue": {"size": "small"}}}}}}`}, `
error platform.teams."aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-workshop" [teams/service] : the namespace of the team's services would be called "services-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-workshop", which is longer than 63 characters
`},
		{"one bucket of two teams", []string{
			`{"teams": {
				"a": {"clusters": "*", "telemetry": {"clusters": "*"}, "namespaces": {"x": {}}, "services": {"b-c": {"namespace": "x", "clusters": {"names": ["prod"]}, "objectStorage": {"size": "small"}}}},
				"a-b": {"clusters": "*", "telemetry": {"clusters": "*"}, "namespaces": {"y": {}}, "services": {"c": {"namespace": "y", "clusters": {"names": ["prod"]}, "objectStorage": {"size": "small"}}}}
			}}`,
		}, `
error platform.teams."a-b".services.c [teams/service] : two buckets would be called "a-b-c"
  at platform.teams."a-b".services.c
  at platform.teams.a.services."b-c"
`},
		{"a queue with a database's name", []string{asks("db", `{`+prod+`, "postgresql": {"size": "small"}}`), asks("db-rw", `{`+prod+`, "queue": {"size": "small"}}`)}, `
error platform.teams.shop.services."db-rw" [teams/service] : db has a Service called "db-rw", as the queue would
  hint: give the queue another name
  at platform.teams.shop.services."db-rw"
  at platform.teams.shop.services.db
`},
		{"a queue with a queue's name", []string{asks("jobs", `{`+prod+`, "queue": {"size": "small"}}`), asks("jobs-nodes", `{`+prod+`, "queue": {"size": "small"}}`)}, `
error platform.teams.shop.services."jobs-nodes" [teams/service] : jobs has a Service called "jobs-nodes", as the queue would
  hint: give the queue another name
  at platform.teams.shop.services."jobs-nodes"
  at platform.teams.shop.services.jobs
`},
		{"a queue that ends like no other's", []string{asks("jobs-rw", `{`+prod+`, "queue": {"size": "small"}}`)}, ""},
		{"a namespace of services", []string{`{"teams": {"shop": {"namespaces": {"services-shop": {}}}}}`}, `
error platform.teams.shop.namespaces."services-shop" [model/namespace-owner] : namespace "services-shop" cannot be a team's: teams' services run in those that begin with "services-"
`},
		{"no secret store", []string{`{"management": {"secrets": null}}`}, `
error platform.clusters.prod.services [services/offer] prod: services' credentials go through the secret store, and the platform has none
  hint: describe management: secrets
`},
		{"no backups", []string{`{"management": {"backups": null}}`}, `
warning platform.clusters.prod.services.postgresql [services/offer] prod: the cluster offers managed PostgreSQL, and databases have no backups: the platform has nowhere to put them
  hint: describe management: backups
`},
		{"backups that are gone before the next", []string{`{"clusters": {"prod": {"services": {"postgresql": {"retention": "23h"}}}}}`}, `
error platform.clusters.prod.services.postgresql.retention [services/offer] prod: backups of databases are made each day, and are kept for 23h
  hint: keep them for 24h at least
`},
		{"buckets without Ceph", []string{`{"clusters": {"prod": {"components": {"csi": null}}}}`}, `
error platform.clusters.prod.services.objectStorage [services/offer] prod: the cluster offers managed object storage, and it has no Ceph of its own to keep it in
  hint: say components: csi: values: rookCeph: {}, or take the offer out
`},
		{"parts that are off", []string{`{"clusters": {"prod": {"components": {
			"cloudnative-pg": {"enabled": false}, "buckets": {"enabled": false}, "rabbitmq": {"enabled": false}, "cert-manager": {"enabled": false},
			"external-secrets": {"enabled": false}, "namespace-operator": {"enabled": false}, "csi": {"enabled": false}
		}}}}`}, `
error platform.clusters.prod.services [services/offer] prod: services' credentials go through the secret store, and what speaks to it is off
  hint: switch external-secrets on, or take the offer out
  at platform.clusters.prod.services
  at platform.clusters.prod.components."external-secrets".enabled
error platform.clusters.prod.services [services/offer] prod: services are for teams' namespaces, and what makes them is off
  hint: switch namespace-operator on, or take the offer out
  at platform.clusters.prod.services
  at platform.clusters.prod.components."namespace-operator".enabled
error platform.clusters.prod.services.objectStorage [services/offer] prod: the cluster offers managed object storage, and what runs them is off
  hint: switch buckets on, or take the offer out
  at platform.clusters.prod.services.objectStorage
  at platform.clusters.prod.components.buckets.enabled
error platform.clusters.prod.services.objectStorage [services/offer] prod: the cluster offers managed object storage, and what makes the certificates is off
  hint: switch cert-manager on, or take the offer out
  at platform.clusters.prod.services.objectStorage
  at platform.clusters.prod.components."cert-manager".enabled
error platform.clusters.prod.services.objectStorage [services/offer] prod: the cluster offers managed object storage by Rook, and the cluster's storage is off
  hint: switch csi on, or take the offer out
  at platform.clusters.prod.services.objectStorage
  at platform.clusters.prod.components.csi.enabled
error platform.clusters.prod.services.postgresql [services/offer] prod: the cluster offers managed PostgreSQL, and what runs them is off
  hint: switch cloudnative-pg on, or take the offer out
  at platform.clusters.prod.services.postgresql
  at platform.clusters.prod.components."cloudnative-pg".enabled
error platform.clusters.prod.services.postgresql [services/offer] prod: the cluster offers managed PostgreSQL with backups, and what makes the plugin's certificates is off
  hint: switch cert-manager on, or take the offer out
  at platform.clusters.prod.services.postgresql
  at platform.clusters.prod.components."cert-manager".enabled
error platform.clusters.prod.services.queue [services/offer] prod: the cluster offers managed queues, and what runs them is off
  hint: switch rabbitmq on, or take the offer out
  at platform.clusters.prod.services.queue
  at platform.clusters.prod.components.rabbitmq.enabled
error platform.clusters.prod.services.queue [services/offer] prod: the cluster offers managed queues, and what makes the certificates is off
  hint: switch cert-manager on, or take the offer out
  at platform.clusters.prod.services.queue
  at platform.clusters.prod.components."cert-manager".enabled
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := found(t, append([]string{serving}, c.patches...)...)
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
