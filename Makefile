# Everything happens in .venv; nothing outside this folder is changed, except that `make test`
# installs Debian packages (SIPp, baresip, PostgreSQL) when it may.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The project's own index settings (PIP_INDEX_URL and the like) are honoured by pip itself.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# More than cores, on a small machine: tests with real phones mostly wait.
PYTEST_WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help run demo test check style types imports bench soak test-long test-portal clicks fuzz docs image clean

help:
	@echo "make run     install, create a demo switch once, and serve it with its web"
	@echo "make demo    place a call between two phones through the switch, and show what happened"
	@echo "make test    run every test, but for those that take minutes"
	@echo "make test-portal  run every test of the web, also those that take minutes"
	@echo "make clicks  have fifty people click through the web for MINUTES=60, and verify the books"
	@echo "make check   check style, types and imports between packages"
	@echo "make bench   run the benchmarks"
	@echo "make soak    run under load for HOURS=8, and see that nothing grows"
	@echo "make test-long  the same for ten minutes, after the tests that take minutes"
	@echo "make docs    build the documents as a site"
	@echo "make image   build the container image"
	@echo "make fuzz    fuzz the parsers, for SECONDS=60 or longer"

# Stamps: a second make starts at once, and a changed pyproject.toml installs again.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "python3-venv is needed: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) ..."
	@$(PIP) install -e .
	@touch $@

$(VENV)/installed-for-tests: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV), with what the tests need ..."
	@$(PIP) install -e '.[test]'
	@touch $@ $(VENV)/installed

softswitch.toml: | $(VENV)/installed
	@$(BIN)/softswitch init --demo
	@$(PIP) install -e '.[prompts]' 2>/dev/null && $(BIN)/softswitch prompt build >/dev/null \
		|| echo "No speech synthesiser was found: tones replace announcements (softswitch prompt build)."

run: $(VENV)/installed softswitch.toml
	@$(BIN)/softswitch welcome
	@exec $(BIN)/softswitch serve --with-portal

demo: $(VENV)/installed
	@$(BIN)/python -c 'import pyVoIP' 2>/dev/null || $(PIP) install -e '.[demo]'
	@$(BIN)/softswitch demo

test: $(VENV)/installed-for-tests
	@.ci/install-test-programs
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal

check: style types imports

style: $(VENV)/installed-for-tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/installed-for-tests
	@$(BIN)/mypy

imports: $(VENV)/installed-for-tests
	@$(BIN)/lint-imports --no-cache

bench: $(VENV)/installed-for-tests
	@$(BIN)/python -m benchmarks

HOURS ?= 8
RATE ?= 20
soak: $(VENV)/installed-for-tests
	@$(BIN)/python -m benchmarks.soak --hours $(HOURS) --rate $(RATE)

# What takes too long for every change: ten minutes under everything at once.
test-long: $(VENV)/installed-for-tests
	@.ci/install-test-programs
	@$(BIN)/python -m pytest -m long
	@$(BIN)/python -m benchmarks.soak --minutes 10 --rate $(RATE)

test-portal: $(VENV)/installed-for-tests
	@.ci/install-test-programs
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal -m "long or not long" tests/portal

MINUTES ?= 60

clicks: $(VENV)/installed-for-tests
	@$(BIN)/python -m tests.portal.clicks --minutes $(MINUTES)

SECONDS ?= 60
fuzz: $(VENV)/installed-for-tests
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(PIP) install -e '.[fuzz]'
	@$(BIN)/python tests/fuzz/run.py --seconds $(SECONDS)

docs: $(VENV)/installed-for-tests
	@$(BIN)/mkdocs build --strict --quiet && echo "build/site/index.html"

# The container image, by podman, docker or buildah. The first and the last need the format of
# docker for a health check.
ENGINE ?= $(shell command -v podman || command -v docker || command -v buildah)
image:
	@[ -n "$(ENGINE)" ] || { echo "podman, docker or buildah is needed" >&2; exit 1; }
	@BUILDAH_FORMAT=docker $(ENGINE) build -f deploy/container/Containerfile -t softswitch .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
