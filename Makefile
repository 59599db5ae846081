# One place for the commands that people and CI both run. `make help` lists them.
# Needs: Python 3.11 or later with venv, git, make. The first target that needs packages installs them into .venv.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
    "$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
READY := .venv/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(READY): requirements/dev.txt pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "Cần Python từ 3.11 trở lên, có venv và ensurepip (Debian: apt-get install python3-venv)." \
	    "/ Python 3.11 or later with venv and ensurepip is needed."; exit 2; }
	@[ -x $(BIN)/python ] || { echo "Tạo .venv, lần đầu mất một hai phút. / Making .venv; the first time takes a minute or two."; \
	    "$(PYTHON)" -m venv .venv; }
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Two workers more than cores, since tests wait for processes and answers; eight at most: each collects, and has databases of its own.
WORKERS := -n $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); [ $$n -lt 6 ] && echo $$((n + 2)) || echo 8) --dist worksteal

# Whatever the environment says, bytecode is kept: the suite starts hundreds of processes, each of which would compile the gateway.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: venv
venv: $(READY)  ## install what is needed into .venv

.PHONY: demo
demo: $(READY)  ## watch one signed dossier travel both ways; ARGS=--keep leaves the gateway running
	$(BIN)/lienthong demo $(ARGS)

.PHONY: test
test: $(READY)  ## run the whole test suite
	$(BIN)/pytest -q $(WORKERS) $(if $(CI),--durations=25)

.PHONY: test-later
test-later: $(READY)  ## the same suite when a year has passed on the wall's clock and on no other (needs a C compiler)
	mkdir -p build && cc -O2 -Wall -Wextra -shared -fPIC -o build/later.so tests/later.c -ldl
	LD_PRELOAD="$(CURDIR)/build/later.so" $(BIN)/pytest -q $(WORKERS)

# The newest CPython on this machine, pyenv's included; tests/architecture says which the classifiers promise.
NEWEST ?= $(shell for v in 15 14 13; do for p in python3.$$v "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.$$v.*/bin/python3.$$v; do \
    "$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 13))' 2>/dev/null && echo "$$p" && exit; done; done)

.PHONY: newest-python
newest-python:  ## where that CPython is; nothing where there is none
	@echo "$(NEWEST)"

.PHONY: newest
newest:  ## what does not start processes, under the newest CPython that can be found (3.13 or later)
	@[ -n "$(NEWEST)" ] || { echo "Không có CPython từ 3.13 trên máy này. / No CPython 3.13 or later on this machine."; exit 2; }
	@[ -x .venv-newest/bin/python ] || "$(NEWEST)" -m venv .venv-newest
	@.venv-newest/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/dev.txt
	@.venv-newest/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	.venv-newest/bin/python --version
	.venv-newest/bin/pytest -q $(WORKERS) tests/core tests/documents tests/schemas tests/signing/test_verify.py tests/signing/test_genuine.py tests/connectors

.PHONY: drill
drill: $(READY)  ## destroy a node under load and bring it back from its backup, by processes, on both databases; ARGS="--only sqlite"
	$(BIN)/python tests/pki/drill.py $(ARGS)

.PHONY: lint
lint: $(READY)  ## ruff: style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: $(READY)  ## ruff: mend what can be mended by machine
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: types
types: $(READY)  ## mypy, strict
	$(BIN)/mypy

.PHONY: floors
floors: $(READY)  ## import-linter: a floor imports only floors below it
	$(BIN)/lint-imports --no-cache

.PHONY: coverage
coverage: $(READY)  ## test coverage by branch, for reading; no number fails the build
	$(BIN)/coverage run -m pytest -q
	$(BIN)/coverage report --skip-covered --skip-empty --sort=miss

.PHONY: docs
docs: $(READY)  ## write the pages of docs/ that are made from the code
	$(BIN)/python tools/pages.py
	$(BIN)/python tools/contract.py

.PHONY: docs-check
docs-check: $(READY)  ## fail where such a page is not current
	$(BIN)/python tools/pages.py --check
	$(BIN)/python tools/contract.py --check

.PHONY: site
site: $(READY)  ## build docs/vi and docs/en as a site that needs no internet; the gateway serves it at /docs/vi/ and /docs/en/
	$(BIN)/python tools/docsite.py

.PHONY: package
package: $(READY)  ## build the wheel, install it in a clean environment without any index, run it from elsewhere
	$(BIN)/python tools/package.py

.PHONY: bundle
bundle: $(READY) site  ## one file in dist/ that installs without a network: wheels with hashes, bill of materials (CycloneDX), deploy/, docs/
	$(BIN)/python tools/package.py --bundle

.PHONY: pins
pins: $(READY)  ## make requirements/*.txt anew from pyproject.toml, with hashes and without addresses
	$(PIP) install uv
	for set in run dev; do \
	  env -u PIP_FIND_LINKS -u UV_FIND_LINKS UV_NATIVE_TLS=1 $(BIN)/uv pip compile --quiet --universal --python $(BIN)/python --python-version 3.11 --upgrade \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	    $$([ $$set = dev ] && echo "--extra dev --constraint requirements/run.txt") pyproject.toml -o requirements/$$set.txt; \
	done
	echo "cyclonedx-bom>=7" | env -u PIP_FIND_LINKS -u UV_FIND_LINKS UV_NATIVE_TLS=1 $(BIN)/uv pip compile --quiet --universal \
	  --python $(BIN)/python --python-version 3.11 --upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --no-emit-find-links --constraint requirements/run.txt - -o requirements/bundle.txt

.PHONY: clean
clean:  ## remove what these targets made, .venv excepted
	rm -rf .venv-newest build dist gateway/web/site htmlcov .coverage .mutants.json .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.PHONY: proofs
proofs: $(READY)  ## benchmark and mutants in a short form; attacks and fuzz have theirs in the test suite
	$(BIN)/python bench/run.py --quick
	$(BIN)/python tools/mutants.py --sample 40 --seed 1 --least 85

GENERATOR_VERSION := 7.14.0
GENERATOR := build/contract/openapi-generator-cli-$(GENERATOR_VERSION).jar

$(GENERATOR):
	mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -DoutputDirectory=build/contract \
	  -Dartifact=org.openapitools:openapi-generator-cli:$(GENERATOR_VERSION)

# Jars of Apache CXF and EU DSS, as tests/web/clients/pom.xml names them.
build/contract/cxf build/contract/dss: tests/web/clients/pom.xml
	mvn -q -B -f $< -P $(@F) org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory=$(CURDIR)/$@
	@touch $@

.PHONY: contract
contract: $(READY) $(GENERATOR) build/contract/cxf build/contract/dss  ## clients generated from openapi.json (Java, Python, TypeScript) and from the WSDL (Apache CXF) over every operation; EU DSS; minutes
	OPENAPI_GENERATOR=$(GENERATOR) CXF_LIB=build/contract/cxf DSS_LIB=build/contract/dss \
	  $(BIN)/pytest -q tests/web/test_generated_clients.py tests/web/test_soap_clients.py tests/signing/test_dss.py $(ARGS)

.PHONY: contract-short
contract-short: $(READY)  ## the TypeScript client alone, half a minute; where its generator cannot be fetched, a sentence
	@if $(MAKE) --silent $(GENERATOR); then \
	  OPENAPI_GENERATOR=$(GENERATOR) $(BIN)/pytest -q tests/web/test_generated_clients.py -k "typescript or asked"; \
	else echo "BỎ QUA / LEFT OUT: make contract-short; không tải được / cannot be fetched: openapi-generator $(GENERATOR_VERSION)" >&2; fi

.PHONY: ci
ci: lint types floors docs-check site package proofs contract-short storm-short drill soak-short test  ## everything that must hold before a change is taken

.PHONY: screenshots
screenshots: $(READY)  ## pictures of every page of the console at 1280 and 390 px, to be looked at (dist/screenshots); ARGS="--only qua-han,nhat-ky"
	$(BIN)/python tools/screenshots.py $(ARGS)

.PHONY: bench
bench: $(READY)  ## floor and product in one run, half an hour; ARGS=--quick to see that it works
	$(BIN)/python bench/run.py --load --svg docs/performance.svg $(ARGS)

.PHONY: bench-peer
bench-peer: $(READY)  ## the gateway and a plain Camel pipeline in turn; needs a JDK and Maven
	$(BIN)/python bench/peer/compare.py $(ARGS)

.PHONY: bench-compare
bench-compare: $(READY)  ## two revisions in turn: make bench-compare REV=main~5
	$(BIN)/python bench/compare.py $(REV) $(ARGS)

.PHONY: years
years: $(READY)  ## stores of ten thousand, a hundred thousand and a million messages: what is asked all the time, in time and in SQLite's steps
	$(BIN)/python bench/years.py $(ARGS)

.PHONY: bench-desk
bench-desk: $(READY)  ## the console's pages and the look-ups on a million messages; ARGS="--size 10000 --times 2"
	$(BIN)/python bench/desk.py $(ARGS)

.PHONY: bench-files
bench-files: $(READY)  ## files of 100 MB in and out: memory of a worker, and what other senders notice; ARGS="--mb 10"
	$(BIN)/python bench/files.py $(ARGS)

.PHONY: journey-files
journey-files: $(READY)  ## files of 60 MB and 1 GiB travel portal → gateway → agency by REST and by SOAP, each wire cut once
	LIENTHONG_FILE_MB=60 $(BIN)/pytest -q -n0 tests/web/test_files_travel.py
	LIENTHONG_FILE_MB=1074 $(BIN)/pytest -q -n0 tests/web/test_files_travel.py

.PHONY: bench-reconcile
bench-reconcile: $(READY)  ## a million dossiers against a party's export: time and memory; ARGS="--dossiers 100000"
	$(BIN)/python bench/reconcile.py $(ARGS)

.PHONY: storm
storm: $(READY)  ## two nodes on PostgreSQL, one on SQLite, a faulty agency, a thousand kills; then a model; ARGS="--kills 200 --seed 1"
	$(BIN)/python tests/pki/storm.py $(ARGS)

.PHONY: storm-short
storm-short: $(READY)  ## the same with 44 kills, of each kind at least two: a minute or two
	$(BIN)/python tests/pki/storm.py --kills 44

.PHONY: soak
soak: $(READY)  ## an hour at 60 % of the peak: memory, descriptors, latency of the first and last tenth; ARGS="--minutes 10 --postgresql"
	$(BIN)/python tests/pki/soak.py $(ARGS)

.PHONY: soak-short
soak-short: $(READY)  ## the same in three minutes
	$(BIN)/python tests/pki/soak.py --minutes 3 --peak 0.5

.PHONY: hostile-host
hostile-host: $(READY)  ## locks, silence, full disks, fail-over of a pair, PgBouncer, few descriptors, cleaned folders, little CPU: by real processes
	LIENTHONG_HOSTILE=1 $(BIN)/pytest -q -m hostile $(ARGS)

.PHONY: samples
samples: $(READY)  ## make the samples anew where their recipes have changed
	$(BIN)/python samples/keys/make.py
	$(BIN)/python samples/make.py

.PHONY: attacks
attacks: $(READY)  ## every attack document on every accepted sample, every way to sign; minutes, with time and memory of the dearest
	LIENTHONG_ALL_ATTACKS=1 $(BIN)/pytest -q $(WORKERS) tests/signing/test_attacks.py tests/signing/test_timestamp.py \
	    tests/signing/test_verify.py tests/signing/test_genuine.py
	$(BIN)/python tools/attacks.py

.PHONY: attacks-known
attacks-known: $(READY)  ## the same documents by both ways of verifying, most of an hour: the quick way says what the long one says
	LIENTHONG_ALL_ATTACKS=1 $(BIN)/pytest -q $(WORKERS) tests/signing/test_known.py

.PHONY: properties
properties: $(READY)  ## every property test with a thousand examples that change from run to run, instead of fifty that stay
	LIENTHONG_DEEP=1 $(BIN)/pytest -q $(WORKERS) -m hypothesis

.PHONY: mutants
mutants: $(READY)  ## change the core in one place after the other; its tests must fail, minutes; ARGS="--module lifecycle"
	$(BIN)/python tools/mutants.py $(ARGS)

MINUTES ?= 10
.PHONY: fuzz
fuzz: $(READY)  ## mutated signed messages against the judgement; MINUTES=10 ARGS="--workers 4 --seed 1"
	$(BIN)/python tools/fuzz.py --minutes $(MINUTES) $(ARGS)

.PHONY: vectors
vectors: $(READY)  ## our verdict on public signature vectors beside xmlsec1's; VECTORS=folder, ARGS="--write docs"
	@[ -n "$(VECTORS)" ] || { echo "make vectors VECTORS=thư-mục / folder"; exit 2; }
	$(BIN)/python tools/vectors.py "$(VECTORS)" $(ARGS)

MONTH ?= var/thang
.PHONY: play-month
play-month: $(READY)  ## a node with a month behind it, a hundred thousand messages of fifteen parties, to try the desk on; ARGS="--messages 5000"
	$(BIN)/python tools/month.py $(MONTH) $(ARGS)
