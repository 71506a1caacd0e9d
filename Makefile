# All that a fresh clone needs: Python 3.11 or newer, make, and a package registry.

PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python -m

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help study test check format bench docs clean

help:  ## say what can be made
	@awk -F ':.*##' '/^[a-z]+:.*##/ { printf "make %-8s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

study: .venv/installed  ## study a real loss on real data: build/study.html
	@mkdir -p build
	$(BIN)/chainrule study examples/breast_cancer.py:loss --html build/study.html

test: .venv/ready  ## run every test and every docstring example
	$(RUN) pytest -n auto --maxprocesses 8

check: .venv/ready  ## format, lint, types, the tiny tour: seconds
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) pytest -q tests/test_tiny.py

format: .venv/ready  ## format the code, mend what lint can mend
	$(RUN) ruff check --fix-only --quiet .
	$(RUN) ruff format .

bench: .venv/ready  ## measure
	$(RUN) benchmarks

docs: .venv/ready  ## make the reference, the pictures, and the site: build/docs/index.html
	$(RUN) chainrule.explain.reference docs/reference
	$(BIN)/python docs/figures
	$(RUN) sphinx -n -W --keep-going -q -d build/doctrees docs build/docs
	@echo "open build/docs/index.html"

clean:  ## remove what was built, but not .venv
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# One pip run on a fresh clone, whichever target comes first; `ready` (with the tools) implies `installed`.
# Bytecode is left to the first import: most of what is installed is never imported.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "chainrule needs Python 3.11 or newer, and '$(PYTHON)' is not. Say which to use: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(RUN) pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv \
	  || { echo "'$(PYTHON)' could not make .venv. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(RUN) pip install --quiet --disable-pip-version-check --no-compile --editable '$(1)'
endef

.venv/installed: pyproject.toml
	$(call install,.)
	@touch $@

.venv/ready: pyproject.toml
	$(call install,.[dev])
	@touch .venv/installed $@
