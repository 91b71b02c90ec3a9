# `make help` lists what there is.

SHELL := /bin/bash -euo pipefail
BUILD_PACKAGES := build-essential cmake pkg-config
TEST_PACKAGES := chromium ffmpeg firefox-esr fonts-liberation fonts-noto-cjk gir1.2-gst-plugins-bad-1.0 \
	gstreamer1.0-nice gstreamer1.0-plugins-bad gstreamer1.0-plugins-base gstreamer1.0-plugins-good iproute2 prometheus \
	python3-gi python3-venv valgrind

export TVG_COMMIT ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

.PHONY: help build-packages packages web binaries browser-client run test test-web test-rust test-browser clients check sim lab bench instructions heap allocation consult docs

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Installs those of the named Debian packages that are missing.
define install
	@missing=$$(for package in $(1); do \
		dpkg-query -W -f='$${db:Status-Status}\n' $$package 2>/dev/null | grep -qx installed || echo $$package; \
	done); \
	if [ -n "$$missing" ]; then \
		sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		$$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 update; \
		$$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
			install -y --no-install-recommends $$missing; \
	fi
endef

build-packages: # What a build needs
	$(call install,$(BUILD_PACKAGES))

packages: # What a build and the tests need
	$(call install,$(BUILD_PACKAGES) $(TEST_PACKAGES))

# The lock file of what is installed is newer than the one of the repository: nothing to do.
web-client/node_modules/.package-lock.json: web-client/package-lock.json
	npm --prefix web-client ci --no-audit --no-fund
	@touch $@

web: web-client/node_modules/.package-lock.json # The page that the gateway embeds
	npm --prefix web-client run build

run: build-packages web ## Build everything and start the gateway with a consult to try
	cargo run --release -p gateway -- --demo

check: build-packages web ## Formatting, lints and types, without running anything
	npm --prefix web-client run check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

test: packages check test-web test-rust test-browser ## Every test: client, Rust, and real browsers in a call

test-web: web
	npm --prefix web-client test

test-rust: packages web
	cargo test --workspace --no-fail-fast

binaries: packages web
	cargo build --workspace --bins

browser-client: packages
	npm --prefix loadtest/browser ci --no-audit --no-fund

# GStreamer comes with Debian's own Python.
target/python/.installed: loadtest/clients/requirements.txt
	/usr/bin/python3 -m venv --system-site-packages target/python
	target/python/bin/pip install --quiet --requirement $<
	@touch $@

clients: packages target/python/.installed # Clients of others, for the tests

# Browsers run in network namespaces of their own, which takes root.
test-browser: binaries browser-client clients
	npm --prefix loadtest/browser test

sim: ## Whole calls against the media plane, on virtual time
	cargo test -p sfu -p lab --tests

# The virtual part takes a minute or two; without measured traces (TRACES_DIR) it runs those of the repository alone.
lab: binaries browser-client ## Adaptation measured: virtual time, then real browsers (most of an hour; SCENARIOS="5-0.5-5")
	cargo run --release -p lab -- --document
	node loadtest/browser/scenarios/lab.mjs $(SCENARIOS)

# The fleet's part takes 10 minutes; FLEET=--quick takes 2 and tells less.
bench: build-packages web ## Cost per forwarded packet, then of a fleet on a gateway and on a bare forwarder (FLEET=--quick)
	cargo bench -p gateway --bench egress
	cargo build --release -p gateway -p loadtest
	target/release/loadtest bench $(FLEET)

# UPDATE_BASELINE=1 takes what is counted for the new baseline.
instructions: ## Instructions per forwarded packet, against the baseline
	$(call install,$(BUILD_PACKAGES) valgrind)
	cargo test --workspace --test instructions -- --nocapture --test-threads=1 no_more

heap: build-packages ## What the forwarding path asks of the heap, and who asks
	cargo test --workspace --test heap -- --nocapture --test-threads=1

allocation: build-packages ## How good and how quick allocation is, and how right network classes are
	cargo bench -p sfu --bench allocation
	cargo bench -p gateway --bench network_class

consult: binaries browser-client ## Figures of real consults (SCENARIOS="hd loss"; all of them take 10 minutes)
	node loadtest/browser/scenarios/consult.mjs $(SCENARIOS)

docs: ## Write the generated references anew
	UPDATE_GENERATED=1 cargo test -p gateway --test tidy generated
	UPDATE_GENERATED=1 cargo test -p protocol --test typescript
