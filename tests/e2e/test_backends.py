"""A result from submission to expiry on each object store, and an object store that goes away."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore
from tests.conftest import store_candles
from tests.forking import run_coin
from tests.platforms import BACKTEST, Platform, follow_backtest, start_platform, stop_platform
from tests.s3 import S3Server, kill_s3, start_s3, stop_s3

BUCKET = "results"
OUTAGE_S = 5


class Bucket:
    """A bucket on an S3 server that can be killed and started again on the same ports."""

    def __init__(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self._folder = tmp_path_factory.mktemp("s3")
        self.server: S3Server = start_s3(self._folder)
        self.store = self.server.store(BUCKET)

    def kill(self) -> None:
        """Kill the server."""
        kill_s3(self.server)

    def restart(self) -> None:
        """Start the server again, with its objects."""
        self.server = start_s3(self._folder, self.server.ports)

    def close(self) -> None:
        """Stop the server and remove its files."""
        stop_s3(self.server, self._folder)


@dataclass(frozen=True)
class Backend:
    """A platform, the store of its results and the settings that select it."""

    platform: Platform
    store: ObjectStore
    settings: dict[str, str]

    def coin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the platform's machine."""
        root = self.platform.root
        return run_coin(*arguments, cwd=root, environment={**os.environ, "DATA_ROOT": str(root), **self.settings})

    def history(self) -> list[str]:
        """Return the run ids that the API lists, newest first."""
        return [item["run_id"] for item in self.platform.api.get("/api/backtests/history").json()["items"]]


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket of this module's own."""
    bucket = Bucket(tmp_path_factory)
    yield bucket
    bucket.close()


@contextmanager
def started(root: Path, store: ObjectStore, settings: dict[str, str]) -> Iterator[Backend]:
    """Run a platform over generated candles with these settings."""
    store_candles(root)
    platform = start_platform(root, **settings)
    yield Backend(platform, store, settings)
    assert stop_platform(platform) == 0


@pytest.fixture
def local_backend(tmp_path: Path) -> Iterator[Backend]:
    """A platform that stores results in a folder."""
    with started(tmp_path, LocalStore(tmp_path), {}) as backend:
        yield backend


@pytest.fixture(scope="module")
def bucket_backend(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> Iterator[Backend]:
    """A platform that stores results in a bucket."""
    with started(tmp_path_factory.mktemp("platform"), bucket.store, bucket.server.environment(BUCKET)) as backend:
        yield backend


def make_expired(store: ObjectStore, task_id: str) -> None:
    """Rewrite a task's manifest so that the task ended long ago."""
    key = f"tasks/{task_id}/manifest.json"
    manifest = json.loads(store.get(key))
    manifest["metadata"]["finished_at"] = "2024-01-01T00:00:00.000000Z"
    store.put(key, json.dumps(manifest).encode(), overwrite=True)


@pytest.mark.parametrize("fixture", [pytest.param("local_backend", marks=pytest.mark.long), "bucket_backend"])
def test_result_from_submission_to_expiry(request: pytest.FixtureRequest, fixture: str) -> None:
    """Both stores return every result byte for byte, remove an expired task completely and keep everything else."""
    backend: Backend = request.getfixturevalue(fixture)
    api = backend.platform.api
    task_id = api.post("/api/backtests/run-async", json=BACKTEST).json()["task_id"]
    completed = follow_backtest(backend.platform.api, task_id)[-1]
    assert completed["status"] == "completed", completed["error"]
    sync = api.post("/api/backtests/run", params={"fresh": True}, json=BACKTEST).json()
    keys = {task_id: f"tasks/{task_id}/result.json", sync["run_id"]: f"results/{sync['run_id']}.json"}
    for run_id, key in keys.items():
        assert api.get(f"/api/backtests/{run_id}").content == backend.store.get(key)
        assert backend.store.info(key).sha256
    assert list(backend.store.keys("runs")) == []

    verified = backend.coin("results", "verify")
    assert verified.returncode == 0, verified.stderr
    assert "2 results, 8 objects" in verified.stdout
    assert backend.history()[:2] == [sync["run_id"], task_id]
    assert api.get("/api/backtests/latest").json()["run_id"] == sync["run_id"]
    download = api.get(f"/api/backtests/{task_id}/download")
    assert download.content == backend.store.get(keys[task_id])
    assert f"backtest_{task_id}.json" in download.headers["Content-Disposition"]

    make_expired(backend.store, task_id)
    dry_run = backend.coin("retention", "--dry-run")
    assert dry_run.returncode == 0, dry_run.stderr
    assert backend.store.exists(keys[task_id])
    retention = backend.coin("retention")
    assert retention.returncode == 0, retention.stderr
    assert list(backend.store.keys(f"tasks/{task_id}")) == []
    for path in (f"/api/backtests/{task_id}", f"/api/backtests/status/{task_id}"):
        assert api.get(path).status_code == 404
    assert backend.history() == [sync["run_id"]]
    assert api.get(f"/api/backtests/{sync['run_id']}").content == backend.store.get(keys[sync["run_id"]])
    assert backend.coin("results", "verify").returncode == 0


def test_tasks_wait_for_an_unavailable_bucket(bucket_backend: Backend, bucket: Bucket) -> None:
    """Accepted tasks complete once the bucket is back; until then requests get a 503, and the log the reason."""
    platform = bucket_backend.platform
    stored = platform.api.post("/api/backtests/run", params={"fresh": True}, json=BACKTEST).json()
    bucket.kill()
    accepted = [platform.api.post("/api/backtests/run-async", json=BACKTEST) for _ in range(3)]
    assert [answer.status_code for answer in accepted] == [202] * 3
    unavailable = platform.api.get(f"/api/backtests/{stored['run_id']}")
    assert (unavailable.status_code, "Retry-After" in unavailable.headers) == (503, True)
    assert "the object store does not respond" in unavailable.json()["detail"]
    assert f"cannot reach the object store at s3://{BUCKET}" in (platform.root / "logs/api.log").read_text()
    health = platform.api.get("/health")
    assert (health.status_code, health.json()["components"]["object_store"]["healthy"]) == (503, False)
    time.sleep(OUTAGE_S)
    bucket.restart()
    for answer in accepted:
        completed = follow_backtest(platform.api, answer.json()["task_id"])[-1]
        assert completed["status"] == "completed", completed["error"]
    assert platform.api.get(f"/api/backtests/{stored['run_id']}").status_code == 200
