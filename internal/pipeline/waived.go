package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/policy"
	"github.com/contain-platform/contain/internal/render"
	"github.com/contain-platform/contain/internal/waiver"
)

// constraintsTemplate makes the Constraints, waivers compiled in.
const constraintsTemplate = "policies-constraints"

// waived judges a cluster that has waivers twice: by its Constraints as they
// would be without waivers, and what these refuse by those that the cluster
// gets. A waiver has to let pass the same in both: where Gatekeeper would still
// refuse, and where it would let pass more, the build fails.
//
// Objects that the stricter Constraints let pass are not judged again: waivers
// only ever narrow a match.
func (r *reviewer) waived(ctx context.Context, c render.Cluster, emitted *policy.Set, all []*object.Object, units map[*object.Object]string) ([]diag.Finding, error) {
	strict, found := r.unwaived(c)
	if diag.HasErrors(found) {
		return found, nil
	}
	set, found := r.compiler.Compile(policy.Select(strict), r.opts)
	if diag.HasErrors(found) {
		for i := range found {
			found[i].Cluster = c.Name
		}
		return found, nil
	}
	violations, err := set.Review(ctx, all, all)
	if err != nil {
		return nil, err
	}
	var again []*object.Object
	waivers := make([]*diag.Waiver, len(violations))
	made := map[*object.Object]maker{}
	for i, v := range violations {
		if len(again) == 0 || again[len(again)-1] != v.Object {
			again = append(again, v.Object)
		}
		if v.Failed {
			continue // a policy that gave no verdict is no matter of waivers
		}
		if waivers[i] = r.gov.book.Find(v.Rule, c.Name, waiver.Of(v.Object)); waivers[i] != nil {
			for _, o := range makes(v.Object) {
				made[o] = maker{v.Object, waivers[i].Name, v.Rule}
				again = append(again, o)
			}
		}
	}
	refused, err := emitted.Review(ctx, again, all)
	if err != nil {
		return nil, err
	}
	return r.compare(c.Name, violations, waivers, refused, made, units), nil
}

// maker is a workload that a waiver lets pass.
type maker struct {
	workload     *object.Object
	waiver, rule string
}

// verdict is a violation as far as both sets of Constraints have it in common.
type verdict struct {
	object              *object.Object
	rule, message, path string
}

func verdictOf(v policy.Violation) verdict { return verdict{v.Object, v.Rule, v.Message, v.Path} }

// compare says what comes of violations, the waivers that let them pass if any,
// and what the emitted Constraints refuse.
func (r *reviewer) compare(cluster string, violations []policy.Violation, waivers []*diag.Waiver, refused []policy.Violation, made map[*object.Object]maker, units map[*object.Object]string) []diag.Finding {
	book := r.gov.book
	var out []diag.Finding
	still := map[verdict]bool{}
	pods := map[maker][]*object.Object{}
	for _, v := range refused {
		still[verdictOf(v)] = true
		if m, ok := made[v.Object]; ok && m.rule == v.Rule && !slices.Contains(pods[m], v.Object) {
			pods[m] = append(pods[m], v.Object)
		}
	}
	for m, objs := range pods {
		var kinds []string
		for _, o := range objs {
			kinds = append(kinds, o.Kind)
		}
		slices.Sort(kinds)
		out = append(out, book.Pods(m.waiver, m.rule, cluster, m.workload.String(), slices.Compact(kinds), objs[0].Labels()))
	}
	for i, v := range violations {
		f := finding(v, cluster, units)
		switch refuses := still[verdictOf(v)]; {
		case waivers[i] != nil && refuses:
			out = append(out, book.Refused(waivers[i].Name, v.Rule, cluster, v.Object.String()))
		case waivers[i] != nil:
			f.Severity, f.Waiver = diag.Info, waivers[i]
			out = append(out, f)
		case refuses || v.Failed:
			out = append(out, f)
		default:
			f.ID, f.Severity = waiver.Admission, diag.Error
			f.Message = fmt.Sprintf("Gatekeeper would let it pass, and no waiver says so: %s: %s", v.Rule, v.Message)
			out = append(out, f)
		}
	}
	return out
}

// unwaived are a cluster's objects with the Constraints as they would be
// without waivers: the catalog makes them again.
func (r *reviewer) unwaived(c render.Cluster) ([]*object.Object, []diag.Finding) {
	var out []*object.Object
	for _, u := range c.Units {
		if u.Template != constraintsTemplate {
			out = append(out, u.Objects...)
			continue
		}
		objs, ok := r.strict[string(u.In)]
		if !ok {
			in, err := withoutWaivers(u.In)
			if err != nil {
				return nil, []diag.Finding{{ID: waiver.Admission, Message: err.Error(), Cluster: c.Name, Unit: u.Name}}
			}
			var found []diag.Finding
			if objs, found = r.renderer.Render(u.Template, in); found != nil {
				for i := range found {
					found[i].Cluster, found[i].Unit = c.Name, u.Name
				}
				return nil, found
			}
			r.strict[string(u.In)] = objs
		}
		out = append(out, objs...)
	}
	return out, nil
}

// withoutWaivers takes the waivers out of the inputs of constraintsTemplate.
func withoutWaivers(in []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(in, &fields); err != nil {
		return nil, err
	}
	delete(fields, "waivers")
	var rules map[string]map[string]json.RawMessage
	if err := json.Unmarshal(fields["rules"], &rules); err != nil {
		return nil, err
	}
	for _, r := range rules {
		delete(r, "waivers")
	}
	b, err := json.Marshal(rules)
	if err != nil {
		return nil, err
	}
	fields["rules"] = b
	return json.Marshal(fields)
}

// templates says where workloads hold what they make, and of which kind that
// is (k8s.io/api, apps/v1, batch/v1, core/v1).
var templates = map[string][]struct {
	kind, apiVersion string
	at               []string
}{
	"Deployment":            {{"ReplicaSet", "apps/v1", nil}, {"Pod", "v1", []string{"spec", "template"}}},
	"ReplicaSet":            {{"Pod", "v1", []string{"spec", "template"}}},
	"StatefulSet":           {{"Pod", "v1", []string{"spec", "template"}}},
	"DaemonSet":             {{"Pod", "v1", []string{"spec", "template"}}},
	"ReplicationController": {{"Pod", "v1", []string{"spec", "template"}}},
	"Job":                   {{"Pod", "v1", []string{"spec", "template"}}},
	"CronJob": {
		{"Job", "batch/v1", []string{"spec", "jobTemplate"}},
		{"Pod", "v1", []string{"spec", "jobTemplate", "spec", "template"}},
	},
}

// makes are the objects that controllers make of a workload, which admission
// sees one by one: a waiver of a Deployment is of no use when its Pods are
// refused. Their names are the workload's; controllers add to them.
func makes(o *object.Object) []*object.Object {
	if !slices.Contains([]string{"", "apps", "batch"}, o.Group) {
		return nil
	}
	var out []*object.Object
	for _, t := range templates[o.Kind] {
		var tree map[string]any
		if t.at == nil {
			// A ReplicaSet has the Deployment's template, and its labels.
			spec := at(o.Tree(), "spec")
			tree = map[string]any{
				"metadata": map[string]any{"labels": at(spec, "template", "metadata")["labels"]},
				"spec":     map[string]any{"replicas": spec["replicas"], "selector": spec["selector"], "template": spec["template"]},
			}
		} else {
			from := at(o.Tree(), t.at...)
			tree = map[string]any{"metadata": at(from, "metadata"), "spec": from["spec"]}
		}
		meta := map[string]any{}
		for k, v := range at(tree, "metadata") {
			if v != nil {
				meta[k] = v
			}
		}
		meta["name"] = o.Name
		if o.Namespace != "" {
			meta["namespace"] = o.Namespace
		}
		tree["metadata"], tree["kind"], tree["apiVersion"] = meta, t.kind, t.apiVersion
		if made, err := object.FromTree("", tree); err == nil {
			out = append(out, made)
		}
	}
	return out
}

// at is the struct at a path, empty when there is none.
func at(tree map[string]any, path ...string) map[string]any {
	for _, p := range path {
		tree, _ = tree[p].(map[string]any)
	}
	return tree
}
