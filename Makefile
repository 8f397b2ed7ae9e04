# Everything a person or CI does here has a target; `make help` lists them.

PYTHON ?= $(or $(shell command -v python3.11 || command -v python3.12 || command -v python3.13),python3)
VENV := .venv
BIN := $(VENV)/bin
MINUTES ?= 10
LINKS ?= $(HOME)/.local/bin
PROTOS := $(wildcard vcs/wire/*.proto)

# Every program we start would compile the same sources again where the environment forbids to keep bytecode.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help serve install test lint types contracts ci bench sim soak format protos lock clean packages bench-packages
.PHONY: $(VENV)/serve $(VENV)/test

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/serve ## install, build the UI, migrate and run the forge on this machine
	@exec $(BIN)/micelio serve

install: $(VENV)/serve ## link micelio and mic into ~/.local/bin
	@mkdir -p $(LINKS)
	@ln -sf $(CURDIR)/$(BIN)/micelio $(CURDIR)/$(BIN)/mic $(CURDIR)/$(BIN)/git-credential-mic $(LINKS)/
	@echo "micelio, mic and git-credential-mic are in $(LINKS)."

test: $(VENV)/test packages ## run every test (ARGS="-k word" for some)
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/test ## check format and lint rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check -q .

types: $(VENV)/test ## check types of vcs, mic and backend/core
	@$(BIN)/mypy

contracts: $(VENV)/test ## check who imports whom
	@$(BIN)/lint-imports

ci: lint types contracts test ## run exactly what CI runs

bench: $(VENV)/test bench-packages ## measure and print figures (ONLY=name for some)
	@$(BIN)/python -m tests.bench $(ONLY)

sim: $(VENV)/test ## play one schedule of the simulation again (SEED=n), or look for a bad one
	@$(BIN)/python -m tests.sim $(SEED)

soak: $(VENV)/test ## kill processes of a working forge for MINUTES=10 and look whether anything was lost
	@$(BIN)/python -m tests.soak $(MINUTES)

format: $(VENV)/test ## format and fix what can be fixed
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check -q --fix .

protos: $(VENV)/test ## make the gRPC stubs again from vcs/wire/*.proto
	@$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. $(PROTOS)

lock: $(VENV)/serve ## resolve pyproject.toml into the two hashed lock files
	@.ci/lock $(PYTHON)

packages: ## install the Debian packages that tests need
	@.ci/packages caddy chromium-headless-shell git nginx-light postgresql redis-server systemd

bench-packages: ## install the Debian packages that only figures are compared with
	@.ci/packages fcgiwrap nginx-light

clean: ## forget what was built and installed; keeps .data
	@rm -rf $(VENV) .web .states .reflex build micelio_app/_frontend .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info

# An environment is current when the lock it was installed from equals the one in the tree.
$(VENV)/serve: | $(BIN)/python
	@$(call installed,requirements.lock)

$(VENV)/test: | $(BIN)/python
	@$(call installed,requirements-test.lock)

# `mic` starts in milliseconds or it is not used: no regular expressions before it begins, and its
# bytecode is written even where the environment says that Python must not.
define installed
cat $(1) pyproject.toml | cmp -s - $(VENV)/$(1) || { \
	echo "Installing what $(1) names …" && \
	$(BIN)/pip install -qq --disable-pip-version-check --no-compile --no-deps --require-hashes -r $(1) && \
	$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --no-index --config-settings editable_mode=compat -e . && \
	sed -i.bak -e '/^import re$$/d' -e '/re\.sub/d' $(BIN)/mic && rm $(BIN)/mic.bak && \
	$(BIN)/python -m compileall -q mic && \
	cat $(1) pyproject.toml > $(VENV)/$(1); }
endef

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Micelio needs Python 3.11 or newer; install it or say where it is: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "Python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
