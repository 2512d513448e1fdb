package kubecheck

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// components whose CRDs are known here, and whether a release of their chart
// makes the API server know them: those of Gateway API and of the snapshotter
// are installed in other ways.
var components = map[string]bool{
	"cert-manager": true, "cilium": true, "cluster-api-operator": true, "cloudnative-pg": true, "contour": true, "external-dns": true, "external-secrets": true,
	"flux": true, "gatekeeper": true, "gateway-api": false, "external-snapshotter": false,
	"prometheus-operator": true, "rook-ceph": true, "trivy-operator": true, "velero": true,
}

// manifests are the repositories of components that have no chart: what
// catalog/upstream applies brings their CRDs.
var manifests = map[string]string{
	"keycloak": "keycloak-k8s-resources",
}

// elsewhere are CRDs of components that CONTAIN_UPSTREAM has no CRDs of:
// config/crd/bases of github.com/cloudnative-pg/plugin-barman-cloud v0.13.0 and of
// github.com/rabbitmq/cluster-operator v2.22.3.
var elsewhere = []crd{
	{Group: "barmancloud.cnpg.io", Kind: "ObjectStore", Chart: "plugin-barman-cloud", Served: []string{"v1"}},
	{Group: "rabbitmq.com", Kind: "RabbitmqCluster", Manifests: "cluster-operator", Served: []string{"v1beta1"}},
}

// TestCRDs compares crds.json with the CRDs and charts of the projects.
func TestCRDs(t *testing.T) {
	upstream := os.Getenv("CONTAIN_UPSTREAM")
	if upstream == "" {
		t.Skip("CONTAIN_UPSTREAM is not set: crds.json is not compared with the projects' CRDs")
	}
	type file struct {
		Charts []chartFact `json:"charts"`
		CRDs   []crd       `json:"crds"`
	}
	var want file
	for _, name := range slices.Sorted(maps.Keys(manifests)) {
		dir := filepath.Join(upstream, name)
		var about struct {
			Project struct {
				Version string `json:"version"`
			} `json:"project"`
		}
		decode(t, filepath.Join(dir, "facts.json"), &about)
		want.Charts = append(want.Charts, chartFact{Name: manifests[name], Version: about.Project.Version})
		for _, f := range crdsIn(t, dir) {
			c := readCRD(t, f, "")
			c.Manifests = manifests[name]
			want.CRDs = append(want.CRDs, c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(components)) {
		dir := filepath.Join(upstream, name)
		var about struct {
			Chart chartFact `json:"chart"`
		}
		decode(t, filepath.Join(dir, "facts.json"), &about)
		chart := about.Chart
		if !components[name] {
			chart = chartFact{}
		} else {
			want.Charts = append(want.Charts, chart)
		}
		for _, f := range crdsIn(t, dir) {
			want.CRDs = append(want.CRDs, readCRD(t, f, chart.Name))
		}
	}
	want.CRDs = append(want.CRDs, elsewhere...)
	want.Charts = append(want.Charts, chartFact{Name: "cluster-operator", Version: "v2.22.3"})
	var others struct {
		Charts []chartFact `json:"otherCharts"`
	}
	decode(t, filepath.Join(upstream, "cloudnative-pg", "facts.json"), &others)
	want.Charts = append(want.Charts, others.Charts...)
	// Drivers and controllers of the catalog without CRDs of their own here.
	for _, name := range []string{"aws-ebs-csi-driver"} {
		var about struct {
			Chart chartFact `json:"chart"`
		}
		decode(t, filepath.Join(upstream, name, "facts.json"), &about)
		want.Charts = append(want.Charts, about.Chart)
	}
	slices.SortFunc(want.Charts, func(a, b chartFact) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(want.CRDs, func(a, b crd) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind))
	})
	b := encode(t, want.Charts, want.CRDs)
	if os.Getenv("CONTAIN_UPDATE") == "1" {
		if err := os.WriteFile("crds.json", b, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(string(b), string(crdFacts)); diff != "" {
		t.Errorf("crds.json is not what the projects say (CONTAIN_UPDATE=1 writes it anew) (-want +got):\n%s", diff)
	}
}

func decode(t *testing.T, file string, into any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func crdsIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "crds", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d CRDs, %v", dir, len(files), err)
	}
	return files
}

// encode writes one fact a line.
func encode(t *testing.T, charts []chartFact, crds []crd) []byte {
	t.Helper()
	var b bytes.Buffer
	line := func(v any, last bool) {
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\t')
		b.WriteByte('\t')
		b.Write(j)
		if !last {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("{\n\t\"charts\": [\n")
	for i, c := range charts {
		line(c, i == len(charts)-1)
	}
	b.WriteString("\t],\n\t\"crds\": [\n")
	for i, c := range crds {
		line(c, i == len(crds)-1)
	}
	b.WriteString("\t]\n}\n")
	return bytes.NewBufferString(unescape(b.String())).Bytes()
}

// unescape undoes encoding/json's care for HTML.
func unescape(s string) string {
	return string(bytes.ReplaceAll([]byte(s), []byte(`\u003e`), []byte(">")))
}

func readCRD(t *testing.T, file, chart string) crd {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var in struct {
		Spec struct {
			Group string `json:"group"`
			Names struct {
				Kind string `json:"kind"`
			} `json:"names"`
			Versions []struct {
				Name       string `json:"name"`
				Served     bool   `json:"served"`
				Deprecated bool   `json:"deprecated"`
				Storage    bool   `json:"storage"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(b, &in); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	out := crd{Group: in.Spec.Group, Kind: in.Spec.Names.Kind, Chart: chart}
	versions := in.Spec.Versions
	slices.SortStableFunc(versions, func(a, b struct {
		Name       string `json:"name"`
		Served     bool   `json:"served"`
		Deprecated bool   `json:"deprecated"`
		Storage    bool   `json:"storage"`
	}) int { // the stored version is the one to write
		switch {
		case a.Storage == b.Storage:
			return cmp.Compare(a.Name, b.Name)
		case a.Storage:
			return -1
		}
		return 1
	})
	for _, v := range versions {
		if !v.Served {
			out.Unserved = append(out.Unserved, v.Name)
			continue
		}
		out.Served = append(out.Served, v.Name)
		if v.Deprecated {
			out.Deprecated = append(out.Deprecated, v.Name)
		}
	}
	return out
}
