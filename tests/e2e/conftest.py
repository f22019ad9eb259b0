"""The platform that the end-to-end tests share, once per launcher."""

import os
from collections.abc import Iterator

import pytest

from tests.builders import MEMORY_HUNGRY_STRATEGY, SLOW_STRATEGY, SPINNING_STRATEGY, STEADY_STRATEGY
from tests.conftest import store_candles
from tests.platforms import Platform, start_platform, stop_platform

LAUNCHERS = os.environ.get("COIN_TEST_LAUNCHERS", "warm").split()
"""Values of COIN_LAUNCHER that tests marked `launchers` run with; other tests use the first of them."""
STRATEGIES = {
    "slow": SLOW_STRATEGY,
    "steady": STEADY_STRATEGY,
    "greedy": MEMORY_HUNGRY_STRATEGY,
    "busy": SPINNING_STRATEGY,
}
"""Strategy files of the shared platform."""


@pytest.fixture(scope="session")
def launcher() -> str:
    """Value of COIN_LAUNCHER for the shared platform."""
    return LAUNCHERS[0]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests marked `launchers` with each launcher."""
    if len(LAUNCHERS) > 1 and metafunc.definition.get_closest_marker("launchers"):
        metafunc.parametrize("launcher", LAUNCHERS, scope="session")


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, launcher: str) -> Iterator[Platform]:
    """A platform over generated candles, for all tests that leave it running."""
    root = tmp_path_factory.mktemp("platform")
    store_candles(root)
    options: list[str] = []
    for name, text in STRATEGIES.items():
        (root / f"{name}.py").write_text(text)
        options += ["--strategy-file", str(root / f"{name}.py")]
    running = start_platform(root, *options, COIN_LAUNCHER=launcher)
    yield running
    assert stop_platform(running) == 0
