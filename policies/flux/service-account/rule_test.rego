package contain.flux.service_account_test

import data.contain.flux.service_account

defaults := {"denied": []}

review(kind, spec) := {"object": {"kind": kind, "metadata": {"name": "web"}, "spec": spec}}

violation(msg) := {"msg": msg, "details": {"path": "spec.serviceAccountName"}}

test_no_account if {
	every kind in ["HelmRelease", "Kustomization"] {
		want := {violation(sprintf("the %s names no ServiceAccount: Flux applies it with its own rights, those of cluster-admin", [kind]))}
		every spec in [{}, {"serviceAccountName": ""}] {
			service_account.violation == want with input.review as review(kind, spec) with input.parameters as defaults
		}
	}
}

test_account if {
	service_account.violation == set() with input.review as review("Kustomization", {"serviceAccountName": "deployer"})
		with input.parameters as defaults
}

test_another_cluster if {
	spec := {"kubeConfig": {"secretRef": {"name": "edge"}}}
	service_account.violation == set() with input.review as review("Kustomization", spec) with input.parameters as defaults
}

test_denied if {
	want := {violation(`ServiceAccount "kustomize-controller" may not be named here`)}
	service_account.violation == want with input.review as review("Kustomization", {"serviceAccountName": "kustomize-controller"})
		with input.parameters as {"denied": ["kustomize-controller"]}
}
