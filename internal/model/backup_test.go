package model_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/model"
)

// kept makes the sound platform one that has backups in a store of its own.
const kept = `{
	"management": {"backups": {"s3": {"bucket": "velero", "endpoint": "https://s3.example", "credentials": {"path": "velero"}}}},
	"teams": {"shop": {"namespaces": {"shop-web": {"backup": {"volumes": true}}, "shop-db": {}}}},
	"environments": {"prod": {"components": {"velero": {"values": {"schedules": {"daily": {"retention": "720h"}}}}}}},
	"clusters": {
		"mgmt": {"role": "management", "environment": "prod", "region": "eu", "domain": "mgmt.example", "infrastructure": {"metal": {}}, "management": {"objectStorage": {"storage": "1Ti"}}, "components": {"csi": {"values": {"rookCeph": {}}}}},
		"prod": {"domain": "prod.example", "backup": {"drill": {"schedule": "@weekly", "namespaces": ["shop-web"]}}},
		"dev": {"domain": "dev.example"}
	}
}`

func TestBackups(t *testing.T) {
	for _, c := range []struct{ name, patch, want string }{
		{"nothing", `{}`, ""},
		{"one prefix", `{"clusters": {"dev": {"backup": {"prefix": "prod"}}}}`, `
error platform.clusters.dev.backup.prefix [recovery/prefix] dev: backups of dev and prod go to one place: "prod"
  hint: a prefix is the cluster's name when it is left out
  at platform.clusters.dev.backup.prefix
  at platform.clusters.prod
`},
		{"one below the other", `{"clusters": {"dev": {"backup": {"prefix": "eu/dev"}}, "prod": {"backup": {"prefix": "eu"}}}}`, `
error platform.clusters.prod.backup.prefix [recovery/prefix] prod: backups of dev ("eu/dev") and prod ("eu") go to one place: one is below the other
  hint: a prefix is the cluster's name when it is left out
  at platform.clusters.dev.backup.prefix
  at platform.clusters.prod.backup.prefix
`},
		{"a prefix that another begins with", `{"clusters": {"dev": {"backup": {"prefix": "prod-2"}}}}`, ""},
		{"databases' directory", `{"clusters": {"dev": {"backup": {"prefix": "databases/prod"}}}}`, `
error platform.clusters.dev.backup.prefix [recovery/prefix] dev: backups of dev go to "databases/prod", which has those of databases
`},
		{"retention", `{"environments": {"prod": {"components": {"velero": {"values": {"schedules": {"daily": {"retention": "12h"}}}}}}}}`, `
error platform.environments.prod.components.velero.values.schedules.daily.retention [recovery/retention] mgmt: backups of schedule "daily" are deleted after 12h, and the next is up to 24h later: there would be none
`},
		{"retention of workdays' backups", `{"clusters": {"prod": {"components": {"velero": {"values": {"schedules": {"daily": {"cron": "CRON_TZ=Europe/Paris 0 2 * * 1-5", "retention": "48h"}}}}}}}}`, `
error platform.clusters.prod.components.velero.values.schedules.daily.retention [recovery/retention] prod: backups of schedule "daily" are deleted after 48h, and the next is up to 73h later: there would be none
  at platform.clusters.prod.components.velero.values.schedules.daily.retention
  at platform.clusters.prod.components.velero.values.schedules.daily.cron
`},
		{"retention of the catalog's, and a month", `{"clusters": {"prod": {"components": {"velero": {"values": {"schedules": {"monthly": {"cron": "@monthly"}}}}}}}}`, `
error platform.clusters.prod.components.velero.values.schedules.monthly.cron [recovery/retention] prod: backups of schedule "monthly" are deleted after 720h, and the next is up to 744h later: there would be none
`},
		{"a paused schedule", `{"clusters": {"prod": {"components": {"velero": {"values": {"schedules": {"monthly": {"cron": "@monthly", "paused": true}}}}}}}}`, ""},
		{"no day", `{"clusters": {"prod": {"components": {"velero": {"values": {"schedules": {"never": {"cron": "0 0 30 2 *"}}}}}}}}`, `
error platform.clusters.prod.components.velero.values.schedules.never.cron [recovery/retention] prod: schedule "never" never runs: 0 0 30 2 * is no day
`},
		{"Velero is off", `{"clusters": {"prod": {"components": {"velero": {"enabled": false, "values": {"schedules": {"daily": {"retention": "1h"}}}}}}}}`, ""},
		{"drill of nobody's namespace", `{"clusters": {"prod": {"backup": {"drill": {"namespaces": ["shop-webs"]}}}}}`, `
error platform.clusters.prod.backup.drill.namespaces[0] [recovery/drill] prod: the drill restores namespace "shop-webs", which no team has on prod
  hint: did you mean "shop-web"?
`},
		{"drill of what is in no backup", `{"clusters": {"prod": {"backup": {"drill": {"backups": "team-volumes", "namespaces": ["shop-web", "shop-db"]}}}}}`, `
error platform.clusters.prod.backup.drill.namespaces[1] [recovery/drill] prod: the drill restores namespace "shop-db", which backups of schedule "team-volumes" do not have
`},
		{"drill of patterns", `{"clusters": {"prod": {"components": {"velero": {"values": {"schedules": {"daily": {"namespaces": {"include": ["shop-*"], "exclude": ["*-web"]}}}}}}}}}`, `
error platform.clusters.prod.backup.drill.namespaces[0] [recovery/drill] prod: the drill restores namespace "shop-web", which backups of schedule "daily" do not have
`},
		{"drill of no schedule", `{"clusters": {"prod": {"backup": {"drill": {"backups": "hourly"}}}}}`, `
error platform.clusters.prod.backup.drill.backups [recovery/drill] prod: the drill restores backups of schedule "hourly", which prod does not have
  hint: there is daily and team-volumes
`},
		{"one role", `{"management": {"backups": {"s3": {"roleArn": "arn:aws:iam::123456789012:role/velero"}}}}`, `
error platform.management.backups.s3.roleArn [recovery/identity] : dev and mgmt are one at the store: arn:aws:iam::123456789012:role/velero can read and delete what each of them wrote
  hint: give each its own in clusters.X.backup.roleArn, or principal
`},
		{"one principal", `{"clusters": {"dev": {"backup": {"principal": "arn:aws:iam:::user/x"}}, "prod": {"backup": {"principal": "arn:aws:iam:::user/x"}}}}`, `
error platform.clusters.prod.backup.principal [recovery/identity] : dev and prod are one at the store: arn:aws:iam:::user/x can read and delete what each of them wrote
  hint: give each its own in clusters.X.backup.roleArn, or principal
  at platform.clusters.dev.backup.principal
  at platform.clusters.prod.backup.principal
`},
		{"two stores", `{"clusters": {"dev": {"management": {"objectStorage": {}}, "components": {"csi": {"values": {"rookCeph": {}}}}}}}`, `
error platform.clusters.mgmt.management.objectStorage [recovery/storage] mgmt: dev and mgmt run the platform's object storage, and backups go to one
  at platform.clusters.dev.management.objectStorage
  at platform.clusters.mgmt.management.objectStorage
error platform.clusters.dev.management.objectStorage [management/system] dev: object storage runs on a cluster of role management; the role of this one is workload
`},
		{"a store that nothing goes to", `{"management": {"backups": {"s3": {"endpoint": ""}}}}`, `
error platform.clusters.mgmt.management.objectStorage [recovery/storage] mgmt: nothing goes to this object storage: backups go elsewhere
  hint: say its address in management.backups.s3.endpoint
`},
		{"a store at another port", `{"management": {"backups": {"s3": {"endpoint": "https://s3.example:9000"}}}}`, `
error platform.management.backups.s3.endpoint [recovery/storage] : the platform's own object storage is at port 443 of a host: https://s3.example:9000 is not
`},
		{"a store whose keys go nowhere", `{"management": {"backups": {"s3": {"credentials": null}}}}`, `
error platform.management.backups.s3 [recovery/storage] : nobody says where the keys of the platform's own object storage go
  hint: set credentials: path: each cluster's are put below it
`},
		{"a store that cannot encrypt", `{"management": {"backups": {"s3": {"encryption": {"algorithm": "AES256"}}}}}`, `
error platform.management.backups.s3.encryption [recovery/storage] : the platform's own object storage has no keys of its own to encrypt with
  hint: encrypt its disks, or keep backups elsewhere
`},
		{"a store without Ceph", `{"clusters": {"mgmt": {"components": {"csi": {"values": {"rookCeph": null}}}}}}`, `
error platform.clusters.mgmt.management.objectStorage [recovery/storage] mgmt: object storage needs Ceph, which mgmt does not run
  hint: choose components: csi: values: rookCeph
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), found(t, kept, c.patch)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A layer's word replaces what a wider one says, field by field, and what nobody
// says is the catalog's.
func TestBackupSchedules(t *testing.T) {
	var p model.Platform
	if err := json.Unmarshal([]byte(`{
		"components": {"velero": {"values": {"schedule": "0 1 * * *", "schedules": {"daily": {"namespaces": {"exclude": ["tmp-*"]}}}}}},
		"environments": {"prod": {"components": {"velero": {"values": {"retention": "48h", "schedules": {"hourly": {"cron": "@hourly", "retention": "24h"}}}}}}},
		"clusters": {"prod": {"environment": "prod", "components": {"velero": {"values": {"schedules": {"daily": {"cron": "0 3 * * *"}}}}}}, "dev": {"environment": "dev"}},
		"teams": {"shop": {"clusters": "*", "namespaces": {"web": {"backup": {"volumes": true}}}}}
	}`), &p); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, cluster := range []string{"prod", "dev"} {
		for n, s := range p.BackupSchedules(cluster) {
			got[cluster+" "+n] = s.Cron + " for " + s.Retention.String() + ", with " + strings.Join(s.Include, ",") + " without " + strings.Join(s.Exclude, ",")
		}
	}
	want := map[string]string{
		"prod daily":        "0 3 * * * for 48h0m0s, with  without tmp-*",
		"prod hourly":       "@hourly for 24h0m0s, with  without ",
		"prod team-volumes": "0 1 * * * for 48h0m0s, with web without ",
		"dev daily":         "0 1 * * * for 720h0m0s, with  without tmp-*",
		"dev team-volumes":  "0 1 * * * for 720h0m0s, with web without ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
