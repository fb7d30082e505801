# Needs Python (3.10 to 3.13, with venv), make and git; everything else is installed below this folder.
#
#   make demo                 see it work
#   make ui                   click through Airflow with the example DAGs and the emulator, until Ctrl-C
#   make test                 run every test that needs no extra service
#   make test AIRFLOW=2.10    the same on another Airflow: 2.10, 3.0, 3.1 or 3.3
#   make install AIRFLOW=3.1  make the environment of one of them
#   make test-system          kill the processes of a real Airflow; needs the Debian packages postgresql and redis-server
#   make test-browser         look at Airflow 3.3, 3.1 and 2.10 with a browser; needs the Debian package chromium
#   make screenshots          the same, and keep the pictures that the documentation shows in docs/images
#   make test-matrix          run the tests on every Airflow with every Python that it allows (an hour or more)
#   make bench                measure beside what else there is; make bench-NAME for one of the benchmarks
#   make docs                 build the documentation, in which no warning is allowed; needs Python 3.11 or later
#   make docs-serve           show it on http://127.0.0.1:8000
#   make lint types           check style and types
#   make format               mend style
#   make constraints          pin everything anew
#   make clean                remove all that the others wrote

AIRFLOW ?= 3.3
PYTHON ?= python3
# How often the system tests try each kill.
ROUNDS ?= 1
ifeq ($(filter $(AIRFLOW),2.10 3.0 3.1 3.3 3.3-celery 3.3-bench 3.3-browser 3.3-docs),)
$(error AIRFLOW must be 2.10, 3.0, 3.1 or 3.3, not $(AIRFLOW))
endif
# An environment for each Airflow, and for each Python that is asked for by name.
VENV := .venv$(if $(filter-out 3.3,$(AIRFLOW)),-$(AIRFLOW))
ifneq ($(PYTHON),python3)
VENV := $(VENV)-py$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
endif
BIN := $(VENV)/bin
PINS := constraints/airflow-$(AIRFLOW).txt
SITE := .cache/docs

# The caches stay in the checkout, and no other interpreter is downloaded.
export UV_CACHE_DIR := $(CURDIR)/.cache/uv
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export UV_PYTHON_DOWNLOADS := never
# Airflow imports a thousand modules: from source it starts at half the speed.
export UV_COMPILE_BYTECODE := 1

.PHONY: help install demo ui test test-system test-browser screenshots test-matrix bench bench-parse bench-first bench-steady bench-bulk bench-waits bench-faults docs docs-serve lint types format constraints clean

help:
	@sed -n 's/^#   //p' Makefile

install: $(VENV)/installed

# uv is the one package that plain pip installs, by the same pins and hashes as all others.
$(VENV)/installed: $(PINS) pyproject.toml
	@echo "Installing Apache Airflow $(AIRFLOW) and the provider into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' $(PINS) > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes $(PINS)
	@$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: install
	@$(BIN)/python demo.py

ui: install
	@$(BIN)/python ui.py

test: install
	$(BIN)/python -m pytest --basetemp=.cache/pytest$(VENV)

# On processes of its own, which it starts and ends: Airflow's, PostgreSQL's and Redis's.
test-system:
	@$(MAKE) --no-print-directory install AIRFLOW=3.3-celery
	ROUNDS=$(ROUNDS) .venv-3.3-celery/bin/python -m pytest tests/system --basetemp=.cache/system

# The tests and Airflow 3.3 in one environment, the older releases in theirs.
test-browser:
	@for version in 3.3-browser 3.1 2.10; do $(MAKE) --no-print-directory install AIRFLOW=$$version || exit; done
	.venv-3.3-browser/bin/python -m pytest tests/browser --basetemp=.cache/browser

# New ones of the pictures that the documentation has, from what the browser tests have seen.
screenshots: test-browser
	@for picture in docs/images/*.png; do cp .cache/screenshots/$${picture##*/} $$picture || exit; done

# In an environment with what is compared; each writes its table into .cache/bench/NAME.md as well.
bench bench-parse bench-first bench-steady bench-bulk bench-waits bench-faults:
	@$(MAKE) --no-print-directory install AIRFLOW=3.3-bench
	@.venv-3.3-bench/bin/python benchmarks $(patsubst bench-%,%,$(filter bench-%,$@))

test-matrix:
	@$(PYTHON) tests/matrix.py

# It imports what it documents, so its environment holds an Airflow as well.
docs:
	@$(MAKE) --no-print-directory install AIRFLOW=3.3-docs
	@rm -rf $(SITE)
	@AIRFLOW_HOME=$(CURDIR)/.cache/airflow-docs .venv-3.3-docs/bin/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky --doctree-dir .cache/doctrees docs $(SITE)
	@echo "The documentation begins at $(SITE)/index.html"

docs-serve: docs
	@$(PYTHON) -m http.server --bind 127.0.0.1 --directory $(SITE) 8000

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# One file per Airflow: the release, the day after which nothing newer is used, and what is installed beside it. Newer
# libraries break the tasks of older releases.
constraints: install
	$(call pin,3.3,3.3.2,2026-11-20,--group lint)
	$(call pin,3.3-celery,3.3.2,2026-11-20,--group celery)
	$(call pin,3.3-bench,3.3.2,2026-11-20,--group bench)
	$(call pin,3.3-browser,3.3.2,2026-11-20,--group browser)
	$(call pin,3.3-docs,3.3.2,2026-11-20,--group docs)
	$(call pin,3.1,3.1.8,2026-03-14)
	$(call pin,3.0,3.0.6,2025-09-02,--exclude-newer-package apache-airflow-providers-common-compat=2025-11-30)
	$(call pin,2.10,2.10.5,2025-11-30)

define pin
echo "apache-airflow==$(2)" | $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
  --no-emit-index-url --exclude-newer $(3) $(4) --extra emulator --group build --group test \
  pyproject.toml - --output-file constraints/airflow-$(1).txt
endef

clean:
	rm -rf .venv* .cache .demo .ui dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
