"""The platform that the end-to-end tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import (
    HOSTILE_STRATEGY,
    MEMORY_HUNGRY_STRATEGY,
    SLOW_STRATEGY,
    SPINNING_STRATEGY,
    STEADY_STRATEGY,
    TALKATIVE_STRATEGY,
)
from tests.conftest import store_candles
from tests.platforms import Platform, free_ports, start_platform, stop_platform
from tests.postgres_server import outside_postgres, system_programs

LAUNCHER = os.environ.get("COIN_TEST_LAUNCHER", "warm")
"""COIN_LAUNCHER of the shared platform; tests marked `launchers` pass with both."""
DATABASE = os.environ.get("COIN_TEST_DATABASE", "embedded")
"""Server of the shared platform's database: embedded, or outside (`make test-outside`)."""
STRATEGIES = {
    "slow": SLOW_STRATEGY,
    "steady": STEADY_STRATEGY,
    "greedy": MEMORY_HUNGRY_STRATEGY,
    "busy": SPINNING_STRATEGY,
    "talkative": TALKATIVE_STRATEGY,
    "hostile": HOSTILE_STRATEGY,
}
"""Strategy files of the shared platform."""
embedded_server = pytest.mark.skipif(DATABASE != "embedded", reason="stops or inspects the embedded server")
outside_server = pytest.mark.skipif(DATABASE != "outside", reason="needs a server elsewhere; run by make test-outside")
OUTSIDE_CONNECTIONS = 100
"""max_connections of the outside server: PostgreSQL's default, which docs/database.md calls sufficient."""


@pytest.fixture(scope="session", autouse=True)
def _outside_database(data_root: Path) -> Iterator[None]:
    """With COIN_TEST_DATABASE=outside, the shared platform uses a server elsewhere: the system's, if there is one.

    Tests of the embedded server, and files that start platforms of their own, on the same database, do not run then.
    """
    assert data_root.is_dir()
    if DATABASE == "embedded":
        yield
        return
    with outside_postgres(system_programs(), settings=[f"max_connections={OUTSIDE_CONNECTIONS}"]) as url:
        os.environ["DATABASE_URL"] = url
        yield
        del os.environ["DATABASE_URL"]


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
    if DATABASE == "outside":
        settings["COIN_COMPUTE_LOGS"] = "on"
    running = start_platform(root, *options, **settings)
    yield running
    assert stop_platform(running) == 0
