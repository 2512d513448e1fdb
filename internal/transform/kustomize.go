package transform

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/yaml"

	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// matcher tells which objects a patch is meant for, as kustomize decides it.
type matcher struct {
	// selector of a target; nil when the patch itself names its objects.
	selector            *types.SelectorRegex
	labels, annotations labels.Selector
	named               []object.ID
}

func newMatcher(p model.Patch) (*matcher, error) {
	if strings.TrimSpace(p.Patch) == "" {
		return nil, errors.New("it is empty")
	}
	if p.Target == nil {
		ids, err := named(p.Patch)
		return &matcher{named: ids}, err
	}
	m := &matcher{}
	var err error
	if m.selector, err = types.NewSelectorRegex(selector(*p.Target)); err != nil {
		return nil, err
	}
	if m.labels, err = labels.Parse(p.Target.LabelSelector); err != nil {
		return nil, err
	}
	if m.annotations, err = labels.Parse(p.Target.AnnotationSelector); err != nil {
		return nil, err
	}
	return m, nil
}

func selector(t model.Target) *types.Selector {
	return &types.Selector{
		ResId: resid.ResId{
			Gvk:  resid.Gvk{Group: t.Group, Version: t.Version, Kind: t.Kind},
			Name: t.Name, Namespace: t.Namespace,
		},
		LabelSelector:      t.LabelSelector,
		AnnotationSelector: t.AnnotationSelector,
	}
}

func (m *matcher) matches(o *object.Object) bool {
	if m.selector == nil {
		for _, id := range m.named {
			if id.Key() == o.Key() {
				return true
			}
		}
		return false
	}
	return m.selector.MatchGvk(resid.NewGvk(o.Group, o.Version, o.Kind)) &&
		m.selector.MatchName(o.Name) &&
		m.selector.MatchNamespace(o.Namespace) &&
		m.labels.Matches(labels.Set(o.Labels())) &&
		m.annotations.Matches(labels.Set(o.Annotations()))
}

// named lists the objects that a strategic merge patch names.
func named(patch string) ([]object.ID, error) {
	var ids []object.ID
	d := utilyaml.NewYAMLToJSONDecoder(strings.NewReader(patch))
	for {
		var t map[string]any
		switch err := d.Decode(&t); {
		case errors.Is(err, io.EOF):
			if len(ids) == 0 {
				return nil, errors.New("it is empty")
			}
			return ids, nil
		case err != nil:
			return nil, errors.New("without a target it must be objects in YAML that name what they patch")
		case t == nil:
			continue
		}
		o, err := object.FromTree("", t)
		if err != nil {
			return nil, fmt.Errorf("%w: a patch without target names its object", err)
		}
		ids = append(ids, o.ID)
	}
}

// kustomize runs one patch over a unit's objects.
func kustomize(objs []*object.Object, p model.Patch) ([]*object.Object, error) {
	k := types.Kustomization{
		TypeMeta:  types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind},
		Resources: []string{"objects.yaml"},
		Patches:   []types.Patch{{Patch: p.Patch}},
	}
	if p.Target != nil {
		k.Patches[0].Target = selector(*p.Target)
	}
	kb, err := yaml.Marshal(k)
	if err != nil {
		return nil, err
	}
	var in strings.Builder
	for _, o := range objs {
		in.WriteString("---\n")
		in.Write(o.JSON) // JSON is YAML
		in.WriteString("\n")
	}
	fsys := filesys.MakeFsInMemory()
	if err := fsys.WriteFile("kustomization.yaml", kb); err != nil {
		return nil, err
	}
	if err := fsys.WriteFile("objects.yaml", []byte(in.String())); err != nil {
		return nil, err
	}
	res, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fsys, ".")
	if err != nil {
		return nil, err
	}
	was := map[object.ID]*object.Object{}
	for _, o := range objs {
		was[o.ID] = o
	}
	var out []*object.Object
	for _, r := range res.Resources() {
		b, err := r.MarshalJSON()
		if err != nil {
			return nil, err
		}
		o, err := object.New("", b)
		if err != nil {
			return nil, err
		}
		if w := was[o.ID]; w != nil {
			if string(w.JSON) == string(o.JSON) {
				o = w
			} else if o, err = object.New(w.Field, b); err != nil {
				return nil, err
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// unmatchedText is what kustomize says of a patch of several objects one of
// which is not there: "Namespace.v1.[noGrp]/name.[noNs]" is resid.ResId's form.
var unmatchedText = regexp.MustCompile(`no matches for Id ([A-Za-z0-9]+)\.\S+?/(\S+?)\.\S+;`)

// cause is the last and telling part of kustomize's wrapped errors.
func cause(err error) string {
	s := err.Error()
	if m := unmatchedText.FindStringSubmatch(s); m != nil {
		return fmt.Sprintf("its %s %s is no object of this unit", m[1], m[2])
	}
	if strings.Contains(s, "unable to parse SM or JSON patch") {
		return "it is neither a strategic merge patch nor a JSON 6902 patch in YAML"
	}
	if i := strings.LastIndex(s, ": error: "); i >= 0 {
		s = s[i+len(": error: "):]
	}
	return strings.TrimSpace(strings.ReplaceAll(s, "\n", " "))
}
