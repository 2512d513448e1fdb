// Command cluster-api-providers is to vSphere's and AWS's providers what
// cluster-api beside it is to Cluster API: main.go is the same file.
package main

import (
	"errors"

	ctrl "sigs.k8s.io/controller-runtime"

	awsv1 "sigs.k8s.io/cluster-api-provider-aws/v2/api/v1beta2"
	aws "sigs.k8s.io/cluster-api-provider-aws/v2/webhooks"
	vspherev1 "sigs.k8s.io/cluster-api-provider-vsphere/api/govmomi/v1beta2"
	vsphere "sigs.k8s.io/cluster-api-provider-vsphere/webhooks"
)

// hooks of the providers of infrastructure. vSphere's has none for VSphereCluster
// and VSphereClusterIdentity.
func hooks(m ctrl.Manager) error {
	return errors.Join(
		awsv1.AddToScheme(m.GetScheme()),
		vspherev1.AddToScheme(m.GetScheme()),
		(&aws.AWSCluster{}).SetupWebhookWithManager(m),
		(&aws.AWSMachineTemplate{}).SetupWebhookWithManager(m),
		(&aws.AWSClusterControllerIdentity{}).SetupWebhookWithManager(m),
		(&aws.AWSClusterRoleIdentity{}).SetupWebhookWithManager(m),
		(&aws.AWSClusterStaticIdentity{}).SetupWebhookWithManager(m),
		(&vsphere.VSphereMachineTemplate{}).SetupWebhookWithManager(m),
		(&vsphere.VSphereFailureDomain{}).SetupWebhookWithManager(m),
		(&vsphere.VSphereDeploymentZone{}).SetupWebhookWithManager(m),
	)
}
