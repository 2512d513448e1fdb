package contain.images.pinned_test

import data.contain.images.pinned

digest := "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"

defaults := {"requireDigest": false, "deniedTags": ["latest"]}

review(image) := {"object": {"kind": "Pod", "spec": {"containers": [{"name": "app", "image": image}]}}}

violation(image, reason) := {
	"msg": sprintf("image %q of container \"app\": %s", [image, reason]),
	"details": {"path": "spec.containers[0].image"},
}

test_no_tag if {
	every image in ["nginx", "registry:5000/acme/app", "ghcr.io/acme/app"] {
		want := {violation(image, "it has no tag, which means latest")}
		pinned.violation == want with input.review as review(image) with input.parameters as defaults
	}
}

test_denied_tag if {
	every image in ["nginx:latest", "registry:5000/acme/app:latest"] {
		want := {violation(image, `tag "latest" is not allowed`)}
		pinned.violation == want with input.review as review(image) with input.parameters as defaults
	}
}

test_digest_required if {
	every image in ["nginx", "nginx:latest", "nginx:1.29", "nginx@sha256:cafe"] {
		want := {violation(image, "it has no digest")}
		pinned.violation == want with input.review as review(image) with input.parameters as {"requireDigest": true}
	}
}

test_tags_of_ones_own if {
	parameters := {"requireDigest": false, "deniedTags": ["main", "edge"]}
	want := {violation("nginx:edge", `tag "edge" is not allowed`)}
	pinned.violation == want with input.review as review("nginx:edge") with input.parameters as parameters
	pinned.violation == set() with input.review as review("nginx:latest") with input.parameters as parameters
}

test_pinned if {
	images := [
		"nginx:1.29",
		"registry:5000/acme/app:v1.2.3",
		concat("@", ["nginx", digest]),
		concat("@", ["nginx:latest", digest]),
	]
	every image in images {
		pinned.violation == set() with input.review as review(image) with input.parameters as defaults
	}
}

test_a_template_may_leave_the_image_to_others if {
	pinned.violation == set() with input.review.object as {"kind": "Pod", "spec": {"containers": [{"name": "app"}]}}
		with input.parameters as defaults
}
