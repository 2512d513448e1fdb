package policies_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/contain-platform/contain/internal/e2e/judge"
)

// A selection asks which namespaces a backup takes.
type selection struct {
	Namespaces []string `json:"namespaces"`
	Included   []string `json:"included"`
	Excluded   []string `json:"excluded"`
}

// taken is what Velero, or our Rego, says of it.
type taken struct {
	Problems bool     `json:"problems"`
	Taken    []string `json:"taken"`
}

// TestVelero: policies/lib/velero.rego takes the namespaces that Velero's own
// code takes, and refuses the lists that it refuses.
func TestVelero(t *testing.T) {
	bin := judge.Path(t, "velero-selects")
	cases := selections(3000)
	var in bytes.Buffer
	for _, c := range cases {
		if err := json.NewEncoder(&in).Encode(c); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), bin)
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []taken
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var a taken
		if err := d.Decode(&a); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		slices.Sort(a.Taken)
		want = append(want, a)
	}
	got := ours(t, cases)
	if len(want) != len(got) {
		t.Fatalf("%d answers by Velero, %d by us", len(want), len(got))
	}
	refused, some := 0, 0
	for i := range want {
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Errorf("%+v: (-Velero +contain)\n%s", cases[i], diff)
		}
		if want[i].Problems {
			refused++
		} else if n := len(want[i].Taken); n > 0 && n < len(cases[i].Namespaces) {
			some++
		}
	}
	t.Logf("VELERO: %d selections compared, %d refused, %d of some namespaces and not of others", len(want), refused, some)
	if refused < len(want)/10 || some < len(want)/10 {
		t.Error("too few of them say much")
	}
}

// selections are random lists of patterns, most of them close to the names.
func selections(n int) []selection {
	r := rand.New(rand.NewPCG(1, 18)) // fixed, for determinism
	names := []string{"a", "ab", "a-b", "abc", "b", "b-a", "payments", "payments-api", "x1"}
	patterns := append(slices.Clone(names),
		"*", "a*", "*b", "?", "a?", "a-*", "*-*", "[ab]", "[a-b]*", "pay*-a?i", "*a*", "x[0-9]", // that Velero takes
		"", "**", "a**", "[", "]", "[]", "a[", "{a,b}", "a|b", "!a", "(a)", "A", "-a", "a-", "a_b", "a.b", "[!a]", "[^a]", "a b", strings.Repeat("a", 64))
	list := func() []string {
		out := []string{}
		for range r.IntN(4) {
			// Half of them from the front, where nothing is wrong.
			k := len(patterns)
			if r.IntN(2) == 0 {
				k = len(names) + 12
			}
			out = append(out, patterns[r.IntN(k)])
		}
		return out
	}
	out := make([]selection, n)
	for i := range out {
		out[i] = selection{names, list(), list()}
	}
	return out
}

func ours(t *testing.T, cases []selection) []taken {
	t.Helper()
	const query = `[{"problems": count(refused) > 0, "taken": names} |
		some c in input
		template := {"includedNamespaces": c.included, "excludedNamespaces": c.excluded}
		refused := data.lib.velero.problems(template, [])
		names := sort([n | some n in c.namespaces; count(refused) == 0; data.lib.velero.takes_namespace(template, n)])
	]`
	options := []func(*rego.Rego){rego.Query(query), rego.Input(cases), rego.StrictBuiltinErrors(true)}
	for file, m := range modules(t) {
		if strings.HasPrefix(file, "lib/") {
			options = append(options, rego.ParsedModule(m))
		}
	}
	rs, err := rego.New(options...).Eval(context.Background())
	if err != nil || len(rs) != 1 {
		t.Fatalf("%d results, %v", len(rs), err)
	}
	b, err := json.Marshal(rs[0].Expressions[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	var out []taken
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
