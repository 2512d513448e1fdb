package endpoint_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/e2e/cuetest"
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
	got := []int{}
	if err := cuetest.Value(t, src).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}
