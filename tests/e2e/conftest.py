"""The platform that the end-to-end tests share."""

import os
from collections.abc import Iterator

import pytest

from tests.builders import MEMORY_HUNGRY_STRATEGY, SLOW_STRATEGY, SPINNING_STRATEGY, STEADY_STRATEGY
from tests.conftest import store_candles
from tests.platforms import Platform, free_ports, start_platform, stop_platform

LAUNCHER = os.environ.get("COIN_TEST_LAUNCHER", "warm")
"""COIN_LAUNCHER of the shared platform; tests marked `launchers` pass with both."""
STRATEGIES = {
    "slow": SLOW_STRATEGY,
    "steady": STEADY_STRATEGY,
    "greedy": MEMORY_HUNGRY_STRATEGY,
    "busy": SPINNING_STRATEGY,
}
"""Strategy files of the shared platform."""


CLIENT = f"http://client.test:{free_ports(1)[0]}"
"""Origin of the web pages that may use the shared platform."""


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform over generated candles, for all tests that leave it running."""
    root = tmp_path_factory.mktemp("platform")
    store_candles(root)
    options: list[str] = []
    for name, text in STRATEGIES.items():
        (root / f"{name}.py").write_text(text)
        options += ["--strategy-file", str(root / f"{name}.py")]
    settings = {"COIN_LAUNCHER": LAUNCHER, "COIN_ALLOWED_ORIGINS": CLIENT, "COIN_LOG_FORMAT": "json"}
    running = start_platform(root, *options, **settings)
    yield running
    assert stop_platform(running) == 0
