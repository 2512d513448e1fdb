# METADATA
# title: Allowed registries
# description: Images come from the registries, or the repositories in them, that the platform names.
# custom:
#   kind: ContainImagesAllowedRegistries
#   severity: high
#   enforcement: deny
#   profile: baseline
#   match:
#   - apiGroups: [""]
#     kinds: [Pod, ReplicationController]
#   - apiGroups: [apps]
#     kinds: [DaemonSet, Deployment, ReplicaSet, StatefulSet]
#   - apiGroups: [batch]
#     kinds: [CronJob, Job]
#   parameters:
#     type: object
#     properties:
#       registries:
#         description: Registry hosts ("ghcr.io") or paths below one ("ghcr.io/acme"); a path allows itself and everything below it.
#         type: array
#         default: [docker.io, ghcr.io, public.ecr.aws, quay.io, registry.k8s.io]
#         items:
#           type: string
#           minLength: 1
package contain.images.allowed_registries

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path, "repository": name}} if {
	some list in workload.lists
	some i, container in workload.pod_spec[list]
	container.image != ""
	name := repository(container.image)
	not allowed(name)
	msg := sprintf("image %q of container %q comes from %s, which is not an allowed registry", [
		container.image,
		workload.name(container),
		name,
	])
	path := sprintf("%s.image", [workload.path(list, i)])
}

allowed(name) if {
	some registry in input.parameters.registries
	prefix := trim_suffix(registry, "/")
	startswith(name, sprintf("%s/", [prefix]))
}

allowed(name) if {
	some registry in input.parameters.registries
	name == trim_suffix(registry, "/")
}

# The repository with its registry written out, without tag and digest. An
# image whose first part is not a host is on Docker Hub, below library/ when
# it has one part only (github.com/distribution/reference, normalize.go).
repository(image) := name if {
	host(image)
	name := bare(image)
}

repository(image) := sprintf("docker.io/%s", [bare(image)]) if {
	not host(image)
	contains(image, "/")
}

repository(image) := sprintf("docker.io/library/%s", [bare(image)]) if not contains(image, "/")

host(image) if {
	parts := split(image, "/")
	count(parts) > 1
	regex.match(`[.:]|^localhost$`, parts[0])
}

bare(image) := regex.replace(split(image, "@")[0], `:[^/:]*$`, "")
