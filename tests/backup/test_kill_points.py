"""A backup or a removal that is killed at any write leaves only complete sets, and the next one tidies up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(("backend", "minimum"), [("folder", 10), pytest.param("s3", 3, marks=pytest.mark.long)])
def test_a_kill_at_any_write_leaves_complete_sets(
    backend: str, minimum: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """At each writing system call, or at requests to the server, also of a removal."""
    environment = {}
    if backend == "s3":
        server = request.getfixturevalue("s3_server")
        server.store("killed-backups")
        environment = server.environment("killed-backups")
    done = subprocess.run(
        [sys.executable, "-m", "tests.backup.kill_points", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kills = json.loads(done.stdout)
    assert min(kills["backup"], kills["removal"]) >= minimum
    assert 0 < kills["visible"] < kills["backup"]
    assert 0 < kills["removed"] < kills["removal"]
