// Package e2e holds the end-to-end tests: what the product makes, given to a
// real API server and to real Flux. They need the build tag e2e and programs
// that controlplane/build.sh builds:
//
//	internal/e2e/controlplane/build.sh controlplane cosign
//	go test -tags e2e ./internal/e2e/...
//
// CONTAIN_E2E_BIN names the directory of the programs, and CONTAIN_UPSTREAM one
// with more CRDs, as <component>/crds/*.yaml. Neither has to be set.
package e2e
