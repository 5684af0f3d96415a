# Holdfast. "make help" lists the targets. "make test" is all that CI runs: .ci/run
# installs the Debian packages of scripts/packages.txt and calls it.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:

GO       ?= go
# Inputs and not a time: at the end of a time go test sometimes takes its own deadline for
# a failure.
FUZZTIME ?= 20000x
SEEDS    ?= 500
SOAK     ?= 1h

# One goroutine owns a machine and internal/tidy refuses a second one in the pure
# packages, so the race detector has work in these only.
CONCURRENT = $(shell $(GO) list . ./client/... ./lock/... ./examples/... ./guard/... ./internal/... | grep -v -e /internal/sim -e /internal/tidy -e /internal/lab/cohort -e /internal/lab/locks)

# Test runs go through verdict, which prints what a person needs, counts, and fails
# when a test is skipped in CI.
VERDICT = bin/verdict -tally bin/tally

# Packages are tested one after the other (-p 1): those that make network namespaces hold
# locks of the kernel for so long that nodes in another's seem dead.

say = @printf '\n== %s\n' "$(1)"

.PHONY: help build test race lint sim soak fuzz bench demo clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

build: ## bin/holdfast
	$(call say,building)
	$(GO) build -o bin/holdfast ./cmd/holdfast
	$(GO) build -o bin/verdict ./internal/tidy/verdict

test: clean lint build ## everything that CI runs
	$(call say,tests of every package: house rules and a short simulation are among them)
	$(GO) test -p 1 -timeout 30m -json ./... | $(VERDICT)
	@$(MAKE) --no-print-directory sim race fuzz demo
	$(call say,all of it)
	@bin/verdict -total bin/tally

race: build ## tests under the race detector, where there is more than one goroutine
	$(call say,race detector: the packages that may start goroutines)
	@if command -v $${CC:-gcc} >/dev/null; then $(GO) test -p 1 -timeout 30m -race -json $(CONCURRENT) | $(VERDICT); \
	else echo "skipped: the race detector needs a C compiler, see scripts/packages.txt"; [ "$${CI:-}" != true ]; fi

lint: ## gofmt, vet, staticcheck, module sums, known vulnerabilities
	$(call say,gofmt)
	@unformatted=$$(gofmt -l $$(find . -name '*.go' -not -path './bin/*')); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(call say,go vet)
	$(GO) vet ./...
	cd bench/peers && $(GO) vet ./...
	$(call say,staticcheck)
	$(GO) tool -modfile=tools/go.mod staticcheck ./...
	$(call say,module sums and vulnerabilities)
	$(GO) mod verify
	cd bench/peers && $(GO) mod verify
	@scripts/vulnerabilities

sim: build ## the simulator: SEEDS=500 seeds of this commit (10,000 for groups), and the planted bugs that it must find
	$(call say,simulation; make soak goes on until stopped)
	HOLDFAST_SIM_SEED=$$(git rev-parse HEAD 2>/dev/null || true) \
	$(GO) test -json -count=1 -timeout 60m ./internal/sim -args -seeds=$(SEEDS) | $(VERDICT)
	$(call say,planted bugs: each must be found)
	$(GO) test -json -timeout 60m -tags canary -run Canary ./internal/sim/... ./protocol/... ./service/... ./internal/lab/locks | $(VERDICT)

soak: ## real processes under faults for SOAK=1h, as root, then the simulator on new seeds until something fails
	$(call say,real processes for $(SOAK): one line a round of half a minute and a summary)
	$(GO) test ./internal/lab/locks -count=1 -run TestSoak -v -timeout 0 -args -soak=$(SOAK) -from=$$(date +%s) | grep -v -e '^=== ' -e '^ *---'
	$(call say,the simulator until it is stopped)
	$(GO) build -o bin/simulate ./internal/command/simulate
	bin/simulate -forever

fuzz: build ## every fuzz target for FUZZTIME=20000x
	$(call say,fuzzing every target for $(FUZZTIME))
	@grep -rHo --include=*_test.go 'func Fuzz[A-Za-z0-9_]*' . | grep -v /testdata/ | sort | \
	while IFS=: read -r file target; do \
		echo "-- $${target#func } in $${file%/*}"; \
		$(GO) test -json -run '^$$' -fuzz "^$${target#func }\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$${file%/*}" | $(VERDICT); \
	done

bench: ## benchmarks with what they allocate, then those against other programs
	$(call say,steps)
	$(GO) test -run '^$$' -bench . -benchmem ./protocol/... ./service/... ./internal/edge/...
	$(call say,side by side)
	$(GO) run ./bench

demo: build ## the demo, with figures for machines and an exit status
	$(call say,demo: two firewalls and one is killed)
	bin/holdfast demo --json

clean: ## remove bin/
	rm -rf bin
