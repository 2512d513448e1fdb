package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	regoschema "github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego/schema"
	"github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	celschema "github.com/open-policy-agent/gatekeeper/v3/pkg/drivers/k8scel/schema"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/drivers/k8scel/transform"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

func moduleName(i int) string { return strconv.Itoa(i) }

// problemsOf takes an error of OPA apart. module is where it belongs when it
// has no place.
func problemsOf(module int, err error) []problem {
	var list ast.Errors
	if !errors.As(err, &list) {
		return []problem{{id: FindingRego, msg: oneLine(err.Error()), module: module}}
	}
	var out []problem
	for _, e := range list {
		p := problem{id: FindingRego, msg: oneLine(e.Message), module: module}
		if e.Location != nil {
			p.row, p.col = e.Location.Row, e.Location.Col
			if n, err := strconv.Atoi(e.Location.File); err == nil {
				p.module = n
			}
		}
		out = append(out, p)
	}
	return out
}

// refusedCalls finds calls of built-ins whose result does not follow from the
// input: they would make the verdict of a build differ from run to run, or send
// the platform's description elsewhere.
func refusedCalls(module int, m *ast.Module) []problem {
	var out []problem
	check := func(op *ast.Term) {
		name := op.String()
		why := refusal(name)
		if why == "" || op.Location == nil {
			return
		}
		out = append(out, problem{
			FindingBuiltin, fmt.Sprintf("built-in %s is not allowed: %s", name, why),
			module, op.Location.Row, op.Location.Col,
		})
	}
	ast.WalkExprs(m, func(e *ast.Expr) bool {
		if e.IsCall() {
			check(e.OperatorTerm())
		}
		return false
	})
	ast.WalkTerms(m, func(t *ast.Term) bool {
		if call, ok := t.Value.(ast.Call); ok {
			check(call[0])
		}
		return false
	})
	// One built-in stands in for another: "lower(x) with lower as http.send".
	ast.WalkWiths(m, func(w *ast.With) bool {
		check(w.Value)
		return false
	})
	return out
}

// refusal says why a built-in may not be called, or "". Which built-ins are not
// deterministic OPA says itself.
func refusal(name string) string {
	switch name {
	case "http.send", "net.lookup_ip_addr":
		return "it reaches the network"
	case "external_data":
		return "it asks a provider in the cluster, which a build cannot"
	case "opa.runtime":
		return "it reads the environment"
	case "json.match_schema", "json.verify_schema":
		// Not deterministic for OPA, since a schema may refer to a remote one.
		return "its schema may be fetched from the network"
	}
	if strings.HasPrefix(name, "crypto.x509.parse_and_verify_certificates") {
		// OPA takes it for deterministic.
		return "its result follows the date"
	}
	if b, ok := ast.BuiltinMap[name]; ok && b.Nondeterministic {
		return "its result differs from run to run"
	}
	return ""
}

// capabilities are OPA's without the refused built-ins, so that no way to call
// one compiles, whatever refusedCalls sees.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(slices.Clone(c.Builtins), func(b *ast.Builtin) bool { return refusal(b.Name) != "" })
	return c
}

// foreignRefs finds references to data that Gatekeeper does not let a template
// read (regorewriter, checkRef) and imports that it refuses (checkImport).
func foreignRefs(modules []*ast.Module) []problem {
	var out []problem
	add := func(module int, l *ast.Location, format string, args ...any) {
		out = append(out, problem{FindingRego, fmt.Sprintf(format, args...), module, l.Row, l.Col})
	}
	for i, m := range modules {
		if i > 0 && (len(m.Package.Path) < 3 || !strings.HasPrefix(m.Package.Path.String(), "data.lib.")) {
			add(i, m.Package.Location, "package of a library must be below lib, not %s",
				strings.TrimPrefix(m.Package.Path.String(), "data."))
		}
		for _, imp := range m.Imports {
			path := imp.Path.String()
			if !under(path, "data.lib") && !under(path, "future.keywords") {
				add(i, imp.Location, "import of %s is not allowed, only data.lib and future.keywords are", path)
			}
		}
		for _, r := range m.Rules {
			ast.WalkTerms(r, func(t *ast.Term) bool {
				ref, ok := t.Value.(ast.Ref)
				if !ok || len(ref) == 0 || !ref[0].Equal(ast.DefaultRootDocument) {
					return false
				}
				if path := ref.String(); !under(path, "data.lib") && !under(path, "data.inventory") {
					add(i, t.Location, "%s is not there: a policy reads input, data.lib and data.inventory", path)
				}
				return true // as the rewriter: what is inside an index is not looked at
			})
		}
	}
	return out
}

// under tells whether path is root or below it.
func under(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// checkCEL compiles the expressions of a template as the driver does, to see
// the errors that the driver keeps until an object is judged.
func checkCEL(o *object.Object, t *templates.ConstraintTemplate) []diag.Finding {
	path := "spec.targets[0].code"
	finding := func(path, msg string) diag.Finding {
		return diag.Finding{ID: FindingCEL, Message: oneLine(msg), Object: o.String(), Path: path}
	}
	for i, c := range t.Spec.Targets[0].Code {
		if c.Engine == celschema.Name {
			path = fmt.Sprintf("spec.targets[0].code[%d].source", i)
		}
	}
	src, err := celschema.GetSourceFromTemplate(t)
	if err != nil {
		return []diag.Finding{finding(path, err.Error())}
	}
	if _, err := src.GetFailurePolicy(); err != nil {
		return []diag.Finding{finding(path+".failurePolicy", err.Error())}
	}
	variables, err := src.GetVariables()
	if err != nil {
		return []diag.Finding{finding(path+".variables", err.Error())}
	}
	conditions, err := src.GetMatchConditions()
	if err != nil {
		return []diag.Finding{finding(path+".matchCondition", err.Error())}
	}
	validations, _ := src.GetValidations()
	messages, _ := src.GetMessageExpressions()

	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		return []diag.Finding{finding(path, err.Error())}
	}
	own := cel.OptionalVariableDeclarations{}
	driver := cel.OptionalVariableDeclarations{HasParams: true}
	compiler.CompileAndStoreVariables(transform.AllVariablesCEL(), driver, environment.StoredExpressions)

	var out []diag.Finding
	report := func(r cel.CompilationResult, path string) {
		if r.Error != nil {
			out = append(out, finding(path, celMessage(r.Error.Detail)))
		}
	}
	for i, v := range variables {
		report(compiler.CompileAndStoreVariable(v, driver, environment.StoredExpressions),
			fmt.Sprintf("%s.variables[%d].expression", path, i))
	}
	each := func(list []cel.ExpressionAccessor, format string) {
		for i, e := range list {
			if e != nil {
				report(compiler.CompileCELExpression(e, own, environment.StoredExpressions), path+fmt.Sprintf(format, i))
			}
		}
	}
	each(conditions, ".matchCondition[%d].expression")
	each(validations, ".validations[%d].expression")
	each(messages, ".validations[%d].messageExpression")
	return out
}

// celError is the head of a message of cel-go; below it the expression is
// drawn again.
var celError = regexp.MustCompile(`^(?:compilation failed: )?ERROR: <input>:(\d+):(\d+): ([^\n]*)`)

func celMessage(s string) string {
	if m := celError.FindStringSubmatch(s); m != nil {
		return fmt.Sprintf("%s (line %s, column %s of the expression)", m[3], m[1], m[2])
	}
	return s
}

// regoPath says where in a template module i stands, as the user wrote it.
func regoPath(o *object.Object, src *regoschema.Source) func(module int) string {
	spec, _ := o.Tree()["spec"].(map[string]any)
	targets, _ := spec["targets"].([]any)
	base := "spec.targets[0]"
	if len(targets) > 0 {
		target, _ := targets[0].(map[string]any)
		if text, _ := target["rego"].(string); text != src.Rego {
			code, _ := target["code"].([]any)
			for i, c := range code {
				if c, _ := c.(map[string]any); c["engine"] == regoschema.Name {
					base = fmt.Sprintf("spec.targets[0].code[%d].source", i)
				}
			}
		}
	}
	return func(module int) string {
		if module == 0 {
			return base + ".rego"
		}
		return fmt.Sprintf("%s.libs[%d]", base, module-1)
	}
}

// positioned makes findings of problems, at the user's Rego where that is known.
func positioned(o *object.Object, path func(int) string, problems []problem, locate func(string, int) (diag.Position, bool)) []diag.Finding {
	var out []diag.Finding
	for _, p := range problems {
		f := diag.Finding{ID: p.id, Message: p.msg, Object: o.String(), Path: path(p.module)}
		pos, ok := place(o.Name, p.module, p.row, p.col, locate)
		switch {
		case ok:
			f.Positions = []diag.Position{pos}
		case p.row > 0:
			f.Message += fmt.Sprintf(" (line %d, column %d of the Rego)", p.row, p.col)
		}
		out = append(out, f)
	}
	return out
}

// place maps a place in a module to the user's file. Every line of a module is
// indented by as much as its first one, as in a YAML block or a CUE string.
func place(template string, module, row, col int, locate func(string, int) (diag.Position, bool)) (diag.Position, bool) {
	if locate == nil {
		return diag.Position{}, false
	}
	pos, ok := locate(template, module)
	if ok && row > 0 && pos.Line > 0 {
		pos.Line += row - 1
		if col > 0 && pos.Column > 0 {
			pos.Column += col - 1
		}
	}
	return pos, ok
}

// runtimePlace is where an error of evaluation came up, or else where the Rego
// begins: OPA does not say where it was when it was stopped.
func runtimePlace(template string, err error, locate func(string, int) (diag.Position, bool)) []diag.Position {
	var module, row, col int
	var e *topdown.Error
	if errors.As(err, &e) && e.Location != nil {
		if n, err := strconv.Atoi(e.Location.File); err == nil {
			module, row, col = n, e.Location.Row, e.Location.Col
		}
	}
	if pos, ok := place(template, module, row, col, locate); ok {
		return []diag.Position{pos}
	}
	return nil
}
