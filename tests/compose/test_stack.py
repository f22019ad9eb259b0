"""The stack of docker-compose.yml with real containers: scripts/compose_check.py, which runs unchanged anywhere.

Where an engine runs, it is used, with the images of registries. Elsewhere the test starts an engine of its own, with
stand-ins for these images, if the machine has Docker's programs.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.stand_ins import ROOT, build_stand_ins, import_base, missing_programs, own_engine

BUILD_S = 900


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Environment with DOCKER_HOST of a running engine that has, or can fetch, every image."""
    if "COIN_TEST_COMPOSE" not in os.environ:
        pytest.skip("containers take minutes: make test-compose runs this, where Docker is installed")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    inherited = {**os.environ, "PATH": programs}
    if is_running(inherited):
        yield inherited
        return
    if missing := missing_programs():
        pytest.skip(f"no Docker engine runs, and starting one needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="coin-docker-") as folder, own_engine(Path(folder)) as address:
        # The classic builder: BuildKit's is a program of its own, which Debian's package lacks.
        own = {**inherited, "DOCKER_HOST": address, "DOCKER_BUILDKIT": "0"}
        import_base(own)
        with tempfile.TemporaryDirectory() as contexts:
            build_stand_ins(Path(contexts), own)
        yield own


def is_running(environment: dict[str, str]) -> bool:
    """Return whether a Docker engine responds."""
    if not shutil.which("docker", path=environment["PATH"]):
        return False
    return subprocess.run(["docker", "info"], env=environment, capture_output=True, check=False).returncode == 0


@pytest.mark.timeout(2 * BUILD_S)
def test_the_stack_starts_recovers_and_keeps_everything(environment: dict[str, str]) -> None:
    """Build, first start, doctor, the checklist's requests, down and up, and kill -9 of every service."""
    script = ROOT / "scripts/compose_check.py"
    done = subprocess.run([sys.executable, script], env=environment, timeout=2 * BUILD_S, check=False)
    assert done.returncode == 0
