# Every target makes what it needs. The environment lives in .venv; nothing is installed elsewhere.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_PERF := $(VENV)/.installed-perf

# The first interpreter that is new enough; overrule it with `make PYTHON=/path/to/python3`.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	--constraint constraints.txt

DEMO := runs/demo
DEMO_TRIALS ?= 20

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow test-all lint docs perf clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+: *[^:]*## / {printf "make %-10s  %s\n", $$1, $$2}' Makefile

install: $(INSTALLED)  ## make .venv and install archwright with its development tools

$(INSTALLED): pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then \
		echo "archwright needs Python 3.11 or newer, and none was found;" \
			"install one, or name it: make PYTHON=/path/to/python3" >&2; exit 3; fi
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("archwright needs Python \
	3.11 or newer; $(PYTHON) is " + sys.version.split()[0])'
	@echo "installing archwright into $(VENV) (some minutes the first time) ..."
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) torch
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

$(INSTALLED_PERF): $(INSTALLED)
	$(PIP_INSTALL) --editable '.[dev,perf]'
	@touch $@

demo: export ARCHWRIGHT_STORE := $(DEMO)/study.db
demo: $(INSTALLED)  ## search a network for handwritten digits, report, export, predict
	rm -rf $(DEMO)
	mkdir -p $(DEMO)
	$(BIN)/archwright search digits --space mlp --strategy evolution --trials $(DEMO_TRIALS) \
		--seed 0 --name demo --out $(DEMO)
	$(BIN)/archwright leaderboard demo
	$(BIN)/archwright report demo --out $(DEMO)/report.html
	$(BIN)/archwright export demo --out $(DEMO)/exported
	$(BIN)/archwright predict $(DEMO)/exported examples/digits_rows.csv

test: lint  ## lint, type-check and run the quick tests (under ten minutes on two cores)
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto --maxprocesses 8 --dist worksteal \
		--durations 25

test-slow: $(INSTALLED)  ## run the slow suites: kills, restarts, whole searches
	$(BIN)/python -m pytest -m slow

test-all: test test-slow  ## run every test

lint: $(INSTALLED)  ## ruff check, ruff format --check, mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(INSTALLED)  ## run the examples of README, docs/ and docstrings; check the links
	$(BIN)/python -m pytest tests/test_docs.py src

perf: $(INSTALLED_PERF)  ## run every measurement of perf/ and store the results
	@for script in perf/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:  ## remove what make made: .venv, the demo and all caches
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
