package contain.flux.source_verified_test

import data.contain.flux.source_verified

defaults := {"exemptURLs": ["oci://mirror.example/*"]}

review(kind, spec) := {"object": {"kind": kind, "spec": spec}}

oci(verify) := review("OCIRepository", {"url": "oci://acme.example/app", "verify": verify})

release(kind, chart) := review("HelmRelease", {"chart": {"spec": object.union({"sourceRef": {"kind": kind}}, chart)}})

violation(msg, path) := {"msg": msg, "details": {"path": path}}

test_nothing_verified if {
	every kind in ["GitRepository", "OCIRepository"] {
		want := {violation(sprintf("the %s verifies no signature", [kind]), "spec.verify")}
		source_verified.violation == want with input.review as review(kind, {"url": "oci://acme.example/app"})
			with input.parameters as defaults
	}
	want := {violation("the chart verifies no signature", "spec.chart.spec.verify")}
	source_verified.violation == want with input.review as release("HelmRepository", {}) with input.parameters as defaults
	wanted := {violation("the HelmChart verifies no signature", "spec.verify")}
	source_verified.violation == wanted with input.review as review("HelmChart", {"sourceRef": {"kind": "HelmRepository"}})
		with input.parameters as defaults
}

test_charts_of_verified_sources if {
	every each in [release("GitRepository", {}), review("HelmRelease", {"chartRef": {"name": "a"}})] {
		source_verified.violation == set() with input.review as each with input.parameters as defaults
	}
}

test_bucket if {
	want := {violation("a Bucket has no signature to verify; use an OCIRepository", "spec")}
	source_verified.violation == want with input.review as review("Bucket", {}) with input.parameters as defaults
}

test_any_identity if {
	want := {violation("the OCIRepository accepts the signature of anybody: verify names neither a secret nor an identity", "spec.verify")}
	every verify in [{}, {"provider": "cosign"}, {"provider": "cosign", "matchOIDCIdentity": []}] {
		source_verified.violation == want with input.review as oci(verify) with input.parameters as defaults
	}
}

test_loose_identity if {
	verify := {"provider": "cosign", "matchOIDCIdentity": [
		{"issuer": "^https://token\\.example$", "subject": "^https://acme\\.example/.*$"},
		{"issuer": "https://token.example", "subject": "^acme"},
	]}
	want := {
		violation(`issuer "https://token.example" matches anywhere in an identity: anchor it with ^ and $`, "spec.verify.matchOIDCIdentity[1].issuer"),
		violation(`subject "^acme" matches anywhere in an identity: anchor it with ^ and $`, "spec.verify.matchOIDCIdentity[1].subject"),
	}
	source_verified.violation == want with input.review as oci(verify) with input.parameters as defaults
	chart := {violation(`subject "acme$" matches anywhere in an identity: anchor it with ^ and $`, "spec.verify.matchOIDCIdentity[0].subject")}
	source_verified.violation == chart with input.review as review("HelmChart", {"sourceRef": {"kind": "HelmRepository"}, "verify": {"matchOIDCIdentity": [{"issuer": "^a$", "subject": "acme$"}]}})
		with input.parameters as defaults
}

# A HelmRelease can name keys alone.
test_chart_of_a_release if {
	want := {violation("the chart accepts the signature of anybody: verify names neither a secret nor an identity", "spec.chart.spec.verify")}
	source_verified.violation == want with input.review as release("HelmRepository", {"verify": {"provider": "cosign"}})
		with input.parameters as defaults
	source_verified.violation == set() with input.review as release("HelmRepository", {"verify": {"provider": "cosign", "secretRef": {"name": "keys"}}})
		with input.parameters as defaults
}

test_keys if {
	every verify in [{"provider": "cosign", "secretRef": {"name": "keys"}}, {"provider": "notation", "secretRef": {"name": "keys"}}] {
		source_verified.violation == set() with input.review as oci(verify) with input.parameters as defaults
	}
	git := review("GitRepository", {"url": "https://acme.example/app", "verify": {"mode": "HEAD", "secretRef": {"name": "keys"}}})
	source_verified.violation == set() with input.review as git with input.parameters as defaults
}

test_exempt_urls if {
	source_verified.violation == set() with input.review as review("OCIRepository", {"url": "oci://mirror.example/app"})
		with input.parameters as defaults
}
