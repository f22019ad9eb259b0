"""Import boundaries, checked in running processes."""

import subprocess
import sys

import pytest

FRAMEWORKS = {"dagster", "fastapi", "click"}


@pytest.mark.parametrize(
    "modules",
    [
        "coin_pipeline.engine.simulate, coin_pipeline.engine.metrics, coin_pipeline.strategies.registry",
        "coin_pipeline.backtest.runner, coin_pipeline.report.page, coin_pipeline.database.url",
        "coin_pipeline.sweeps.result, coin_pipeline.sweeps.search, coin_pipeline.report.sweep_page",
    ],
)
def test_core_loads_no_framework(modules: str) -> None:
    """Engine, strategies and runner do not load Dagster, FastAPI or click."""
    program = f"import sys, {modules}; print(sorted({FRAMEWORKS} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


UNUSED = {"pandas", "scipy", "httpx2", "boto3", "optuna", "coin_pipeline.ledger.ledger", "coin_pipeline.sweeps.spec"}
RUN = """
import sys
from coin_pipeline.cli.unused_packages import leave_unloaded
leave_unloaded()
import coin_pipeline.orchestration.coordinator, coin_pipeline.cli.views.result
from coin_pipeline.defs import in_process, run_requests
in_process.task_job("backtest")
"""


def test_backtest_command_loads_no_more_than_it_needs() -> None:
    """Code of other jobs, and packages that no built-in strategy uses, would make each command slower."""
    program = f"{RUN}\nprint(sorted({UNUSED} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_tables_still_convert_to_pandas_after_it_was_left_unloaded() -> None:
    """Pyarrow looks for pandas again as soon as it needs it."""
    program = f"{RUN}\nimport pyarrow as pa; print(pa.table({{'a': [1]}}).to_pandas()['a'].sum())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_command_finds_the_pool_without_loading_settings() -> None:
    """`coin backtest` hands itself over before it loads what takes time."""
    program = "import sys, coin_pipeline.cli.app, coin_pipeline.orchestration.worker_pool.commands"
    program += "; print(sorted({'pydantic', 'numpy', 'dagster'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_definitions_do_not_load_the_api() -> None:
    """The Dagster code server loads neither FastAPI nor coin_api."""
    program = "import sys, coin_pipeline.definitions; print('fastapi' in sys.modules, 'coin_api' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
