# Everything that people and CI run. Checks never write; `make fix` does.

GO    ?= go
BIN   := .cache/bin
TOOLS := $(GO) tool -modfile=tools/go.mod
CUE   := $(TOOLS) cue

# Reference data for the tests that judge with real CRDs and charts; tests say
# what they skip without it.
CONTAIN_UPSTREAM ?= $(wildcard $(abspath ../shared/upstream))
CONTAIN_E2E_BIN  ?= $(abspath .cache/e2e/bin)
export CONTAIN_UPSTREAM CONTAIN_E2E_BIN

.DEFAULT_GOAL := build
.PHONY: build demo test check fix judges e2e bench clean

build: ## the contain binary, in .cache/bin
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o $(BIN)/contain ./cmd/contain

demo: build ## the main job on examples/acme, in a temporary directory
	@examples/demo.sh $(BIN)/contain examples/acme

test: ## all tests that need no control plane
	$(GO) test ./...

check: ## formats, vet, staticcheck, tidiness, CUE, Rego's format and tests, generated files, imports
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt: $$out"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags e2e ./internal/e2e/...
	$(TOOLS) staticcheck ./...
	$(GO) mod tidy -diff
	$(GO) -C tools mod tidy -diff
	$(CUE) fmt --check ./...
	$(CUE) vet ./...
	$(GO) test ./policies/... ./internal/policy/gen/... ./internal/archtest/...

fix: ## format, tidy and write generated files anew
	gofmt -w $$(git ls-files '*.go')
	$(GO) mod tidy
	$(CUE) fmt ./...
	CONTAIN_UPDATE=1 $(GO) test ./internal/policy/... ./policies/... ./catalog/... ./schema/... ./cmd/contain/...

judges: ## programs that judge our output: cosign, gator, cue, crane, opa
	internal/e2e/controlplane/build.sh judges

e2e: ## real etcd, kube-apiserver and Flux, as processes on loopback
	internal/e2e/controlplane/build.sh all
	$(GO) test -tags e2e -count=1 -timeout 30m ./internal/e2e/...

bench: build ## CPU and memory beside plain cue, for acme and for 100 clusters
	internal/e2e/controlplane/build.sh cue
	$(GO) test -run '^$$' -bench . -benchtime 1x ./internal/bench/...

clean:
	rm -rf .cache/bin
