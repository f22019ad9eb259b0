# make demo                run a backtest on synthetic candles and print the result
# make up                  serve the API and the Dagster UI
# make test                run the test suite
# make test-long           run the tests that take long
# make coverage            run it with line and branch coverage (half as long again); fails below 90 %
# make test-cold           run the platform tests with Dagster's default launcher instead of the worker pool
# make test-compose        build the containers, start them, kill each one, and compare what is stored
# make test-outside        run the platform tests on a PostgreSQL server other than the embedded one
# make test-dagster-next   run the suite against the newest Dagster release
# make chaos               a thousand kills and other faults while clients submit; prints what was lost
# make bombs               read a thousand files that expand; prints the memory and time that they take
# make fuzz                requests and candles of every kind, and the API against its OpenAPI document, in two minutes
# make fuzz-long           the same with 10,000 cases of each kind
# make forward-long        thirty simulated days of a forward test with planted faults and kills
# make growth              simulate 100,000 runs with retention; prints sizes and times
# make ledger-long         a million orders for the ledger, and kills while it books; prints orders and times
# make bench               compare the engine's speed with other backtesters
# make bench-candles       compare reading stored candles with pandas, Polars and DuckDB
# make bench-api           measure the platform over HTTP
# make bench-work          measure what users run: whole commands, large inputs, the queue; each against its limit
# make bench-load          100 pollers and 20 submitters for ten minutes; memory, descriptors, disk and response times
# make bench-ledger        measure the ledger with a million entries
# make bench-reports       measure how long reports take to build and to become interactive in Chromium
# make bench-scale         measure a sweep on a Ray cluster of this machine
# make bench-backup        measure backups and restores against tar, cp and pg_dump
# make lookahead-corpus    run the look-ahead check on strategies that look ahead and on honest ones
# make lint                ruff, mypy, import contracts, prose
# make openapi             write docs/openapi.json, and compare it with that of the last release
# make audit               look up every locked dependency in PyPI's vulnerability database; exits with an error if it cannot
# make settings            write docs/settings.md from the declarations of the settings
# make docs                build the documentation site
# make cli                 write docs/cli.md and docs/reference/http.md from the commands and the API
# Every target sets up .venv first, from requirements*.lock, with uv if it is installed and pip otherwise.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEVELOPED := $(VENV)/.installed-dev
DOCUMENTED := $(VENV)/.installed-docs

# Behind a corporate proxy only the system's certificates work; pip uses them by default.
export UV_SYSTEM_CERTS := 1
export UV_NATIVE_TLS := 1

.PHONY: demo up test test-long coverage test-cold test-outside test-large test-compose test-dagster-next chaos forward-long growth bombs ledger-long fuzz fuzz-long mutants bench bench-candles bench-api bench-work bench-load bench-ledger bench-reports bench-scale bench-backup lookahead-corpus lint audit format settings openapi docs cli screenshots lock clean
.DEFAULT_GOAL := demo

demo: $(INSTALLED)
	@$(BIN)/coin demo

up: $(INSTALLED)
	@$(BIN)/coin up

PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses=4 --no-loadscope-reorder

# ARGS=tests/engine selects tests. Kernels are compiled once, and not by each process at the same time.
test: $(DEVELOPED)
	@$(BIN)/python -m coin_pipeline.strategies.precompile
	$(PYTEST) $(ARGS)

test-long: $(DEVELOPED)
	$(PYTEST) -m long $(ARGS)

coverage: $(DEVELOPED)
	$(PYTEST) --cov --cov-report=term $(ARGS)

test-cold: $(DEVELOPED)
	COIN_TEST_LAUNCHER=dagster $(BIN)/python -m pytest -m launchers tests/e2e $(ARGS)

# With the system's PostgreSQL, if there is one; the files that share one platform.
test-outside: ARGS ?= $(addprefix tests/e2e/test_,platform.py runs.py events.py sweeps.py outages.py dagster_ui.py database.py)
test-outside: $(DEVELOPED)
	COIN_TEST_DATABASE=outside $(BIN)/python -m pytest $(ARGS)

# About half a minute.
test-large: $(DEVELOPED)
	$(BIN)/python -m pytest -m large tests/api/test_streams.py $(ARGS)

# About five minutes. Skipped, with the reason, where no Docker engine runs or can be started.
test-compose: $(DEVELOPED)
	COIN_TEST_COMPOSE=1 $(BIN)/python -m pytest -s tests/compose/test_stack.py $(ARGS)

# The caps in pyproject.toml are ignored on purpose. ARGS=tests/orchestration/test_dagster_contract.py is the first look.
NEXT := .venv-next
test-dagster-next: ARGS ?= tests/orchestration tests/defs tests/api tests/e2e
test-dagster-next: pyproject.toml requirements.lock requirements-dev.lock
	$(PYTHON) -m venv --clear $(NEXT)
	$(NEXT)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  -r requirements.lock -r requirements-dev.lock
	$(NEXT)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade \
	  dagster dagster-aws dagster-postgres dagster-webserver "sqlalchemy<2.1"
	$(NEXT)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(NEXT)/bin/python -m pip list --format=freeze | grep ^dagster
	$(NEXT)/bin/python -m pytest -n auto --maxprocesses=4 --no-loadscope-reorder $(ARGS)

# About 40 minutes; ARGS="-k power_cut" selects faults, COIN_CHAOS_KILLS=100 kills fewer times.
chaos: $(DEVELOPED)
	$(BIN)/python -m pytest -m "" tests/chaos $(ARGS)

# COIN_BOMBS=100 reads fewer, COIN_BOMB_SEED=7 other ones.
bombs: $(DEVELOPED)
	$(BIN)/python -m pytest -m bombs -s tests/candles/test_bombs.py $(ARGS)

# About two minutes. ARGS="-k sweep" selects tests.
fuzz: $(DEVELOPED)
	COIN_FUZZ_CASES=150 COIN_FUZZ_SECONDS=45 $(PYTEST) -m "" tests/fuzz $(ARGS)

fuzz-long: $(DEVELOPED)
	COIN_FUZZ_CASES=10000 COIN_FUZZ_SECONDS=1800 $(PYTEST) -m "" --timeout 0 tests/fuzz $(ARGS)

# COIN_LEDGER_STEPS=100000 sends fewer orders.
ledger-long: $(DEVELOPED)
	$(BIN)/python -m pytest -m ledger -s tests/ledger $(ARGS)

# About five minutes.
forward-long: $(DEVELOPED)
	$(BIN)/python -m pytest -m forward tests/forward $(ARGS)

# COIN_GROWTH_RUNS=20000 simulates fewer runs.
growth: $(DEVELOPED)
	$(BIN)/python -m pytest -m growth -s tests/growth $(ARGS)

# About half a minute per fault and core; ARGS="--count 20 --seed 7 coin_pipeline/engine" plants fewer.
mutants: $(DEVELOPED)
	@$(BIN)/python scripts/mutants.py $(ARGS)

# About ten minutes; ARGS="W1 W3" selects workloads. Exits with 1 if a target is missed.
bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks $(ARGS)

# About a minute; ARGS="R-1m" selects rows. Exits with 1 if a target is missed.
bench-candles: $(DEVELOPED)
	@$(BIN)/python -m benchmarks.reading $(ARGS)

# Less than six minutes; ARGS="--launcher warm" skips Dagster's default launcher. Exits with 1 if a target is missed.
bench-api: $(INSTALLED)
	@$(BIN)/python -m benchmarks.api $(ARGS)

# About an hour, most of it the queue; ARGS="--only minutes" measures one row. Exits with 1 if a limit is missed.
bench-work: $(DEVELOPED)
	@$(BIN)/python -m benchmarks.work $(ARGS)

# Ten minutes; COIN_LOAD_SECONDS=60 for one. Exits with 1 if a limit is exceeded.
bench-load: $(INSTALLED)
	@$(BIN)/python -m benchmarks.load $(ARGS)

# A few minutes; ARGS="--entries 160000" builds a smaller ledger. Exits with 1 if a target is missed.
bench-ledger: $(INSTALLED)
	@$(BIN)/python -m benchmarks.ledger $(ARGS)

# Half a minute, needs Chromium; ARGS="--bars 5000" measures another size. Exits with 1 if a limit is exceeded.
bench-reports: $(DEVELOPED)
	@$(BIN)/python -m benchmarks.reports $(ARGS)

# About three minutes. ARGS="--points 90000" sweeps fewer. Exits with 1 if a limit is exceeded.
bench-scale: $(DEVELOPED)
	@$(BIN)/python -m benchmarks.scale $(ARGS)

# A few minutes and 5 GB of disk; ARGS="--gb 0.1" uses less data, --folder DIR another disk.
bench-backup: $(INSTALLED)
	@$(BIN)/python -m benchmarks.backup $(ARGS)

# About a minute; ARGS="--only fit" selects strategies. Exits with 1 if too many pass or an honest one is rejected.
lookahead-corpus: $(DEVELOPED)
	@$(BIN)/python -m benchmarks.lookahead $(ARGS)

audit: $(DEVELOPED)
	$(BIN)/python scripts/audit_dependencies.py

lint: $(DEVELOPED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_prose.py

format: $(DEVELOPED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Fails if a change since the last release breaks clients.
openapi: $(INSTALLED)
	$(BIN)/python -m scripts.openapi

settings: $(INSTALLED)
	$(BIN)/python scripts/settings_page.py

# The documentation, with an API reference from docstrings, in site/. A broken link fails the build.
docs: $(DOCUMENTED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "open site/index.html"

# The references of commands and endpoints; a test fails while they are not current.
cli: $(INSTALLED)
	@$(BIN)/python -m scripts.cli_reference
	@$(BIN)/python -m scripts.http_reference

# The screenshots of the documentation, from a platform of its own. Needs Chromium.
screenshots: $(DEVELOPED)
	$(BIN)/python -m scripts.screenshots

# Needs uv: pip cannot resolve for all platforms at once.
LOCK := uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
  --python-version 3.11 pyproject.toml
lock:
	$(LOCK) --extra build -o requirements.lock
	$(LOCK) --extra build --extra dev -c requirements.lock -o requirements-dev.lock
	$(LOCK) --extra build --extra ray -c requirements-dev.lock -o requirements-ray.lock
	$(LOCK) --extra build --extra docs -c requirements-dev.lock -o requirements-docs.lock

clean:
	rm -rf $(VENV) .venv-next site benchmarks/.venv .coverage* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# The stamp is written last, so an interrupted setup starts over. Bytecode is compiled now (Dagster then imports in a
# third of the time), and so are the kernels, so no backtest waits for the compiler.
$(INSTALLED): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is required; select it with: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@rm -f $(INSTALLED) $(DEVELOPED) $(DOCUMENTED)
	@if command -v uv >/dev/null; then uv venv --quiet --clear --python $(PYTHON) $(VENV); \
	  else $(PYTHON) -m venv --clear $(VENV); fi
	@$(call install,--require-hashes -r requirements.lock)
	@$(call install,--quiet --no-build-isolation --editable .)
	@$(BIN)/python -m compileall -q coin_pipeline coin_api
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
