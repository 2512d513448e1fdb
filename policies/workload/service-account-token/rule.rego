# METADATA
# title: ServiceAccount tokens
# description: A Pod gets a token for the Kubernetes API only if it asks for one, and never that of the account that all share.
# custom:
#   kind: ContainWorkloadServiceAccountToken
#   severity: medium
#   enforcement: warn
#   profile: restricted
#   stricter:
#     regulated:
#       enforcement: deny
#   match:
#   - apiGroups: [""]
#     kinds: [Pod, ReplicationController]
#   - apiGroups: [apps]
#     kinds: [DaemonSet, Deployment, ReplicaSet, StatefulSet]
#   - apiGroups: [batch]
#     kinds: [CronJob, Job]
#   parameters:
#     type: object
package contain.workload.service_account_token

import data.lib.workload

violation contains {"msg": msg, "details": {"path": path}} if {
	workload.pod_spec
	not said
	msg := "the Pod must set automountServiceAccountToken: to false, or to true if it calls the Kubernetes API"
	path := sprintf("%s.automountServiceAccountToken", [workload.spec_path])
}

violation contains {"msg": msg, "details": {"path": path}} if {
	workload.pod_spec.automountServiceAccountToken == true
	account in {"", "default"}
	msg := "the Pod must not mount the token of ServiceAccount default: set automountServiceAccountToken to false, or serviceAccountName to an account of its own"
	path := sprintf("%s.automountServiceAccountToken", [workload.spec_path])
}

said if is_boolean(workload.pod_spec.automountServiceAccountToken)

# serviceAccount is the name of old, which the API server copies to the new one.
account := name if {
	some field in ["serviceAccountName", "serviceAccount"]
	name := workload.pod_spec[field]
	not name in {"", null}
} else := ""
