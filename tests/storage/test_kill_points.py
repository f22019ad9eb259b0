"""A result whose writer is killed between any two writes is either complete or invisible, on disk and in a bucket."""

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


@pytest.mark.parametrize(("backend", "minimum"), [pytest.param("local", 30, marks=pytest.mark.long), ("s3", 6)])
def test_kill_at_any_write_leaves_no_partial_result(
    backend: str, minimum: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The writer is killed at every writing system call or request in turn, then a retry completes."""
    environment = {"DATA_ROOT": str(tmp_path)}
    if backend == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        server.store("kill-points")
        environment |= server.environment("kill-points")
    done = subprocess.run(
        [sys.executable, "-m", "tests.storage.kill_points"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    for kind in ("task", "result"):
        assert counts[kind]["kills"] >= minimum
        assert 0 < counts[kind]["visible"] < counts[kind]["kills"]
