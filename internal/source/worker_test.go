package source

import (
	"testing"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/parser"
)

// Workers may leave the platform out only if nothing of the user's can be in
// what the catalog gives out.
func TestPlainOutput(t *testing.T) {
	tests := map[string]bool{
		`out: catalog.#Output & {#platform: platform}`:                                        true,
		`out: base.#Output & {#platform: platform}`:                                           false, // not the catalog's
		`out: catalog.#Output & {#platform: platform, #templates: velero: {}}`:                false,
		"out: catalog.#Output & {#platform: platform}\nout: #templates: velero: objects: {}":  false,
		"out: catalog.#Output & {#platform: platform}\nif true {out: #templates: velero: {}}": false,
		"out: catalog.#Output & {#platform: platform}\n#More":                                 false,
		`out: #Mine & {#platform: platform}`:                                                  false,
		`out: catalog.#Other & {#platform: platform}`:                                         false,
		`platform: {}`: false,
	}
	const header = "import (\n\"" + modulePath + "/catalog\"\n\"example.org/base\"\n)\n"
	for src, want := range tests {
		f, err := parser.ParseFile("p.cue", header+src)
		if err != nil {
			t.Fatal(err)
		}
		s := &Source{inst: &build.Instance{Files: []*ast.File{f}, Imports: []*build.Instance{{ImportPath: modulePath + "/catalog@v0"}}}}
		if got := s.plainOutput(); got != want {
			t.Errorf("plainOutput is %v for\n%s", got, src)
		}
	}
}
