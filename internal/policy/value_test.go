package policy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/contain-platform/contain/internal/object"
)

// FuzzValue: what is read is what encoding/json and OPA make of it, to the
// text of each number, and nothing else is taken.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `1e3`, `1.50`, `30000000000000000000000.0`, `1E400`, `-`, `01`, `1.`, `.5`, `true`, `nul`, `nullx`,
		`{"a":{"b":[1,"x",null,true,false]},"c":"\u00e9\n\ud83d\ude00\ud800"}`, "\"\x80\"", "\"\x01\"", `"\q"`, `"a`, `{"a":1,"a":2}`, `{"a" : [ 1 , 2 ] }`,
		`{,}`, `[1,]`, `[,1]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `1 2`, `"é"`, strings.Repeat("[", 20) + strings.Repeat("]", 20),
	} {
		f.Add(seed)
	}
	r := &valueReader{}
	f.Fuzz(func(t *testing.T, text string) {
		// Objects are canonical JSON; what is none has to end without a panic.
		if _, err := r.read([]byte(text)); err != nil && json.Valid([]byte(text)) && !strings.ContainsAny(text, "eE") {
			t.Fatalf("%q: %v", text, err)
		}
		var tree, exact any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if json.Unmarshal([]byte(text), &tree) != nil || d.Decode(&exact) != nil {
			return
		}
		canonical, err := object.Canonical(exact)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.read(canonical)
		if err != nil {
			t.Fatalf("%q: %v", canonical, err)
		}
		want, err := ast.InterfaceToValue(tree)
		if err != nil {
			t.Fatal(err)
		}
		if want.Compare(got) != 0 || want.String() != got.String() {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	})
}
