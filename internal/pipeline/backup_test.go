package pipeline_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/e2e/judge"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/pipeline"
	"github.com/contain-platform/contain/internal/recovery"
)

// location is where a cluster's backups go, and who it is there.
type location struct {
	prefix, databases string // what is its own
	principal         string
}

// request is one of bucket-policy's.
type request struct {
	Principal  string              `json:"principal"`
	Action     string              `json:"action"`
	Object     string              `json:"object"`
	Conditions map[string][]string `json:"conditions"`

	allowed bool
}

// Each cluster does with its own backups what Velero and kopia do, and nothing
// with another's: the bucket policies that are emitted, as MinIO's code reads
// them. That of acme is the object that Rook applies, and who is who follows from
// what is pushed to the secret store and read from there.
func TestBuckets(t *testing.T) {
	bin := judge.Path(t, "bucket-policy")
	allowed, denied := 0, 0
	check := func(name, bucket string, policy []byte, requests []request) {
		t.Helper()
		for i, got := range evaluate(t, bin, bucket, policy, requests) {
			switch r := requests[i]; {
			case got != r.allowed:
				t.Errorf("%s: %s may %s %q with %v: %t, want %t", name, r.Principal, r.Action, r.Object, r.Conditions, got, r.allowed)
			case got:
				allowed++
			default:
				denied++
			}
		}
	}

	policy, bucket, clusters := acmeBucket(t)
	requests := bucketRequests(clusters, true)
	check("acme", bucket, policy, requests)

	// A policy that lets in one cluster too many is seen.
	planted := bytes.Replace(policy, []byte(`/obs-apps/*"`), []byte(`/prod-eu1/*"`), -1)
	seen := 0
	for i, got := range evaluate(t, bin, bucket, planted, requests) {
		if got != requests[i].allowed {
			seen++
		}
	}
	if bytes.Equal(planted, policy) || seen == 0 {
		t.Error("a planted hole in the policy is not seen")
	}

	const dir = "internal/pipeline/testdata/buckets"
	r, papers, err := pipeline.PrintedOfAll(t.Context(), pipeline.Input{FS: os.DirFS(root), Dir: dir}, "backupPolicy")
	if err != nil || r.Failed() {
		t.Fatalf("%v\n%v", err, r.Findings)
	}
	s3, err := recovery.Policy(papers)
	if err != nil {
		t.Fatal(err)
	}
	check("S3", "buckets-velero", s3, bucketRequests(map[string]location{
		"prod":   {"prod", "databases/prod", "arn:aws:iam::123456789012:role/velero-prod"},
		"prod-2": {"prod-2", "databases/prod-2", "arn:aws:iam::123456789012:user/prod-2"},
		"lab":    {"eu/prod", "databases/eu/prod", "arn:aws:iam::123456789012:role/velero-lab"},
	}, false))
	t.Logf("BUCKETS: %d requests of %d clusters allowed, %d denied, 0 wrong; a planted hole seen in %d", allowed, len(clusters)+3, denied, seen)
	if allowed < 50 || denied < 500 {
		t.Error("too few requests for this to say much")
	}
}

// bucketRequests are what clusters may do, each with its own and with every
// other's backups. ceph says whose store it is: the two differ in what comes with
// a connection in the clear, and in what they look at before they say that a thing
// is not there.
func bucketRequests(clusters map[string]location, ceph bool) []request {
	secure := func(more map[string][]string) map[string][]string {
		out := map[string][]string{"SecureTransport": {"true"}}
		maps.Copy(out, more)
		return out
	}
	sse := map[string][]string{"x-amz-server-side-encryption": {"aws:kms"}}
	var out []request
	for _, a := range slices.Sorted(maps.Keys(clusters)) {
		who := clusters[a].principal
		add := func(action, object string, with map[string][]string, ok bool) {
			out = append(out, request{who, action, object, with, ok})
		}
		for _, b := range slices.Sorted(maps.Keys(clusters)) {
			own := a == b
			for _, p := range []string{clusters[b].prefix, clusters[b].databases} {
				for _, object := range []string{p + "/backups/daily-20261123020000/velero-backup.json", p + "/kopia/shop/p1f", p + "/base/20261123T020000/data.tar"} {
					for _, action := range []string{"s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"} {
						add(action, object, secure(nil), own)
					}
					add("s3:PutObject", object, secure(sse), own)
					plain := map[string][]string{"SecureTransport": {"false"}}
					if ceph {
						plain = nil
					}
					add("s3:GetObject", object, plain, false)
					add("s3:DeleteObjectVersion", object, secure(nil), false)
					add("s3:PutObjectRetention", object, secure(nil), false)

					// What kopia writes, it encrypts itself.
					add("s3:PutObject", object, secure(nil), own && (ceph || strings.HasPrefix(object, clusters[b].prefix+"/kopia/")))
				}
				for _, prefix := range []string{p + "/", p + "/backups/"} {
					add("s3:ListBucket", "", secure(map[string][]string{"prefix": {prefix}, "max-keys": {"1000"}, "delimiter": {"/"}}), own)
				}
			}
		}
		add("s3:ListBucket", "", secure(map[string][]string{"max-keys": {"1000"}}), false)
		add("s3:ListBucket", "", secure(map[string][]string{"prefix": {""}, "max-keys": {"1000"}}), false)
		add("s3:ListBucket", "", secure(nil), ceph)
		add("s3:GetBucketLocation", "", secure(nil), true)
		for _, action := range []string{"s3:DeleteBucket", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:ListBucketVersions", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration"} {
			add(action, "", secure(nil), false)
		}
	}
	for _, l := range clusters {
		out = append(out, request{"arn:aws:iam:::user/nobody", "s3:GetObject", l.prefix + "/backups/x", secure(nil), false})
	}
	return out
}

func evaluate(t *testing.T, bin, bucket string, policy []byte, requests []request) []bool {
	t.Helper()
	in, err := json.Marshal(map[string]any{"bucket": bucket, "policy": json.RawMessage(policy), "requests": requests})
	if err != nil {
		t.Fatal(err)
	}
	var a struct {
		Refused string `json:"refused"`
		Allowed []bool `json:"allowed"`
	}
	if err := json.Unmarshal(ask(t, bin, in), &a); err != nil {
		t.Fatal(err)
	}
	if a.Refused != "" || len(a.Allowed) != len(requests) {
		t.Fatalf("%d answers to %d requests: %s\n%s", len(a.Allowed), len(requests), a.Refused, policy)
	}
	return a.Allowed
}

func ask(t *testing.T, bin string, in []byte) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// acmeBucket is the policy of the bucket that acme's backups are in, and where
// each cluster's are: by its own BackupStorageLocation, and by the user whose keys
// are pushed to where the cluster reads them.
func acmeBucket(t *testing.T) (policy []byte, bucket string, clusters map[string]location) {
	t.Helper()
	r := run(t, pipeline.Input{FS: os.DirFS(root), Dir: acme}, pipeline.Render)
	if r.Failed() {
		t.Fatal(r.Findings)
	}
	clusters = map[string]location{}
	users, reads := map[string]string{}, map[string]string{} // path -> user, cluster -> path
	claims := map[string]string{}
	for _, c := range r.Clusters {
		for _, u := range c.Units {
			for _, o := range u.Objects {
				var v struct {
					Spec struct {
						ObjectStorage struct{ Bucket, Prefix string }
						Data          []struct {
							RemoteRef struct{ Key string }
							Match     struct{ RemoteRef struct{ RemoteKey string } }
						}
						BucketName       string
						AdditionalConfig struct{ BucketPolicy string }
					}
				}
				switch o.Kind {
				case "BackupStorageLocation", "PushSecret", "ExternalSecret", "ObjectBucketClaim":
					if err := json.Unmarshal(o.JSON, &v); err != nil {
						t.Fatal(err)
					}
				}
				switch {
				case o.Kind == "BackupStorageLocation":
					bucket = v.Spec.ObjectStorage.Bucket
					clusters[c.Name] = location{prefix: v.Spec.ObjectStorage.Prefix}
				case o.Kind == "ObjectBucketClaim":
					claims[v.Spec.BucketName] = v.Spec.AdditionalConfig.BucketPolicy
				case o.Kind == "PushSecret" && u.Component == "object-storage":
					users[v.Spec.Data[0].Match.RemoteRef.RemoteKey] = o.Name
				case o.Kind == "ExternalSecret" && o.Name == "velero-credentials":
					reads[c.Name] = v.Spec.Data[0].RemoteRef.Key
				}
			}
		}
	}
	for c, l := range clusters {
		user := users[reads[c]]
		if user == "" {
			t.Fatalf("%s reads its keys at %q, where nobody's are pushed", c, reads[c])
		}
		l.databases, l.principal = "databases/"+l.prefix, "arn:aws:iam:::user/"+user
		clusters[c] = l
	}
	return []byte(claims[bucket]), bucket, clusters
}

// Velero's own API types know every field of its objects, and its parsers what is
// in them.
func TestVeleroObjects(t *testing.T) {
	bin := judge.Path(t, "velero-selects")
	kinds, wrong := map[string]int{}, 0
	var in bytes.Buffer
	var names []string
	for _, dir := range []string{acme, "internal/pipeline/testdata/buckets"} {
		r := run(t, pipeline.Input{FS: os.DirFS(root), Dir: dir}, pipeline.Render)
		if r.Failed() {
			t.Fatal(r.Findings)
		}
		for _, c := range r.Clusters {
			for _, u := range c.Units {
				for _, o := range u.Objects {
					velero := o.JSON
					if drill, ok := restoreOf(t, o); ok {
						velero = drill
					} else if o.Group != "velero.io" {
						continue
					}
					kinds[o.Kind]++
					names = append(names, c.Name+" "+o.String())
					in.WriteString(`{"object": ` + string(velero) + "}\n")
				}
			}
		}
	}
	for _, q := range []recovery.Request{
		{Cluster: "prod-eu1", Backup: "daily", Namespaces: []string{"shop-web", "payments-api"}},
		{Cluster: "prod-eu1", Backup: "daily-20261122063001"},
		{Cluster: "prod-eu1", Backup: "by-hand"},
	} {
		r := run(t, pipeline.Input{FS: os.DirFS(root), Dir: acme, Clusters: []string{q.Cluster}}, pipeline.Render)
		var units []recovery.Unit
		for _, u := range r.Clusters[0].Units {
			units = append(units, recovery.Unit{Name: u.Name, Objects: u.Objects})
		}
		plan, err := recovery.Restore(q, units)
		if err != nil {
			t.Fatal(err)
		}
		o, err := yaml.YAMLToJSON(plan.Object)
		if err != nil {
			t.Fatal(err)
		}
		kinds["Restore"]++
		names = append(names, "contain restore --backup "+q.Backup)
		in.WriteString(`{"object": ` + string(o) + "}\n")
	}
	// The judge sees what Velero does not know, and no cron.
	planted := []string{
		`{"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": "x"}, "spec": {"schedule": "0 2 * * *", "templates": {}}}`,
		`{"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": "x"}, "spec": {"schedule": "0 25 * * *", "template": {}}}`,
		`{"apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": "x"}, "spec": {"backupName": "a", "scheduleName": "b"}}`,
	}
	for _, p := range planted {
		in.WriteString(`{"object": ` + p + "}\n")
	}
	d := json.NewDecoder(bytes.NewReader(ask(t, bin, in.Bytes())))
	for i := 0; ; i++ {
		var a struct{ Problem string }
		if err := d.Decode(&a); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch {
		case i >= len(names) && a.Problem == "":
			t.Errorf("the judge does not see what is wrong with %s", planted[i-len(names)])
		case i < len(names) && a.Problem != "":
			t.Errorf("%s: %s", names[i], a.Problem)
			wrong++
		}
	}
	t.Logf("VELERO OBJECTS: %v read by its API types, %d refused; %d planted mistakes seen", kinds, wrong, len(planted))
	if kinds["ConfigMap"] == 0 || kinds["Schedule"] < 5 || kinds["BackupStorageLocation"] < 5 {
		t.Error("too few objects for this to say much")
	}
}

// restoreOf is the Restore that a drill creates.
func restoreOf(t *testing.T, o *object.Object) ([]byte, bool) {
	t.Helper()
	if o.Kind != "ConfigMap" || o.Namespace != "velero" || o.Name != "restore-drill" {
		return nil, false
	}
	var c struct{ Data map[string]string }
	if err := json.Unmarshal(o.JSON, &c); err != nil {
		t.Fatal(err)
	}
	b, err := yaml.YAMLToJSON([]byte(c.Data["restore.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	return b, true
}
