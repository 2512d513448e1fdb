package kubecheck

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/json"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// structureOf finds fields that Kubernetes' own types do not have, or have with
// another type: what the API server refuses, or drops without strict
// validation. Kinds of CRDs are not known here.
func structureOf(o *object.Object) []diag.Finding {
	into, err := scheme.Scheme.New(schema.GroupVersionKind{Group: o.Group, Version: o.Version, Kind: o.Kind})
	if err != nil {
		return nil // not one of Kubernetes' own
	}
	strict, err := json.UnmarshalStrict(o.JSON, into)
	if err != nil {
		f := mistyped(o, err)
		if f.Path == "metadata.labels" || f.Path == "metadata.annotations" {
			return nil // metadata names the key
		}
		return []diag.Finding{f}
	}
	var out []diag.Finding
	for _, s := range strict {
		f := diag.Finding{ID: IDStructure, Message: s.Error()}
		if m := unknownField.FindStringSubmatch(s.Error()); m != nil {
			f.Path = m[1]
			f.Message = fmt.Sprintf("%s has no field %q", o.Kind, f.Path[strings.LastIndex(f.Path, ".")+1:])
		}
		out = append(out, f)
	}
	return out
}

// The texts of sigs.k8s.io/json v0 and encoding/json; others stay as they are.
var (
	unknownField = regexp.MustCompile(`^unknown field "(.+)"$`)
	wrongType    = regexp.MustCompile(`cannot unmarshal (.+) into Go (?:struct field [A-Za-z0-9]+\.(\S+)|value) of type (\S+)$`)
)

func mistyped(o *object.Object, err error) diag.Finding {
	f := diag.Finding{ID: IDStructure, Message: fmt.Sprintf("not a %s: %s", o.Kind, strings.TrimPrefix(err.Error(), "json: "))}
	if m := wrongType.FindStringSubmatch(err.Error()); m != nil {
		f.Path = m[2]
		f.Message = fmt.Sprintf("wrong type: %s, it must be %s", m[1], typeName(m[3]))
	}
	return f
}

// typeName says a Go type in words.
func typeName(t string) string {
	switch t = strings.TrimLeft(t, "*"); {
	case strings.HasPrefix(t, "[]"):
		return "a list"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"):
		return "a whole number"
	case strings.HasPrefix(t, "float"):
		return "a number"
	case t == "bool":
		return "true or false"
	case t == "string":
		return "a string"
	}
	return "a struct"
}
