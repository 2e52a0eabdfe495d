# One word for everything that is done here; `make` alone lists the words.

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
UV ?= $(BIN)/uv
# Hashes pin every file; no index address is written, so that each machine's own settings say where files come from.
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-emit-package sluice-client --custom-compile-command "make requirements" $(UPGRADE)
# Many tests wait for a process or a time limit: on two cores the third keeps them busy. Each steals from the others once
# it is through with its own part of the folders, whose servers few of them start that way.
PYTEST_WORKERS := -n 3 --dist worksteal
SECONDS ?= 120
LOADS ?= 100
ROUNDS ?= 5
BACKEND := setuptools>=77
TYPESCRIPT := clients/typescript

# Tests start hundreds of processes: without its bytecode on the disk, each compiles all of Sluice anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup venv demo up test chaos chaos-loads chaos-mutants fuzz bench screenshots docs docs-reference client client-types node-tools requirements
.DELETE_ON_ERROR:

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/installed ## Install into .venv

demo: .venv/installed ## See it work: from nothing to real batches done, in one terminal
	@$(BIN)/sluice demo

up: .venv/installed ## Run everything here until Ctrl-C: servers, web, worker, sweep, webhooks, flower
	@$(BIN)/sluice up --end-with-parent $(ARGS)

test: .venv/tested .venv/documented .venv/browsing node-tools ## Run all that CI runs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest $(PYTEST_WORKERS) $(ARGS)

chaos: .venv/tested ## Break everything for long: SECONDS=120 of random faults; SEED= repeats a run
	@CHAOS_SECONDS=$(SECONDS) $(if $(SEED),CHAOS_SEED=$(SEED)) $(BIN)/pytest tests/chaos $(ARGS)

chaos-loads: .venv/benched ## Kill loader, API and worker at random while LOADS=100 files and a year of flights load
	@CHAOS_LOADS=$(LOADS) $(if $(SEED),CHAOS_SEED=$(SEED)) $(BIN)/pytest tests/chaos/test_loader.py $(ARGS)

chaos-mutants: .venv/tested ## Take out what keeps the promises, one at a time: the tests must notice each
	@$(BIN)/python -m tests.chaos.mutants

fuzz: .venv/tested ## Call each API at random for SECONDS=120, and read bodies of any bytes; SEED= repeats a run
	@FUZZ_SECONDS=$(SECONDS) $(if $(SEED),FUZZ_SEED=$(SEED)) $(BIN)/pytest -s tests/fuzz $(ARGS)

bench: .venv/benched ## Measure, beside raw COPY and what you would use otherwise; ROUNDS=5, ONLY=worker-entities,..., SAVE=1
	@$(BIN)/python -m benchmarks --rounds $(ROUNDS) --only '$(ONLY)' $(if $(SAVE),--save)

screenshots: .venv/browsing ## Take the pictures of docs/images anew, in Debian's chromium
	@SLUICE_SCREENSHOTS=docs/images $(BIN)/pytest -q -n 0 tests/console/test_screenshots.py

docs: .venv/documented ## Build the guide from docs/ into app/guide_pages, where web serves it at /guide
	@rm -rf app/guide_pages
	@$(BIN)/python -m sphinx -W -n --keep-going -q -b dirhtml -d build/doctrees docs app/guide_pages

docs-reference: .venv/installed ## Write those pages of docs/reference anew that are made of the source
	@$(BIN)/python -m reference

client: .venv/tested ## Make the synchronous client of clients/python anew, from the asynchronous one
	@$(BIN)/python clients/python/make_sync.py

client-types: .venv/tested node-tools ## Make the types of clients/typescript anew, from the OpenAPI document
	@DATABASE_URL=postgresql://none REDIS_URL=redis://none $(BIN)/python -c 'import json; from app import create_app; \
		from app.openapi import docs; print(json.dumps(docs.document(create_app())))' \
		| node $(TYPESCRIPT)/make-schema.js $(TYPESCRIPT)/src/schema.ts

requirements: ## Pin the dependencies of pyproject.toml anew; UPGRADE=--upgrade takes the newest of each
	$(COMPILE) pyproject.toml -o requirements.txt
	echo '$(BACKEND)' | $(COMPILE) pyproject.toml - --extra embedded -c requirements.txt -o requirements-embedded.txt
	$(COMPILE) pyproject.toml --extra otel -c requirements-embedded.txt -o requirements-otel.txt
	echo '$(BACKEND)' | $(COMPILE) pyproject.toml - --extra embedded --extra otel --group dev \
		-c requirements-embedded.txt -c requirements-otel.txt -o requirements-dev.txt
	$(COMPILE) --group console -c requirements-dev.txt -o requirements-console.txt
	$(COMPILE) --group docs -c requirements-dev.txt -o requirements-docs.txt
	$(COMPILE) --group peers -c requirements-dev.txt -o requirements-peers.txt

# An install that was cut off, or was made by an older Python, is begun anew.
venv:
	@$(BIN)/python -c '$(NEW_ENOUGH)' 2>/dev/null && $(BIN)/pip --version >/dev/null 2>&1 || { \
		$(or $(PYTHON),false) -c '$(NEW_ENOUGH)' 2>/dev/null || { echo "Sluice needs Python 3.11 or newer;" \
			"PYTHON=/path/to/python3 says where it is" >&2; exit 1; }; \
		rm -rf .venv; $(PYTHON) -m venv .venv; }

# requirements-embedded.txt holds the build backend too, hashed like the rest: hence no isolated build.
.venv/installed: requirements.txt requirements-embedded.txt pyproject.toml clients/python/pyproject.toml
	@$(MAKE) --no-print-directory venv
	@echo "Installing into .venv ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-embedded.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --editable clients/python
	@touch $@

.venv/tested: .venv/installed requirements-dev.txt
	@echo "Installing what the tests need into .venv ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# Node.js is for the TypeScript client alone: where it or npm's registry is missing, the tests of that client skip themselves.
node-tools:
	@$(MAKE) --silent --no-print-directory $(TYPESCRIPT)/node_modules/.installed || \
		echo "The tests of the TypeScript client are left out: they need Node.js 20 or newer, and npm's registry once"

$(TYPESCRIPT)/node_modules/.installed: $(TYPESCRIPT)/package-lock.json
	@echo "Installing the tools of the TypeScript client ..."
	@npm ci --prefix $(TYPESCRIPT) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# The tests in a browser skip themselves, and say so, where chromium is not installed.
.venv/browsing: .venv/tested requirements-console.txt
	@echo "Installing what opens a browser into .venv ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-console.txt
	@touch $@

.venv/documented: .venv/tested requirements-docs.txt
	@echo "Installing what builds the guide into .venv ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.txt
	@touch $@

.venv/benched: .venv/tested requirements-peers.txt
	@echo "Installing what Sluice is measured beside into .venv ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-peers.txt
	@touch $@
