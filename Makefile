# make demo   run a backtest on made-up candles and show what comes out
# make test   run every test
# Both set up .venv first, from requirements.lock, with uv where it is installed and pip where it is not.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo up test lint format lock clean
.DEFAULT_GOAL := demo

demo: $(INSTALLED)
	@$(BIN)/coin demo

up: $(INSTALLED)
	@$(BIN)/coin up

test: $(INSTALLED)
	$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Needs uv: pip cannot resolve for every platform at once.
lock:
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --python-version 3.11 --extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .coverage* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# The stamp is written last, so a set-up that was interrupted starts over. Bytecode is compiled now (Dagster imports in
# a third of the time), and so are the kernels, so that no backtest waits for a compiler.
$(INSTALLED): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@rm -f $@
	@if command -v uv >/dev/null; then set -e; \
	  uv venv --quiet --clear --python $(PYTHON) $(VENV); \
	  uv pip install --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock; \
	  uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .; \
	else set -e; \
	  $(PYTHON) -m venv --clear $(VENV); \
	  $(BIN)/python -m pip install --disable-pip-version-check --no-deps --require-hashes -r requirements.lock; \
	  $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .; \
	fi
	@echo "compiling kernels ..."
	@$(BIN)/python -m coin_pipeline.strategies.warm
	@touch $@
