//go:build e2e

package e2e

import (
	"context"
	"testing"

	"github.com/contain-platform/contain/internal/object"
)

// TestCatalogKindsAreServed asks for one kind of every API that the catalog's
// objects use: a source of CRDs that has lost one is noticed here, by name, and
// not as a refusal of someone's object.
func TestCatalogKindsAreServed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	for _, id := range []object.ID{
		{Group: "barmancloud.cnpg.io", Version: "v1", Kind: "ObjectStore"},
		{Group: "ceph.rook.io", Version: "v1", Kind: "CephCluster"},
		{Group: "cert-manager.io", Version: "v1", Kind: "ClusterIssuer"},
		{Group: "cilium.io", Version: "v2", Kind: "CiliumNetworkPolicy"},
		{Group: "cluster.x-k8s.io", Version: "v1beta2", Kind: "Cluster"},
		{Group: "config.gatekeeper.sh", Version: "v1alpha1", Kind: "Config"},
		{Group: "external-secrets.io", Version: "v1", Kind: "ClusterSecretStore"},
		{Group: "external-secrets.io", Version: "v1alpha1", Kind: "PushSecret"},
		{Group: "externaldns.k8s.io", Version: "v1alpha1", Kind: "DNSEndpoint"},
		{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "Gateway"},
		{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease"},
		{Group: "infrastructure.cluster.x-k8s.io", Version: "v1beta2", Kind: "AWSCluster"},
		{Group: "infrastructure.cluster.x-k8s.io", Version: "v1beta2", Kind: "VSphereCluster"},
		{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"},
		{Group: "monitoring.coreos.com", Version: "v1", Kind: "PrometheusRule"},
		{Group: "mutations.gatekeeper.sh", Version: "v1", Kind: "Assign"},
		{Group: "notification.toolkit.fluxcd.io", Version: "v1beta3", Kind: "Alert"},
		{Group: "objectbucket.io", Version: "v1alpha1", Kind: "ObjectBucketClaim"},
		{Group: "postgresql.cnpg.io", Version: "v1", Kind: "Cluster"},
		{Group: "operator.cluster.x-k8s.io", Version: "v1alpha2", Kind: "CoreProvider"},
		{Group: "projectcontour.io", Version: "v1", Kind: "HTTPProxy"},
		{Group: "snapshot.storage.k8s.io", Version: "v1", Kind: "VolumeSnapshotClass"},
		{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "OCIRepository"},
		{Group: "templates.gatekeeper.sh", Version: "v1", Kind: "ConstraintTemplate"},
		{Group: "velero.io", Version: "v1", Kind: "BackupStorageLocation"},
	} {
		if _, err := harness.List(ctx, id, ""); err != nil {
			t.Errorf("%s %s: %v", id.APIVersion(), id.Kind, err)
		}
	}
}
