// Package gen writes the rules of policies/ as CUE, so that the catalog makes
// ConstraintTemplates and Constraints without reading Rego files.
//
// Invariants:
//   - The result depends on the rules alone, is formatted as cue fmt would, and
//     consists of plain open literals: no defaults, no disjunctions, nothing
//     that costs a render.
//   - Rego stands in the CUE byte for byte.
package gen

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/token"

	"github.com/contain-platform/contain/internal/policy/rule"
)

const header = "// Code generated from policies/ by internal/policy/gen. DO NOT EDIT.\n" +
	"// CONTAIN_UPDATE=1 go test ./internal/policy/gen writes it anew.\n\n"

// CUE is the file catalog/policies/rules_gen.cue: the rules and the checks with
// their defaults and the schema of their parameters, what each profile makes of
// them, and the libraries that the templates share.
func CUE(rules []rule.Rule) ([]byte, error) {
	objects, checks, layer, libs, syncs := &ast.StructLit{}, &ast.StructLit{}, &ast.StructLit{}, &ast.StructLit{}, &ast.StructLit{}
	for _, r := range rules {
		entry, err := ruleLit(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.ID, err)
		}
		f := field(r.ID, entry)
		ast.AddComment(f, comment(r.Title+": "+firstDown(r.Description)))
		into := "checks"
		if r.Input == rule.Object {
			into = "rules"
			objects.Elts = append(objects.Elts, f)
		} else {
			checks.Elts = append(checks.Elts, f)
		}
		layer.Elts = append(layer.Elts, refinement(into, r.ID))
		if len(r.Sync) > 0 {
			kinds, err := syncLit(r.Sync)
			if err != nil {
				return nil, fmt.Errorf("%s: custom.sync: %w", r.ID, err)
			}
			syncs.Elts = append(syncs.Elts, field(r.ID, kinds))
		}
	}
	profiles, err := profilesLit(rule.OverObjects(rules))
	if err != nil {
		return nil, err
	}
	for _, m := range libraries(rules) {
		libs.Elts = append(libs.Elts, field(libraryName(m), stringLit(m.Rego)))
	}
	decls := []ast.Decl{&ast.Package{Name: ast.NewIdent("policies")}}
	for _, d := range []struct {
		name  string
		value ast.Expr
		doc   string
	}{
		{"rules", objects, "rules are the library's rules by id, those that admission knows too. The defaults of parameters and enforcement are those of the rule's page."},
		{"checks", checks, "checks are the rules over a whole cluster or platform, which contain alone judges."},
		{"profiles", profiles, "profiles are the rules that each profile has, with the enforcement and the parameters that it asks for."},
		{"syncs", syncs, "syncs are the kinds that referential rules look at."},
		{"refinements", layer, "refinements close the parameters of the rules and checks that a layer names."},
		{"_libs", libs, "_libs are the Rego modules that rules import."},
	} {
		f := field(d.name, d.value)
		ast.AddComment(f, comment(d.doc))
		decls = append(decls, f)
	}
	b, err := format.Node(&ast.File{Decls: decls})
	if err != nil {
		return nil, err
	}
	return format.Source(append([]byte(header), b...))
}

func syncLit(kinds []rule.Kind) (ast.Expr, error) {
	sync := make([]any, len(kinds))
	for i, k := range kinds {
		sync[i] = map[string]any{"group": k.Group, "version": k.Version, "kind": k.Kind}
	}
	return lit(sync)
}

// refinement is optional, so that it costs a layer little that does not name
// the rule, and refers to the parameters of the rule: "a/b"?: {parameters: …}.
func refinement(list, id string) *ast.Field {
	parameters := &ast.SelectorExpr{
		X:   &ast.IndexExpr{X: ast.NewIdent(list), Index: ast.NewString(id)},
		Sel: ast.NewIdent("#Parameters"),
	}
	f := field(id, &ast.StructLit{Elts: []ast.Decl{field("parameters", parameters)}})
	f.Constraint = token.OPTION
	return f
}

// profilesLit is what each profile makes of the rules: the closest refinement
// at or below it is laid over the rule's own defaults, parameter by parameter.
func profilesLit(rules []rule.Rule) (ast.Expr, error) {
	out := &ast.StructLit{}
	for i, profile := range rule.Profiles() {
		s := &ast.StructLit{}
		for _, r := range rules {
			if slices.Index(rule.Profiles(), r.Profile) > i {
				continue
			}
			enforcement, parameters := r.Enforcement, r.Defaults()
			for _, p := range slices.Backward(rule.Profiles()[:i+1]) {
				stricter, ok := r.Stricter[p]
				if !ok {
					continue
				}
				maps.Copy(parameters, stricter.Parameters)
				if stricter.Enforcement != "" {
					enforcement = stricter.Enforcement
				}
				break
			}
			v, err := lit(map[string]any{"enforcement": enforcement, "parameters": parameters})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.ID, err)
			}
			s.Elts = append(s.Elts, field(r.ID, v))
		}
		out.Elts = append(out.Elts, field(profile, s))
	}
	return out, nil
}

// libraries are those that any of the rules over objects imports, by name.
func libraries(rules []rule.Rule) []rule.Module {
	var out []rule.Module
	for _, r := range rule.OverObjects(rules) {
		for _, m := range r.Libs {
			if !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	slices.SortFunc(out, func(a, b rule.Module) int { return strings.Compare(a.File, b.File) })
	return out
}

func libraryName(m rule.Module) string { return strings.TrimSuffix(path.Base(m.File), ".rego") }

// template is the rule's ConstraintTemplate with references to the libraries.
func template(r rule.Rule) (map[string]any, error) {
	t := r.Template()
	if len(r.Libs) == 0 {
		return t, nil
	}
	source, found := t, false
	for _, step := range []string{"spec", "targets", "code", "source"} {
		next := source[step]
		if l, ok := next.([]any); ok && len(l) == 1 {
			next = l[0]
		}
		if source, found = next.(map[string]any); !found {
			return nil, fmt.Errorf("template: there is no %s", step)
		}
	}
	libs := make([]any, len(r.Libs))
	for i, l := range r.Libs {
		libs[i] = ast.Expr(&ast.IndexExpr{X: ast.NewIdent("_libs"), Index: ast.NewString(libraryName(l))})
	}
	source["libs"] = libs
	return t, nil
}

func ruleLit(r rule.Rule) (ast.Expr, error) {
	parameters, err := schemaLit(r.Parameters)
	if err != nil {
		return nil, fmt.Errorf("custom.parameters: %w", err)
	}
	if s, ok := parameters.(*ast.StructLit); ok {
		// Of the parameters a layer says those that it changes.
		for _, d := range s.Elts {
			if f, ok := d.(*ast.Field); ok {
				f.Constraint = token.OPTION
			}
		}
	}
	type entry struct {
		name  string
		value any
	}
	fields := []entry{
		{"severity", r.Severity},
		{"enforcement", r.Enforcement},
		{"profile", r.Profile},
		{"parameters", r.Defaults()},
	}
	if r.Input == rule.Object {
		t, err := template(r)
		if err != nil {
			return nil, err
		}
		fields = append(fields,
			entry{"kind", r.Kind},
			entry{"match", map[string]any{"kinds": r.Match}},
			entry{"template", t},
		)
	}
	s := &ast.StructLit{}
	for _, f := range fields {
		v, err := lit(f.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		s.Elts = append(s.Elts, field(f.name, v))
	}
	s.Elts = append(s.Elts, &ast.Field{Label: ast.NewIdent("#Parameters"), Value: parameters})
	return s, nil
}

// lit is plain data as a CUE literal, keys sorted.
func lit(v any) (ast.Expr, error) {
	switch v := v.(type) {
	case nil:
		return ast.NewNull(), nil
	case ast.Expr:
		return v, nil // a reference
	case bool:
		return ast.NewBool(v), nil
	case string:
		return stringLit(v), nil
	case json.Number:
		return &ast.BasicLit{Kind: numberKind(v.String()), Value: v.String()}, nil
	case int, int64, float64:
		b, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		return &ast.BasicLit{Kind: numberKind(string(b)), Value: string(b)}, nil
	case []any:
		l := &ast.ListLit{}
		for _, each := range v {
			e, err := lit(each)
			if err != nil {
				return nil, err
			}
			l.Elts = append(l.Elts, e)
		}
		return l, nil
	case map[string]any:
		s := &ast.StructLit{}
		for _, k := range slices.Sorted(maps.Keys(v)) { // for determinism
			e, err := lit(v[k])
			if err != nil {
				return nil, err
			}
			s.Elts = append(s.Elts, field(k, e))
		}
		return s, nil
	}
	return nil, fmt.Errorf("%T is not plain data", v)
}

func numberKind(s string) token.Token {
	if strings.ContainsAny(s, ".eE") {
		return token.FLOAT
	}
	return token.INT
}

// stringLit writes texts of several lines as raw blocks, so that Rego stays
// readable; the formatter indents them.
func stringLit(s string) ast.Expr {
	if strings.Contains(s, "\n") && !strings.Contains(s, `"""#`) && !strings.Contains(s, `\#`) {
		return &ast.BasicLit{Kind: token.STRING, Value: "#\"\"\"\n" + s + "\n\"\"\"#"}
	}
	return ast.NewString(s)
}

func field(name string, v ast.Expr) *ast.Field {
	var label ast.Label = ast.NewIdent(name)
	if !ast.IsValidIdent(name) {
		label = ast.NewString(name)
	}
	return &ast.Field{Label: label, Value: v}
}

func comment(text string) *ast.CommentGroup {
	return &ast.CommentGroup{Doc: true, List: []*ast.Comment{{Text: "// " + strings.Join(strings.Fields(text), " ")}}}
}

func firstDown(s string) string {
	if len(s) < 2 || s[1] != strings.ToLower(s[1:2])[0] {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// schemaLit turns the part of OpenAPI schemas that rules use into a CUE
// constraint. Anything else is an error, so that CUE and admission never check
// different things.
func schemaLit(schema map[string]any) (ast.Expr, error) {
	for k := range schema {
		if !slices.Contains([]string{
			"type", "description", "default", "properties", "required", "items", "enum", "minLength", "pattern", "minimum", "maximum",
		}, k) {
			return nil, fmt.Errorf("%s is not known here", k)
		}
	}
	switch schema["type"] {
	case "object":
		return objectLit(schema)
	case "array":
		items, ok := schema["items"].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("an array without items")
		}
		e, err := schemaLit(items)
		if err != nil {
			return nil, err
		}
		return ast.NewList(&ast.Ellipsis{Type: e}), nil
	case "boolean":
		return ast.NewIdent("bool"), nil
	case "integer":
		return bounded(ast.NewIdent("int"), schema)
	case "number":
		return bounded(ast.NewIdent("number"), schema)
	case "string":
		return stringSchema(schema)
	}
	return nil, fmt.Errorf("type %v is not known here", schema["type"])
}

func objectLit(schema map[string]any) (ast.Expr, error) {
	required, _ := schema["required"].([]any)
	properties, _ := schema["properties"].(map[string]any)
	s := &ast.StructLit{}
	for _, name := range slices.Sorted(maps.Keys(properties)) { // for determinism
		p, ok := properties[name].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("properties.%s is no schema", name)
		}
		e, err := schemaLit(p)
		if err != nil {
			return nil, fmt.Errorf("properties.%s: %w", name, err)
		}
		f := field(name, e)
		f.Constraint = token.OPTION
		if slices.Contains(required, any(name)) {
			f.Constraint = token.NOT
		}
		if text, _ := p["description"].(string); text != "" {
			ast.AddComment(f, comment(text))
		}
		s.Elts = append(s.Elts, f)
	}
	return s, nil
}

func bounded(e ast.Expr, schema map[string]any) (ast.Expr, error) {
	for _, b := range []struct {
		name string
		op   token.Token
	}{{"minimum", token.GEQ}, {"maximum", token.LEQ}} {
		if v, ok := schema[b.name]; ok {
			n, err := lit(v)
			if err != nil {
				return nil, err
			}
			e = ast.NewBinExpr(token.AND, e, &ast.UnaryExpr{Op: b.op, X: n})
		}
	}
	return e, nil
}

func stringSchema(schema map[string]any) (ast.Expr, error) {
	if enum, ok := schema["enum"].([]any); ok {
		var parts []ast.Expr
		var names []string
		for _, v := range enum {
			s, ok := v.(string)
			if !ok {
				return nil, fmt.Errorf("enum has %v", v)
			}
			parts = append(parts, ast.NewString(s))
			names = append(names, s)
		}
		// CUE's own message for a value that is none of them names no value.
		parts = append(parts, ast.NewCall(ast.NewIdent("error"), ast.NewString("must be one of "+strings.Join(names, ", "))))
		return ast.NewBinExpr(token.OR, parts...), nil
	}
	var e ast.Expr = ast.NewIdent("string")
	if p, ok := schema["pattern"].(string); ok {
		e = &ast.UnaryExpr{Op: token.MAT, X: stringLit(p)}
	}
	if n, ok := schema["minLength"]; ok {
		text := fmt.Sprint(n)
		if _, err := strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("minLength is %v", n)
		}
		if text != "1" {
			return nil, fmt.Errorf("minLength %s is not known here, only 1 is", text)
		}
		e = ast.NewBinExpr(token.AND, e, &ast.UnaryExpr{Op: token.NEQ, X: ast.NewString("")})
	}
	return e, nil
}
