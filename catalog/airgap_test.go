package catalog_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestAirGapOfExamples looks at the rendered bytes of air-gapped clusters by a
// scan of its own, coarse where the check of objects is careful: whatever looks
// like host/path, //host or user@host:path is within the platform, or one of the
// identifiers below, or it is an error.
func TestAirGapOfExamples(t *testing.T) {
	r, err := pipeline.Run(t.Context(), pipeline.Input{FS: os.DirFS(".."), Dir: "examples/acme"}, pipeline.Render)
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed() {
		t.Fatal(r.Findings)
	}
	clusters, objects, size, seen, out := 0, 0, 0, 0, 0
	for _, c := range r.Clusters {
		if !r.Platform.Clusters[c.Name].Infrastructure.AirGapped {
			continue
		}
		clusters++
		for _, u := range c.Units {
			for _, o := range u.Objects {
				b := string(o.YAML())
				objects, size = objects+1, size+len(b)
				for _, m := range outwards.FindAllStringSubmatch(b, -1) {
					host := strings.TrimSuffix(strings.ToLower(m[2]), ".")
					seen++
					if within.MatchString(host) || identifier(o.Group, m[0][len(m[1]):]) || strings.Contains(b, "newName: registry.acme.example/mirror/"+m[0][len(m[1]):]+"\n") {
						continue
					}
					out++
					t.Errorf("%s/%s: %s: %q", c.Name, u.Name, o, m[0])
				}
			}
		}
	}
	t.Logf("AIR GAP: %d clusters of examples/acme, %d objects, %d bytes, %d references or what looks like one, %d outside", clusters, objects, size, seen, out)
	if clusters != 2 || seen < 1000 {
		t.Error("too little was looked at")
	}
}

// outwards is a host with a dot and a domain that could be public, with a path
// behind it, or two slashes or a user in front.
var outwards = regexp.MustCompile(`(//|@|^|[\s"'=,(\[<>|])((?:[a-zA-Z0-9_-]+\.)+(?:io|com|org|net|dev|sh|app|cloud|aws|goog|ai|me|eu|de|us|uk|ms|microsoft|example|test|internal)\.?)(?::[0-9]+)?[/:][^\s]*`)

var within = regexp.MustCompile(`^(.+\.)?acme\.example$`)

// identifier tells whether text of an object is no address: API versions, keys of
// labels and annotations, names of drivers, and the code and parameters of
// policies.
func identifier(group, text string) bool {
	for _, p := range identifiers {
		if p.MatchString(text) {
			return true
		}
	}
	return strings.HasSuffix(group, ".gatekeeper.sh") && !strings.Contains(text, "://")
}

var identifiers = []*regexp.Regexp{
	// group/version of an API.
	regexp.MustCompile(`^([a-z0-9-]+\.)+[a-z]+/v[0-9]+((alpha|beta)[0-9]+)?["',]*$`),
	// Keys of labels, annotations, taints and finalizers: what they begin with is
	// Kubernetes', a project's or the platform's own.
	regexp.MustCompile(`^([a-z0-9-]+\.)*(kubernetes\.io|k8s\.io|fluxcd\.io|velero\.io|cert-manager\.io|gatekeeper\.sh|helm\.sh|contain\.platform|prometheus\.io|external-secrets\.io|cilium\.io|strimzi\.io|cnpg\.io|rook\.io|rabbitmq\.com|ceph\.com)/[A-Za-z0-9._-]+:?["'\]})\\,]*$`),
	// The directory of a service account.
	regexp.MustCompile(`^kubernetes\.io/serviceaccount/`),
}

// TestAirGapOfCharts holds what Helm would give each chart behind an air gap, the
// chart's own values with ours over them, against the mirror: every image in it
// is there. CONTAIN_UPSTREAM is as for TestHelmValuesExist; subcharts' images are
// those of the table subcharts.
func TestAirGapOfCharts(t *testing.T) {
	dir := os.Getenv("CONTAIN_UPSTREAM")
	if dir == "" {
		t.Skip("CONTAIN_UPSTREAM is not set: no chart's values to look for images in")
	}
	charts := readCharts(t, dir)
	images, out, released := 0, 0, map[string]bool{}
	var unknown []string
	facts, versions := readFacts(t, dir)
	run := map[string][]string{}
	off := map[string]bool{}
	for _, r := range mirroredReleases(t) {
		c, ok := charts[r.chart+" "+r.version]
		if !ok {
			c, ok = charts[r.chart]
		}
		if !ok {
			unknown = append(unknown, r.chart)
			continue
		}
		released[r.chart] = true
		merged := over(c.values, r.values)
		walkImages(merged, "", "", func(at, image string, disabled string) {
			switch {
			case mirrored.MatchString(image):
				images++
				if disabled == "" && r.version == versions[r.chart] {
					run[r.chart+" "+r.version] = append(run[r.chart+" "+r.version], tagged(facts, r.chart, c.values, at, mirrored.ReplaceAllString(image, "")))
				}
			case disabled != "":
				off[r.chart+" "+strings.TrimSuffix(strings.TrimSuffix(at, ".registry"), ".image")+" by "+disabled] = true
			default:
				out++
				t.Errorf("%s: chart %s: %s: %s is not in the mirror", r.from, r.chart, at, image)
			}
		})
	}
	t.Logf("AIR GAP: %d images of %d charts, %d outside", images, len(released), out)
	if diff := cmp.Diff(partsOff, slices.Sorted(maps.Keys(off))); diff != "" {
		t.Errorf("outside, of parts that are off (-want +got):\n%s", diff)
	}
	slices.Sort(unknown)
	t.Logf("charts that CONTAIN_UPSTREAM has no values of: %v", slices.Compact(unknown))
	if images == 0 {
		t.Error("nothing was looked at")
	}
	compareImages(t, run)
}

// compareImages holds the images that run against what contain mirror knows, which
// CONTAIN_UPDATE=1 writes anew.
func compareImages(t *testing.T, run map[string][]string) {
	t.Helper()
	for k := range run {
		slices.Sort(run[k])
		run[k] = slices.Compact(run[k])
	}
	got, err := json.MarshalIndent(run, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "internal", "mirror", "images.json")
	if os.Getenv("CONTAIN_UPDATE") != "" {
		if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("internal/mirror/images.json (-have +want):\n%s", diff)
	}
}

// readFacts are the tags of images, by repository, where a chart leaves its own
// empty, and the versions of charts whose values are there: CONTAIN_UPSTREAM's
// facts.json.
func readFacts(t *testing.T, dir string) (tags map[string]map[string]string, versions map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "facts.json"))
	if err != nil {
		t.Fatal(err)
	}
	tags, versions = map[string]map[string]string{}, map[string]string{}
	for _, file := range files {
		type named struct{ Name, Version, AppVersion string }
		var facts struct {
			Chart       *named
			OtherCharts []named
			Images      []struct{ Repository, Tag string }
		}
		read(t, file, &facts)
		if facts.Chart != nil {
			versions[facts.Chart.Name] = facts.Chart.Version
		}
		for _, c := range facts.OtherCharts {
			versions[c.Name] = c.Version // of two of one name the catalog has the second
		}
		for _, i := range facts.Images {
			if tags[i.Repository] == nil {
				tags[i.Repository] = map[string]string{"": i.Tag}
			}
			for _, c := range facts.OtherCharts {
				if strings.TrimPrefix(i.Tag, "v") == strings.TrimPrefix(c.AppVersion, "v") {
					tags[i.Repository][c.Name] = i.Tag
				}
			}
		}
	}
	return tags, versions
}

// tagged is an image with the tag and digest that the chart's values have beside
// it, else with the tag of the facts, else with none.
func tagged(facts map[string]map[string]string, chart string, values map[string]any, at, image string) string {
	if strings.Contains(image[strings.LastIndexByte(image, '/')+1:], ":") {
		return image
	}
	var m any = values
	for _, k := range strings.Split(at, ".") {
		if t, ok := m.(map[string]any); ok && at != "" {
			m = t[k]
		}
	}
	beside, _ := m.(map[string]any)
	text := func(k string) string { s, _ := beside[k].(string); return s }
	// Cilium's operator is called after what it runs on, and its digest likewise.
	digest := text("digest")
	if g := text("genericDigest"); g != "" {
		image, digest = image+"-generic", g
	}
	tag := text("tag")
	if tag == "" {
		tag = text("release")
	}
	// Cluster API's operator has a tag in Git that its release replaces, and the
	// staging repository with it.
	if tag == "" || tag == "dev" {
		tag = facts[image][chart]
	}
	if tag == "" {
		tag = facts[image][""]
	}
	if tag != "" {
		image += ":" + tag
	}
	if strings.HasPrefix(digest, "sha256:") {
		image += "@" + digest
	}
	return image
}

const testMirror = "registry.acme.example/mirror"

// mirrored is an image of that mirror; a golden may have its registry on a port.
var mirrored = regexp.MustCompile(`^registry\.acme\.example(:[0-9]+)?/mirror/`)

// partsOff are the parts of charts whose images stay where they are, each with
// what has them off: tests of charts, what the operator makes instead, and what
// is sold.
var partsOff = []string{
	"aws-ebs-csi-driver helmTester by helmTester.enabled",
	"kube-prometheus-stack alertmanager.alertmanagerSpec by alertmanager.enabled",
	"kube-prometheus-stack prometheus.prometheusSpec by prometheus.enabled",
	"kube-prometheus-stack thanosRuler.thanosRulerSpec by thanosRuler.enabled",
	"openbao csi by csi.enabled",
	"openbao csi.agent by csi.enabled",
	"openbao injector by injector.enabled",
	"openbao injector.agentImage by injector.enabled",
	"openbao snapshotAgent by snapshotAgent.enabled",
	"tempo-distributed enterprise by enterprise.enabled",
	"tempo-distributed minio by minio.enabled",
	"tempo-distributed provisioner by provisioner.enabled",
}

// mirroredReleases are those of every golden, made again with a mirror, where the
// template has one.
func mirroredReleases(t *testing.T) []release {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all []release
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		header, _, _ := strings.Cut(string(a.Comment), "\n")
		pkg, def, _ := strings.Cut(header, " ")
		if !strings.HasPrefix(def, "#") || strings.Contains(def, " ") || def == "#Units" {
			continue
		}
		for _, f := range a.Files {
			if !strings.HasSuffix(f.Name, "/in.json") || !releasesIn(a, f.Name) {
				continue
			}
			if !strings.Contains(string(f.Data), `"mirror"`) {
				f.Data = []byte(strings.Replace(string(f.Data), "{", fmt.Sprintf(`{"mirror": %q, `, testMirror), 1))
			}
			text := render(t, pkg, def, "objects", false, f)
			all = append(all, releasesOf(file+"/"+f.Name, documents(t, txtar.File{Name: f.Name, Data: []byte(text)}))...)
		}
	}
	return all
}

// releasesIn tells whether a case of an archive has a HelmRelease.
func releasesIn(a *txtar.Archive, in string) bool {
	for _, f := range a.Files {
		if f.Name == strings.TrimSuffix(in, "in.json")+"want.yaml" {
			return strings.Contains(string(f.Data), "\n  releaseName: ")
		}
	}
	return false
}

// over are values with others over them, as Helm merges them.
func over(lo, hi map[string]any) map[string]any {
	out := maps.Clone(lo)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range hi {
		a, aIs := out[k].(map[string]any)
		b, bIs := v.(map[string]any)
		if aIs && bIs {
			out[k] = over(a, b)
		} else {
			out[k] = v
		}
	}
	return out
}

// walkImages tells of every image in merged values, and by which enabled: false on
// the way it is off, if it is.
func walkImages(values map[string]any, at, off string, tell func(at, image, off string)) {
	w := imageWalk{values: values, tell: tell}
	w.walk(values, at, off)
}

type imageWalk struct {
	values map[string]any
	tell   func(at, image, off string)
}

func (w imageWalk) walk(v any, at, off string) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			w.walk(e, fmt.Sprintf("%s[%d]", at, i), off)
		}
	case string:
		if m := imageText.FindStringSubmatch(v); m != nil && !strings.HasSuffix(at, ".repository") {
			w.tell(at, m[1], off)
		}
	case map[string]any:
		if on, ok := v["enabled"].(bool); ok && !on {
			off = strings.TrimPrefix(at+".enabled", ".")
		}
		if image := w.image(v, at); image != "" {
			w.tell(at, image, off)
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			w.walk(v[k], strings.TrimPrefix(at+"."+k, "."), off)
		}
	}
}

// imageText is a reference in an argument or a value of its own.
var imageText = regexp.MustCompile(`(?:^|=)((?:docker\.io|ghcr\.io|quay\.io|gcr\.io|registry\.k8s\.io|k8s\.gcr\.io|public\.ecr\.aws|mcr\.microsoft\.com|[a-z0-9-]+\.(?:pkg\.dev|gcr\.io|azurecr\.io)|[a-z0-9.-]+\.[a-z]+/[a-z0-9./_-]+:v?[0-9])\S*)$`)

// image is the reference that a struct says, in one of the forms that charts have:
// registry and repository, repository alone, imageRegistry and a name, a base, or
// image as text. A repository that is left empty is somebody else's.
func (w imageWalk) image(m map[string]any, at string) string {
	text := func(k string) string { s, _ := m[k].(string); return s }
	if image := text("image"); image != "" {
		return image
	}
	if name := text("imageName"); name != "" {
		return text("imageRepository") + "/" + name
	}
	repository, isImage := m["repository"].(string)
	if name := text("name"); repository == "" && name != "" && strings.HasSuffix(at, "image") && w.values["imageRegistry"] != nil {
		return fmt.Sprintf("%v/%v/%s", w.values["imageRegistry"], w.values["imageNamespace"], name)
	}
	if !isImage || repository == "" {
		return ""
	}
	registry := text("registry")
	if _, ok := m["registry"]; ok && registry == "" {
		global, _ := w.values["global"].(map[string]any)
		image, _ := global["image"].(map[string]any)
		registry, _ = image["registry"].(string)
	}
	if strings.HasPrefix(repository, "/") {
		images, _ := w.values["image"].(map[string]any)
		registry, _ = images["baseRepo"].(string)
	}
	return strings.TrimPrefix(strings.TrimSuffix(registry, "/")+"/"+strings.TrimPrefix(repository, "/"), "/")
}
