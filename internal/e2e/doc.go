// Package e2e holds the end-to-end tests: what the product makes, given to a
// real API server and to real Flux. They need the build tag e2e, etcd (Debian:
// etcd-server) and programs that controlplane/build.sh builds:
//
//	internal/e2e/controlplane/build.sh controlplane gatekeeper cosign
//	go test -tags e2e ./internal/e2e/...
//
// CONTAIN_E2E_BIN names the directory of the programs, and CONTAIN_UPSTREAM one
// with more CRDs, as <component>/crds/*.yaml. Neither has to be set.
//
// TestMain starts one control plane and one registry for the package; tests
// reach them as harness and its methods are those of controlplane.ControlPlane.
// TestPlatform has a control plane of its own beside it, because it looks at
// what is not there.
//
// A test owns the names that begin with its own: repositories, namespaces, Flux
// objects. Nothing is cleaned up, because everything ends with the package; when
// a test fails, the logs stay and the last line says where.
package e2e
