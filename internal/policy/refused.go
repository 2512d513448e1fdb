package policy

import "github.com/open-policy-agent/opa/v1/ast"

// RefusedCalls finds the calls of built-ins that no rule may use, whatever it
// is asked about: those whose result does not follow from the input.
func RefusedCalls(m *ast.Module) ast.Errors {
	var out ast.Errors
	for _, p := range refusedCalls(0, m) {
		at := &ast.Location{Row: p.row, Col: p.col}
		if m.Package != nil && m.Package.Location != nil {
			at.File = m.Package.Location.File
		}
		out = append(out, &ast.Error{Code: FindingBuiltin, Message: p.msg, Location: at})
	}
	return out
}

// Refusal says why no rule may use a built-in, or "" when rules may.
func Refusal(name string) string { return refusal(name) }
