package policies_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/match"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/types"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/wildcard"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// waiver is what #Waiver holds.
type waiver struct {
	Name       string            `json:"name"`
	Namespaces []string          `json:"namespaces,omitempty"`
	Kinds      []string          `json:"kinds,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Names      []string          `json:"names,omitempty"`
}

// made are the kinds that other kinds come to, directly or not.
var made = map[string][]string{
	"CronJob": {"Job", "Pod"}, "DaemonSet": {"Pod"}, "Deployment": {"ReplicaSet", "Pod"}, "Job": {"Pod"},
	"ReplicaSet": {"Pod"}, "ReplicationController": {"Pod"}, "StatefulSet": {"Pod"},
}

// covers says what a waiver means, without a thought of how to express it.
func (w waiver) covers(o *unstructured.Unstructured) bool {
	namespace := o.GetNamespace()
	if o.GetKind() == "Namespace" {
		namespace = o.GetName()
	}
	in := len(w.Namespaces) == 0
	for _, n := range w.Namespaces {
		in = in || namespace != "" && wildcard.Wildcard(n).Matches(namespace)
	}
	kind := len(w.Kinds) == 0
	for _, k := range w.Kinds {
		kind = kind || k == o.GetKind() || slices.Contains(made[k], o.GetKind())
	}
	labels := true
	for k, v := range w.Labels {
		labels = labels && o.GetLabels()[k] == v
	}
	return in && kind && labels && len(w.Names) == 0
}

// expressible is what a match can leave out.
func (w waiver) expressible(everyKind bool) bool {
	pattern := slices.ContainsFunc(w.Namespaces, func(n string) bool { return strings.Contains(n, "*") })
	return len(w.Names) == 0 && (len(w.Kinds) == 0 || !everyKind) && (len(w.Labels) == 0 || !pattern)
}

type kinds struct {
	APIGroups []string `json:"apiGroups"`
	Kinds     []string `json:"kinds"`
}

// The kinds of the objects below; those of a group without a namespace come
// without one.
var (
	namespaced = []schema.GroupVersionKind{
		{Version: "v1", Kind: "Pod"}, {Version: "v1", Kind: "ConfigMap"}, {Group: "apps", Version: "v1", Kind: "Deployment"},
		{Group: "apps", Version: "v1", Kind: "ReplicaSet"}, {Group: "batch", Version: "v1", Kind: "CronJob"}, {Group: "batch", Version: "v1", Kind: "Job"},
		{Group: "metrics.example", Version: "v1", Kind: "Pod"},
	}
	clusterWide = []schema.GroupVersionKind{
		{Version: "v1", Kind: "Namespace"}, {Version: "v1", Kind: "Node"}, {Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"},
	}
	namespaces = []string{"shop", "data", "legacy-a", "legacy-b", "kube-system"}
	ruleKinds  = [][]kinds{
		{{[]string{""}, []string{"Pod", "ConfigMap"}}, {[]string{"apps"}, []string{"Deployment", "ReplicaSet"}}, {[]string{"batch"}, []string{"CronJob", "Job"}}},
		{{[]string{""}, []string{"Pod", "Namespace", "Node"}}, {[]string{"*"}, []string{"ClusterRole", "Deployment"}}},
		{{[]string{"", "metrics.example"}, []string{"Pod"}}, {[]string{"batch"}, []string{"Job"}}},
		{{[]string{"*"}, []string{"*"}}},
		{{[]string{""}, []string{"Namespace"}}},
		{{[]string{""}, []string{}}, {[]string{"apps"}, []string{"Deployment"}}},
	}
)

// An object is in exactly one of the Constraints that a rule is split into, or
// in none when the rule is not about it or a waiver covers it: Gatekeeper's own
// matcher is the judge.
func TestWaivers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) // for determinism
	constraints := catalog(t).LookupPath(cue.ParsePath("#Constraints"))
	objects := everyObject()
	var compared, waived, split, noEffect int
	for i := range 240 {
		rule := ruleKinds[i%len(ruleKinds)]
		everyKind := slices.ContainsFunc(rule, func(k kinds) bool { return len(k.Kinds) == 0 || slices.Contains(k.Kinds, "*") })
		ws := make([]waiver, 1+r.IntN(5))
		var said []waiver
		for j := range ws {
			ws[j] = randomWaiver(r, j)
			if ws[j].expressible(everyKind) {
				said = append(said, ws[j])
			} else {
				noEffect++
			}
		}
		plain, left := matches(t, constraints, rule, nil), matches(t, constraints, rule, ws)
		if len(plain) != 1 {
			t.Fatalf("%d Constraints of a rule without waivers", len(plain))
		}
		split = max(split, len(left))
		for _, o := range objects {
			covered := slices.ContainsFunc(said, func(w waiver) bool { return w.covers(o) })
			judged := matching(t, plain, o) == 1
			want := 0
			if judged && !covered {
				want = 1
			}
			compared++
			if judged && covered {
				waived++
			}
			if got := matching(t, left, o); got != want {
				b, err := json.MarshalIndent(left, "", " ")
				t.Fatalf("rule %v, waivers %+v:\n%s %s/%s %v is in %d Constraints, want %d\n%s %v",
					rule, ws, o.GroupVersionKind(), o.GetNamespace(), o.GetName(), o.GetLabels(), got, want, b, err)
			}
		}
	}
	t.Logf("%d compared, %d waived, up to %d Constraints of a rule, %d waivers that a match cannot express", compared, waived, split, noEffect)
	if waived == 0 || noEffect == 0 || split < 8 {
		t.Error("the cases do not reach what they are for")
	}
}

func randomWaiver(r *rand.Rand, n int) waiver {
	w := waiver{Name: fmt.Sprint("w", n)}
	some := func(of []string, most int) (out []string) {
		for _, i := range r.Perm(len(of))[:1+r.IntN(most)] {
			out = append(out, of[i])
		}
		return out
	}
	if r.IntN(2) == 0 {
		w.Namespaces = some([]string{"shop", "data", "legacy-a", "kube-system", "legacy-*", "*-b", "*egac*", "*"}[:4+r.IntN(5)], 2)
	}
	if r.IntN(3) == 0 {
		w.Kinds = some([]string{"Deployment", "CronJob", "Pod", "ConfigMap", "Namespace", "ClusterRole", "Secret"}, 2)
	}
	if r.IntN(3) == 0 {
		w.Labels = map[string]string{"a": fmt.Sprint(1 + r.IntN(2))}
		// Not five of them, which _many does not let through.
		if n < 4 && r.IntN(2) == 0 {
			w.Labels["b"] = fmt.Sprint(1 + r.IntN(2))
		}
	}
	if r.IntN(12) == 0 {
		w.Names = []string{"web-*"}
	}
	return w
}

func everyObject() (out []*unstructured.Unstructured) {
	add := func(gvk schema.GroupVersionKind, namespace, name string) {
		for _, a := range []string{"", "1", "2"} {
			for _, b := range []string{"", "1", "2"} {
				o := &unstructured.Unstructured{Object: map[string]any{}}
				o.SetGroupVersionKind(gvk)
				o.SetNamespace(namespace)
				o.SetName(name)
				labels := map[string]string{}
				if a != "" {
					labels["a"] = a
				}
				if b != "" {
					labels["b"] = b
				}
				o.SetLabels(labels)
				out = append(out, o)
			}
		}
	}
	for _, gvk := range namespaced {
		for _, n := range namespaces {
			add(gvk, n, "web-1")
		}
	}
	for _, gvk := range clusterWide {
		if gvk.Kind != "Namespace" {
			add(gvk, "", "shop")
			continue
		}
		for _, n := range namespaces {
			add(gvk, "", n)
		}
	}
	return out
}

// matches renders a rule of its own and gives the matches of its Constraints,
// whose names must be an object's.
func matches(t testing.TB, constraints cue.Value, rule []kinds, ws []waiver) map[string]*match.Match {
	t.Helper()
	in := map[string]any{
		"profile": "baseline", "excludedNamespaces": []string{"kube-system"},
		"rules": map[string]any{"acme/one": map[string]any{
			"waivers":  append([]waiver{}, ws...),
			"template": map[string]any{"kind": "AcmeOne", "rego": "package one", "kinds": rule},
		}},
	}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	v := constraints.FillPath(cue.ParsePath("#in"), cuecontext.New().CompileBytes(b)).LookupPath(cue.ParsePath("objects"))
	var objects map[string]struct {
		Metadata struct{ Name string }
		Spec     struct{ Match *match.Match }
	}
	raw, err := v.MarshalJSON()
	if err != nil {
		t.Fatal(errors.Details(err, nil))
	}
	if err := json.Unmarshal(raw, &objects); err != nil {
		t.Fatal(err)
	}
	out := map[string]*match.Match{}
	for field, o := range objects {
		if !strings.HasPrefix(field, "acme/one") {
			continue
		}
		if msgs := validation.IsDNS1123Subdomain(o.Metadata.Name); len(msgs) > 0 {
			t.Errorf("%q: %s", o.Metadata.Name, msgs)
		}
		if out[o.Metadata.Name] != nil {
			t.Errorf("two Constraints are called %q", o.Metadata.Name)
		}
		out[o.Metadata.Name] = o.Spec.Match
	}
	return out
}

// matching counts the matches that an object is in.
func matching(t testing.TB, ms map[string]*match.Match, o *unstructured.Unstructured) int {
	t.Helper()
	m := &match.Matchable{Object: o, Source: types.SourceTypeOriginal}
	if n := o.GetNamespace(); n != "" {
		m.Namespace = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n}}
	}
	n := 0
	for _, each := range ms {
		ok, err := match.Matches(each, m)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			n++
		}
	}
	return n
}

// More than four waivers of several labels each would multiply Constraints, so
// the others have no effect.
func TestManyLabels(t *testing.T) {
	constraints := catalog(t).LookupPath(cue.ParsePath("#Constraints"))
	var ws []waiver
	for i := range 5 {
		ws = append(ws, waiver{Name: fmt.Sprint("w", i), Labels: map[string]string{"a": fmt.Sprint(i), "b": "1"}})
	}
	left := matches(t, constraints, ruleKinds[2], ws)
	if len(left) != 16 {
		t.Errorf("%d Constraints, want 16", len(left))
	}
	for i, w := range ws {
		pod := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod"}}
		pod.SetName("web-1")
		pod.SetNamespace("shop")
		pod.SetLabels(w.Labels)
		want := 0
		if i == 4 {
			want = 1
		}
		if got := matching(t, left, pod); got != want {
			t.Errorf("%s: the pod is in %d Constraints, want %d", w.Name, got, want)
		}
	}
}
