# METADATA
# title: Label selectors
# description: Kubernetes' meta/v1 LabelSelector, whose parts all have to match.
package lib.selector

# matches tells whether a selector takes an object with these labels. An empty
# one takes everything.
matches(selector, labels) if {
	every name, value in object.get(selector, "matchLabels", {}) {
		labels[name] == value
	}
	every expression in object.get(selector, "matchExpressions", []) {
		holds(expression, labels)
	}
}

holds(expression, labels) if {
	expression.operator == "In"
	one_of(labels, expression)
}

# NotIn holds for objects without the label too.
holds(expression, labels) if {
	expression.operator == "NotIn"
	not one_of(labels, expression)
}

holds(expression, labels) if {
	expression.operator == "Exists"
	expression.key in object.keys(labels)
}

holds(expression, labels) if {
	expression.operator == "DoesNotExist"
	not expression.key in object.keys(labels)
}

one_of(labels, expression) if labels[expression.key] in expression.values
