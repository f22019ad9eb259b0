"""Killed between any two writes, a result is visible and whole, or not visible at all, in a folder and in a bucket."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from tests.s3 import S3Server


@pytest.mark.parametrize(("backend", "least"), [("local", 30), ("s3", 6)])
def test_a_kill_at_any_write_leaves_no_wrong_result(
    backend: str, least: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every call of the system that writes, or request to the server, is the last one once, and then it goes on."""
    place = {"DATA_ROOT": str(tmp_path)}
    if backend == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        server.store("kill-points")
        place |= server.environment("kill-points")
    done = subprocess.run(
        [sys.executable, "-m", "tests.storage.kill_points"],
        cwd=ROOT,
        env={**os.environ, **place},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for way in ("task", "result"):
        assert told[way]["kills"] >= least
        assert 0 < told[way]["visible"] < told[way]["kills"]
