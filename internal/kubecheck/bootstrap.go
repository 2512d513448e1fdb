package kubecheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/render"
)

// startsWith are the components that a cluster starts with: what applies its
// artifact, what gives Pods addresses, what lets Nodes take Pods, and admission
// itself.
func startsWith(component string) bool {
	switch component {
	case "flux", "cni", "cpi", "gatekeeper":
		return true
	}
	return false
}

// bootstrap finds what stands between a cluster and what it starts with, at the
// first start and when it starts again.
func (w *world) bootstrap() []diag.Finding {
	var policies, webhooks []place
	for i := range w.units {
		u := &w.units[i]
		for _, o := range u.Objects {
			switch o.Group {
			case constraintGroup, "mutations.gatekeeper.sh", "templates.gatekeeper.sh":
				policies = append(policies, place{u, o})
			case "admissionregistration.k8s.io":
				webhooks = append(webhooks, place{u, o})
			}
		}
	}
	if len(policies) == 0 && len(webhooks) == 0 && len(w.gatekeepers()) == 0 {
		return nil
	}
	guarded := w.guarded()
	out := w.gatekeeper(guarded)
	keeper := w.admission()
	for _, p := range policies {
		if f, ok := keeper.stops(p.object, guarded); ok {
			f.Unit, f.Object = p.unit.Name, p.object.String()
			out = append(out, f)
		}
	}
	for _, h := range webhooks {
		for _, f := range w.webhook(h.object, guarded) {
			f.Unit, f.Object = h.unit.Name, h.object.String()
			out = append(out, f)
		}
	}
	return out
}

// namespace is a Namespace and its labels, as a selector sees them.
type namespace struct {
	name   string
	labels map[string]string
	why    string // what of the start is in it
	// beneath: only something that the start depends on is in it. It comes back
	// when the rest does, unless its absence is what keeps the rest away.
	beneath bool
}

// stands is the id of a finding about namespaces that are stood in the way of:
// a deadlock, unless all of them are beneath.
func stands(namespaces []namespace) string {
	if slices.ContainsFunc(namespaces, func(ns namespace) bool { return !ns.beneath }) {
		return IDDeadlock
	}
	return IDFailClosed
}

// guarded are the namespaces of what a cluster starts with and of everything
// that this depends on, sorted by name.
func (w *world) guarded() []namespace {
	why := map[string]string{"kube-system": "Kubernetes itself"}
	beneath := map[string]bool{}
	if slices.ContainsFunc(w.units, func(u render.Unit) bool { return u.Component == "flux" }) {
		why["flux-system"] = "Flux"
	}
	for i := range w.units {
		u := &w.units[i]
		for _, start := range w.units {
			if !startsWith(start.Component) || u.Name != start.Name && !reaches(w.dependsOn, start.Name, u.Name) {
				continue
			}
			for _, o := range u.Objects {
				if o.Group == "" && o.Kind == "Namespace" && why[o.Name] == "" {
					why[o.Name], beneath[o.Name] = "unit "+u.Name, !startsWith(u.Component)
				}
			}
		}
	}
	var out []namespace
	for _, name := range slices.Sorted(maps.Keys(why)) {
		ns := w.labelled(name, why[name])
		ns.beneath = beneath[name]
		out = append(out, ns)
	}
	return out
}

// labelled is a namespace with the labels that the API server and the artifact
// give it.
func (w *world) labelled(name, why string) namespace {
	ns := namespace{name: name, why: why, labels: map[string]string{}}
	if at, ok := w.objects[object.ID{Kind: "Namespace", Name: name}]; ok {
		maps.Copy(ns.labels, at.object.Labels())
	}
	ns.labels["kubernetes.io/metadata.name"] = name
	return ns
}

// gatekeepers are the releases of Gatekeeper's chart.
func (w *world) gatekeepers() []release {
	return slices.DeleteFunc(slices.Clone(w.releases), func(r release) bool { return r.chart != "gatekeeper" })
}

// ignoreLabel on a namespace keeps Gatekeeper's webhooks away
// (open-policy-agent.github.io/gatekeeper/website/docs/exempt-namespaces).
const ignoreLabel = "admission.gatekeeper.sh/ignore"

// asks tells whether Gatekeeper's webhook is asked about a namespace, by the
// value of the chart that holds the labels which exempt one. The chart adds its
// own namespace.
func asks(r release, key string, ns namespace) bool {
	if _, ignored := ns.labels[ignoreLabel]; ignored || ns.name == r.namespace {
		return false
	}
	exempt, _ := r.values()[key].(map[string]any)
	for label, values := range exempt {
		if v, ok := ns.labels[label]; ok && slices.Contains(texts(values), v) {
			return false
		}
	}
	return true
}

// gatekeeper judges the failure mode of Gatekeeper's own webhooks.
func (w *world) gatekeeper(guarded []namespace) []diag.Finding {
	var out []diag.Finding
	for _, r := range w.gatekeepers() {
		for _, kind := range []string{"validating", "mutating"} {
			disabled := map[string]string{"validating": "disableValidatingWebhook", "mutating": "disableMutation"}[kind]
			policy := kind + "WebhookFailurePolicy"
			values := r.values()
			if off, _ := values[disabled].(bool); off || values[policy] != "Fail" {
				continue // the chart's default is Ignore
			}
			add := func(id, message, hint string) {
				out = append(out, diag.Finding{ID: id, Unit: r.unit.Name, Object: r.object.String(), Path: "spec.values." + policy, Message: message, Hint: hint})
			}
			exempt := kind + "WebhookExemptNamespacesLabels"
			var stopped []namespace
			for _, ns := range guarded {
				if asks(r, exempt, ns) {
					stopped = append(stopped, ns)
				}
			}
			conditions, _ := values[kind+"WebhookMatchConditions"].([]any)
			selector, _ := values[kind+"WebhookObjectSelector"].(map[string]any)
			narrowed := len(conditions) > 0 || len(selector) > 0 || values[kind+"WebhookCustomRules"] != nil
			scope, _ := values[kind+"WebhookScope"].(string)
			switch {
			case len(stopped) > 0 && !narrowed:
				add(stands(stopped), fmt.Sprintf("while Gatekeeper does not answer, its %s webhook refuses what is created or changed in %s, on a restart too", kind, list(stopped)),
					"exempt the namespaces in "+exempt+", or leave the failure policy at Ignore")
			case len(stopped) > 0:
				add(IDFailClosed, fmt.Sprintf("while Gatekeeper does not answer, its %s webhook may refuse what is created or changed in %s", kind, list(stopped)),
					"exempt the namespaces in "+exempt)
			case scope != "Namespaced" && !narrowed:
				add(IDFailClosed, fmt.Sprintf("while Gatekeeper does not answer, its %s webhook refuses objects without a namespace: no Node can join", kind),
					"set "+kind+"WebhookScope to Namespaced, or leave Nodes out by a match condition")
			}
		}
	}
	return out
}

func list(namespaces []namespace) string {
	var out []string
	for _, ns := range namespaces {
		out = append(out, fmt.Sprintf("%s (%s)", ns.name, ns.why))
	}
	return strings.Join(out, ", ")
}

// admission is Gatekeeper as far as it decides which namespaces policies reach.
type admission struct {
	releases []release
	configs  []*object.Object
}

func (w *world) admission() admission {
	a := admission{releases: w.gatekeepers()}
	for _, u := range w.units {
		for _, o := range u.Objects {
			if o.Group == "config.gatekeeper.sh" && o.Kind == "Config" {
				a.configs = append(a.configs, o)
			}
		}
	}
	return a
}

// reaches tells whether Gatekeeper is asked about a namespace: by its webhook's
// labels, and by the Config's exclusions for the process.
func (a admission) reaches(ns namespace, process, exempt string) bool {
	for _, r := range a.releases {
		if !asks(r, exempt, ns) {
			return false
		}
	}
	for _, c := range a.configs {
		for _, m := range structs(c.Tree(), "spec", "match") {
			processes := texts(m["processes"])
			if !slices.Contains(processes, "*") && !slices.Contains(processes, process) {
				continue
			}
			if slices.ContainsFunc(texts(m["excludedNamespaces"]), func(p string) bool { return glob(p, ns.name) }) {
				return false
			}
		}
	}
	return true
}

// glob is Gatekeeper's wildcard: "*" in front, at the end, or both
// (gatekeeper pkg/wildcard).
func glob(pattern, s string) bool {
	front, back := strings.HasPrefix(pattern, "*"), strings.HasSuffix(pattern, "*")
	bare := strings.TrimSuffix(strings.TrimPrefix(pattern, "*"), "*")
	switch {
	case front && back:
		return strings.Contains(s, bare)
	case front:
		return strings.HasSuffix(s, bare)
	case back:
		return strings.HasPrefix(s, bare)
	}
	return pattern == s
}

// stops judges a policy of Gatekeeper's.
func (a admission) stops(o *object.Object, guarded []namespace) (diag.Finding, bool) {
	t := o.Tree()
	switch {
	case o.Group == "templates.gatekeeper.sh":
		return generated(o, t)
	case len(a.releases) == 0:
		return diag.Finding{}, false // nobody asks
	case o.Group == constraintGroup && denies(t):
		f := diag.Finding{ID: IDDeadlock, Path: "spec.match"}
		if reached := a.reached(t, guarded, "webhook", "validatingWebhookExemptNamespacesLabels", constrained(t)); len(reached) > 0 {
			f.ID = stands(reached)
			f.Message = "at admission the Constraint decides about the workloads of " + list(reached) + ": what it refuses there cannot start again"
			f.Hint = "name the namespaces in excludedNamespaces"
			return f, true
		}
	case o.Group == "mutations.gatekeeper.sh":
		if len(a.releases) > 0 && a.releases[0].values()["disableMutation"] == true {
			return diag.Finding{}, false
		}
		if reached := a.reached(t, guarded, "mutation-webhook", "mutatingWebhookExemptNamespacesLabels", mutated(o, t)); len(reached) > 0 {
			return diag.Finding{ID: IDMutation, Path: "spec",
				Message: "the mutator changes the workloads of " + list(reached),
				Hint:    "name the namespaces in match: excludedNamespaces"}, true
		}
	}
	return diag.Finding{}, false
}

// reached are the guarded namespaces that a policy is asked about.
func (a admission) reached(t map[string]any, guarded []namespace, process, exempt string, workloads bool) []namespace {
	if !workloads {
		return nil
	}
	var out []namespace
	for _, ns := range guarded {
		if inMatch(t, ns) && a.reaches(ns, process, exempt) {
			out = append(out, ns)
		}
	}
	return out
}

// denies tells whether a Constraint refuses at the webhook: enforcementAction
// deny, which is the default, or scoped with deny for the webhook.
func denies(t map[string]any) bool {
	switch str(t, "spec", "enforcementAction") {
	case "", "deny":
		return true
	case "scoped":
		for _, s := range structs(t, "spec", "scopedEnforcementActions") {
			for _, p := range structs(s, "enforcementPoints") {
				name := str(p, "name")
				if str(s, "action") == "deny" && (name == "*" || name == "validation.gatekeeper.sh") {
					return true
				}
			}
		}
	}
	return false
}

// workloads are the kinds that what a cluster starts with consists of.
func workload(group, kind string) bool {
	switch group {
	case "":
		return kind == "Pod" || kind == "*"
	case "apps":
		return slices.Contains([]string{"Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "*"}, kind)
	case "batch":
		return kind == "Job" || kind == "*"
	case "*":
		return slices.Contains([]string{"Pod", "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "Job", "*"}, kind)
	}
	return false
}

// constrained tells whether a Constraint's match has workloads; one without
// kinds has all.
func constrained(t map[string]any) bool {
	kinds := structs(t, "spec", "match", "kinds")
	if len(kinds) == 0 {
		return true
	}
	return slices.ContainsFunc(kinds, func(k map[string]any) bool {
		return anyWorkload(texts(k["apiGroups"]), texts(k["kinds"]))
	})
}

func mutated(o *object.Object, t map[string]any) bool {
	if o.Kind == "AssignMetadata" {
		return constrained(t)
	}
	return slices.ContainsFunc(structs(t, "spec", "applyTo"), func(k map[string]any) bool {
		return anyWorkload(texts(k["groups"]), texts(k["kinds"]))
	})
}

func anyWorkload(groups, kinds []string) bool {
	if len(groups) == 0 {
		groups = []string{"*"}
	}
	if len(kinds) == 0 {
		kinds = []string{"*"}
	}
	for _, g := range groups {
		for _, k := range kinds {
			if workload(g, k) {
				return true
			}
		}
	}
	return false
}

// inMatch tells whether the match of a Constraint or a mutator has a namespace
// (open-policy-agent.github.io/gatekeeper/website/docs/howto, "The match field").
// One that asks for labels of objects or for their names is for objects that
// say so.
func inMatch(t map[string]any, ns namespace) bool {
	m, _ := value(t, "spec", "match").(map[string]any)
	if str(m, "scope") == "Cluster" || str(m, "name") != "" {
		return false
	}
	is := func(p string) bool { return glob(p, ns.name) }
	if in := texts(m["namespaces"]); len(in) > 0 && !slices.ContainsFunc(in, is) {
		return false
	}
	if slices.ContainsFunc(texts(m["excludedNamespaces"]), is) {
		return false
	}
	namespaces, _ := m["namespaceSelector"].(map[string]any)
	objects, _ := m["labelSelector"].(map[string]any)
	return selects(namespaces, ns.labels) && !optsIn(objects)
}

// generated finds templates whose CEL becomes a ValidatingAdmissionPolicy that
// fails while its Constraint is not found (gatekeeper#4530).
func generated(o *object.Object, t map[string]any) (diag.Finding, bool) {
	for i, target := range structs(t, "spec", "targets") {
		for j, c := range structs(target, "code") {
			generate, _ := value(c, "source", "generateVAP").(bool)
			if str(c, "engine") != "K8sNativeValidation" || !generate || str(c, "source", "failurePolicy") == "Ignore" {
				continue
			}
			return diag.Finding{ID: IDFailClosed, Path: fmt.Sprintf("spec.targets[%d].code[%d].source", i, j),
				Message: "the policy that Gatekeeper makes of it for the API server refuses all that it matches while its Constraint is not found, on a restart too",
				Hint:    "set failurePolicy to Ignore in the source",
			}, true
		}
	}
	return diag.Finding{}, false
}
