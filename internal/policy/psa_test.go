package policy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	psaapi "k8s.io/pod-security-admission/api"
	psa "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/policy/rule"
)

// controls gives each control of the Pod Security Standards, by the id that
// Kubernetes' own admission has for it, to the rule that is ours.
var controls = map[psa.CheckID]string{
	"allowPrivilegeEscalation":   "workload/privilege-escalation",
	"appArmorProfile":            "workload/linux-options",
	"capabilities_baseline":      "workload/capabilities",
	"capabilities_restricted":    "workload/capabilities",
	"hostNamespaces":             "workload/host-namespaces",
	"hostPathVolumes":            "workload/volume-types",
	"hostPorts":                  "workload/host-ports",
	"hostProbesAndHostLifecycle": "workload/probe-hosts",
	"privileged":                 "workload/privileged",
	"procMount":                  "workload/linux-options",
	"procMount_restricted":       "workload/linux-options",
	"restrictedVolumes":          "workload/volume-types",
	"runAsNonRoot":               "workload/run-as-non-root",
	"runAsUser":                  "workload/run-as-non-root",
	"seLinuxOptions":             "workload/linux-options",
	"seccompProfile_baseline":    "workload/seccomp",
	"seccompProfile_restricted":  "workload/seccomp",
	"sysctls":                    "workload/sysctls",
	"windowsHostProcess":         "workload/privileged",
}

// psaJudge is Kubernetes' Pod Security admission at one level, in its latest
// version: as a whole, and each of its controls alone.
type psaJudge struct {
	level psaapi.Level
	all   psa.Evaluator
	each  map[psa.CheckID]psa.Evaluator
}

func newPSAJudge(t *testing.T, level psaapi.Level) psaJudge {
	t.Helper()
	evaluator := func(checks ...psa.Check) psa.Evaluator {
		e, err := psa.NewEvaluator(checks, nil)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	j := psaJudge{level: level, all: evaluator(psa.DefaultChecks()...), each: map[psa.CheckID]psa.Evaluator{}}
	for _, c := range psa.DefaultChecks() {
		if c.Level == psaapi.LevelBaseline || level == psaapi.LevelRestricted {
			j.each[c.ID] = evaluator(c)
		}
	}
	return j
}

func (j psaJudge) refuses(e psa.Evaluator, pod *corev1.Pod) bool {
	version := psaapi.LevelVersion{Level: j.level, Version: psaapi.LatestVersion()}
	results := e.EvaluatePod(version, &pod.ObjectMeta, &pod.Spec)
	return slices.ContainsFunc(results, func(r psa.CheckResult) bool { return !r.Allowed })
}

// rules are ours for the controls that refuse the Pod.
func (j psaJudge) rules(pod *corev1.Pod) []string {
	refused := map[string]bool{}
	for id, e := range j.each {
		if j.refuses(e, pod) {
			refused[controls[id]] = true
		}
	}
	return slices.Sorted(maps.Keys(refused))
}

// atProfile compiles those rules of the library that stand for a control, with
// the parameters that they have at a profile.
func atProfile(t *testing.T, profile string) *policy.Set {
	t.Helper()
	mine := slices.Collect(maps.Values(controls))
	var templates, constraints []*object.Object
	for _, r := range rules(t) {
		if !slices.Contains(mine, r.ID) || !has(profile, r) {
			continue
		}
		c := r.Constraint()
		parameters := r.Defaults()
		maps.Copy(parameters, stricter(r, profile))
		c["spec"].(map[string]any)["parameters"] = parameters
		templates = append(templates, fromTree(t, r.Template()))
		constraints = append(constraints, fromTree(t, c))
	}
	return compile(t, templates, constraints)
}

func has(profile string, r rule.Rule) bool {
	return slices.Index(rule.Profiles(), r.Profile) <= slices.Index(rule.Profiles(), profile)
}

// stricter is what the highest profile not above the given one asks for.
func stricter(r rule.Rule, profile string) map[string]any {
	var parameters map[string]any
	for _, p := range rule.Profiles()[:slices.Index(rule.Profiles(), profile)+1] {
		if s, ok := r.Stricter[p]; ok {
			parameters = s.Parameters
		}
	}
	return parameters
}

// Each control of the Pod Security Standards has a rule, which the profile of
// its level has.
func TestPodSecurityControls(t *testing.T) {
	byID := map[string]rule.Rule{}
	for _, r := range rules(t) {
		byID[r.ID] = r
	}
	known := map[psa.CheckID]bool{}
	for _, c := range slices.Concat(psa.DefaultChecks(), psa.ExperimentalChecks()) {
		known[c.ID] = true
		r, ok := byID[controls[c.ID]]
		if !ok {
			t.Errorf("no rule stands for control %s", c.ID)
			continue
		}
		if !has(string(c.Level), r) || r.Enforcement != policy.Deny {
			t.Errorf("%s stands for control %s, which level %s denies, and is %s from profile %s on", r.ID, c.ID, c.Level, r.Enforcement, r.Profile)
		}
	}
	for id := range controls {
		if !known[id] {
			t.Errorf("there is no control %s", id)
		}
	}
}

// The rules refuse what Kubernetes' own Pod Security admission refuses, and
// nothing else: rule by rule, for every value that a control tells apart, alone
// and with others, in each kind of container.
//
// Three things are known to differ.
//   - Some of PSA's checks of level restricted stand in for one of level
//     baseline and let pass what that refuses: a Windows Pod that adds
//     capabilities or sets a seccomp profile, and a volume that is two things at
//     once. The API server's validation refuses all of these. Here restricted
//     refuses whatever baseline does, and capabilities on Windows as on Linux.
//   - A volume without a source is an emptyDir by the time that PSA sees it,
//     because the API server made it one. The rules know that themselves.
//   - With hostNetwork PSA refuses host ports as well, which the API server has
//     then set itself. Here that is hostNetwork's doing alone.
func TestPodSecurityStandards(t *testing.T) {
	pods := psaPods(rand.New(rand.NewPCG(1, 2))) // for determinism
	baseline := newPSAJudge(t, psaapi.LevelBaseline)
	for _, level := range []psaapi.Level{psaapi.LevelBaseline, psaapi.LevelRestricted} {
		t.Run(string(level), func(t *testing.T) {
			judge, set := newPSAJudge(t, level), atProfile(t, string(level))
			objs := make([]*object.Object, len(pods))
			for i, p := range pods {
				objs[i] = fromTyped(t, p.pod)
			}
			got := map[string][]policy.Violation{}
			for _, v := range review(t, set, objs) {
				got[v.Object.Name] = append(got[v.Object.Name], v)
			}
			refused, differ := 0, 0
			for i, p := range pods {
				seen := admitted(p.pod)
				want := slices.Concat(baseline.rules(seen), judge.rules(seen))
				slices.Sort(want)
				want = slices.Compact(want)
				vs := got[p.pod.Name]
				if diff := cmp.Diff(compared(want, seen), compared(ruleIDs(vs), seen)); diff != "" {
					t.Errorf("%s (-PSA +ours):\n%s", p.changes, diff)
				}
				sound(t, p.changes, objs[i], vs)
				if judge.refuses(judge.all, seen) != (len(vs) > 0) {
					differ++
					if !invalid(seen) {
						t.Errorf("%s: PSA refuses is %v, ours found %d", p.changes, judge.refuses(judge.all, seen), len(vs))
					}
				}
				if len(vs) > 0 {
					refused++
				}
			}
			t.Logf("%d Pods, %d refused, %d differ as known", len(pods), refused, differ)
		})
	}
}

// compared leaves out the rules of which TestPodSecurityStandards says that
// they differ over a Pod.
func compared(ids []string, pod *corev1.Pod) []string {
	out := []string{}
	for _, id := range ids {
		byHostNetwork := id == "workload/host-ports" && pod.Spec.HostNetwork
		onWindows := id == "workload/capabilities" && windows(pod) && slices.ContainsFunc(containers(pod), func(c corev1.Container) bool {
			return c.SecurityContext != nil && c.SecurityContext.Capabilities != nil
		})
		if !byHostNetwork && !onWindows {
			out = append(out, id)
		}
	}
	return out
}

func windows(pod *corev1.Pod) bool { return pod.Spec.OS != nil && pod.Spec.OS.Name == corev1.Windows }

func containers(pod *corev1.Pod) []corev1.Container {
	out := slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers)
	for _, c := range pod.Spec.EphemeralContainers {
		out = append(out, corev1.Container(c.EphemeralContainerCommon))
	}
	return out
}

// sound checks that each violation leads to a field, or to one that could stand
// in an object that is there, and that no field is wrong twice.
func sound(t *testing.T, name string, o *object.Object, vs []policy.Violation) {
	t.Helper()
	seen := map[string]bool{}
	for _, v := range vs {
		if v.Failed {
			t.Errorf("%s: %s failed: %s", name, v.Rule, v.Message)
		}
		if !reaches(o.Tree(), v.Path) {
			t.Errorf("%s: %s: no way to %q", name, v.Rule, v.Path)
		}
		if seen[v.Rule+v.Path] {
			t.Errorf("%s: %s says twice that %q is wrong", name, v.Rule, v.Path)
		}
		seen[v.Rule+v.Path] = true
	}
}

// reaches tells whether all but the last step of a path are in the object.
func reaches(tree map[string]any, path string) bool {
	steps, err := policy.ParsePath(path)
	if err != nil || len(steps) == 0 {
		return false
	}
	var at any = tree
	for _, s := range steps[:len(steps)-1] {
		switch v := at.(type) {
		case map[string]any:
			at = v[s]
		case []any:
			n := 0
			if _, err := fmt.Sscan(s, &n); err != nil || n >= len(v) {
				return false
			}
			at = v[n]
		default:
			return false
		}
	}
	return at != nil
}

func ruleIDs(vs []policy.Violation) []string {
	ids := map[string]bool{}
	for _, v := range vs {
		ids[v.Rule] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

// admitted is the Pod as PSA gets to see it, with the defaults that matter to
// it (kubernetes pkg/apis/core/v1/defaults.go).
func admitted(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	for i := range pod.Spec.Volumes {
		if v := &pod.Spec.Volumes[i]; v.VolumeSource == (corev1.VolumeSource{}) {
			v.EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	}
	return pod
}

// invalid tells of those Pods over which PSA and the rules differ that the API
// server takes none of them.
func invalid(pod *corev1.Pod) bool {
	return windows(pod) || slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return len(sourcesOf(v)) > 1
	})
}

func fromTyped(t *testing.T, pod *corev1.Pod) *object.Object {
	t.Helper()
	b, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return fromJSON(t, b)
}

// A pod template is judged as the Pod that it makes: the same messages, the
// same paths below it.
func TestPodSecurityTemplates(t *testing.T) {
	set := atProfile(t, "restricted")
	pods := psaPods(rand.New(rand.NewPCG(3, 4))) // for determinism
	n := 0
	for i := 0; i < len(pods); i += 47 {
		p := pods[i]
		asPod := fromTyped(t, p.pod)
		template := map[string]any{"metadata": asPod.Tree()["metadata"], "spec": asPod.Tree()["spec"]}
		want := below("", review(t, set, []*object.Object{asPod}))
		for _, k := range []struct{ apiVersion, kind, prefix string }{
			{"apps/v1", "DaemonSet", "spec.template."},
			{"apps/v1", "Deployment", "spec.template."},
			{"apps/v1", "ReplicaSet", "spec.template."},
			{"apps/v1", "StatefulSet", "spec.template."},
			{"batch/v1", "CronJob", "spec.jobTemplate.spec.template."},
			{"batch/v1", "Job", "spec.template."},
			{"v1", "ReplicationController", "spec.template."},
		} {
			var spec any = template
			steps := strings.Split(strings.TrimSuffix(k.prefix, "."), ".")
			for _, s := range slices.Backward(steps) {
				spec = map[string]any{s: spec}
			}
			o := map[string]any{"apiVersion": k.apiVersion, "kind": k.kind, "metadata": map[string]any{"name": p.pod.Name, "namespace": "default"}}
			maps.Copy(o, spec.(map[string]any))
			got := below(k.prefix, review(t, set, []*object.Object{fromTree(t, o)}))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s of %s (-Pod +template):\n%s", k.kind, p.changes, diff)
			}
			n++
		}
	}
	t.Logf("%d templates", n)
}

// below are rules, messages and paths, the last without a prefix.
func below(prefix string, vs []policy.Violation) []string {
	var out []string
	for _, v := range vs {
		out = append(out, fmt.Sprintf("%s %s %s", v.Rule, strings.TrimPrefix(v.Path, prefix), v.Message))
	}
	slices.Sort(out)
	return out
}

// PSA's own fixtures, Pods that pass and Pods that fail one control, are judged
// as their folder says, and by the rule of the control that their name says.
func TestPodSecurityFixtures(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Fatalf("the module's directory is not known: %v", err)
	}
	byName := map[string]string{} // a fixture's name is the control's in lower case, with a number
	for id, r := range controls {
		byName[strings.ToLower(string(id))] = r
	}
	for _, level := range []string{"baseline", "restricted"} {
		set := atProfile(t, level)
		files, err := filepath.Glob(filepath.Join(dir, "test/testdata", level, "v1.35", "*", "*.yaml"))
		if err != nil || len(files) < 20 {
			t.Fatalf("%d fixtures, %v", len(files), err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if b, err = yaml.YAMLToJSON(b); err != nil {
				t.Fatal(err)
			}
			o := fromJSON(t, b)
			got := ruleIDs(review(t, set, []*object.Object{o}))
			name := filepath.Join(level, filepath.Base(filepath.Dir(f)), filepath.Base(f))
			sound(t, name, o, review(t, set, []*object.Object{o}))
			if filepath.Base(filepath.Dir(f)) == "pass" {
				if len(got) > 0 {
					t.Errorf("%s: refused by %v", name, got)
				}
				continue
			}
			want := byName[strings.TrimRight(strings.TrimSuffix(filepath.Base(f), ".yaml"), "0123456789")]
			if want == "" || !slices.Contains(got, want) {
				t.Errorf("%s: refused by %v, want %q", name, got, want)
			}
		}
		t.Logf("%s: %d fixtures", level, len(files))
	}
}
