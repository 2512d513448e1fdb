package contain.metadata.required_labels_test

import data.contain.metadata.required_labels

parameters := {"labels": [
	{"key": "app.kubernetes.io/name"},
	{"key": "tier", "allowedRegex": "^(front|back)end$"},
]}

review(labels) := {"object": {"kind": "Deployment", "metadata": {"name": "app", "labels": labels}}}

test_missing if {
	want := {
		{
			"msg": `label "app.kubernetes.io/name" is required`,
			"details": {"path": `metadata.labels["app.kubernetes.io/name"]`},
		},
		{
			"msg": `label "tier" is required`,
			"details": {"path": `metadata.labels["tier"]`},
		},
	}
	no_labels := {"object": {"kind": "Deployment", "metadata": {"name": "app"}}}
	required_labels.violation == want with input.review as no_labels with input.parameters as parameters
	required_labels.violation == want with input.review as review({"tier": ""}) with input.parameters as parameters
}

test_wrong_value if {
	want := {{
		"msg": `label "tier" is "middle", which does not match ^(front|back)end$`,
		"details": {"path": `metadata.labels["tier"]`},
	}}
	labels := {"app.kubernetes.io/name": "app", "tier": "middle"}
	required_labels.violation == want with input.review as review(labels) with input.parameters as parameters
}

test_present if {
	labels := {"app.kubernetes.io/name": "app", "tier": "backend", "other": "x"}
	required_labels.violation == set() with input.review as review(labels) with input.parameters as parameters
}
