#!/usr/bin/env bash
# Builds the programs that the end-to-end tests run and that judge our output,
# each from the nested module beside this file that pins it.
#
#   build.sh controlplane   kube-apiserver, kube-controller-manager, Flux
#   build.sh judges         cosign, Gatekeeper with gator, cue, crane, opa, velero-selects,
#                           cnpg-admits,
#                           cluster-api and its providers, Prometheus with promtool, its operator, the OpenTelemetry
#                           Collector, what reads bucket policies, Alertmanager's, Mimir's and
#                           Loki's configurations
#   build.sh all            both
#   build.sh cosign cue     these modules alone
#
# The binaries go to $CONTAIN_E2E_BIN (default: .cache/e2e/bin under the
# repository root), which must not be a directory with anything else in it. A
# module is built again only when its files, the Go version or this file change.
# One module at a time: the go command already fills the machine, and two links
# at once need the memory of both.
#
# There is no -trimpath, on purpose: these binaries stay on this machine, and
# without it the go command shares every compiled package with the product's own
# builds and tests.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
bin=${CONTAIN_E2E_BIN:-$root/.cache/e2e/bin}

controlplane=(kubernetes source-controller kustomize-controller)
judges=(cosign gatekeeper cue crane opa velero-selects cnpg-admits bucket-policy cluster-api cluster-api-providers prometheus prometheus-operator collector alertmanager mimir loki)

# Prometheus finds targets through Kubernetes, files and HTTP here; the SDKs of
# all clouds beside that are most of what it would take to build.
declare -A tags=([prometheus]=remove_all_sd,enable_kubernetes_sd)

usage() {
	sed -n 's/^# \{0,1\}//; 2,/^$/p' "${BASH_SOURCE[0]}" | sed '/^$/,$d' >&2
	sed -n 's/^#   /  /p' "${BASH_SOURCE[0]}" >&2
	exit 2
}

# stamp prints what the binaries of module $1 depend on.
stamp() {
	{ go version; cat "$here/$1"/* "${BASH_SOURCE[0]}"; } | sha256sum | cut -d' ' -f1
}

build() {
	local name=$1 want tmp t0=$SECONDS
	want=$(stamp "$name")
	if [[ -f $bin/.$name.stamp && $(<"$bin/.$name.stamp") == "$want" ]]; then
		echo "$name: up to date"
		return
	fi
	tmp=$(mktemp -d "$bin/.build.XXXXXX")
	# "tool" is every program that the module's tool directives name.
	if ! (cd "$here/$name" && GOFLAGS="${GOFLAGS:-} -mod=readonly" go build -tags "${tags[$name]:-}" -ldflags='-s -w' -o "$tmp/" tool); then
		rm -rf "$tmp"
		echo "$name: build failed" >&2
		return 1
	fi
	local programs
	programs=$(cd "$tmp" && echo *)
	mv -f "$tmp"/* "$bin/"
	rmdir "$tmp"
	# Last, so that an interrupted build is built again.
	echo "$want" >"$bin/.$name.stamp"
	echo "$name: built $programs in $((SECONDS - t0)) s"
}

modules=()
for arg in "$@"; do
	case $arg in
	controlplane) modules+=("${controlplane[@]}") ;;
	judges) modules+=("${judges[@]}") ;;
	all) modules+=("${controlplane[@]}" "${judges[@]}") ;;
	*)
		[[ -f $here/$arg/go.mod ]] || usage
		modules+=("$arg")
		;;
	esac
done
((${#modules[@]})) || usage

mkdir -p "$bin"
# Two builds into one directory take turns; the second finds the work done.
exec 9>"$bin/.lock"
flock 9
for name in "${modules[@]}"; do build "$name"; done
