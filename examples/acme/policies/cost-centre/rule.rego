# METADATA
# title: Cost centre
# description: Workloads say who pays for them.
package acme.costcentre

label := "acme.example/cost-centre"

violation contains {"msg": msg, "details": {"path": path}} if {
	not regex.match(input.parameters.pattern, cost_centre)
	msg := sprintf("label %s must match %s", [label, input.parameters.pattern])
	path := sprintf("metadata.labels[%q]", [label])
}

default cost_centre := ""

cost_centre := input.review.object.metadata.labels[label]
