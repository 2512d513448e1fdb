package endpoint_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/load"
	"github.com/google/go-cmp/cmp"
)

// TestPortsAgainstURL compares #Ports with what net/url reads.
func TestPortsAgainstURL(t *testing.T) {
	for _, urls := range [][]string{
		{},
		{"https://bao.acme.example"},
		{"https://bao.acme.example/"},
		{"https://bao.acme.example:443/v1"},
		{"https://bao.acme.example:8200"},
		{"https://[2001:db8::1]"},
		{"https://[2001:db8::1]:9000/bucket"},
		{"https://s3.acme.example/a:99"},
		{"https://b.example:9000", "https://a.example:8200/x", "https://c.example:9000"},
	} {
		t.Run(fmt.Sprint(urls), func(t *testing.T) {
			want := []int{}
			for _, u := range urls {
				p, err := url.Parse(u)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := strconv.Atoi(p.Port()); err == nil && n != 443 {
					want = append(want, n)
				}
			}
			slices.Sort(want)
			if d := cmp.Diff(slices.Compact(want), ports(t, urls)); d != "" {
				t.Errorf("ports (-want +got):\n%s", d)
			}
		})
	}
}

func ports(t *testing.T, urls []string) []int {
	t.Helper()
	list, err := json.Marshal(urls)
	if err != nil {
		t.Fatal(err)
	}
	src := fmt.Sprintf("import \"github.com/contain-platform/contain/catalog/endpoint\"\n(endpoint.#Ports & {#urls: %s}).ports\n", list)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "catalog", "endpoint", "testdata", "case.cue")
	insts := load.Instances([]string{file}, &load.Config{
		Dir:     root,
		Overlay: map[string]load.Source{file: load.FromString(src)},
		// No registry is asked: every import is of this module.
		Env: []string{"CUE_REGISTRY=none"},
	})
	if err := insts[0].Err; err != nil {
		t.Fatal(err)
	}
	got := []int{}
	if err := cuecontext.New().BuildInstance(insts[0]).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}
