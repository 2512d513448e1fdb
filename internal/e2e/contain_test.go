//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/contain-platform/contain/internal/cli"
	"github.com/contain-platform/contain/internal/e2e/controlplane"
	"github.com/contain-platform/contain/internal/object"
)

// password encrypts the keys of these tests.
const password = "e2e"

// contain runs one command of the product, in this process, and returns what it
// wrote to stdout. Any exit code but 0 fails the test.
func contain(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Main(cli.Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		Getenv: func(name string) string {
			if name == "COSIGN_PASSWORD" {
				return password
			}
			return ""
		},
	})
	if code != cli.ExitDone {
		t.Fatalf("contain %s: exit code %d\n%s%s", strings.Join(args, " "), code, &stdout, &stderr)
	}
	return stdout.String()
}

// keygen makes a key pair and returns the paths of its two halves.
func keygen(t *testing.T) (private, public string) {
	t.Helper()
	prefix := filepath.Join(t.TempDir(), "e2e")
	contain(t, "keygen", prefix)
	return prefix + ".key", prefix + ".pub"
}

// example is the directory of a platform of examples/.
func example(name string) string { return filepath.Join("..", "..", "examples", name) }

// objectsOf reads what contain render and contain bootstrap print.
func objectsOf(t *testing.T, stream string) []*object.Object {
	t.Helper()
	objs, err := controlplane.ReadYAML([]byte(stream))
	if err != nil {
		t.Fatal(err)
	}
	return objs
}

// A buildReport is what the tests read of contain build --format json.
type buildReport struct {
	Clusters []struct {
		Cluster string
		Digest  string
		Units   []string
		Objects int
	}
}

// build compiles and signs a platform into a layout.
func build(t *testing.T, platform, layout, key string) buildReport {
	t.Helper()
	args := []string{"build", platform, "-o", layout, "--format", "json"}
	if key != "" {
		args = append(args, "--key", key)
	}
	var r buildReport
	if err := json.Unmarshal([]byte(contain(t, args...)), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// digest is that of one cluster's artifact, "sha256:…".
func (r buildReport) digest(t *testing.T, cluster string) string {
	t.Helper()
	for _, c := range r.Clusters {
		if c.Cluster == cluster {
			return c.Digest
		}
	}
	t.Fatalf("the build has no cluster %s", cluster)
	return ""
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
