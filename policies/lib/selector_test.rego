package lib.selector_test

import data.lib.selector

labels := {"app": "web", "tier": "front"}

expression(operator, values) := {"matchExpressions": [{"key": "app", "operator": operator, "values": values}]}

test_empty if {
	selector.matches({}, labels)
	selector.matches({"matchLabels": {}, "matchExpressions": []}, {})
}

test_labels if {
	selector.matches({"matchLabels": {"app": "web", "tier": "front"}}, labels)
	not selector.matches({"matchLabels": {"app": "web", "tier": "back"}}, labels)
	not selector.matches({"matchLabels": {"other": "web"}}, labels)
}

test_expressions if {
	selector.matches(expression("In", ["web", "api"]), labels)
	not selector.matches(expression("In", ["api"]), labels)
	not selector.matches(expression("In", ["web"]), {})
	selector.matches(expression("NotIn", ["api"]), labels)
	selector.matches(expression("NotIn", ["web"]), {})
	not selector.matches(expression("NotIn", ["web"]), labels)
	selector.matches(expression("Exists", []), labels)
	not selector.matches(expression("Exists", []), {})
	selector.matches(expression("DoesNotExist", []), {})
	not selector.matches(expression("DoesNotExist", []), labels)
}

test_all_parts if {
	not selector.matches({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, labels)
}

test_unknown_operator_matches_nothing if {
	not selector.matches(expression("Like", ["web"]), labels)
}
