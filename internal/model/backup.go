package model

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

const (
	findingPrefix    = "recovery/prefix"
	findingIdentity  = "recovery/identity"
	findingRetention = "recovery/retention"
	findingDrill     = "recovery/drill"
	findingStore     = "recovery/storage"
)

// Backup is what a cluster says about its backups (schema.#ClusterBackup).
type Backup struct {
	Prefix    string `json:"prefix"`
	RoleARN   string `json:"roleArn"`
	Principal string `json:"principal"`
	Drill     *struct {
		Schedule   string   `json:"schedule"`
		Backups    string   `json:"backups"`
		Namespaces []string `json:"namespaces"`
	} `json:"drill"`
}

// BackupStorage is management.backups.s3, as far as Go looks at it.
type BackupStorage struct {
	Endpoint    string          `json:"endpoint"`
	RoleARN     string          `json:"roleArn"`
	Credentials json.RawMessage `json:"credentials"`
	Encryption  json.RawMessage `json:"encryption"`
}

// databases is where databases' backups are, beside those of Velero
// (catalog/backup).
const databases = "databases"

// TeamVolumes is the schedule that the catalog makes of what teams ask for.
const TeamVolumes = "team-volumes"

// BackupSchedule is one of a cluster's schedules, with what its layers say.
type BackupSchedule struct {
	Cron      string // with its zone, as Velero reads it
	Retention time.Duration
	Paused    bool
	// Include and Exclude are names and patterns of namespaces; all are included
	// where Include says none.
	Include, Exclude []string

	cron, retention []string // paths, nil where nobody says
}

// Takes tells whether the schedule's backups have a namespace.
func (s BackupSchedule) Takes(namespace string) bool {
	has := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			ok, err := path.Match(p, namespace)
			return ok && err == nil
		})
	}
	return (len(s.Include) == 0 || has(s.Include)) && !has(s.Exclude)
}

// Runs is the schedule's clock, which the schema has looked at already.
func (s BackupSchedule) Runs() (cron.Schedule, error) { return cron.ParseStandard(s.Cron) }

// Velero tells whether backups of a cluster are made.
func (p *Platform) Velero(cluster string) bool {
	c := checker{p: p}
	return len(p.Management.Backups) > 0 && c.off(cluster, "velero") == nil
}

// BackupSchedules are the schedules of a cluster by name.
func (p *Platform) BackupSchedules(cluster string) map[string]BackupSchedule {
	c := checker{p: p}
	return c.schedules(cluster)
}

// backup is what follows in the catalog when nobody says (catalog/velero).
const (
	defaultSchedule  = "0 2 * * *"
	defaultRetention = 720 * time.Hour
)

// scheduleSaid is a schema.#BackupSchedule as one layer has it.
type scheduleSaid struct {
	Cron       string `json:"cron"`
	Retention  string `json:"retention"`
	Paused     *bool  `json:"paused"`
	Namespaces struct {
		Include []string `json:"include"`
		Exclude []string `json:"exclude"`
	} `json:"namespaces"`
}

func (c *checker) schedules(cluster string) map[string]BackupSchedule {
	layers := c.layersOf(cluster)
	all := map[string]BackupSchedule{}
	fallback := BackupSchedule{Cron: defaultSchedule, Retention: defaultRetention}
	// Widest first: what a narrower layer says replaces it.
	for _, l := range slices.Backward(layers) {
		at := append(slices.Clone(l.path), "components", "velero", "values")
		values := l.components["velero"].Values
		var clock, kept string
		if json.Unmarshal(values["schedule"], &clock) == nil && clock != "" {
			fallback.Cron, fallback.cron = clock, append(slices.Clone(at), "schedule")
		}
		if json.Unmarshal(values["retention"], &kept) == nil && kept != "" {
			fallback.keep(kept, append(slices.Clone(at), "retention"))
		}
	}
	for _, l := range slices.Backward(layers) {
		at := append(slices.Clone(l.path), "components", "velero", "values", "schedules")
		var said map[string]scheduleSaid
		if json.Unmarshal(l.components["velero"].Values["schedules"], &said) != nil {
			continue // nothing is said
		}
		for n, s := range said {
			have, ok := all[n]
			if !ok {
				have = fallback
			}
			have.lay(s, append(slices.Clone(at), n))
			all[n] = have
		}
	}
	if len(all) == 0 {
		all["daily"] = fallback
	}
	if namespaces := c.volumes(cluster); len(namespaces) > 0 {
		s := fallback
		s.Include = namespaces
		all[TeamVolumes] = s
	}
	return all
}

// lay puts what a layer says over what wider layers said.
func (s *BackupSchedule) lay(said scheduleSaid, at []string) {
	if said.Cron != "" {
		s.Cron, s.cron = said.Cron, append(slices.Clone(at), "cron")
	}
	if said.Retention != "" {
		s.keep(said.Retention, append(slices.Clone(at), "retention"))
	}
	if said.Paused != nil {
		s.Paused = *said.Paused
	}
	if said.Namespaces.Include != nil {
		s.Include = said.Namespaces.Include
	}
	if said.Namespaces.Exclude != nil {
		s.Exclude = said.Namespaces.Exclude
	}
}

func (s *BackupSchedule) keep(retention string, at []string) {
	if d, err := time.ParseDuration(retention); err == nil {
		s.Retention, s.retention = d, at
	}
}

// volumes are the namespaces of a cluster whose teams ask for their volumes.
func (c *checker) volumes(cluster string) []string {
	var out []string
	for _, t := range c.p.Teams {
		if !t.Clusters.Has(cluster, c.p.Clusters[cluster]) {
			continue
		}
		for n, ns := range t.Namespaces {
			if ns.Backup.Volumes {
				out = append(out, n)
			}
		}
	}
	slices.Sort(out)
	return out
}

// backups checks where backups go, that they are there between two runs, and
// that drills restore what there is.
func (c *checker) backups() {
	if len(c.p.Management.Backups) == 0 {
		return
	}
	c.prefixes()
	c.identities()
	c.stored()
	reported := map[string]bool{} // a layer's mistake, once for all of its clusters
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		if c.off(n, "velero") != nil {
			continue
		}
		schedules := c.schedules(n)
		for _, s := range slices.Sorted(maps.Keys(schedules)) {
			c.retained(n, s, schedules[s], reported)
		}
		c.drill(n, schedules)
	}
}

// prefixes checks that no two clusters' backups are in one place.
func (c *checker) prefixes() {
	type place struct {
		prefix string
		path   []string
	}
	var before []place
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		p := place{n, []string{"platform", "clusters", n}}
		if said := c.p.Clusters[n].Backup.Prefix; said != "" {
			p = place{said, append(p.path, "backup", "prefix")}
		}
		if within(p.prefix, databases) {
			c.add(findingPrefix, fmt.Sprintf("backups of %s go to %q, which has those of databases", n, p.prefix), "", p.path...)
		}
		for _, o := range before {
			if !within(p.prefix, o.prefix) && !within(o.prefix, p.prefix) {
				continue
			}
			// At the prefix that somebody wrote.
			at := p.path
			if len(at) < len(o.path) {
				at = o.path
			}
			what := fmt.Sprintf("backups of %s and %s go to one place: %q", o.path[2], n, p.prefix)
			if p.prefix != o.prefix {
				what = fmt.Sprintf("backups of %s (%q) and %s (%q) go to one place: one is below the other", o.path[2], o.prefix, n, p.prefix)
			}
			f := c.add(findingPrefix, what, "a prefix is the cluster's name when it is left out", at...)
			f.Also = []string{Path(o.path...), Path(p.path...)}
			break
		}
		before = append(before, p)
	}
}

// within tells whether a prefix is another, or below it.
func within(prefix, other string) bool {
	return prefix == other || strings.HasPrefix(prefix, other+"/")
}

// identities checks that the store can tell clusters apart.
func (c *checker) identities() {
	s3, ok := c.s3()
	if !ok {
		return
	}
	seen := map[string][]string{}
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		if c.off(n, "velero") != nil {
			continue
		}
		b, at := c.p.Clusters[n].Backup, []string{"platform", "clusters", n, "backup"}
		who := cmp.Or(b.Principal, b.RoleARN, s3.RoleARN)
		switch {
		case b.Principal != "":
			at = append(at, "principal")
		case b.RoleARN != "":
			at = append(at, "roleArn")
		default:
			at = []string{"platform", "management", "backups", "s3", "roleArn"}
		}
		if who == "" {
			continue // credentials of its own
		}
		if first, ok := seen[who]; ok {
			f := c.add(findingIdentity, fmt.Sprintf("%s and %s are one at the store: %s can read and delete what each of them wrote", first[0], n, who),
				"give each its own in clusters.X.backup.roleArn, or principal", at...)
			f.Cluster = ""
			f.Also = []string{Path(first[1:]...), Path(at...)}
			if f.Also[0] == f.Also[1] {
				f.Also = nil
			}
			return
		}
		seen[who] = append([]string{n}, at...)
	}
}

// s3 is where backups go.
func (c *checker) s3() (BackupStorage, bool) {
	var s BackupStorage
	raw, ok := c.p.Management.Backups["s3"]
	return s, ok && json.Unmarshal(raw, &s) == nil
}

// stored checks the object storage that the platform runs.
func (c *checker) stored() {
	var runs []string
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		if c.p.Clusters[n].Systems.ObjectStorage != nil {
			runs = append(runs, n)
		}
	}
	if len(runs) == 0 {
		return
	}
	at := func(n string) []string { return []string{"platform", "clusters", n, "management", "objectStorage"} }
	backups := []string{"platform", "management", "backups", "s3"}
	s3, ok := c.s3()
	host := strings.TrimSuffix(strings.TrimPrefix(s3.Endpoint, "https://"), "/")
	switch {
	case len(runs) > 1:
		f := c.add(findingStore, fmt.Sprintf("%s run the platform's object storage, and backups go to one", and(runs)), "", at(runs[1])...)
		for _, n := range runs {
			f.Also = append(f.Also, Path(at(n)...))
		}
	case !ok || s3.Endpoint == "":
		c.add(findingStore, "nothing goes to this object storage: backups go elsewhere", "say its address in management.backups.s3.endpoint", at(runs[0])...)
	case strings.ContainsAny(strings.TrimSuffix(host, ":443"), ":/"):
		c.add(findingStore, "the platform's own object storage is at port 443 of a host: "+s3.Endpoint+" is not", "", append(backups, "endpoint")...)
	case s3.Credentials == nil:
		c.add(findingStore, "nobody says where the keys of the platform's own object storage go", "set credentials: path: each cluster's are put below it", backups...)
	case s3.Encryption != nil:
		c.add(findingStore, "the platform's own object storage has no keys of its own to encrypt with", "encrypt its disks, or keep backups elsewhere", append(backups, "encryption")...)
	}
	for _, n := range runs {
		rook := slices.ContainsFunc(c.layersOf(n), func(l said) bool { _, ok := l.components["csi"].Values["rookCeph"]; return ok })
		if !rook || c.off(n, "csi") != nil {
			c.add(findingStore, fmt.Sprintf("object storage needs Ceph, which %s does not run", n), "choose components: csi: values: rookCeph", at(n)...)
		}
	}
}

// retained checks that a schedule's backups last until the next is there.
func (c *checker) retained(cluster, name string, s BackupSchedule, reported map[string]bool) {
	runs, err := s.Runs()
	if s.Paused || err != nil {
		return // Velero says what is wrong with a clock, and nothing is lost meanwhile
	}
	at := s.retention
	if at == nil {
		at = s.cron
	}
	if at == nil {
		return // the catalog's own
	}
	message := ""
	if longest, ok := gap(runs); !ok {
		at, message = s.cron, fmt.Sprintf("schedule %q never runs: %s is no day", name, s.Cron)
	} else if s.Retention < longest {
		message = fmt.Sprintf("backups of schedule %q are deleted after %s, and the next is up to %s later: there would be none", name, hours(s.Retention), hours(longest))
	}
	if message == "" || reported[Path(at...)] {
		return
	}
	reported[Path(at...)] = true
	f := c.add(findingRetention, message, "", at...)
	f.Cluster = cluster
	if s.retention != nil && s.cron != nil && f.Path == Path(s.retention...) {
		f.Also = []string{Path(s.retention...), Path(s.cron...)}
	}
}

// gap is the longest time between two runs, of those of five years or of the
// first many; ok is false where there are none.
func gap(runs cron.Schedule) (longest time.Duration, ok bool) {
	const many = 5000
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	last := runs.Next(start)
	if last.IsZero() {
		return 0, false
	}
	for i := 0; i < many && last.Before(start.AddDate(5, 0, 0)); i++ {
		next := runs.Next(last)
		if next.IsZero() {
			break
		}
		longest, last = max(longest, next.Sub(last)), next
	}
	return longest, true
}

// hours writes a duration without zero minutes and seconds.
func hours(d time.Duration) string {
	s := d.String()
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return cmp.Or(s, d.String())
}

// drill checks that what a drill restores is in the backups.
func (c *checker) drill(cluster string, schedules map[string]BackupSchedule) {
	d := c.p.Clusters[cluster].Backup.Drill
	if d == nil {
		return
	}
	at := []string{"platform", "clusters", cluster, "backup", "drill"}
	name := cmp.Or(d.Backups, "daily")
	s, ok := schedules[name]
	if !ok {
		path := at
		if d.Backups != "" {
			path = append(slices.Clone(at), "backups")
		}
		c.add(findingDrill, fmt.Sprintf("the drill restores backups of schedule %q, which %s does not have", name, cluster), Known(name, slices.Sorted(maps.Keys(schedules))), path...)
		return
	}
	teams := map[string]bool{}
	for _, t := range c.p.Teams {
		if t.Clusters.Has(cluster, c.p.Clusters[cluster]) {
			for n := range t.Namespaces {
				teams[n] = true
			}
		}
	}
	for i, n := range d.Namespaces {
		path := append(slices.Clone(at), "namespaces", fmt.Sprint(i))
		switch {
		case !teams[n]:
			c.add(findingDrill, fmt.Sprintf("the drill restores namespace %q, which no team has on %s", n, cluster), Known(n, slices.Sorted(maps.Keys(teams))), path...)
		case !s.Takes(n):
			c.add(findingDrill, fmt.Sprintf("the drill restores namespace %q, which backups of schedule %q do not have", n, name), "", path...)
		case len("drill-"+n) > 63:
			c.add(findingDrill, fmt.Sprintf("the drill restores namespace %q into drill-%s, a name of more than 63 characters", n, n), "", path...)
		}
	}
}
