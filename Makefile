# Everything here is done by the harness package, which needs nothing but Python's standard library.
PYTHON ?= python3
BENCH ?= boot
# REQUIRE=all: a tier that cannot run here is a failure. TIERS="lint unit": only these.
REQUIRE ?=
TIERS ?=

.PHONY: help up test lint docs soak bench release audit clean

help:
	@echo 'make up      run webspaced here: LXD, Traefik and one member; Ctrl-C ends it. LXD=host: this machine'"'"'s own LXD, LXD=simulated: none'
	@echo 'make test    run every tier this machine allows (TIERS="lint unit" for some, REQUIRE=all to allow no gap)'
	@echo 'make lint    ruff, mypy and import-linter'
	@echo 'make docs    build the documentation'
	@echo 'make soak    the long versions of random tests: 500 sequences of 50 events through the whole daemon, half an hour through the relay'
	@echo 'make bench   run a benchmark: BENCH=boot, routes (BENCH_PARTS=flips, events, takeover, resync, stalls), api, start, front, sleep, day, metrics, images, lan, rest or relay'
	@echo 'make release VERSION=1.2.3: collect the changelog, build and check wheel and sdist, list components, commit and tag; publishes nothing'
	@echo 'make audit   look the locked packages up among known vulnerabilities; status 2 where that cannot be asked'
	@echo 'make clean   remove everything that the above made, webspaces too'

# -u: what is happening must be seen while it happens, through a pipe too.
up:
	@$(PYTHON) -u -m harness.up

test:
	@$(PYTHON) -u -m harness.test $(if $(REQUIRE),--require $(REQUIRE)) $(TIERS)

lint:
	@$(PYTHON) -u -m harness.test lint

docs:
	@$(PYTHON) -u -m harness.test docs

soak:
	@$(PYTHON) -u -m harness.test soak

bench:
	@$(PYTHON) -u -m harness.venv
	@.venv/bin/python -u -m benchmarks.$(BENCH)

release:
	@$(PYTHON) -u -m harness.release $(VERSION)

audit:
	@$(PYTHON) -u -m harness.audit

clean:
	@$(PYTHON) -u -m harness.clean
