package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// oneLine makes a message of a library fit a finding.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Errors of encoding/json, which speak of Go.
var (
	jsonUnknown = regexp.MustCompile(`(?:json: )?unknown field "([^"]*)"`)
	jsonType    = regexp.MustCompile(`(?:json: )?cannot unmarshal (\w+) into Go (?:struct field \S+|value) of type (\S+)`)
)

// plain words an error of a library for people: no Go types, no line breaks.
func plain(err error) string {
	msg := jsonUnknown.ReplaceAllString(oneLine(err.Error()), `there is no field "$1"`)
	return jsonType.ReplaceAllStringFunc(msg, func(s string) string {
		m := jsonType.FindStringSubmatch(s)
		return fmt.Sprintf("%s stands where %s is expected", jsonKind(m[1]), goKind(m[2]))
	})
}

// goKind says what a Go type is in JSON.
func goKind(t string) string {
	switch {
	case strings.HasPrefix(t, "[]"):
		return "a list"
	case t == "string", t == "wildcard.Wildcard":
		return "a string"
	case t == "bool":
		return "true or false"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"), strings.HasPrefix(t, "float"):
		return "a number"
	}
	return "a map"
}

// frameworkPrefixes are said before an error and add nothing to it: the object
// and the finding's id say so.
var frameworkPrefixes = []string{"schema validation failed: ", "invalid Constraint: ", "invalid ConstraintTemplate: "}

// fieldError is how API machinery names a field and what is wrong with it; the
// [] before it is what the framework gives as the root.
var fieldError = regexp.MustCompile(`(?:\[\]\.)?((?:spec|metadata)[^:\s]*): (Required value|Invalid value|Unsupported value|Duplicate value|Forbidden|Too long|Too many|Too few|Internal error)(?:: |$)?`)

// Errors about a Constraint as a whole.
var (
	unknownFields = regexp.MustCompile(`unknown fields: \[([^\]]*)\]`)
	wrongVersion  = regexp.MustCompile(`unsupported version "([^"]*)" for Constraint`)
	wrongType     = regexp.MustCompile(`in body must be of type (\w+): "(\w+)"`)
	wrongAction   = regexp.MustCompile(`unrecognized enforcementAction: (.*) is not within the supported list \[([^\]]*)\]`)
)

// constraintFindings says what is wrong with a Constraint, each thing at its
// field.
func constraintFindings(o *object.Object, err error) []diag.Finding {
	msg := oneLine(err.Error())
	for _, p := range frameworkPrefixes {
		msg = strings.TrimPrefix(msg, p)
	}
	finding := func(path, msg string) diag.Finding {
		return diag.Finding{ID: FindingConstraint, Message: msg, Object: o.String(), Path: path}
	}
	var out []diag.Finding
	if m := unknownFields.FindStringSubmatch(msg); m != nil {
		for _, path := range strings.Fields(strings.ReplaceAll(m[1], ",", " ")) {
			out = append(out, finding(path, "the template's schema has no such field"))
		}
		return out
	}
	switch {
	case wrongVersion.MatchString(msg):
		return []diag.Finding{finding("apiVersion", fmt.Sprintf("Constraints have no version %q, only v1beta1 and v1alpha1", wrongVersion.FindStringSubmatch(msg)[1]))}
	case errors.Is(err, util.ErrEnforcementAction):
		path := "spec.enforcementAction"
		if a, _, _ := strings.Cut(msg, " "); a != "unrecognized" {
			path = "spec.scopedEnforcementActions"
		}
		if m := wrongAction.FindStringSubmatch(msg); m != nil {
			msg = fmt.Sprintf("%s is not allowed, only %s are", strings.Trim(m[1], "[]"), strings.ReplaceAll(m[2], " ", ", "))
		}
		return []diag.Finding{finding(path, msg)}
	case strings.Contains(msg, "scopedEnforcementActions is required"):
		return []diag.Finding{finding("spec.scopedEnforcementActions", "the field is missing, which enforcementAction scoped needs")}
	}
	at := fieldError.FindAllStringSubmatchIndex(msg, -1)
	for i, m := range at {
		end := len(msg)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		rest := strings.TrimSuffix(strings.TrimSpace(msg[m[1]:end]), ",")
		if i+1 == len(at) && strings.HasPrefix(msg, "[") {
			rest = strings.TrimSuffix(rest, "]")
		}
		path := selectorPath(o, msg[m[2]:m[3]])
		if _, err := ParsePath(path); err != nil {
			path = "spec"
		}
		out = append(out, finding(path, fieldMessage(msg[m[2]:m[3]], msg[m[4]:m[5]], rest)))
	}
	if len(out) == 0 {
		out = []diag.Finding{finding("spec", plain(errors.New(msg)))}
	}
	return out
}

// fieldMessage words one error of API machinery.
func fieldMessage(field, kind, rest string) string {
	value, why, _ := strings.Cut(rest, ": ")
	why = strings.TrimPrefix(strings.TrimPrefix(why, field+" "), "in body ")
	switch m := wrongType.FindStringSubmatch(rest); {
	case m != nil:
		return fmt.Sprintf("%s stands where %s is expected", jsonKind(m[2]), jsonKind(m[1]))
	case kind == "Required value":
		return "the field is missing"
	case kind == "Unsupported value":
		return fmt.Sprintf("%s is not allowed, only %s are", value, strings.TrimPrefix(why, "supported values: "))
	case why == "":
		return strings.ToLower(kind[:1]) + kind[1:] + ": " + rest
	}
	return fmt.Sprintf("%s is not allowed: %s", value, why)
}

// jsonKind names a type of JSON schema.
func jsonKind(t string) string {
	switch t {
	case "array":
		return "a list"
	case "object":
		return "a map"
	case "bool", "boolean":
		return "true or false"
	case "integer":
		return "a whole number"
	}
	return "a " + t
}

// selectorPath mends the path that Gatekeeper's target gives for both selectors
// of a match (pkg/target, ValidateConstraint).
func selectorPath(o *object.Object, path string) string {
	rest, ok := strings.CutPrefix(path, "spec.labelSelector")
	if !ok {
		return path
	}
	spec, _ := o.Tree()["spec"].(map[string]any)
	match, _ := spec["match"].(map[string]any)
	if _, has := match["labelSelector"]; has {
		return "spec.match.labelSelector" + rest
	}
	return "spec.match.namespaceSelector" + rest
}

// schemaPath is the root of a template's parameters in the CRD that is made of
// it (frameworks/constraint, client/crds).
const schemaPath = "spec.validation.openAPIV3Schema.properties[spec].properties[parameters]"

var schemaError = regexp.MustCompile(`^` + regexp.QuoteMeta(schemaPath) + `([^:]*): ([A-Z][a-z ]+): (.*)$`)

// refusedTemplate says what is wrong with a template.
func refusedTemplate(o *object.Object, err error) diag.Finding {
	msg := plain(err)
	for _, p := range frameworkPrefixes {
		msg = strings.TrimPrefix(msg, p)
	}
	f := templateFinding(o, FindingTemplate, msg)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		f.Path = wrong.Field
	}
	if m := schemaError.FindStringSubmatch(msg); m != nil {
		f.Path = "spec.crd.spec.validation.openAPIV3Schema" + strings.NewReplacer("[", ".", "]", "").Replace(m[1])
		f.Message = fieldMessage("", m[2], m[3])
	}
	return f
}
