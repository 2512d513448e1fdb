# METADATA
# title: Pinned Flux sources
# description: Charts and sources name one version, so that nothing changes without a change here.
# custom:
#   kind: ContainFluxPinned
#   severity: medium
#   enforcement: deny
#   profile: restricted
#   stricter:
#     regulated:
#       parameters:
#         allowBranches: false
#         allowTeams: signed
#   match:
#   - apiGroups: [helm.toolkit.fluxcd.io]
#     kinds: [HelmRelease]
#   - apiGroups: [source.toolkit.fluxcd.io]
#     kinds: [GitRepository, HelmChart, OCIRepository]
#   parameters:
#     type: object
#     properties:
#       allowBranches:
#         description: Let a GitRepository follow a branch.
#         type: boolean
#         default: true
#       allowTeams:
#         description: Whether a team's own source may follow a branch or a range, which is how a team delivers; signed asks for spec.verify.
#         type: string
#         enum: [all, signed, none]
#         default: all
#       deniedTags:
#         description: Tags of an OCIRepository that are known to move.
#         type: array
#         default: [dev, edge, latest, main, master, stable]
#         items:
#           type: string
#           minLength: 1
package contain.flux.pinned

violation contains {"msg": msg, "details": {"path": path}} if {
	some chart in charts
	version := object.get(chart.value, "version", "*")
	not exact(version)
	msg := sprintf("chart version %q is a range: name one version", [version])
	path := sprintf("%s.version", [chart.path])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	input.review.object.kind == "OCIRepository"
	not delivers
	object.get(ref, "digest", "") == ""
	object.get(ref, "semver", "") != ""
	msg := sprintf("semver %q is a range: name one tag or a digest", [ref.semver])
	path := "spec.ref.semver"
}

violation contains {"msg": msg, "details": {"path": path}} if {
	input.review.object.kind == "OCIRepository"
	object.get(ref, "digest", "") == ""
	object.get(ref, "semver", "") == ""
	tag := object.get(ref, "tag", "latest")
	tag in input.parameters.deniedTags
	msg := sprintf("tag %q moves: name a version or a digest", [tag])
	path := "spec.ref"
}

violation contains {"msg": msg, "details": {"path": "spec.ref.semver"}} if {
	input.review.object.kind == "GitRepository"
	not delivers
	object.get(ref, "commit", "") == ""
	object.get(ref, "name", "") == ""
	object.get(ref, "semver", "") != ""
	msg := sprintf("semver %q is a range: name one tag or a commit", [ref.semver])
}

violation contains {"msg": msg, "details": {"path": "spec.ref"}} if {
	not input.parameters.allowBranches
	not delivers
	input.review.object.kind == "GitRepository"
	msg := sprintf("branch %q moves: name a tag or a commit", [branch])
}

# A HelmChart, or a HelmRelease that makes one. A path in a GitRepository has the
# version of its source.
charts contains {"path": "spec.chart.spec", "value": input.review.object.spec.chart.spec} if {
	input.review.object.kind == "HelmRelease"
	input.review.object.spec.chart.spec.sourceRef.kind == "HelmRepository"
}

charts contains {"path": "spec", "value": input.review.object.spec} if {
	input.review.object.kind == "HelmChart"
	input.review.object.spec.sourceRef.kind == "HelmRepository"
}

# delivers: the source of a team, which the catalog labels.
delivers if {
	input.review.object.metadata.labels["contain.platform/team"]
	accepted[input.parameters.allowTeams]
}

accepted contains "all"

accepted contains "signed" if input.review.object.spec.verify

exact(version) if regex.match(`^v?[0-9]+\.[0-9]+\.[0-9]+(?:[-+][0-9A-Za-z.+-]+)?$`, version)

ref := object.get(input.review.object.spec, "ref", {})

# What a GitRepository follows, in Flux's order: commit, name, semver, tag, branch.
branch := ref.name if {
	object.get(ref, "commit", "") == ""
	object.get(ref, "name", "") != ""
	not startswith(ref.name, "refs/tags/")
}

branch := object.get(ref, "branch", "master") if {
	every field in ["commit", "name", "semver", "tag"] {
		object.get(ref, field, "") == ""
	}
}
