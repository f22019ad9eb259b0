"""`coin doctor` next to a running platform."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import LAUNCHER
from tests.platforms import Platform, wait_until


def test_all_processes_of_a_running_platform_are_found(platform: Platform) -> None:
    """Each is asked at its own address; nothing of the platform is changed."""
    environment = {
        **os.environ,
        "DATA_ROOT": str(platform.root),
        "COIN_API_URL": str(platform.api.base_url),
        "COIN_UI_URL": platform.ui_url,
        "COIN_LAUNCHER": LAUNCHER,
    }
    command = [Path(sys.executable).with_name("coin"), "doctor", "--json"]
    names = ("database", "migrations", "code_location", "worker_pool", "daemon", "api", "dagster_ui", "access")

    def finished() -> dict[str, dict[str, str]] | None:  # on a busy machine, the time limit may pass first
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        return None if any("not finished" in found[name]["found"] for name in names) else found

    checks = wait_until(finished, 60)
    assert {name: checks[name]["found"] for name in names if checks[name]["state"] != "ok"} == {}
    assert (checks["object_store"]["state"], checks["candles"]["state"]) == ("ok", "ok")
