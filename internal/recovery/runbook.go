package recovery

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// runbook is what people do before and after a Restore is created.
func runbook(q Request, c *cluster, b backup, known bool) []string {
	velero := cmp.Or(b.schedule.Metadata.Namespace, "velero")
	what := "everything that the backup has"
	if len(q.Namespaces) > 0 {
		what = "namespace " + strings.Join(slices.Sorted(slices.Values(q.Namespaces)), ", namespace ")
	}
	source := "backup " + b.name
	if b.name == "" {
		source = "the newest completed backup of schedule " + b.schedule.Metadata.Name
	}
	out := []string{fmt.Sprintf("Restore of %s on %s from %s.", what, q.Cluster, source)}
	if known {
		out = append(out, clock(b.schedule))
	} else {
		out = append(out, "No schedule of this cluster makes backups of that name: whether it has what is asked for, only the backup says.")
	}
	if !b.expected.IsZero() {
		out = append(out, fmt.Sprintf("The last run no later than %s is that of %s.", q.At.Format(time.RFC3339), b.expected.Format(time.RFC3339)))
	}
	if b.note != "" {
		out = append(out, b.note)
	}

	out = append(out, "", "1. Look at the backup: its phase is Completed, and it has no errors.")
	if b.name == "" {
		out = append(out, fmt.Sprintf("     kubectl -n %s get backups -l velero.io/schedule-name=%s --sort-by=.status.startTimestamp", velero, b.schedule.Metadata.Name))
	} else {
		out = append(out, fmt.Sprintf("     kubectl -n %s describe backup %s", velero, b.name))
	}
	if len(c.suspended(q.Namespaces)) == 0 {
		out = append(out, "2. Nothing of the platform's makes workloads there: stop whatever does.")
	} else {
		out = append(out, "2. Stop Flux, which would make workloads anew, on empty volumes.")
	}
	for _, k := range c.suspended(q.Namespaces) {
		out = append(out, "     flux suspend kustomization "+k)
	}
	out = append(out,
		"3. Velero leaves alone what is there: remove what is to be replaced, volume claims too.",
		"     kubectl -n NAMESPACE delete deployment,statefulset,persistentvolumeclaim NAME",
		"4. Create the object below.",
		fmt.Sprintf("     contain restore %s --backup %s … | kubectl create -f -", q.Cluster, q.Backup),
		"5. Wait for Completed. PartiallyFailed says that something is missing: the log says what.",
		fmt.Sprintf("     kubectl -n %s get restores -w", velero),
		fmt.Sprintf("     kubectl -n %s get podvolumerestores,datadownloads", velero),
		fmt.Sprintf("     velero -n %s restore logs NAME", velero),
		"6. See that the applications work, then let Flux go on.",
	)
	for _, k := range c.suspended(q.Namespaces) {
		out = append(out, "     flux resume kustomization "+k)
	}
	return append(append(out, "", "Not restored:"), missing(b, known)...)
}

// clock says when a schedule runs. Velero's server is in UTC.
func clock(s schedule) string {
	spec, zone := s.Spec.Schedule, "UTC"
	if rest, ok := strings.CutPrefix(spec, "CRON_TZ="); ok {
		zone, spec, _ = strings.Cut(rest, " ")
	}
	kept := ""
	if s.Spec.Template.TTL != "" {
		kept = ", and backups are kept for " + s.Spec.Template.TTL
	}
	return fmt.Sprintf("The schedule runs at %q, %s%s.", spec, zone, kept)
}

// suspended are the Kustomizations that make what is restored.
func (c *cluster) suspended(namespaces []string) []string {
	var out []string
	for n, names := range c.flux {
		if len(namespaces) == 0 || slices.Contains(namespaces, n) {
			out = append(out, names...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// missing is what a restore does not bring back.
func missing(b backup, known bool) []string {
	out := []string{
		"- what exists already, whatever state it is in;",
		"- nodes, events, and Velero's own backups and restores;",
		"- what is outside of namespaces, but for what restored objects need: Flux brings that;",
	}
	if !known {
		return append(out, "- whatever the backup left out.")
	}
	t := b.schedule.Spec.Template
	if len(t.ExcludedResources) > 0 {
		out = append(out, "- "+strings.Join(t.ExcludedResources, ", ")+", which the schedule leaves out;")
	}
	switch {
	case t.DefaultVolumesToFsBackup:
		return append(out, "- volumes that no running pod had mounted.")
	case t.SnapshotVolumes:
		return append(out, "- volumes whose driver makes no snapshots.")
	}
	return append(out, "- data of volumes, but of those that pods name in backup.velero.io/backup-volumes: claims come back empty.")
}
