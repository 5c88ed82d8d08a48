# Each target sets up what it needs. `make help` lists them.
.DEFAULT_GOAL := help
SETUP := loadtest/sandbox/setup.sh
CARGO := cargo
# Warnings fail the check, not the build of somebody who is in the middle of a change.
DENY_WARNINGS := -D warnings
# What a build may leave out, the tests have. Both builds are linted; they share every library (onsale/Cargo.toml).
FEATURES := --features onsale/otlp
BROWSER_TEST := onsale/tests/browser
# The tests mostly wait for servers, so more of them than cores run at once.
TEST_THREADS := 6
CORES := $(shell nproc)
# Where the tests' private servers keep their files: in memory where there is plenty of it. A copy of a cluster for each test is
# half of what the tests cost on a disk, and none of them is about the disk.
SCRATCH := $(or $(TMPDIR),$(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 8000000 { print "/dev/shm" }'),/tmp)
# Which load test: a file in loadtest/scenarios. All but smoke are about figures, which only an optimised program has.
SCENARIO := smoke
LOADED := $(if $(filter smoke,$(SCENARIO)),debug,release)

.PHONY: help demo test soak check dashboards figures bench browser contract load load-most load-forecast load-test

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## everything in one process on private servers, with scripted buyers (ARGS=--once to exit afterwards)
	@$(SETUP) postgres redis
	@$(CARGO) run --quiet --locked --package onsale -- demo $(ARGS)

test: ## all tests against private servers, the page in a browser, and the load tests' own
	@$(SETUP) postgres redis promtool chromium python pdf
	@# k6 is built meanwhile, where it is missing, behind everything else.
	@k6=; trap '[ -z "$$k6" ] || kill $$k6' EXIT; \
		if command -v go >/dev/null; then nice -n 19 node loadtest/run.mjs --build & k6=$$!; fi; \
		export TMPDIR=$(SCRATCH); \
		RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --workspace $(FEATURES) && \
		$(MAKE) --no-print-directory browser && \
		if [ -n "$$k6" ]; then wait $$k6 && k6= && $(MAKE) --no-print-directory load-test; \
		else echo "go is not installed: the load tests are left to the workflow"; fi

browser: ## the page in headless Chromium, as a new visitor would use it
	@$(SETUP) postgres redis chromium
	@# The program that the Rust tests have, built with them: alone it would be another, with most of its libraries again.
	@$(CARGO) test --quiet --locked --workspace $(FEATURES) --no-run
	@cd $(BROWSER_TEST) && npm ci --silent --no-audit --no-fund && node --test && node run.mjs

load: ## a load test by name (SCENARIO=smoke), against ONSALE_URL or a sandbox; loadtest/README.md has the knobs
	@$(SETUP) postgres redis
	@[ -n "$$ONSALE_URL" ] || $(CARGO) build --quiet --locked --package onsale $(if $(filter release,$(LOADED)),--release)
	@ONSALE="$${ONSALE:-$(CURDIR)/target/$(LOADED)/onsale}" node loadtest/run.mjs $(SCENARIO)

load-most: ## steps the stampede up until something breaks, and says the most that held
	@$(MAKE) --no-print-directory load SCENARIO=most

load-forecast: ## a rehearsal, and k6 playing the same sale anew: whether the forecast is within 10 % (some 6 minutes)
	@$(SETUP) postgres redis
	@$(CARGO) build --quiet --locked --package onsale --release
	@target/release/onsale rehearse loadtest/rehearsal/sale.json --crowd loadtest/rehearsal/crowd.json --fans 2000 --speed 1 \
		--out target/rehearsal $(ARGS)
	@$(MAKE) --no-print-directory load SCENARIO=rehearsed REPORT=target/rehearsal/report.json

load-test: ## that the load tests pass where they should and fail where they must
	@$(SETUP) postgres redis
	@# The program that the Rust tests have: alone it would be another, with most of its libraries again.
	@$(CARGO) test --quiet --locked --workspace $(FEATURES) --no-run
	@node --test loadtest/tests/*.test.js
	@node loadtest/check/check.mjs

soak: ## the same tests at their full counts, optimised (about an hour on 2 cores)
	@$(SETUP) postgres redis promtool python pdf
	ONSALE_SOAK=1 RUST_TEST_THREADS=$(CORES) $(CARGO) test --release --locked --workspace $(FEATURES)

bench: ## every figure beside its reference, in one table that is also written to docs/performance.md (RUNS=3, ONLY=holds)
	@$(SETUP) postgres redis
	@CARGO="$(CARGO)" node loadtest/bench/run.mjs

contract: ## every request we make of Stripe, against stripe-mock and localstripe (needs go and python3)
	@CARGO="$(CARGO)" loadtest/sandbox/contract.sh

check: dashboards figures ## formatting, lints, documentation, dependency rules, dashboards
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets $(FEATURES) -- $(DENY_WARNINGS)
	$(CARGO) clippy --locked --workspace --all-targets -- $(DENY_WARNINGS)
	RUSTDOCFLAGS="$(DENY_WARNINGS)" $(CARGO) doc --locked --workspace $(FEATURES) --no-deps --document-private-items --quiet
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check; else echo "cargo-deny is not installed: left to the workflow"; fi

figures: ## how the table of make bench is made of what benches print
	@node --test loadtest/bench/tests/*.test.mjs

dashboards: ## dashboards and alerts: the linter's rules, every query, every case of every alert
	@$(SETUP) promtool
	@node --test grafana/tests/*.test.mjs
