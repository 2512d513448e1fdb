package pipeline_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/load"
	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/model"
)

// Who writes what to which stack is derived twice: by catalog/telemetry for
// what clusters get, and by the model for what contain says of it. Both agree
// about whatever platform there is.
func TestModelAndCatalogAgreeWhoSends(t *testing.T) {
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	inst := load.Instances([]string{"./catalog/telemetry"}, &load.Config{Dir: dir})[0]
	ctx := cuecontext.New()
	catalog := ctx.BuildInstance(inst).LookupPath(cue.ParsePath("#Cluster"))
	if err := catalog.Err(); err != nil {
		t.Fatal(err)
	}
	clusters, sent := 0, 0
	for seed := range uint64(120) {
		described := randomTelemetry(rand.New(rand.NewPCG(seed, 4))) // a fixed seed, for determinism
		var p model.Platform
		b, err := json.Marshal(described)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &p); err != nil {
			t.Fatal(err)
		}
		stacks := map[string]any{}
		for n, c := range p.Clusters {
			for kind := range c.Stack {
				stacks[n] = fields{"kind": kind, "region": c.Region, "domain": n + ".example", "agents": "agents"}
			}
		}
		for name := range p.Clusters {
			want := map[string]model.Sent{}
			for tenant, s := range p.Sends(name) {
				if s.Namespaces == nil {
					s.Namespaces = []string{}
				}
				want[tenant] = s
			}
			in, err := json.Marshal(fields{"p": described, "c": described["clusters"].(map[string]any)[name], "s": stacks})
			if err != nil {
				t.Fatal(err)
			}
			data := ctx.CompileBytes(in)
			v := catalog
			for at, from := range map[string]string{"#platform": "p", "#cluster": "c", "#stacks": "s"} {
				v = v.FillPath(cue.ParsePath(at), data.LookupPath(cue.ParsePath(from)))
			}
			v = v.FillPath(cue.ParsePath("#name"), name)
			var out struct {
				Stacks  map[string]struct{ Cluster string }
				Tenants map[string]struct {
					Stack      string
					Namespaces []string
				}
			}
			j, err := v.LookupPath(cue.ParsePath("out")).MarshalJSON()
			if err != nil {
				t.Fatalf("seed %d, %s: %v", seed, name, err)
			}
			if err := json.Unmarshal(j, &out); err != nil {
				t.Fatal(err)
			}
			got := map[string]model.Sent{}
			for n, s := range out.Tenants {
				got[n] = model.Sent{Stack: out.Stacks[s.Stack].Cluster, Namespaces: s.Namespaces}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("seed %d, %s (-model +catalog):\n%s\n%s", seed, name, diff, in)
			}
			clusters++
			sent += len(got)
		}
	}
	t.Logf("SENDS: %d clusters, %d tenants sent for", clusters, sent)
	if sent < 100 {
		t.Errorf("only %d tenants are sent for: the platforms say too little", sent)
	}
}

type fields map[string]any

// randomTelemetry is a platform as far as telemetry goes, of those that the model
// has nothing to say against.
func randomTelemetry(r *rand.Rand) fields {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	collection := func(stacks map[string][]string) fields {
		said := fields{}
		for kind, names := range stacks {
			if len(names) > 0 && r.IntN(4) == 0 {
				said[kind] = pick(names...)
			}
		}
		c := fields{"stacks": said}
		if r.IntN(3) == 0 {
			c["application"] = r.IntN(2) == 0
		}
		return c
	}
	clusters, stacks := map[string]any{}, map[string][]string{}
	made := map[string]fields{}
	for i := range 2 + r.IntN(5) {
		n := fmt.Sprintf("c%d", i)
		c := fields{"role": "workload", "region": pick("eu", "us"), "environment": pick("dev", "prod"), "stack": fields{}, "infrastructure": fields{"metal": fields{}}}
		if r.IntN(3) == 0 {
			kind := pick(model.PlatformStack, model.ApplicationStack)
			c["role"], c["stack"] = model.Observability, fields{kind: fields{}}
			stacks[kind] = append(stacks[kind], n)
		}
		clusters[n], made[n] = c, c
	}
	for i := range len(made) { // in order, for determinism
		made[fmt.Sprintf("c%d", i)]["telemetry"] = collection(stacks)
	}
	set := func() any {
		if r.IntN(2) == 0 {
			return "*"
		}
		s := fields{"names": []string{}, "environments": []string{}, "regions": []string{}, "roles": []string{}}
		switch r.IntN(3) {
		case 0:
			s["regions"] = []string{pick("eu", "us")}
		case 1:
			s["environments"] = []string{pick("dev", "prod")}
		default:
			s["names"] = []string{"c0", "c1"}
		}
		return s
	}
	tenants := fields{"own": fields{"stack": model.PlatformStack, "owner": "t0", "forward": fields{}}}
	for i := range 1 + r.IntN(3) {
		tenants[fmt.Sprintf("x%d", i)] = fields{"stack": pick(model.ApplicationStack, model.ApplicationStack, model.PlatformStack), "owner": "t0", "forward": fields{}}
	}
	teams := fields{}
	for i := range 1 + r.IntN(4) {
		team := fields{"clusters": set(), "telemetry": fields{"clusters": set()}}
		if t := pick("own", "x0", "x0", "x1", ""); tenants[t] != nil {
			team["tenant"] = t
		}
		namespaces := fields{}
		for j := range r.IntN(3) {
			namespaces[fmt.Sprintf("t%d-%d", i, j)] = fields{}
		}
		team["namespaces"] = namespaces
		teams[fmt.Sprintf("t%d", i)] = team
	}
	return fields{
		"observability": fields{"tenant": "own", "application": r.IntN(4) > 0},
		"environments":  fields{"dev": fields{"telemetry": collection(stacks)}, "prod": fields{"telemetry": collection(stacks)}},
		"tenants":       tenants,
		"teams":         teams,
		"clusters":      clusters,
	}
}
