"""Sweeps that `coin up` evaluates on a Ray cluster."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders import STEADY_STRATEGY
from tests.conftest import store_candles
from tests.e2e.conftest import embedded_server
from tests.platforms import COIN, Platform, follow, start_platform, stop_platform, wait_until
from tests.ray_cluster import NO_RAY, RayCluster, ray_cluster

pytest.importorskip("ray", reason=NO_RAY)
pytestmark = [pytest.mark.long, embedded_server]

SWEEP: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
    "space": {"volume_window": "5:60:5", "top_percentile": [0.1, 0.2, 0.3]},
}
SLOW_SWEEP: dict[str, Any] = {**SWEEP, "strategy": "steady", "space": {"every": "2:901:1"}}


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Yield a cluster of a head without processors and a node with two."""
    with ray_cluster() as cluster:
        cluster.start_head(0)
        cluster.join(2)
        yield cluster


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory, cluster: RayCluster) -> Iterator[Platform]:
    """Yield a platform over the candles of the shared one, which uses the cluster."""
    root = tmp_path_factory.mktemp("ray-platform")
    store_candles(root)
    (root / "steady.py").write_text(STEADY_STRATEGY)
    settings = {"COIN_SWEEP_ENGINE": "ray", "COIN_RAY_ADDRESS": cluster.address}
    running = start_platform(root, "--strategy-file", str(root / "steady.py"), **settings)
    yield running
    assert stop_platform(running) == 0


def finished(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Submit a sweep and return its document."""
    answer = platform.api.post("/api/sweeps", json=request)
    assert answer.status_code == 202, answer.text
    final = follow(platform.api, f"/api/sweeps/{answer.json()['task_id']}")[-1]
    assert final["status"] == "completed", final["error"]
    document: dict[str, Any] = final["result"]
    return document


def busy_workers(cluster: RayCluster) -> list[int]:
    """Return the workers of the cluster that evaluate a part."""
    return [pid for node in cluster.nodes for pid in node.tasks()]


def test_a_sweep_over_http_has_the_trials_of_one_machine(platform: Platform, on_ray: Platform) -> None:
    """The digest of the trials, and the best point, are those of a platform with the local engine."""
    here, there = finished(platform, SWEEP), finished(on_ray, SWEEP)
    assert there["trials"]["sha256"] == here["trials"]["sha256"]
    assert there["best"]["result_sha256"] == here["best"]["result_sha256"]


def test_a_cancelled_sweep_frees_the_cluster(on_ray: Platform, cluster: RayCluster) -> None:
    """Workers that evaluate a strategy of a file end, and the status stays cancelled."""
    status_url = f"/api/sweeps/{on_ray.api.post('/api/sweeps', json=SLOW_SWEEP).json()['task_id']}"
    wait_until(lambda: busy_workers(cluster))
    assert on_ray.api.post(f"{status_url}/cancel").status_code == 200
    wait_until(lambda: not busy_workers(cluster))
    assert on_ray.api.get(status_url).json()["status"] == "cancelled"


def test_the_doctor_finds_the_nodes(on_ray: Platform, cluster: RayCluster) -> None:
    """Next to the running platform, with the settings of the platform."""
    environment = {
        **os.environ,
        "DATA_ROOT": str(on_ray.root),
        "COIN_SWEEP_ENGINE": "ray",
        "COIN_RAY_ADDRESS": cluster.address,
    }

    def found() -> str | None:  # on a busy machine the nodes may not respond in time
        done = subprocess.run([COIN, "doctor", "--json"], env=environment, capture_output=True, text=True, check=False)
        (check,) = (item for item in json.loads(done.stdout)["checks"] if item["name"] == "ray_cluster")
        return check["found"] if check["state"] == "ok" else None

    assert wait_until(found, 110).endswith("nodes with the code of this machine: 1, with 2 CPUs")
