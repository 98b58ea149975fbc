# Thin: each target is one line to a real command. PYTHON chooses the interpreter (3.11 to 3.13).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: help demo test test-all check format docs bench constraints clean
help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(BIN)/python:
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("sortilin needs Python 3.11 to 3.13; $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "== making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || (rm -rf $(VENV); exit 1)

$(VENV)/.base: $(BIN)/python pyproject.toml constraints.txt
	@echo "== installing sortilin (base) into $(VENV)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "== installing sortilin with the development extra into $(VENV)"
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/.base $@

demo: $(VENV)/.base ## predict examples/ with both bundled models; a table and demo.html
	@$(BIN)/python examples/demo.py

test test-all: export OMP_NUM_THREADS ?= 1# a worker a core: threads of theirs would wait for each other
test: $(VENV)/.dev ## the fast tests
	$(BIN)/python -m pytest -n auto -m "not slow"

test-all: $(VENV)/.dev ## all tests
	$(BIN)/python -m pytest -n auto

check: $(VENV)/.dev ## format, lint, types, layers, docs in step
	@PATH="$(abspath $(BIN)):$$PATH" scripts/check

format: $(VENV)/.dev ## format the code
	$(BIN)/ruff check --fix && $(BIN)/ruff format

docs: $(VENV)/.dev ## write the generated parts of docs/ again
	$(BIN)/python scripts/generate_docs.py

bench: $(VENV)/.dev ## all benchmarks; takes hours
	@PATH="$(abspath $(BIN)):$$PATH" scripts/bench

constraints: $(VENV)/.dev ## pin what is installed now
	$(BIN)/python scripts/pin_constraints.py

clean: ## remove the environment and what tools left
	rm -rf $(VENV) .venv-workflows .mypy_cache .ruff_cache .pytest_cache demo.html
