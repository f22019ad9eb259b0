# make demo       run a backtest on made-up candles and show what comes out
# make test       run every test
# make coverage   the same, half as long again, and which lines were run; exits with 1 below 90 %
# make bench      compare the speed with other backtesters
# make bench-candles  how fast stored candles are read, beside pandas, Polars and DuckDB
# make bench-api  how fast the platform answers over HTTP
# make test-cold  tests of the running platform once more, with Dagster's default launcher instead of the worker pool
# make chaos      a thousand kills and other faults while clients submit; prints what came of it
# All set up .venv first, from requirements*.lock, with uv where it is installed and pip where it is not.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEVELOPED := $(VENV)/.installed-dev
DOCUMENTED := $(VENV)/.installed-docs

# Behind a company's proxy only the system's certificates do; pip asks for them itself.
export UV_SYSTEM_CERTS := 1
export UV_NATIVE_TLS := 1

.PHONY: demo up test coverage test-cold chaos bench bench-candles bench-api lint format docs lock clean
.DEFAULT_GOAL := demo

demo: $(INSTALLED)
	@$(BIN)/coin demo

up: $(INSTALLED)
	@$(BIN)/coin up

PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses=4 --no-loadscope-reorder

test: $(DEVELOPED)
	$(PYTEST) $(ARGS)

coverage: $(DEVELOPED)
	$(PYTEST) --cov --cov-report=term $(ARGS)

test-cold: $(DEVELOPED)
	COIN_LAUNCHER=dagster $(BIN)/python -m pytest tests/e2e/test_events.py tests/e2e/test_platform.py tests/e2e/test_runs.py $(ARGS)

# About 40 minutes; ARGS="-k power_cut" does some, COIN_CHAOS_KILLS=100 fewer kills.
chaos: $(DEVELOPED)
	$(BIN)/python -m pytest -m "" tests/chaos $(ARGS)

# About ten minutes; ARGS="W1 W3" measures some workloads only. Exits with 1 where a target of ours is missed.
bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks $(ARGS)

# About a minute; ARGS="R-1m" measures some rows only. Exits with 1 where a target is missed.
bench-candles: $(DEVELOPED)
	@$(BIN)/python -m benchmarks.reading $(ARGS)

# Less than six minutes; ARGS="--launcher warm" leaves out Dagster's own. Exits with 1 where a target is missed.
bench-api: $(INSTALLED)
	@$(BIN)/python -m benchmarks.api $(ARGS)

lint: $(DEVELOPED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEVELOPED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The documentation, with an API reference from docstrings, in site/. A broken link fails the build.
docs: $(DOCUMENTED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "open site/index.html"

# Needs uv: pip cannot resolve for every platform at once.
LOCK := uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
  --python-version 3.11 pyproject.toml
lock:
	$(LOCK) --extra build -o requirements.lock
	$(LOCK) --extra build --extra dev -c requirements.lock -o requirements-dev.lock
	$(LOCK) --extra build --extra docs -c requirements-dev.lock -o requirements-docs.lock

clean:
	rm -rf $(VENV) site benchmarks/.venv .coverage* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# A stamp is written last, so a set-up that was interrupted starts over. Bytecode is compiled now (Dagster imports in a
# third of the time), and so are the kernels, so that no backtest waits for a compiler.
$(INSTALLED): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@rm -f $(INSTALLED) $(DEVELOPED) $(DOCUMENTED)
	@if command -v uv >/dev/null; then uv venv --quiet --clear --python $(PYTHON) $(VENV); \
	  else $(PYTHON) -m venv --clear $(VENV); fi
	@$(call install,--require-hashes -r requirements.lock)
	@$(call install,--quiet --no-build-isolation --editable .)
	@echo "compiling kernels ..."
	@$(BIN)/python -m coin_pipeline.strategies.precompile
	@touch $@

$(DEVELOPED): $(INSTALLED) requirements-dev.lock
	@$(call install,--require-hashes -r requirements-dev.lock)
	@touch $@

$(DOCUMENTED): $(INSTALLED) requirements-docs.lock
	@$(call install,--require-hashes -r requirements-docs.lock)
	@touch $@

install = if command -v uv >/dev/null; \
  then uv pip install --python $(BIN)/python --no-deps --compile-bytecode $(1); \
  else $(BIN)/python -m pip install --disable-pip-version-check --no-deps $(1); fi
