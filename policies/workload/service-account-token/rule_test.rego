package contain.workload.service_account_token_test

import data.contain.workload.service_account_token

review(spec) := {"object": {"kind": "Deployment", "spec": {"template": {"spec": spec}}}}

path := "spec.template.spec.automountServiceAccountToken"

unsaid := {
	"msg": "the Pod must set automountServiceAccountToken: to false, or to true if it calls the Kubernetes API",
	"details": {"path": path},
}

shared := {
	"msg": "the Pod must not mount the token of ServiceAccount default: set automountServiceAccountToken to false, or serviceAccountName to an account of its own",
	"details": {"path": path},
}

test_unsaid if {
	every spec in [{}, {"serviceAccountName": "web"}, {"automountServiceAccountToken": null}] {
		service_account_token.violation == {unsaid} with input.review as review(spec)
	}
}

test_token_of_default if {
	accounts := [
		{},
		{"serviceAccountName": "default"},
		{"serviceAccountName": ""},
		{"serviceAccountName": null, "serviceAccount": "default"},
	]
	every account in accounts {
		spec := object.union(account, {"automountServiceAccountToken": true})
		service_account_token.violation == {shared} with input.review as review(spec)
	}
}

test_token_of_its_own if {
	every account in [{"serviceAccountName": "web"}, {"serviceAccount": "web"}, {"serviceAccountName": "web", "serviceAccount": "web"}] {
		spec := object.union(account, {"automountServiceAccountToken": true})
		service_account_token.violation == set() with input.review as review(spec)
	}
}

test_no_token if {
	every spec in [{"automountServiceAccountToken": false}, {"automountServiceAccountToken": false, "serviceAccountName": "default"}] {
		service_account_token.violation == set() with input.review as review(spec)
	}
}

test_no_pod if {
	service_account_token.violation == set() with input.review.object as {"kind": "ReplicationController", "spec": {}}
}
