package artifact

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/object"
)

// File is one file of an artifact.
type File struct {
	Path string // slash-separated, relative
	Data []byte
}

// maxFileName keeps every path within the name and prefix fields of a USTAR
// header (100 and 155 bytes), so that no tar extension is needed.
const maxFileName = 100

// Files lays out a cluster's objects, sorted by path; without a graph there is
// no directory flux. It fails on names that are no DNS labels, on two units of
// one name, and on what Flux would refuse to build: a unit without objects and
// two objects of one identity in one directory.
func Files(c Cluster) ([]File, error) {
	if err := checkClusterName(c.Name); err != nil {
		return nil, err
	}
	var files []File
	if len(c.Flux) > 0 {
		var err error
		if files, err = directory("flux", c.Flux); err != nil {
			return nil, err
		}
	}
	seen := make(map[string]bool, len(c.Units))
	for _, u := range c.Units {
		if !dnsLabel(u.Name) {
			return nil, fmt.Errorf("unit name %q is not a DNS label", u.Name)
		}
		if seen[u.Name] {
			return nil, fmt.Errorf("two units are called %q", u.Name)
		}
		seen[u.Name] = true
		if len(u.Objects) == 0 {
			return nil, fmt.Errorf("unit %q has no objects: kustomize refuses to build nothing", u.Name)
		}
		fs, err := directory("units/"+u.Name, u.Objects)
		if err != nil {
			return nil, err
		}
		files = append(files, fs...)
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) }) // for determinism
	return files, nil
}

// directory writes one file per object and the kustomization that lists them
// in the order of [object.Compare].
func directory(dir string, objs []*object.Object) ([]File, error) {
	objs = slices.Clone(objs)
	object.Sort(objs)
	names := make([]string, len(objs))
	count := make(map[string]int, len(objs))
	ids := make(map[object.ID]bool, len(objs))
	for i, o := range objs {
		if ids[o.Key()] {
			return nil, fmt.Errorf("%s: two objects are %s", dir, o.ID)
		}
		ids[o.Key()] = true
		names[i] = fileName(o.ID)
		count[names[i]]++
	}
	files := make([]File, 0, len(objs)+1)
	var list bytes.Buffer
	list.WriteString("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n")
	for i, o := range objs {
		name := names[i]
		if count[name] > 1 || len(name)+len(".yaml") > maxFileName {
			name = distinct(name, o.ID)
		}
		name += ".yaml"
		fmt.Fprintf(&list, "- %s\n", name)
		files = append(files, File{Path: dir + "/" + name, Data: o.YAML()})
	}
	return append(files, File{Path: dir + "/kustomization.yaml", Data: list.Bytes()}), nil
}

// fileName is readable but not unique: Kubernetes knows names that differ in
// case alone (RBAC) and one name in two API groups.
func fileName(id object.ID) string {
	parts := []string{id.Kind, id.Namespace, id.Name}
	if id.Namespace == "" {
		parts = []string{id.Kind, id.Name}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, strings.Join(parts, "-"))
}

// distinct makes the file name of an object that shares it with another one,
// or that has too long a name. It depends on the object alone, so that the
// order of objects does not matter; and no fileName has a '_', so that it is
// nobody else's.
func distinct(name string, id object.ID) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{id.Group, id.Kind, id.Namespace, id.Name}, "\x00")))
	suffix := "_" + hex.EncodeToString(sum[:6])
	if limit := maxFileName - len(suffix) - len(".yaml"); len(name) > limit {
		name = name[:limit]
	}
	return name + suffix
}
