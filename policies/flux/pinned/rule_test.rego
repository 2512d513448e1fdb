package contain.flux.pinned_test

import data.contain.flux.pinned

defaults := {"allowBranches": true, "allowTeams": "all", "deniedTags": ["latest", "main"]}

strict := {"allowBranches": false, "allowTeams": "signed", "deniedTags": []}

closed := {"allowBranches": false, "allowTeams": "none", "deniedTags": []}

review(kind, spec) := {"object": {"kind": kind, "spec": spec}}

release(chart) := review("HelmRelease", {"chart": {"spec": object.union({"sourceRef": {"kind": "HelmRepository"}}, chart)}})

violation(msg, path) := {"msg": msg, "details": {"path": path}}

range(version, path) := violation(sprintf("chart version %q is a range: name one version", [version]), path)

test_chart_ranges if {
	every version in ["*", "1.x", "1.2", ">=1.2.3", "~1.2.3", "1.2.3 - 2.0.0", "latest"] {
		want := {range(version, "spec.chart.spec.version")}
		pinned.violation == want with input.review as release({"version": version}) with input.parameters as defaults
	}
	pinned.violation == {range("*", "spec.chart.spec.version")} with input.review as release({})
		with input.parameters as defaults
	pinned.violation == {range("*", "spec.version")} with input.review as review("HelmChart", {"sourceRef": {"kind": "HelmRepository"}})
		with input.parameters as defaults
}

test_chart_versions if {
	every version in ["1.2.3", "v1.2.3", "1.2.3-rc.1", "1.2.3+build.7", "1.2.3-rc.1+7"] {
		pinned.violation == set() with input.review as release({"version": version}) with input.parameters as defaults
	}
}

test_charts_of_a_repository_have_its_version if {
	every kind in ["Bucket", "GitRepository"] {
		pinned.violation == set() with input.review as release({"sourceRef": {"kind": kind}}) with input.parameters as defaults
	}
	pinned.violation == set() with input.review as review("HelmRelease", {"chartRef": {"kind": "OCIRepository", "name": "a"}})
		with input.parameters as defaults
}

test_oci if {
	latest := {violation(`tag "latest" moves: name a version or a digest`, "spec.ref")}
	every spec in [{}, {"ref": {}}, {"ref": {"tag": "latest"}}] {
		pinned.violation == latest with input.review as review("OCIRepository", spec) with input.parameters as defaults
	}
	semver := {violation(`semver ">=1" is a range: name one tag or a digest`, "spec.ref.semver")}
	pinned.violation == semver with input.review as review("OCIRepository", {"ref": {"semver": ">=1", "tag": "latest"}})
		with input.parameters as defaults
	every ref in [{"tag": "1.2.3"}, {"digest": "sha256:cafe"}, {"digest": "sha256:cafe", "semver": "*", "tag": "latest"}] {
		pinned.violation == set() with input.review as review("OCIRepository", {"ref": ref}) with input.parameters as defaults
	}
}

test_git if {
	semver := {violation(`semver "1.x" is a range: name one tag or a commit`, "spec.ref.semver")}
	every parameters in [defaults, strict] {
		pinned.violation == semver with input.review as review("GitRepository", {"ref": {"semver": "1.x", "branch": "main"}})
			with input.parameters as parameters
		every ref in [{"tag": "v1.2.3"}, {"commit": "cafe", "branch": "main", "semver": "1.x"}, {"name": "refs/tags/v1", "semver": "*"}] {
			pinned.violation == set() with input.review as review("GitRepository", {"ref": ref}) with input.parameters as parameters
		}
	}
}

test_branches if {
	cases := [
		[{}, "master"],
		[{"ref": {}}, "master"],
		[{"ref": {"branch": "main"}}, "main"],
		[{"ref": {"name": "refs/heads/main", "tag": "v1"}}, "refs/heads/main"],
	]
	every each in cases {
		want := {violation(sprintf("branch %q moves: name a tag or a commit", [each[1]]), "spec.ref")}
		pinned.violation == want with input.review as review("GitRepository", each[0]) with input.parameters as strict
		pinned.violation == set() with input.review as review("GitRepository", each[0]) with input.parameters as defaults
	}
}

team(kind, spec) := object.union(review(kind, spec), {"object": {"metadata": {"labels": {"contain.platform/team": "shop"}}}})

test_sources_of_teams if {
	moving := {"ref": {"semver": "1.x"}}
	signed := object.union(moving, {"verify": {"provider": "cosign"}})
	every kind in ["GitRepository", "OCIRepository"] {
		pinned.violation == set() with input.review as team(kind, moving) with input.parameters as defaults
		count(pinned.violation) == 1 with input.review as team(kind, moving) with input.parameters as strict
		pinned.violation == set() with input.review as team(kind, signed) with input.parameters as strict
		count(pinned.violation) == 1 with input.review as team(kind, signed) with input.parameters as closed
		count(pinned.violation) == 1 with input.review as review(kind, signed) with input.parameters as defaults
	}
	branch := {"ref": {"branch": "main"}}
	count(pinned.violation) == 1 with input.review as team("GitRepository", branch) with input.parameters as strict
	pinned.violation == set() with input.review as team("GitRepository", object.union(branch, {"verify": {"mode": "HEAD"}}))
		with input.parameters as strict

	# A tag that is known to move is no version, whoever signs it.
	pinned.violation == {violation(`tag "latest" moves: name a version or a digest`, "spec.ref")} with input.review as team("OCIRepository", {"verify": {}})
		with input.parameters as defaults
}
