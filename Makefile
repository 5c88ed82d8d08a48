# Each target sets up what it needs. `make help` lists them.
.DEFAULT_GOAL := help
SETUP := loadtest/sandbox/setup.sh
CARGO := cargo
# Warnings fail the check, not the build of somebody who is in the middle of a change.
DENY_WARNINGS := -D warnings
BROWSER_TEST := onsale/tests/browser
# The tests mostly wait for servers, so more of them than cores run at once.
TEST_THREADS := 6
CORES := $(shell nproc)

.PHONY: help demo test soak check bench browser contract

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## everything in one process on private servers, with scripted buyers (ARGS=--once to exit afterwards)
	@$(SETUP) postgres redis
	@$(CARGO) run --quiet --locked --package onsale -- demo $(ARGS)

test: ## all tests against private servers, and the page in a browser
	@$(SETUP) postgres redis promtool chromium python pdf
	RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --workspace
	@$(MAKE) --no-print-directory browser

browser: ## the page in headless Chromium, as a new visitor would use it
	@$(SETUP) postgres redis chromium
	@# The program that the Rust tests have, built with them: alone it would be another, with most of its libraries again.
	@$(CARGO) test --quiet --locked --workspace --no-run
	@cd $(BROWSER_TEST) && npm ci --silent --no-audit --no-fund && node --test && node run.mjs

soak: ## the same tests at their full counts, optimised (about an hour on 2 cores)
	@$(SETUP) postgres redis promtool python pdf
	ONSALE_SOAK=1 RUST_TEST_THREADS=$(CORES) $(CARGO) test --release --locked --workspace

bench: ## benchmarks, each beside its reference in the same run (ONSALE_BENCH_FULL=1: books of ten million entries)
	@$(SETUP) postgres redis
	@for bench in admission:line admission:seats ledger:posting ledger:applying workers:backlog gateway:webhook gateway:joins gateway:holds gateway:sockets gateway:checkins tickets:pdf sandbox:stripe onsale:budget onsale:paid_orders; do \
		$(CARGO) bench --quiet --locked --package $${bench%:*} --bench $${bench#*:} || exit 1; \
	done

contract: ## every request we make of Stripe, against stripe-mock and localstripe (needs go and python3)
	@CARGO="$(CARGO)" loadtest/sandbox/contract.sh

check: ## formatting, lints, documentation, dependency rules
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- $(DENY_WARNINGS)
	RUSTDOCFLAGS="$(DENY_WARNINGS)" $(CARGO) doc --locked --workspace --no-deps --document-private-items --quiet
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check; else echo "cargo-deny is not installed: left to the workflow"; fi
