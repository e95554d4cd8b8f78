# `make run` and `make test` are the two commands of the README; `make check` is the daily one.
# Every target works from a clean checkout: it makes the environment it needs first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SITE ?= site
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url pyproject.toml --group build
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help run test test-units test-lab breaking tamper check fmt docs dev lock package clean apt-packages bench

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# --- environments: one folder, grown by what a target needs -----------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tenken needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=." >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; } || \
	  { echo "Python's venv module is missing: install the package python3-venv." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.txt pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.run
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/test.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.test
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

dev: $(VENV)/.dev ## make the developer's environment

# --- the main job ------------------------------------------------------------

run: $(VENV)/.run ## set up, inspect this machine, seal, verify, show
	@[ -e $(SITE)/tenken.toml ] || $(BIN)/tenken init --example $(SITE)
	@status=0; $(BIN)/tenken --config $(SITE)/tenken.toml run >/dev/null || status=$$?; \
	  case $$status in 0|1|3) ;; *) exit $$status ;; esac; \
	  bundle=$$($(BIN)/tenken --config $(SITE)/tenken.toml report --path bundle) && \
	  $(BIN)/tenken verify --quiet --trust $(SITE)/trust/trust-1.json --log $(SITE)/state/log/log.jsonl "$$bundle" && \
	  $(BIN)/tenken --config $(SITE)/tenken.toml report && echo && \
	  echo "verified: nothing altered, verdicts reproduced (cron would have seen exit status $$status)" && \
	  echo "bundle:   $$bundle" && \
	  echo "report:   $$($(BIN)/tenken --config $(SITE)/tenken.toml report --path html)"

# --- tests ---------------------------------------------------------------------

test: $(VENV)/.test apt-packages test-units test-lab ## install what the tests need, run all of them

apt-packages:
	@sh tests/apt-packages.sh

test-units: $(VENV)/.test ## everything that needs no hosts
	@$(BIN)/python -m pytest -m "not lab"

test-lab: $(VENV)/.test ## real hosts in namespaces (root)
	@$(BIN)/python -m tests.lab build
	@TENKEN_LAB_OWED=1 $(BIN)/python -m tests.lab run -- $(BIN)/python -m pytest -p tests.lab.plugin -m lab

breaking: $(VENV)/.test ## break each acceptance criterion in a copy and see its test fail (root)
	@$(BIN)/python -m tests.breaking

tamper: $(VENV)/.test ## alter a sealed bundle in every way: nothing may verify (half an hour)
	@$(BIN)/python -m tests.tamper

# --- daily habits ------------------------------------------------------------

fmt: $(VENV)/.dev ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix-only --quiet .

check: $(VENV)/.dev ## format, lint, types, imports, shell, docs, tests, package
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck --severity=style --exclude=SC2034,SC2154 collectors/prelude.sh collectors/probes/*.sh
	$(BIN)/shellcheck reports/readme/by_hand.sh tests/apt-packages.sh
	$(BIN)/python -m agent.docs --check
	$(MAKE) --no-print-directory test-units package
	@if [ "$$(id -u)" = 0 ]; then $(MAKE) --no-print-directory test-lab; \
	  else echo "lab tests not run: they need root" >&2; exit 1; fi

docs: $(VENV)/.dev ## write the generated pages anew
	@$(BIN)/python -m agent.docs

lock: $(VENV)/.dev ## resolve the requirements anew
	@$(LOCK) -o requirements/run.txt
	@$(LOCK) --group test -o requirements/test.txt
	@$(LOCK) --group dev -o requirements/dev.txt

bench: $(VENV)/.test ## what the probe and the fan-out cost, beside other tools, into docs/performance.md
	@$(BIN)/python benchmarks/probe.py
	@$(BIN)/python benchmarks/fleet.py --hosts 200 --peers --write
	@$(BIN)/python benchmarks/fleet.py --hosts 1000 --write
	@$(BIN)/python benchmarks/fleet.py --crowd --write
	@$(BIN)/python benchmarks/fleet.py --many --write

package: $(VENV)/.run ## build the wheel and look at what is in it
	@$(BIN)/python -m tests.wheel

clean: ## remove environments, caches and the example site
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build $(SITE)
