"""Homes of the packaged server; nothing may be left running in any of them."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coin_pipeline.database.embedded.server import EmbeddedPostgres
from tests.database.programs import Program, is_stopped, wait_until


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a home with a cluster once; its path contains spaces and non-ASCII letters."""
    home = tmp_path_factory.mktemp("data root 데이터 é") / "postgres"
    EmbeddedPostgres(home).lease().close()
    wait_until(lambda: is_stopped(home))
    return home


@pytest.fixture
def home(shared_home: Path) -> Iterator[Path]:
    """Return the shared home, for tests that leave its files intact."""
    yield shared_home
    wait_until(lambda: is_stopped(shared_home))


@pytest.fixture
def spare_home(shared_home: Path, tmp_path: Path) -> Iterator[Path]:
    """Return a copy of the home, for tests that damage it."""
    copy = tmp_path / "spare"
    subprocess.run(["/bin/cp", "-a", str(shared_home), str(copy)], check=True)
    yield copy
    if copy.exists():
        wait_until(lambda: is_stopped(copy))


@pytest.fixture
def empty_home(tmp_path: Path) -> Iterator[Path]:
    """Return a home that does not exist yet."""
    home = tmp_path / "new" / "postgres"
    yield home
    if home.exists():
        wait_until(lambda: is_stopped(home))


@pytest.fixture
def start_program(request: pytest.FixtureRequest) -> Callable[..., Program]:
    """Return a function that starts programs with leases; programs left running end with the test."""

    def start(*arguments: object, **environment: str) -> Program:
        started = Program(*arguments, **environment)
        request.addfinalizer(started.kill)
        return started

    return start
