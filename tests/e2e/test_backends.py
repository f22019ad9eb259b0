"""One life of a result, from its submission to its end, on each object store; and a store that goes away."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore
from tests.conftest import store_candles
from tests.e2e.conftest import COIN, Platform, start_platform, stop_platform
from tests.e2e.test_platform import BODY, follow
from tests.s3 import S3Server, kill_s3, start_s3, stop_s3

BUCKET = "results"


@dataclass(frozen=True)
class Place:
    """A platform and the store of its results."""

    platform: Platform
    store: ObjectStore
    environment: dict[str, str]

    def coin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a person on the platform's machine does."""
        return subprocess.run(
            [COIN, *arguments],
            env={**os.environ, "DATA_ROOT": str(self.platform.root), **self.environment},
            cwd=self.platform.root,
            capture_output=True,
            text=True,
            check=False,
        )

    def history(self) -> list[str]:
        """Return the ids that the API lists, newest first."""
        return [item["run_id"] for item in self.platform.api.get("/api/backtests/history").json()["items"]]


@pytest.fixture(scope="module", params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A platform whose results lie in a folder, or in a bucket."""
    root = tmp_path_factory.mktemp("platform")
    store_candles(root)
    store: ObjectStore = LocalStore(root)
    environment: dict[str, str] = {}
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        store, environment = server.store(BUCKET), server.environment(BUCKET)
    platform = start_platform(root, **environment)
    yield Place(platform, store, environment)
    assert stop_platform(platform) == 0


def age(store: ObjectStore, task_id: str) -> None:
    """Have a task have ended long ago."""
    key = f"tasks/{task_id}/manifest.json"
    manifest = json.loads(store.get(key))
    manifest["metadata"]["finished_at"] = "2024-01-01T00:00:00.000000Z"
    store.put(key, json.dumps(manifest).encode(), overwrite=True)


def test_submit_poll_fetch_verify_list_expire(place: Place) -> None:
    """The same on both stores: whole while it is there, gone when its time is over, and what is kept is kept."""
    api = place.platform.api
    task_id = api.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    ended = follow(place.platform, task_id)[-1]
    assert ended["status"] == "completed", ended["error"]
    sync = api.post("/api/backtests/run", params={"fresh": True}, json=BODY).json()
    stored = {task_id: f"tasks/{task_id}/result.json", sync["run_id"]: f"results/{sync['run_id']}.json"}
    for run_id, key in stored.items():
        assert api.get(f"/api/backtests/{run_id}").content == place.store.get(key)
        assert place.store.info(key).sha256
    assert list(place.store.keys("runs")) == []

    verified = place.coin("results", "verify")
    assert verified.returncode == 0, verified.stderr
    assert "2 results, 5 objects" in verified.stdout
    assert place.history()[:2] == [sync["run_id"], task_id]
    assert api.get("/api/backtests/latest").json()["run_id"] == sync["run_id"]
    download = api.get(f"/api/backtests/{task_id}/download")
    assert download.content == place.store.get(stored[task_id])
    assert f"backtest_{task_id}.json" in download.headers["Content-Disposition"]

    age(place.store, task_id)
    dry = place.coin("retention", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert place.store.exists(stored[task_id])
    done = place.coin("retention")
    assert done.returncode == 0, done.stderr
    assert list(place.store.keys(f"tasks/{task_id}")) == []
    for gone in (f"/api/backtests/{task_id}", f"/api/backtests/status/{task_id}"):
        assert api.get(gone).status_code == 404
    assert place.history() == [sync["run_id"]]
    assert api.get(f"/api/backtests/{sync['run_id']}").content == place.store.get(stored[sync["run_id"]])
    assert place.coin("results", "verify").returncode == 0


def test_a_bucket_that_is_away_is_waited_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tasks are accepted, wait for their store and complete; who cannot be answered without it is told, and why."""
    folder, root = tmp_path_factory.mktemp("s3"), tmp_path_factory.mktemp("platform")
    store_candles(root)
    server = start_s3(folder)
    server.store(BUCKET)
    platform = start_platform(root, **server.environment(BUCKET))
    try:
        known = platform.api.post("/api/backtests/run", json=BODY).json()
        kill_s3(server)
        accepted = [platform.api.post("/api/backtests/run-async", json=BODY) for _ in range(3)]
        assert [answer.status_code for answer in accepted] == [202] * 3
        told: Any = platform.api.get(f"/api/backtests/{known['run_id']}")
        assert (told.status_code, "Retry-After" in told.headers) == (503, True)
        assert "cannot reach the object store at s3://results" in told.json()["detail"]
        health = platform.api.get("/health")
        assert (health.status_code, health.json()["components"]["object_store"]["healthy"]) == (503, False)
        time.sleep(5)
        server = start_s3(folder, server.ports)
        for answer in accepted:
            ended = follow(platform, answer.json()["task_id"])[-1]
            assert ended["status"] == "completed", ended["error"]
        assert platform.api.get(f"/api/backtests/{known['run_id']}").status_code == 200
    finally:
        stop_platform(platform)
        stop_s3(server, folder)
