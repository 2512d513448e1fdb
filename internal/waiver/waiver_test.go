package waiver_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/waiver"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"a", []string{"a"}, []string{"", "aa", "b"}},
		{"*", []string{"", "a", "a/b"}, nil},
		{"a*", []string{"a", "ab"}, []string{"", "ba"}},
		{"*a", []string{"a", "ba"}, []string{"ab"}},
		{"*a*", []string{"a", "bab"}, []string{"b"}},
		{"a*a", []string{"aa", "aba"}, []string{"a", "ab"}},
		{"a*b*c", []string{"abc", "a-b-b-c"}, []string{"ab", "acb", "abcb"}},
		{"images/*", []string{"images/pinned"}, []string{"images", "image/pinned"}},
		{"a.b", []string{"a.b"}, []string{"aXb"}},
	} {
		for _, s := range c.yes {
			if !waiver.Match(c.pattern, s) {
				t.Errorf("%s does not match %q", c.pattern, s)
			}
		}
		for _, s := range c.no {
			if waiver.Match(c.pattern, s) {
				t.Errorf("%s matches %q", c.pattern, s)
			}
		}
	}
}

var rules = []waiver.Rule{
	{ID: "images/pinned", Admission: true}, {ID: "acmeowner", Admission: true, Source: true},
	{ID: "backup/coverage"}, {ID: "flux/cycle", Fixed: true},
}

// open opens the book of a platform with these waivers on a day.
func open(t *testing.T, date, waivers string) (*waiver.Book, []diag.Finding) {
	t.Helper()
	p := &model.Platform{}
	text := `{"policies": {"date": "` + date + `", "waivers": ` + waivers + `}, "clusters": {"prod-1": {}, "dev-1": {}}}`
	if err := json.Unmarshal([]byte(text), p); err != nil {
		t.Fatal(err)
	}
	return waiver.Open(p, rules)
}

const who = `"owner": "o", "reason": "r", "expires": "2027-01-31"`

func one(t *testing.T, fields string) *waiver.Book {
	t.Helper()
	b, found := open(t, "2027-01-31", `{"w": {`+who+`, `+fields+`}}`)
	if len(found) > 0 {
		t.Fatal(found)
	}
	return b
}

func TestFind(t *testing.T) {
	pod := waiver.Subject{Kind: "Pod", Namespace: "shop-web", Name: "api", Labels: map[string]string{"a": "1", "b": "2"}}
	for _, c := range []struct {
		name, fields, rule, cluster string
		subject                     waiver.Subject
		want                        bool
	}{
		{"everything", `"rule": "*", "clusters": ["*"]`, "images/pinned", "dev-1", pod, true},
		{"another rule", `"rule": "images/*", "clusters": ["*"]`, "backup/coverage", "dev-1", pod, false},
		{"no rule at all", `"rule": "*", "clusters": ["*"]`, "policy/rego", "dev-1", pod, false},
		{"a fixed rule", `"rule": "*", "clusters": ["*"]`, "flux/cycle", "dev-1", pod, false},
		{"another cluster", `"rule": "*", "clusters": ["prod-*"]`, "images/pinned", "dev-1", pod, false},
		{"no cluster", `"rule": "*", "clusters": ["*"]`, "backup/coverage", "", waiver.Subject{}, true},
		{"a namespace", `"rule": "*", "clusters": ["*"], "namespaces": ["a", "shop-*"]`, "images/pinned", "dev-1", pod, true},
		{"another namespace", `"rule": "*", "clusters": ["*"], "namespaces": ["shop"]`, "images/pinned", "dev-1", pod, false},
		{"no namespace", `"rule": "*", "clusters": ["*"], "namespaces": ["*"]`, "images/pinned", "dev-1", waiver.Subject{Kind: "ClusterRole", Name: "a"}, false},
		{"no object", `"rule": "backup/*", "clusters": ["*"], "names": ["*"]`, "backup/coverage", "dev-1", waiver.Subject{}, false},
		{"one label", `"rule": "*", "clusters": ["*"], "labels": {"a": "1"}`, "images/pinned", "dev-1", pod, true},
		{"one label of two", `"rule": "*", "clusters": ["*"], "labels": {"a": "1", "b": "1"}`, "images/pinned", "dev-1", pod, false},
		{"a kind", `"rule": "*", "clusters": ["*"], "kinds": ["Job", "Pod"]`, "images/pinned", "dev-1", pod, true},
		{"what a kind makes", `"rule": "*", "clusters": ["*"], "kinds": ["CronJob"]`, "images/pinned", "dev-1", pod, true},
		{"another kind", `"rule": "*", "clusters": ["*"], "kinds": ["Service"]`, "images/pinned", "dev-1", pod, false},
		{"a name", `"rule": "backup/*", "clusters": ["*"], "names": ["a*"]`, "backup/coverage", "dev-1", pod, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := one(t, c.fields)
			w := b.Find(c.rule, c.cluster, c.subject)
			if got := w != nil; got != c.want {
				t.Errorf("waived: %v, want %v", got, c.want)
			}
			if unused := len(b.Unused()) > 0; unused == c.want {
				t.Errorf("unused: %v", unused)
			}
			if used := b.InEffect()[0].Used; used > 0 != c.want {
				t.Errorf("used %d times", used)
			}
		})
	}
}

func TestApply(t *testing.T) {
	b := one(t, `"rule": "*", "clusters": ["*"], "namespaces": ["shop"]`)
	in := []diag.Finding{
		{ID: "images/pinned", Cluster: "dev-1", Object: "Pod shop/api"},
		{ID: "images/pinned", Cluster: "dev-1", Object: "Namespace shop", Severity: diag.Warning},
		{ID: "images/pinned", Cluster: "dev-1", Object: "Pod other/api"},
		{ID: "policy/rego", Cluster: "dev-1", Object: "Pod shop/api"},
	}
	w := &diag.Waiver{Name: "w", Owner: "o", Reason: "r", Expires: "2027-01-31"}
	want := []diag.Finding{in[0], in[1], in[2], in[3]}
	for i := range 2 {
		want[i].Severity, want[i].Waiver = diag.Info, w
	}
	got := b.Apply(in, func(f diag.Finding) waiver.Subject { return waiver.Named(f.Object) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOf(t *testing.T) {
	for _, raw := range []string{
		`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"a": "1"}}}`,
		`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "shop", "labels": {"a": "1"}}}`,
		`{"apiVersion": "x.example/v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"a": "1"}}}`,
	} {
		o, err := object.New("", []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		s := waiver.Of(o)
		want := o.Namespace
		if o.Kind == "Namespace" && o.Group == "" {
			want = o.Name
		}
		if s.Namespace != want || s.Kind != o.Kind || s.Name != o.Name || s.Labels["a"] != "1" {
			t.Errorf("%+v of %s", s, raw)
		}
	}
}

// What will not do is said where it stands, and all of it.
func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name, date, fields string
		want               []string // id and path
	}{
		{"good", "2027-01-31", `"rule": "images/pinned", "clusters": ["*"]`, nil},
		{"ended", "2027-02-01", `"rule": "images/pinned", "clusters": ["*"]`, []string{"waiver/expired expires"}},
		{"unknown rule", "2027-01-01", `"rule": "images/pined", "clusters": ["*"]`, []string{"model/reference rule"}},
		{"pattern of no rule", "2027-01-01", `"rule": "nothing/*", "clusters": ["*"]`, []string{"model/reference rule"}},
		{"fixed", "2027-01-01", `"rule": "flux/*", "clusters": ["*"]`, []string{"waiver/fixed rule"}},
		{"fixed among others", "2027-01-01", `"rule": "*", "clusters": ["*"]`, nil},
		{"unknown cluster", "2027-01-01", `"rule": "images/pinned", "clusters": ["dev-1", "test-*"]`, []string{"model/reference clusters[1]"}},
		{"names in admission", "2027-01-01", `"rule": "images/pinned", "clusters": ["*"], "names": ["a"]`, []string{"waiver/admission names"}},
		{"names at build", "2027-01-01", `"rule": "backup/coverage", "clusters": ["*"], "names": ["a"]`, nil},
		{"labels and a pattern", "2027-01-01", `"rule": "images/pinned", "clusters": ["*"], "labels": {"a": "b"}, "namespaces": ["a", "b-*"]`, []string{"waiver/admission namespaces[1]"}},
		{"labels and a pattern at build", "2027-01-01", `"rule": "backup/coverage", "clusters": ["*"], "labels": {"a": "b"}, "namespaces": ["b-*"]`, nil},
		{"a source's rule", "2027-01-01", `"rule": "acmeowner", "clusters": ["*"]`, []string{"waiver/admission rule"}},
		{"several mistakes", "2028-01-01", `"rule": "images/pinned", "clusters": ["no"], "names": ["a"]`, []string{"waiver/expired expires", "model/reference clusters[0]", "waiver/admission names"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, found := open(t, c.date, `{"w": {`+who+`, `+c.fields+`}}`)
			var got []string
			for _, f := range found {
				if f.Severity != diag.Error || f.Message == "" {
					t.Errorf("%+v", f)
				}
				got = append(got, f.ID+" "+f.Path[len("platform.policies.waivers.w."):])
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Those that end first are in front, and those of the last 30 days are marked.
func TestInEffect(t *testing.T) {
	b, found := open(t, "2027-01-01", `{
		"a": {"owner": "o", "reason": "r", "expires": "2027-12-31", "rule": "images/pinned", "clusters": ["*"]},
		"b": {"owner": "o", "reason": "r", "expires": "2027-02-01", "rule": "images/pinned", "clusters": ["*"]},
		"c": {"owner": "o", "reason": "r", "expires": "2027-01-31", "rule": "images/pinned", "clusters": ["*"]}}`)
	if len(found) > 0 {
		t.Fatal(found)
	}
	var got []string
	for _, w := range b.InEffect() {
		if w.Soon {
			w.Name += " soon"
		}
		got = append(got, w.Name)
	}
	if diff := cmp.Diff([]string{"c soon", "b", "a"}, got); diff != "" {
		t.Error(diff)
	}
	want := []string{"3 waivers in effect; the next ends 2027-01-31", "  soon: c: r (o, until 2027-01-31)"}
	if diff := cmp.Diff(want, diag.Summary(b.InEffect())); diff != "" {
		t.Error(diff)
	}
}

// The waiver beside a cluster's workers is listed and ends as the others do, and
// is unused where no rule asks for more workers.
func TestWorkers(t *testing.T) {
	const cluster = `{"environment": %q, "infrastructure": {"metal": {}, "workers": {"count": %d, "waiver": {` + who + `}}}}`
	text := fmt.Sprintf(`{"policies": {"date": %%q}, "environments": {"prod": {"production": true}, "test": {}}, "clusters": {"small": `+cluster+`, "large": `+cluster+`, "test": `+cluster+`}}`,
		"prod", 3, "prod", 6, "test", 3)
	at := func(date string) (*waiver.Book, []string) {
		p := &model.Platform{}
		if err := json.Unmarshal(fmt.Appendf(nil, text, date), p); err != nil {
			t.Fatal(err)
		}
		b, found := waiver.Open(p, rules)
		return b, said(found)
	}
	b, found := at("2027-01-31")
	want := []string{
		"waiver/unused platform.clusters.large.infrastructure.workers.waiver",
		"waiver/unused platform.clusters.test.infrastructure.workers.waiver",
	}
	if diff := cmp.Diff(want, said(b.Unused())); len(found) > 0 || diff != "" {
		t.Error(found, diff)
	}
	if got := len(b.InEffect()); got != 3 {
		t.Errorf("%d are listed", got)
	}
	_, found = at("2027-02-01")
	if len(found) != 3 || found[0] != "waiver/expired platform.clusters.large.infrastructure.workers.waiver.expires" {
		t.Error(found)
	}
}

func said(found []diag.Finding) []string {
	var out []string
	for _, f := range found {
		out = append(out, f.ID+" "+f.Path)
	}
	return out
}
