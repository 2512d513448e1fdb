package controlplane

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/modfile"
)

func readGoMod(t *testing.T, path string) *modfile.File {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := modfile.Parse(path, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// required are the versions that a go.mod asks for, without those that it
// replaces.
func required(f *modfile.File) map[string]string {
	versions := map[string]string{}
	for _, r := range f.Require {
		versions[r.Mod.Path] = r.Mod.Version
	}
	for _, r := range f.Replace {
		delete(versions, r.Old.Path)
	}
	return versions
}

func nestedModules(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Dir(f))
	}
	return names
}

// TestBuildScriptBuildsEveryModule: a nested module that no target of build.sh
// names is never built, and its pins are dead text.
func TestBuildScriptBuildsEveryModule(t *testing.T) {
	b, err := os.ReadFile("build.sh")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^(?:controlplane|judges)=\((.*)\)$`).FindAllStringSubmatch(string(b), -1) {
		listed = append(listed, strings.Fields(m[1])...)
	}
	slices.Sort(listed)
	listed = slices.Compact(listed) // a part of the control plane may be a judge as well
	if diff := cmp.Diff(nestedModules(t), listed); diff != "" {
		t.Errorf("nested modules (-) and those of build.sh (+):\n%s", diff)
	}
}

// TestPinsAgree: the CRDs that controllers get are those they were built with,
// and a judge is of the version of the library that it judges.
func TestPinsAgree(t *testing.T) {
	product := required(readGoMod(t, filepath.Join("..", "..", "..", "go.mod")))
	for _, m := range slices.Concat(FluxModules(), PluginModules(), ComponentModules()) {
		if v, ok := product[m.Path]; ok && v != m.Version {
			t.Errorf("CRDs of %s %s, but the product has %s", m.Path, m.Version, v)
		}
	}
	for _, name := range nestedModules(t) {
		f := readGoMod(t, filepath.Join(name, "go.mod"))
		for _, tool := range f.Tool {
			module, version := provider(f, tool.Path)
			if v, ok := product[module]; ok && v != version {
				t.Errorf("%s builds %s of %s, but the product has %s", name, tool.Path, version, v)
			}
			for _, m := range FluxModules() {
				if m.Path == module && m.Version != version {
					t.Errorf("%s builds %s, but its CRDs are of %s", name, version, m.Version)
				}
			}
		}
	}
}

// provider is the module of f that holds the package pkg.
func provider(f *modfile.File, pkg string) (path, version string) {
	for p, v := range required(f) {
		if (pkg == p || strings.HasPrefix(pkg, p+"/")) && len(p) > len(path) {
			path, version = p, v
		}
	}
	return path, version
}
