package contain.demo.names_test

import data.contain.demo.names

review(name) := {"object": {"metadata": {"name": name}}}

defaults := {"names": ["bad"]}

test_good if {
	names.violation == set() with input.review as review("good") with input.parameters as defaults
}

test_bad if {
	want := {{"msg": "\"bad\" is a bad name", "details": {"path": "metadata.name"}}}
	names.violation == want with input.review as review("bad") with input.parameters as defaults
}

test_count if {
	print("names", count(defaults.names))
	count(defaults.names) > 1
}

test_conflict if {
	twice(1) == 1
}

twice(x) := x if x > 0

twice(x) := x + 1 if x > 0

todo_test_later if {
	false
}
