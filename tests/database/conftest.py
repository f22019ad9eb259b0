"""Homes of the packaged server, each of which must be left with nothing running."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coin_pipeline.database.embedded.server import EmbeddedPostgres
from tests.database.programs import Program, stopped, until


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a cluster, made once; blanks and letters beyond ASCII in its path must not matter."""
    home = tmp_path_factory.mktemp("data root 데이터 é") / "postgres"
    EmbeddedPostgres(home).lease().close()
    until(lambda: stopped(home))
    return home


@pytest.fixture
def home(made: Path) -> Iterator[Path]:
    """The home that was made, for tests that leave its files in order."""
    yield made
    until(lambda: stopped(made))


@pytest.fixture
def spare(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the home, for tests that damage it."""
    copy = tmp_path / "spare"
    subprocess.run(["/bin/cp", "-a", str(made), str(copy)], check=True)
    yield copy
    if copy.exists():
        until(lambda: stopped(copy))


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    """A home that does not exist yet."""
    home = tmp_path / "new" / "postgres"
    yield home
    if home.exists():
        until(lambda: stopped(home))


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Callable[..., Program]:
    """Start programs that hold leases; those that a test leaves behind are ended with it."""

    def start(*arguments: object, **environment: str) -> Program:
        started = Program(*arguments, **environment)
        request.addfinalizer(started.kill)
        return started

    return start
