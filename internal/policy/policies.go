package policy

import (
	"slices"

	"github.com/contain-platform/contain/internal/object"
)

// Policies are the objects of one cluster that Gatekeeper takes instructions
// from.
type Policies struct {
	Templates   []*object.Object // ConstraintTemplates
	Constraints []*object.Object
	Config      []*object.Object // Gatekeeper reads one, named config
	SyncSets    []*object.Object
	Mutators    []*object.Object // Assign, AssignMetadata, ModifySet, AssignImage
	Expansions  []*object.Object // ExpansionTemplates
}

// Select picks the policies out of a cluster's objects, in their order.
func Select(objs []*object.Object) Policies {
	var p Policies
	for _, o := range objs {
		if list := p.list(o); list != nil {
			*list = append(*list, o)
		}
	}
	return p
}

// list is where an object belongs; nil when it is no policy. The groups are
// those of gatekeeper's apis/ and of frameworks/constraint.
func (p *Policies) list(o *object.Object) *[]*object.Object {
	switch {
	case o.Group == "templates.gatekeeper.sh" && o.Kind == "ConstraintTemplate":
		return &p.Templates
	case o.Group == "constraints.gatekeeper.sh":
		return &p.Constraints
	case o.Group == "config.gatekeeper.sh" && o.Kind == "Config":
		return &p.Config
	case o.Group == "syncset.gatekeeper.sh" && o.Kind == "SyncSet":
		return &p.SyncSets
	case o.Group == "mutations.gatekeeper.sh":
		return &p.Mutators
	case o.Group == "expansion.gatekeeper.sh" && o.Kind == "ExpansionTemplate":
		return &p.Expansions
	}
	return nil
}

// lists are all lists in a fixed order.
func (p *Policies) lists() []*[]*object.Object {
	return []*[]*object.Object{&p.Templates, &p.Constraints, &p.Config, &p.SyncSets, &p.Mutators, &p.Expansions}
}

// sorted is a copy, each list in order.
func (p Policies) sorted() Policies {
	for _, l := range p.lists() {
		*l = slices.Clone(*l)
		object.Sort(*l)
	}
	return p
}

// fingerprint is of all that the policies say.
func (p Policies) fingerprint() fingerprint {
	var lists [][]*object.Object
	for _, l := range p.lists() {
		lists = append(lists, *l)
	}
	return hashObjects(lists...)
}
