package contain.tenancy.namespace_labels_test

import data.contain.tenancy.namespace_labels

defaults := {"levels": ["restricted", "baseline"], "labels": [], "exemptNamespaces": ["storage-*"]}

enforce := "pod-security.kubernetes.io/enforce"

namespace(name, labels) := {"kind": "Namespace", "metadata": {"name": name, "labels": labels}}

violation(msg, key) := {"msg": msg, "details": {"path": sprintf("metadata.labels[%q]", [key])}}

test_no_level if {
	want := {violation(`label "pod-security.kubernetes.io/enforce" is not there: the Namespace admits every Pod`, enforce)}
	objects := [
		{"kind": "Namespace", "metadata": {"name": "shop"}},
		namespace("shop", {enforce: ""}),
		namespace("storage-ceph", {"pod-security.kubernetes.io/warn": "restricted"}),
	]
	every object in objects {
		namespace_labels.violation == want with input.review.object as object with input.parameters as defaults
	}
}

test_levels if {
	want := {violation(`label "pod-security.kubernetes.io/enforce" is privileged, which is none of baseline, restricted`, enforce)}
	namespace_labels.violation == want with input.review.object as namespace("shop", {enforce: "privileged"})
		with input.parameters as defaults
	every object in [namespace("shop", {enforce: "baseline"}), namespace("storage-ceph", {enforce: "privileged"})] {
		namespace_labels.violation == set() with input.review.object as object with input.parameters as defaults
	}
}

test_further_labels if {
	parameters := {"levels": ["restricted"], "labels": ["acme.example/owner"], "exemptNamespaces": []}
	want := {violation(`label "acme.example/owner" is required`, "acme.example/owner")}
	namespace_labels.violation == want with input.review.object as namespace("shop", {enforce: "restricted"})
		with input.parameters as parameters
	owned := namespace("shop", {enforce: "restricted", "acme.example/owner": "shop"})
	namespace_labels.violation == set() with input.review.object as owned with input.parameters as parameters
}
