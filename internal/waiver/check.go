package waiver

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
)

// soon is how long before its end a waiver is listed apart.
const soon = 30 * 24 * time.Hour

// check says which waivers will not do. The date was checked before.
func (b *Book) check() []diag.Finding {
	var out []diag.Finding
	for _, w := range b.waivers {
		if f := b.expired(w.Waiver, w.name, "platform", "policies", "waivers", w.name, "expires"); f != nil {
			out = append(out, *f)
		}
		out = append(out, b.target(w)...)
		for i, c := range w.Clusters {
			if !slices.ContainsFunc(slices.Sorted(maps.Keys(b.p.Clusters)), func(n string) bool { return Match(c, n) }) {
				out = append(out, finding("model/reference", "no cluster "+called(c),
					model.Known(c, slices.Sorted(maps.Keys(b.p.Clusters))), w.name, "clusters", strconv.Itoa(i)))
			}
		}
		out = append(out, b.inexpressible(w)...)
	}
	for _, name := range slices.Sorted(maps.Keys(b.p.Clusters)) {
		w := b.p.Clusters[name].Infrastructure.Workers.Waiver
		if w == nil {
			continue
		}
		path := []string{"platform", "clusters", name, "infrastructure", "workers", "waiver", "expires"}
		if f := b.expired(*w, "workers.waiver", path...); f != nil {
			f.Cluster = name
			out = append(out, *f)
		}
		b.workers = append(b.workers, b.worker(name, *w))
	}
	return out
}

// worker is the waiver that stands beside a cluster's workers.
func (b *Book) worker(cluster string, w model.Waiver) diag.InEffect {
	c := b.p.Clusters[cluster]
	out := diag.InEffect{
		Waiver: diag.Waiver{
			Name:  model.Path("clusters", cluster, "infrastructure", "workers", "waiver"),
			Owner: w.Owner, Reason: w.Reason, Expires: w.Expires,
		},
		Rule: "model/production-workers", Soon: b.soon(w.Expires),
	}
	if b.p.Environments[c.Environment].Production && c.Infrastructure.Workers.Count < model.ProductionWorkers {
		out.Used = 1
	}
	return out
}

// expired says that a waiver has ended: its last day is before the date.
func (b *Book) expired(w model.Waiver, name string, path ...string) *diag.Finding {
	date := b.p.Policies.Date
	if w.Expires >= date {
		return nil
	}
	return &diag.Finding{
		ID: "waiver/expired", Path: model.Path(path...),
		Message: fmt.Sprintf("waiver %s ended on %s, and it is %s", name, w.Expires, date),
		Hint:    fmt.Sprintf("repair what it was for, or let %s answer for it longer", w.Owner),
	}
}

// soon tells whether a day is within 30 days of the date.
func (b *Book) soon(expires string) bool {
	end, err := time.Parse(time.DateOnly, expires)
	now, err2 := time.Parse(time.DateOnly, b.p.Policies.Date)
	return err == nil && err2 == nil && end.Sub(now) <= soon
}

// target checks that there is something that the waiver can be of.
func (b *Book) target(w waiver) []diag.Finding {
	ids := slices.Sorted(maps.Keys(b.rules))
	var fixed int
	matched := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !Match(w.Rule, id) })
	for _, id := range matched {
		if b.rules[id].Fixed {
			fixed++
		}
	}
	switch {
	case len(matched) == 0:
		return []diag.Finding{finding("model/reference", "no rule "+called(w.Rule), model.Known(w.Rule, ids), w.name, "rule")}
	case fixed == len(matched):
		return []diag.Finding{finding("waiver/fixed", fmt.Sprintf("%s cannot be waived: nothing would work without it", strings.Join(matched, ", ")), "", w.name, "rule")}
	}
	return nil
}

// inexpressible is what no match of a Constraint can say, whatever the cluster
// holds.
func (b *Book) inexpressible(w waiver) []diag.Finding {
	if !w.admission {
		return nil
	}
	var out []diag.Finding
	if b.rules[w.Rule].Source {
		out = append(out, finding(Admission, fmt.Sprintf("%s is of a source of policies, whose Constraints are used as they are", w.Rule),
			"leave out in the match of its Constraint what is to pass", w.name, "rule"))
	}
	if len(w.Names) > 0 {
		out = append(out, finding(Admission, fmt.Sprintf("Gatekeeper cannot leave objects out of %s by name", w.Rule),
			"say labels that the objects have, and no others, or namespaces", w.name, "names"))
	}
	if len(w.Labels) > 0 {
		for i, ns := range w.Namespaces {
			if strings.Contains(ns, "*") {
				out = append(out, finding(Admission, "Gatekeeper cannot leave out labels in namespaces that are a pattern",
					"write the namespaces out, or leave labels or namespaces away", w.name, "namespaces", strconv.Itoa(i)))
			}
		}
	}
	return out
}

// Admission is the id of findings about waivers that Gatekeeper would not act
// upon.
const Admission = "waiver/admission"

// Refused says that a waiver lets pass what the emitted Constraints refuse.
func (b *Book) Refused(name, rule, cluster, subject string) diag.Finding {
	w := b.p.Policies.Waivers[name]
	f := finding(Admission, fmt.Sprintf("waiver %s lets %s pass, but the Constraints of %s refuse it", name, subject, rule), "", name)
	switch {
	case len(w.Kinds) > 0:
		f.Hint = "a Constraint of all kinds cannot leave one out: say namespaces or labels instead of kinds"
	case len(w.Namespaces) > 0:
		f.Hint = "namespaces can have one * in front and one at the end"
	default:
		f.Hint = "say namespaces or labels"
	}
	f.Cluster = cluster
	return f
}

// Pods says that a waiver lets a workload pass and Gatekeeper refuses what it
// makes: objects of these kinds, with these labels.
func (b *Book) Pods(name, rule, cluster, workload string, kinds []string, labels map[string]string) diag.Finding {
	w := b.p.Policies.Waivers[name]
	f := finding("waiver/pods", fmt.Sprintf("waiver %s lets %s pass, but %s refuses what that makes: %s", name, workload, rule, strings.Join(kinds, ", ")), "", name)
	var missing []string
	for _, k := range slices.Sorted(maps.Keys(w.Labels)) {
		if have, ok := labels[k]; !ok || have != w.Labels[k] {
			missing = append(missing, fmt.Sprintf("%s: %s", k, w.Labels[k]))
		}
	}
	if len(missing) > 0 {
		f.Hint = fmt.Sprintf("give the pod template of %s the label %s", workload, strings.Join(missing, ", "))
	}
	f.Cluster = cluster
	return f
}

// Unused are warnings about waivers that let nothing pass, for builds that
// judged every cluster.
func (b *Book) Unused() []diag.Finding {
	var out []diag.Finding
	for _, w := range b.waivers {
		if b.used[w.name] == 0 {
			f := finding("waiver/unused", fmt.Sprintf("waiver %s lets nothing pass", w.name), "remove it: what it was for is repaired, or it never matched", w.name)
			f.Severity = diag.Warning
			out = append(out, f)
		}
	}
	for _, w := range b.workers {
		if w.Used == 0 {
			out = append(out, diag.Finding{
				ID: "waiver/unused", Severity: diag.Warning, Path: "platform." + w.Name,
				Message: "the waiver lets nothing pass", Hint: "remove it: the cluster has workers enough, or is not for production",
			})
		}
	}
	return out
}

// InEffect lists the waivers, those that end first in front.
func (b *Book) InEffect() []diag.InEffect {
	out := slices.Clone(b.workers)
	for _, w := range b.waivers {
		out = append(out, diag.InEffect{
			Waiver: diag.Waiver{Name: w.name, Owner: w.Owner, Reason: w.Reason, Expires: w.Expires},
			Rule:   w.Rule, Used: b.used[w.name], Soon: b.soon(w.Expires),
		})
	}
	slices.SortStableFunc(out, func(a, b diag.InEffect) int { // for determinism
		return cmp.Or(cmp.Compare(a.Expires, b.Expires), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func finding(id, message, hint, name string, field ...string) diag.Finding {
	return diag.Finding{ID: id, Message: message, Hint: hint, Path: model.Path(append([]string{"platform", "policies", "waivers", name}, field...)...)}
}

func called(pattern string) string {
	if strings.Contains(pattern, "*") {
		return "matches " + strconv.Quote(pattern)
	}
	return "is called " + strconv.Quote(pattern)
}
