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


def test_definitions_do_not_load_the_api() -> None:
    """The Dagster code server loads neither FastAPI nor coin_api."""
    program = "import sys, coin_pipeline.definitions; print('fastapi' in sys.modules, 'coin_api' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
