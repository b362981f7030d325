# `make demo` and `make test` do all the set-up that they need.

CARGO ?= cargo
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)
EXAMPLES := $(wildcard examples/*/Cargo.toml)
BINARY := $(abspath $(or $(CARGO_TARGET_DIR),target))/debug/replicant

.PHONY: help demo test toolchain lint doc suites examples skipped bench sim clean-guests

help:
	@echo "make demo    build Replicant and watch three nodes converge (ARGS=--fast for the short one)"
	@echo "make test    formatting, lints, documentation and every test suite"
	@echo "make bench   the figures of docs/performance.md (release build; takes a while)"
	@echo "make sim     scenarios of membership and broadcast with up to 10,000 nodes (takes longer)"

# What compiles guests to WebAssembly: found, or installed with the system's package manager.
toolchain:
	@sh guest-sdk/build/toolchain.sh

demo: toolchain
	$(CARGO) build -p replicant-cli
	$(CARGO) run --quiet -p replicant-cli -- demo $(ARGS)

test: toolchain lint doc suites examples skipped

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet

# The command is built together with the tests, once, with the same features for all.
suites:
	$(CARGO) build --workspace --bins --tests --quiet
ifeq ($(NEXTEST),yes)
	REPLICANT_BIN="$(BINARY)" $(CARGO) nextest run --workspace
	$(CARGO) test --workspace --doc --quiet
else
	REPLICANT_BIN="$(BINARY)" $(CARGO) test --workspace
endif

# A user's own crate: its tests run as a user would run them.
examples:
	@set -e; for manifest in $(EXAMPLES); do \
		echo "$(CARGO) test --manifest-path $$manifest"; \
		$(CARGO) fmt --check --manifest-path $$manifest; \
		$(CARGO) test --quiet --manifest-path $$manifest --target-dir $(dir $(BINARY))../examples; \
	done

# What could not be tested, since a registry of another language's tools was out of reach.
skipped:
	@cat $(dir $(BINARY))../tmp/projects/*.skipped 2>/dev/null || true

# Every scenario with as many nodes as its figures are about. SEEDS=A..B for others.
SEEDS ?= 1..2
sim: toolchain
	$(CARGO) build --quiet --release -p replicant-cli
	sh tests/simulator/all.sh $(dir $(BINARY))../release/replicant $(SEEDS)

bench: toolchain
	$(CARGO) bench -p replicant-runtime
	$(CARGO) run --release -p replicant-cli -- bench
	$(CARGO) run --release --manifest-path tests/bench-peers/Cargo.toml
