# `make run` shows the product, `make test` proves it. Both set up what they need.
.PHONY: run test check build release bench clean-data help
.DEFAULT_GOAL := help

DATA ?= .spandrel
CARGO_TARGET_DIR ?= target
export CARGO_TARGET_DIR

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

run: build ## build, then start console, sensor and the simulated plant
	$(CARGO_TARGET_DIR)/quick/spandrel run --lab --data $(DATA)

build: ## the console and the binary, quickly built
	@scripts/setup run
	@scripts/console
	cargo build --locked --profile quick --package spandrel

test: ## everything: unit, property, golden, end to end, live packets, browser
	@scripts/setup test
	@scripts/console
	scripts/test

check: ## what CI checks besides the tests
	cargo fmt --check
	cargo xtask tidy
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --package spandrel --no-default-features -- -D warnings
	scripts/deny

release: ## the stripped binary that is shipped, optimised by what it does on our own traffic
	@scripts/setup run
	@scripts/console
	scripts/release

bench: ## packets per CPU second, memory, scaling
	cargo xtask bench pcap

clean-data: ## forget the state of `make run`
	rm -rf $(DATA)
