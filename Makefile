# The commands of this repository. `make` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
BINARY := target/release/landfall

.DEFAULT_GOAL := help
.PHONY: help up down example example-down test check sim e2e generate coverage bench build tools

help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

tools: ## Install what the machine lacks
	@./xbin/tools

build: tools ## Build the binary
	cargo build --release --locked -p landfall

up: build ## Install what is missing, build, run a region
	$(BINARY) up

down: ## Stop the region and leave nothing of it
	$(BINARY) down

example: build ## A chat of several tasks, as services of a region
	@LANDFALL=$(CURDIR)/$(BINARY) examples/socketio/up

example-down: ## Take the chat away; the region goes on
	@cd examples/socketio && eval "$$($(CURDIR)/$(BINARY) env)" && terraform destroy -auto-approve -input=false

test: tools ## Install what is missing, run every test
	@./xbin/test

check: ## fmt, tidy, clippy, docs, licences, unit tests: before every push
	cargo fmt --all --check
	cargo run -q --locked -p xtask -- tidy
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --lib --bins --locked -q
	@if command -v cargo-deny >/dev/null; then cargo deny check licenses bans sources; \
	else echo "licences are not checked: cargo install --locked cargo-deny"; fi

generate: ## Write the shapes anew from the models; the tree must stay clean
	cargo run -q --locked -p xtask -- generate

coverage: ## Which operations and fields are answered, as docs/coverage.md
	cargo run -q --locked -p xtask -- coverage

sim: ## All stories and 1,000 seeds of the simulator
	cargo run --release --locked -q -p sim -- --stories
	cargo run --release --locked -q -p sim -- --seeds 1000

e2e: build ## Real clients against the built binary
	./e2e/run

bench: build ## The numbers of docs/performance.md
	@./xbin/bench
