package contain.images.allowed_registries_test

import data.contain.images.allowed_registries

review(image) := {"object": {"kind": "Pod", "spec": {"containers": [{"name": "app", "image": image}]}}}

violation(image, repository) := {
	"msg": sprintf(
		"image %q of container \"app\" comes from %s, which is not an allowed registry",
		[image, repository],
	),
	"details": {"path": "spec.containers[0].image", "repository": repository},
}

test_repository_of_an_image if {
	cases := {
		"nginx": "docker.io/library/nginx",
		"nginx:1.29": "docker.io/library/nginx",
		"acme/app:1": "docker.io/acme/app",
		"docker.io/acme/app": "docker.io/acme/app",
		"localhost/app:1": "localhost/app",
		"registry:5000/acme/app:1": "registry:5000/acme/app",
		"registry:5000/acme/app": "registry:5000/acme/app",
		"ghcr.io/acme/app@sha256:0f": "ghcr.io/acme/app",
		"ghcr.io/acme/app:1@sha256:0f": "ghcr.io/acme/app",
	}
	every image, repository in cases {
		allowed_registries.violation == {violation(image, repository)} with input.review as review(image)
			with input.parameters as {"registries": ["quay.io"]}
	}
}

test_allowed if {
	images := ["ghcr.io/acme/app:1", "ghcr.io/acme/tools/lint:1", "ghcr.io/acme:1", "quay.io/a/b", "redis"]
	every image in images {
		allowed_registries.violation == set() with input.review as review(image)
			with input.parameters as {"registries": ["ghcr.io/acme", "quay.io/", "docker.io/library"]}
	}
}

test_a_prefix_ends_at_a_slash if {
	images := {
		"ghcr.io/acme-evil/app:1": "ghcr.io/acme-evil/app",
		"quay.io.evil.example/acme/app:1": "quay.io.evil.example/acme/app",
	}
	every image, repository in images {
		allowed_registries.violation == {violation(image, repository)} with input.review as review(image)
			with input.parameters as {"registries": ["ghcr.io/acme", "quay.io"]}
	}
}

test_no_registries_allow_nothing if {
	every parameters in [{}, {"registries": []}] {
		allowed_registries.violation == {violation("a.io/b", "a.io/b")} with input.review as review("a.io/b")
			with input.parameters as parameters
	}
}
