package kubecheck

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// helmTimeout is what a HelmRelease takes that says nothing (helm-controller,
// docs/spec/v2/helmreleases.md, "Timeout").
const helmTimeout = 5 * time.Minute

// duration is Flux's form (the pattern of its CRDs).
var duration = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)

// durationAt reads a duration; ok is false when there is none or it is not one.
func durationAt(t map[string]any, path ...string) (time.Duration, bool) {
	s := str(t, path...)
	if !duration.MatchString(s) {
		return 0, false
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// times checks the durations of each object of Flux's alone.
func times(o *object.Object) []diag.Finding {
	if !depends(o) && o.Group != source {
		return nil
	}
	var out []diag.Finding
	t := o.Tree()
	for _, field := range []string{"interval", "timeout", "retryInterval"} {
		if s := str(t, "spec", field); s != "" && !duration.MatchString(s) {
			out = append(out, diag.Finding{ID: IDTimeout, Path: "spec." + field,
				Message: fmt.Sprintf("%q is no duration that Flux takes", s), Hint: "write it as 30s, 10m or 1h30m"})
		} else if d, ok := durationAt(t, "spec", field); ok && d == 0 {
			out = append(out, diag.Finding{ID: IDTimeout, Path: "spec." + field, Message: field + " is zero"})
		}
	}
	interval, ok := durationAt(t, "spec", "interval")
	if !ok {
		return out
	}
	for _, path := range [][]string{{"spec", "retryInterval"}, {"spec", "install", "strategy", "retryInterval"}, {"spec", "upgrade", "strategy", "retryInterval"}} {
		if retry, ok := durationAt(t, path...); ok && retry >= interval {
			out = append(out, diag.Finding{ID: IDInterval, Path: join(path),
				Message: fmt.Sprintf("a retry after %s comes no sooner than the next interval, %s", str(t, path...), str(t, "spec", "interval"))})
		}
	}
	if wait, _ := value(t, "spec", "wait").(bool); wait && o.Group == kustomize && len(structs(t, "spec", "healthChecks")) > 0 {
		out = append(out, diag.Finding{ID: IDHealthChecks, Path: "spec.healthChecks",
			Message: "healthChecks are ignored, since wait is true: all that the Kustomization applies is waited for"})
	}
	return out
}

func join(path []string) string {
	s := path[0]
	for _, p := range path[1:] {
		s += step(p)
	}
	return s
}

// value is what stands at a path, nil when nothing does.
func value(t map[string]any, path ...string) any {
	var v any = t
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

// waits checks that units wait as long as the HelmReleases in them may take.
func (w *world) waits() []diag.Finding {
	var out []diag.Finding
	for i := range w.units {
		u := &w.units[i]
		k, ok := w.objects[object.ID{Group: kustomize, Kind: "Kustomization", Namespace: "flux-system", Name: u.Name}]
		if !ok || k.unit.Component != syncComponent {
			continue
		}
		limit, ok := durationAt(k.object.Tree(), "spec", "timeout")
		if !ok {
			if limit, ok = durationAt(k.object.Tree(), "spec", "interval"); !ok {
				continue // the CRD's default for a timeout is the interval
			}
		}
		for _, o := range u.Objects {
			if o.Group != helm || o.Kind != "HelmRelease" || !waitsFor(k.object, o) {
				continue
			}
			took, field, through := w.longest(u.Name, o, map[object.ID]bool{})
			if took <= limit {
				continue
			}
			f := diag.Finding{ID: IDTimeout, Unit: u.Name, Object: o.String(), Path: field,
				Message: fmt.Sprintf("the release may take %s, and its unit waits %s for it", short(took), short(limit))}
			if through {
				f.Message = fmt.Sprintf("the release and those that it waits for may take %s, and their unit waits %s", short(took), short(limit))
			}
			out = append(out, f)
		}
	}
	return out
}

// waitsFor tells whether a Kustomization waits for an object that it applies.
func waitsFor(k, o *object.Object) bool {
	t := k.Tree()
	if wait, _ := value(t, "spec", "wait").(bool); wait {
		return true
	}
	for _, h := range structs(t, "spec", "healthChecks") {
		if str(h, "kind") == o.Kind && str(h, "name") == o.Name && first(str(h, "namespace"), k.Namespace) == o.Namespace {
			return true
		}
	}
	return false
}

// longest is how long a HelmRelease may take from the start of its unit, the
// field that says so, and whether others are part of it.
func (w *world) longest(unit string, o *object.Object, seen map[object.ID]bool) (time.Duration, string, bool) {
	seen[o.Key()] = true
	own, field := releaseTimeout(o)
	var before time.Duration
	for _, d := range structs(o.Tree(), "spec", "dependsOn") {
		at, ok := w.objects[object.ID{Group: helm, Kind: "HelmRelease", Namespace: first(str(d, "namespace"), o.Namespace), Name: str(d, "name")}]
		if !ok || at.unit.Name != unit || seen[at.object.Key()] {
			continue
		}
		took, _, _ := w.longest(unit, at.object, seen)
		before = max(before, took)
	}
	return own + before, field, before > 0
}

// releaseTimeout is the longest of a release's timeouts and the field that says it.
func releaseTimeout(o *object.Object) (time.Duration, string) {
	t := o.Tree()
	all, ok := durationAt(t, "spec", "timeout")
	if !ok {
		all = helmTimeout
	}
	longest, field := time.Duration(0), "spec.timeout"
	for _, action := range []string{"install", "upgrade"} {
		d, ok := durationAt(t, "spec", action, "timeout")
		at := "spec." + action + ".timeout"
		if !ok {
			d, at = all, "spec.timeout"
		}
		if d > longest {
			longest, field = d, at
		}
	}
	return longest, field
}

// short is a duration as people write it: 15m, not 15m0s.
func short(d time.Duration) string {
	s := strings.TrimSuffix(d.String(), "m0s")
	if s != d.String() {
		s += "m"
	}
	return s
}
