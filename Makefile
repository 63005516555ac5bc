# Aldaba. `make help` lists what can be made.

SHELL := /bin/bash
.DEFAULT_GOAL := help

GO      ?= go
TOOLS   := $(CURDIR)/.tools
LINT    := $(TOOLS)/golangci-lint
LINT_V  := v2.15.0
ROUNDS  ?= 1000
CYCLES  ?= 50
KILLS   ?= 3
QUEUED  ?= 10000
FUZZ    ?= 1000x

# Tests build binaries too; a checkout of another owner must not stop them.
export GOFLAGS ?= -buildvcs=false

# Where scripts/setup.sh puts npm's packages that tests speak to.
export ALDABA_NPM ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/aldaba/npm
export MAILDEV ?= $(wildcard $(ALDABA_NPM)/node_modules/.bin/maildev)

##@ People
.PHONY: help
help: ## Show this list.
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: dev
dev: ## Run everything in one process with demo tenants and an inbox.
	$(GO) run ./cmd/aldaba dev

.PHONY: build
build: ## Build the static binary ./aldaba.
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o aldaba ./cmd/aldaba

##@ Proof
.PHONY: timing
timing: ## Compare the times of answers that must not differ (ALDABA_TIMING=100000 requests each).
	ALDABA_TIMING=$${ALDABA_TIMING:-100000} $(GO) test ./e2e -count=1 -timeout=60m -run 'TestTiming$$' -v

.PHONY: test
test: ## Set up what is missing, then run everything (about 15 minutes on 2 cores).
	./scripts/setup.sh
	ALDABA_COUNTERPARTS=$$(./scripts/setup.sh counterparts) $(MAKE) --no-print-directory check long

.PHONY: check
check: format lint race size ## Format, lint, race tests on all engines, short fuzzing, size of the binary.
	$(MAKE) --no-print-directory fuzz

.PHONY: format
format: ## Fail when a file is not formatted or go.mod is not tidy.
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	$(GO) mod tidy -diff

.PHONY: lint
lint: $(LINT) ## Run the linters of .golangci.yml.
	$(GO) vet ./...
	$(LINT) run --allow-parallel-runners ./...

$(LINT):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_V)

.PHONY: race
race: ## Run all tests under the race detector, on SQLite and PostgreSQL.
	ALDABA_REQUIRE_POSTGRES=1 CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 15m ./...

.PHONY: long
long: ## Race rounds, kill -9 cycles and outages of carriers in full size, without the race detector.
	@echo 'races: $(ROUNDS) rounds of 64 right and 64 wrong codes, on SQLite and on two servers over one PostgreSQL'
	ALDABA_REQUIRE_POSTGRES=1 ALDABA_ROUNDS=$(ROUNDS) $(GO) test -count=1 -timeout 20m -run CodesAtOnce ./e2e
	@echo 'crashes: $(CYCLES) cycles of kill -9 under load on each SQL engine'
	ALDABA_REQUIRE_POSTGRES=1 ALDABA_CRASH_CYCLES=$(CYCLES) $(GO) test -count=1 -timeout 20m -run AKilled ./e2e
	@echo 'deliveries: $(KILLS) times kill -9 at each point of a message'\''s way on each SQL engine, and outages with $(QUEUED) messages waiting'
	ALDABA_REQUIRE_POSTGRES=1 ALDABA_DELIVERY_ROUNDS=$(KILLS) ALDABA_OUTAGE_MESSAGES=$(QUEUED) $(GO) test -count=1 -timeout 20m -parallel 16 -v -run 'AKillLoses|AnOutage|ACarrierThatFails|Chaos' ./e2e | grep -vE '^ *(=== |--- PASS)'; exit $${PIPESTATUS[0]}

.PHONY: attack
attack: ## Attack the running program in full: every case, over every dialect, on each engine; prints one table.
	@echo 'full counts: 1,000 rounds of 200 at once, 100,000 ids, 1,000,000 codes, 10,000 addresses; on a quiet machine'
	ALDABA_REQUIRE_POSTGRES=1 ALDABA_ATTACK=full $(GO) test -count=1 -timeout 90m -v -run '^TestAttack$$' ./e2e | grep -vE '^ *(=== |--- PASS)'; exit $${PIPESTATUS[0]}

.PHONY: fuzz
fuzz: ## Fuzz each target with $(FUZZ) inputs (FUZZ=30s: for a while).
	./scripts/fuzz.sh $(FUZZ)

.PHONY: alerts
alerts: ## Play cases to the alert rules with promtool; skipped where it is missing (Debian's package prometheus).
	$(GO) test -count=1 -v -run 'Prometheus|Alert' ./internal/metrics

.PHONY: planted
planted: ## Plant each defect of e2e/planted and fail when a test does not notice (about 4 minutes; needs git).
	./scripts/planted.sh

.PHONY: size
size: ## Fail when the static binary is 45 MB or more.
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o build/aldaba ./cmd/aldaba
	@bytes=$$(stat -c %s build/aldaba); echo "static binary: $$bytes bytes"; test $$bytes -lt 45000000

.PHONY: transcripts
transcripts: ## Write the answers into the golden transcripts; review the difference.
	$(GO) test ./api/... -run 'TestTranscripts' -update

.PHONY: bench
bench: ## Measure pairs per second against a server that stores nothing (about 5 minutes).
	$(GO) run ./e2e/bench

.PHONY: bench-document
bench-document: ## The same, with a million live verifications, into docs/performance.md; on a quiet machine.
	$(GO) run ./e2e/bench -live 1000000 -document docs/performance.md
