# fuxi: Docker volumes on OpenStack
GO      ?= go
BIN     := bin
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -X main.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
SUDO    := $(if $(filter 0,$(shell id -u)),,sudo -E env "PATH=$(PATH)")

export PATH := $(PATH):/usr/sbin:/sbin:/usr/local/go/bin

.DEFAULT_GOAL := help

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/fuxi and bin/fuxi-sim
	@scripts/setup build
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

test: ## every test, under the race detector: unit, conformance, real mounts, real dockerd (as root; installs what is missing)
	@scripts/setup test
	$(SUDO) $(GO) test -race -count=1 -timeout 15m ./...

test-unit: ## the tests that need no root and no Docker
	$(GO) test -race -timeout 10m $$($(GO) list ./... | grep -v /e2e)

test-root: ## only the tests that mount and run Docker
	@scripts/setup test
	$(SUDO) $(GO) test -race -count=1 -timeout 15m ./connector/... ./e2e/...

e2e: build ## the scenarios on a real OpenStack, in 20 minutes (FULL=1: all; RUN=REGEXP: some; DOWN=1: end the lab after them)
	$(SUDO) env FULL=$(FULL) RUN='$(RUN)' DOWN=$(DOWN) scripts/e2e

demo: build ## the main job on the embedded cloud with a real Docker engine (installs what is missing)
	@scripts/setup demo
	@$(SUDO) scripts/demo

bench: build ## measure speed and size, as a table with ratios
	@scripts/setup test
	$(SUDO) $(GO) run ./e2e/bench

mutate: ## break each guard by its patch and show that its test fails
	@scripts/setup test
	$(SUDO) scripts/mutate

fuzz: ## run every fuzz test for FUZZTIME (10s) each
	scripts/fuzz $(or $(FUZZTIME),10s)

lint: ## gofmt, go vet, staticcheck, go.mod tidy
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt these:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet -tags e2e ./...
	$(GO) vet -tags lab ./connector/...
	$(GO) run $(STATICCHECK) -tags e2e ./...
	$(GO) mod tidy -diff

lab-up: ## start a real OpenStack with Ceph and Docker hosts on this machine (docs/lab.md; installs what is missing)
	$(SUDO) scripts/lab/lab up

lab-down: ## end it
	$(SUDO) scripts/lab/lab down

clean: ## remove what was built
	rm -rf $(BIN)

.PHONY: help build test test-unit test-root e2e demo bench mutate fuzz lint lab-up lab-down clean
