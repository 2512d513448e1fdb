package kubecheck

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// webhook judges webhook configurations and admission policies of the
// platform's own.
func (w *world) webhook(o *object.Object, guarded []namespace) []diag.Finding {
	switch o.Kind {
	case "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration":
		var out []diag.Finding
		for i, h := range structs(o.Tree(), "webhooks") {
			if f, ok := w.failing(o, h, guarded); ok {
				f.Path = fmt.Sprintf("webhooks[%d]", i)
				if str(h, "failurePolicy") != "" {
					f.Path += ".failurePolicy"
				}
				out = append(out, f)
			}
		}
		return out
	case "ValidatingAdmissionPolicyBinding":
		return w.binding(o, guarded)
	}
	return nil
}

// failing judges one webhook, whose failurePolicy is Fail unless it says Ignore
// (admissionregistration.k8s.io/v1).
func (w *world) failing(o *object.Object, h map[string]any, guarded []namespace) (diag.Finding, bool) {
	if str(h, "failurePolicy") == "Ignore" {
		return diag.Finding{}, false
	}
	name, service := str(h, "name"), str(h, "clientConfig", "service", "namespace")
	selector, _ := h["namespaceSelector"].(map[string]any)
	objects, _ := h["objectSelector"].(map[string]any)
	rules := structs(h, "rules")
	if optsIn(objects) {
		return diag.Finding{}, false // about objects that ask for it
	}
	var stopped []namespace
	for _, ns := range withServer(w, guarded, service, o) {
		if selects(selector, ns.labels) && slices.ContainsFunc(rules, func(r map[string]any) bool { return asked(r, "Namespaced", workloadResources()) }) {
			stopped = append(stopped, ns)
		}
	}
	nodes := slices.ContainsFunc(rules, func(r map[string]any) bool { return asked(r, "Cluster", map[string][]string{"": {"nodes"}}) })
	conditions := len(structs(h, "matchConditions")) > 0
	leave := "leave the namespaces out by namespaceSelector, or set failurePolicy to Ignore"
	f := diag.Finding{ID: IDFailClosed, Hint: leave}
	switch {
	case len(stopped) > 0 && service != "" && !conditions:
		f.ID = stands(stopped)
		f.Message = fmt.Sprintf("while its server in %s does not answer, webhook %s refuses what is created in %s, on a restart too", service, name, list(stopped))
	case len(stopped) > 0 && service != "":
		f.Message = fmt.Sprintf("while its server in %s does not answer, webhook %s refuses what is created in %s, unless its matchConditions leave that out", service, name, list(stopped))
	case len(stopped) > 0:
		f.Message = fmt.Sprintf("while its server does not answer, webhook %s refuses what is created in %s", name, list(stopped))
	case nodes && !conditions:
		f.Message = fmt.Sprintf("while its server does not answer, webhook %s refuses Nodes: none can join", name)
		f.Hint = "leave nodes out of the rules, or set failurePolicy to Ignore"
	default:
		return f, false
	}
	return f, true
}

// injectAnnotation has cert-manager write the certificate's authority into a
// webhook configuration (cert-manager.io/docs/concepts/ca-injector).
const injectAnnotation = "cert-manager.io/inject-ca-from"

// withServer are the guarded namespaces with those of the webhook's own server
// and of cert-manager, when that makes its certificate: without them it never
// answers.
func withServer(w *world, guarded []namespace, service string, o *object.Object) []namespace {
	out := slices.Clone(guarded)
	add := func(name, why string) {
		if name != "" && !slices.ContainsFunc(out, func(ns namespace) bool { return ns.name == name }) {
			out = append(out, w.labelled(name, why))
		}
	}
	add(service, "its own server")
	if service != "" && o.Annotations()[injectAnnotation] != "" {
		for _, r := range w.releases {
			if r.chart == "cert-manager" {
				add(r.namespace, "cert-manager, which makes its certificate")
			}
		}
	}
	slices.SortFunc(out, func(a, b namespace) int { return strings.Compare(a.name, b.name) }) // for determinism
	return out
}

// workloadResources are the resources of what workload names by kind.
func workloadResources() map[string][]string {
	return map[string][]string{
		"":      {"pods"},
		"apps":  {"deployments", "daemonsets", "statefulsets", "replicasets"},
		"batch": {"jobs"},
	}
}

// asked tells whether a rule of a webhook is about creating any of the
// resources, which are in a namespace or not.
func asked(rule map[string]any, scope string, resources map[string][]string) bool {
	if s := first(str(rule, "scope"), "*"); s != "*" && s != scope {
		return false
	}
	operations := texts(rule["operations"])
	if !slices.Contains(operations, "*") && !slices.Contains(operations, "CREATE") {
		return false
	}
	groups, names := texts(rule["apiGroups"]), texts(rule["resources"])
	for group, rs := range resources {
		if !slices.Contains(groups, "*") && !slices.Contains(groups, group) {
			continue
		}
		if slices.Contains(names, "*") || slices.Contains(names, "*/*") {
			return true
		}
		if slices.ContainsFunc(rs, func(r string) bool { return slices.Contains(names, r) }) {
			return true
		}
	}
	return false
}

// binding judges a ValidatingAdmissionPolicyBinding that denies. The policy's
// expressions are not evaluated, so it is one that may refuse.
func (w *world) binding(o *object.Object, guarded []namespace) []diag.Finding {
	t := o.Tree()
	policy, ok := w.objects[object.ID{Group: o.Group, Kind: "ValidatingAdmissionPolicy", Name: str(t, "spec", "policyName")}]
	if !ok || !slices.Contains(texts(value(t, "spec", "validationActions")), "Deny") {
		return nil
	}
	p := policy.object.Tree()
	if len(structs(p, "spec", "matchConditions")) > 0 {
		return nil // which are for leaving things out, and are not evaluated here
	}
	constraints, _ := value(p, "spec", "matchConstraints").(map[string]any)
	narrower, _ := value(t, "spec", "matchResources").(map[string]any)
	var stopped []namespace
	for _, ns := range guarded {
		if resourceMatch(constraints, ns, false) && resourceMatch(narrower, ns, true) {
			stopped = append(stopped, ns)
		}
	}
	if len(stopped) == 0 {
		return nil
	}
	return []diag.Finding{{ID: stands(stopped), Path: "spec",
		Message: "the policy decides about the workloads of " + list(stopped) + ": what it refuses there cannot start again",
		Hint:    "leave the namespaces out by matchResources: namespaceSelector",
	}}
}

// resourceMatch is the MatchResources of an admission policy or its binding,
// without rules for all when the binding may leave them out.
func resourceMatch(m map[string]any, ns namespace, all bool) bool {
	namespaces, _ := m["namespaceSelector"].(map[string]any)
	objects, _ := m["objectSelector"].(map[string]any)
	if !selects(namespaces, ns.labels) || optsIn(objects) {
		return false
	}
	rules := structs(m, "resourceRules")
	return len(rules) == 0 && all || slices.ContainsFunc(rules, func(r map[string]any) bool { return asked(r, "Namespaced", workloadResources()) })
}

// selects evaluates a label selector; an empty one selects everything, and one
// that the API server would refuse nothing.
func selects(selector map[string]any, set map[string]string) bool {
	if len(selector) == 0 {
		return true
	}
	var s metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(selector, &s); err != nil {
		return false
	}
	l, err := metav1.LabelSelectorAsSelector(&s)
	return err == nil && l.Matches(labels.Set(set))
}

// optsIn tells whether a selector of objects takes only those that carry a
// label: what nobody marked is left alone.
func optsIn(selector map[string]any) bool { return !selects(selector, nil) }
