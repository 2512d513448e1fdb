package main

import (
	"errors"

	ctrl "sigs.k8s.io/controller-runtime"

	oldbootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta1"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	oldcontrolplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta1"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	oldclusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	bootstrap "sigs.k8s.io/cluster-api/bootstrap/kubeadm/webhooks/admission"
	controlplane "sigs.k8s.io/cluster-api/controlplane/kubeadm/webhooks/admission"
	core "sigs.k8s.io/cluster-api/core/webhooks/admission"
)

// hooks of Cluster API itself and of its kubeadm providers. Cluster's asks a
// client for a ClusterClass alone, of which there is none. v1beta1 is there for
// the converters, which come with the webhooks.
func hooks(m ctrl.Manager) error {
	return errors.Join(
		oldclusterv1.AddToScheme(m.GetScheme()),
		oldbootstrapv1.AddToScheme(m.GetScheme()),
		oldcontrolplanev1.AddToScheme(m.GetScheme()),
		clusterv1.AddToScheme(m.GetScheme()),
		bootstrapv1.AddToScheme(m.GetScheme()),
		controlplanev1.AddToScheme(m.GetScheme()),
		(&core.Cluster{}).SetupWebhookWithManager(m),
		(&core.MachineDeployment{}).SetupWebhookWithManager(m),
		(&core.MachineHealthCheck{}).SetupWebhookWithManager(m),
		(&controlplane.KubeadmControlPlane{}).SetupWebhookWithManager(m),
		(&bootstrap.KubeadmConfigTemplate{}).SetupWebhookWithManager(m),
	)
}
