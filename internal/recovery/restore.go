package recovery

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
)

// Request is what somebody wants back.
type Request struct {
	Cluster string
	// Backup is a backup's name, or a schedule's, for the newest of its backups.
	Backup string
	// Namespaces to restore; all that the backup has when empty.
	Namespaces []string
	// At is the time that a schedule's backup is no younger than; zero for none.
	At time.Time
	// Backups are those that the cluster has, as kubectl lists them; nil where
	// nobody said. Only the cluster knows what its backups are called.
	Backups []byte
}

// Unit is one of a cluster's units, with its objects.
type Unit struct {
	Name    string
	Objects []*object.Object
}

// Plan is a restore.
type Plan struct {
	// Object is Velero's Restore, in YAML, and Runbook what people do with it, in
	// lines without an end.
	Object  []byte
	Runbook []string
}

// schedule is velero.io/v1 Schedule, as far as a restore asks.
type schedule struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec struct {
		Schedule string `json:"schedule"`
		Template struct {
			TTL                      string   `json:"ttl"`
			IncludedNamespaces       []string `json:"includedNamespaces"`
			ExcludedNamespaces       []string `json:"excludedNamespaces"`
			ExcludedResources        []string `json:"excludedResources"`
			SnapshotVolumes          bool     `json:"snapshotVolumes"`
			DefaultVolumesToFsBackup bool     `json:"defaultVolumesToFsBackup"`
		} `json:"template"`
	} `json:"spec"`
}

func (s schedule) takes(namespace string) bool {
	has := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			ok, err := path.Match(p, namespace)
			return ok && err == nil
		})
	}
	t := s.Spec.Template
	return (len(t.IncludedNamespaces) == 0 || has(t.IncludedNamespaces)) && !has(t.ExcludedNamespaces)
}

// stamp is how Velero ends the names of a schedule's backups: the time at which
// it began, in the server's zone, UTC (pkg/apis/velero/v1, TimestampedName).
var stamp = regexp.MustCompile(`^(.+)-([0-9]{14})$`)

// Restore plans one. units are the cluster's, as they are rendered. The error says
// what of the request does not fit the cluster.
func Restore(q Request, units []Unit) (*Plan, error) {
	c, err := read(units)
	if err != nil {
		return nil, err
	}
	if len(c.schedules) == 0 {
		return nil, fmt.Errorf("no backups of %s are made: Velero is off there, or the platform has no management.backups", q.Cluster)
	}
	from, known, err := source(q, c)
	if err != nil {
		return nil, err
	}
	for _, n := range q.Namespaces {
		if !c.namespaces[n] {
			return nil, hinted(fmt.Sprintf("namespace %q is not described on %s", n, q.Cluster), model.Known(n, slices.Sorted(maps.Keys(c.namespaces))))
		}
		if known && !from.schedule.takes(n) {
			return nil, hinted(fmt.Sprintf("backups of schedule %q do not have namespace %q", from.schedule.Metadata.Name, n), c.takers(n))
		}
	}
	p := &Plan{Runbook: runbook(q, c, from, known)}
	p.Object, err = from.object(q)
	return p, err
}

// backup is what a restore is made from: one by its name, or the newest of a
// schedule.
type backup struct {
	name     string // "" for the newest
	schedule schedule
	// expected is when the schedule made it, zero where nobody asked.
	expected time.Time
	note     string
}

// source finds what a request means; known is false where a backup is none of a
// schedule's, so that nobody knows what is in it.
func source(q Request, c *cluster) (b backup, known bool, err error) {
	if s, ok := c.schedules[q.Backup]; ok {
		b.schedule = s
		if q.At.IsZero() {
			return b, true, nil
		}
		err := b.at(q)
		return b, true, err
	}
	if !q.At.IsZero() {
		return b, false, hinted(fmt.Sprintf("--at picks one of a schedule's backups, and %s has no schedule %q", q.Cluster, q.Backup), model.Known(q.Backup, slices.Sorted(maps.Keys(c.schedules))))
	}
	b.name = q.Backup
	if m := stamp.FindStringSubmatch(q.Backup); m != nil {
		if _, err := time.Parse("20060102150405", m[2]); err != nil {
			return b, false, fmt.Errorf("backup %q ends in no time: Velero calls them SCHEDULE-YYYYMMDDhhmmss", q.Backup)
		}
		s, ok := c.schedules[m[1]]
		if !ok {
			return b, false, hinted(fmt.Sprintf("backup %q is of schedule %q, which %s does not have", q.Backup, m[1], q.Cluster), model.Known(m[1], slices.Sorted(maps.Keys(c.schedules))))
		}
		b.schedule = s
		return b, true, nil
	}
	return b, false, nil
}

// at picks the newest backup that is no younger than the request's time.
func (b *backup) at(q Request) error {
	name := b.schedule.Metadata.Name
	runs, err := cron.ParseStandard(b.schedule.Spec.Schedule)
	if err != nil {
		return fmt.Errorf("schedule %q: %w", name, err)
	}
	b.expected = before(runs, q.At)
	if b.expected.IsZero() {
		return fmt.Errorf("schedule %q has no run before %s", name, q.At.Format(time.RFC3339))
	}
	if q.Backups == nil {
		u := b.expected.UTC()
		return hinted(fmt.Sprintf("the run of %s is meant, and its backup's name is known to the cluster alone: it begins with %s-%s and ends in the seconds of its start, or is up to some minutes later",
			b.expected.Format(time.RFC3339), name, u.Format("200601021504")),
			fmt.Sprintf("kubectl -n %s get backups -l velero.io/schedule-name=%s -o json | contain restore %s --backup %s --at %s --list -",
				b.schedule.Metadata.Namespace, name, q.Cluster, name, q.At.Format(time.RFC3339)))
	}
	return b.pick(q)
}

// before is the last run no later than a time, of those of five years.
func before(runs cron.Schedule, at time.Time) time.Time {
	for back := time.Hour; back < 5*366*24*time.Hour; back *= 4 {
		var last time.Time
		for t := runs.Next(at.Add(-back)); !t.IsZero() && !t.After(at); t = runs.Next(t) {
			last = t
		}
		if !last.IsZero() {
			return last
		}
	}
	return time.Time{}
}

// pick takes one of the backups that the cluster has.
func (b *backup) pick(q Request) error {
	var list struct {
		Items []struct {
			Metadata struct {
				Name   string            `json:"name"`
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
			Status struct {
				Phase          string    `json:"phase"`
				StartTimestamp time.Time `json:"startTimestamp"`
			} `json:"status"`
		} `json:"items"`
	}
	if err := json.Unmarshal(q.Backups, &list); err != nil {
		return fmt.Errorf("--list is no list of backups as kubectl get -o json prints it: %w", err)
	}
	name, others := b.schedule.Metadata.Name, 0
	var newest, oldest time.Time
	for _, i := range list.Items {
		start := i.Status.StartTimestamp
		if i.Metadata.Labels["velero.io/schedule-name"] != name || start.IsZero() {
			continue
		}
		if i.Status.Phase != "Completed" {
			if !start.After(q.At) {
				others++
			}
			continue
		}
		if oldest.IsZero() || start.Before(oldest) {
			oldest = start
		}
		if !start.After(q.At) && start.After(newest) {
			newest, b.name = start, i.Metadata.Name
		}
	}
	switch {
	case oldest.IsZero():
		return fmt.Errorf("the list has no completed backup of schedule %q", name)
	case b.name == "":
		return fmt.Errorf("no completed backup of schedule %q is as old as %s: the oldest is of %s", name, q.At.Format(time.RFC3339), oldest.Format(time.RFC3339))
	case newest.Before(b.expected.Truncate(time.Minute)):
		b.note = fmt.Sprintf("The run of %s made none that completed (%d before %s did not): this one is of %s.",
			b.expected.Format(time.RFC3339), others, q.At.Format(time.RFC3339), newest.Format(time.RFC3339))
	}
	return nil
}

// object is the Restore. It has no name, so that it can be created again.
func (b backup) object(q Request) ([]byte, error) {
	spec := map[string]any{"includedNamespaces": []string{"*"}}
	if len(q.Namespaces) > 0 {
		spec["includedNamespaces"] = slices.Sorted(slices.Values(q.Namespaces))
	}
	if b.name != "" {
		spec["backupName"] = b.name
	} else {
		spec["scheduleName"] = b.schedule.Metadata.Name
	}
	raw, err := json.Marshal(map[string]any{
		"apiVersion": "velero.io/v1",
		"kind":       "Restore",
		"metadata":   map[string]any{"generateName": cmp.Or(b.name, b.schedule.Metadata.Name) + "-", "namespace": cmp.Or(b.schedule.Metadata.Namespace, "velero")},
		"spec":       spec,
	})
	if err != nil {
		return nil, err
	}
	return object.YAML(raw)
}

// cluster is what a restore has to know of one.
type cluster struct {
	schedules  map[string]schedule
	namespaces map[string]bool
	// flux are the Kustomizations that make workloads, by namespace of what they
	// make, each as "NAME -n NAMESPACE"; without those of Flux and Velero, which
	// have work to do.
	flux map[string][]string
}

// workloads are what Flux would make anew, with volumes that are empty, before
// Velero brings it back.
var workloads = []string{"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "PersistentVolumeClaim", "HelmRelease"}

func read(units []Unit) (*cluster, error) {
	c := &cluster{schedules: map[string]schedule{}, namespaces: map[string]bool{"default": true, "kube-system": true}, flux: map[string][]string{}}
	for _, u := range units {
		for _, o := range u.Objects {
			switch {
			case o.Kind == "Namespace" && o.Group == "":
				c.namespaces[o.Name] = true
			case o.Kind == "Schedule" && o.Group == "velero.io":
				var s schedule
				if err := json.Unmarshal(o.JSON, &s); err != nil {
					return nil, err
				}
				c.schedules[o.Name] = s
			case o.Kind == "Kustomization" && o.Group == "kustomize.toolkit.fluxcd.io":
				var k struct {
					Spec struct {
						TargetNamespace string `json:"targetNamespace"`
					} `json:"spec"`
				}
				if err := json.Unmarshal(o.JSON, &k); err != nil {
					return nil, err
				}
				if n := k.Spec.TargetNamespace; n != "" {
					c.flux[n] = append(c.flux[n], o.Name+" -n "+o.Namespace)
				}
			}
			if slices.Contains(workloads, o.Kind) && o.Namespace != "flux-system" && u.Name != "velero" {
				c.flux[o.Namespace] = append(c.flux[o.Namespace], u.Name+" -n flux-system")
			}
		}
	}
	return c, nil
}

// takers is the hint for a namespace that a schedule does not take.
func (c *cluster) takers(namespace string) string {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(c.schedules)) {
		if c.schedules[n].takes(namespace) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return "no schedule takes it"
	}
	return "it is in those of " + strings.Join(names, " and ")
}

// Hinted is an error with what may help.
type Hinted struct{ Message, Hint string }

func (h *Hinted) Error() string {
	if h.Hint == "" {
		return h.Message
	}
	return h.Message + "\nhint: " + h.Hint
}

func hinted(message, hint string) error { return &Hinted{message, hint} }
