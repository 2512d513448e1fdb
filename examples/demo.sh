#!/usr/bin/env bash
# The main job from end to end: compile, check, sign, push to a registry on
# loopback, verify as Flux would. Leaves nothing behind.
#
#   demo.sh CONTAIN PLATFORM
set -euo pipefail

contain=$(realpath "$1")
platform=$2
work=$(mktemp -d)
server=
cleanup() {
	[[ -z $server ]] || kill "$server" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
export COSIGN_PASSWORD=demo

step "A key pair, in cosign's form"
"$contain" keygen "$work/demo"

step "Compile and check $platform, sign every artifact"
"$contain" build "$platform" -o "$work/dist" --key "$work/demo.key"

step "An empty registry on loopback"
"$contain" serve --listen 127.0.0.1:0 --writable 2>"$work/serve.log" &
server=$!
for _ in $(seq 100); do
	grep -q '^serving' "$work/serve.log" && break
	sleep 0.1
done
url=$(sed -n 's/^serving //p' "$work/serve.log")
echo "$url"

step "Push: digests, signatures, read back, and only then the tags"
"$contain" push "$work/dist" "$url/acme" --verify-key "$work/demo.pub"

step "Again: nothing changed, nothing is sent"
"$contain" push "$work/dist" "$url/acme" --verify-key "$work/demo.pub" 2>/dev/null

step "What each cluster pulls, verified as Flux would"
for cluster in $("$contain" verify "$url/acme/release" --key "$work/demo.pub" | sed -n 's/^    sha256:[0-9a-f]*  //p'); do
	"$contain" verify "$url/acme/$cluster" --key "$work/demo.pub"
done

step "What points a fresh cluster at its artifact"
"$contain" bootstrap prod-eu1 "$platform" --url "$url/acme" --key "$work/demo.pub" --insecure
