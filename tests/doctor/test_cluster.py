"""Check of the Ray cluster, against real clusters of this machine."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coin_pipeline.doctor.cluster import ray_cluster as check
from coin_pipeline.doctor.examinations import EXAMINATIONS
from coin_pipeline.doctor.model import Installation
from coin_pipeline.doctor.run import examine
from coin_pipeline.settings import load_settings
from tests.platforms import free_ports
from tests.ray_cluster import NO_RAY, RayCluster, ray_cluster, shadow_package

pytest.importorskip("ray", reason=NO_RAY)

(EXAMINATION,) = (item for item in EXAMINATIONS if item.name == "ray_cluster")
NODES_S = 60
"""Time for a busy machine; no test waits for it unless it fails."""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayCluster]:
    """Yield a cluster without nodes, which the settings name."""
    with ray_cluster() as cluster:
        monkeypatch.setenv("COIN_SWEEP_ENGINE", "ray")
        monkeypatch.setenv("COIN_RAY_ADDRESS", cluster.address)
        yield cluster


def installation() -> Installation:
    """Return the installation of the settings."""
    return Installation(load_settings(), "", "")


def test_the_cluster_is_not_needed_with_the_local_engine() -> None:
    """Nothing is connected to and nothing is to be done."""
    assert check(installation()) == ("ok", "not used with COIN_SWEEP_ENGINE=local", "")


def test_nodes_with_the_code_of_this_machine(cluster: RayCluster) -> None:
    """Every node with processors is asked, also if it is the head."""
    cluster.start_head(2)
    cluster.join(1)
    finding = check(installation(), NODES_S)
    assert finding.found.endswith("nodes with the code of this machine: 2, with 3 CPUs")
    assert finding.state == "ok"


def test_nodes_that_do_not_respond_in_time(cluster: RayCluster) -> None:
    """They are a warning: a busy node may only be late."""
    cluster.start_head(1)
    finding = check(installation(), 0)
    assert finding.state == "warning"
    assert finding.found.startswith("1 of 1 nodes did not respond within 0 s: ")


def test_a_cluster_without_processors(cluster: RayCluster) -> None:
    """The advice is to add a node."""
    cluster.start_head(0)
    finding = check(installation(), NODES_S)
    assert (finding.state, finding.found) == ("failed", f"no node of the cluster at {cluster.address} has CPUs")
    assert finding.advice.startswith("Add a node")


def test_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is named, and what to do, in Korean too."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    monkeypatch.setenv("COIN_SWEEP_ENGINE", "ray")
    monkeypatch.setenv("COIN_RAY_ADDRESS", address)
    (result,) = examine([EXAMINATION], replace(installation(), language="ko"), NODES_S)
    assert result.state == "failed"
    assert f"the Ray cluster at {address} is not available" in result.found
    assert result.advice.startswith("이 서버를 클러스터의 노드로 추가하고")


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("without the package", "it cannot load coin-pipeline (No module named 'coin_pipeline"),
        ("other code", "it has another code in coin_pipeline.engine.metrics than this machine"),
    ],
)
def test_a_node_that_cannot_evaluate_sweeps(cluster: RayCluster, tmp_path: Path, fault: str, reason: str) -> None:
    """Its host and what is wrong there are named."""
    cluster.start_head(1)
    cluster.join(1, shadow_package(tmp_path, fault))
    finding = check(installation(), NODES_S)
    assert finding.state == "failed"
    assert finding.found.startswith("1 of 2 nodes cannot evaluate sweeps; ")
    assert reason in finding.found
    assert finding.advice.startswith("Install the locked versions")


@pytest.mark.long
def test_another_version_of_ray(cluster: RayCluster, tmp_path: Path) -> None:
    """The sentence gives both versions, the advice is to install the same."""
    cluster.start_head(1, shadow_package(tmp_path, "other Ray"))
    finding = check(installation(), NODES_S)
    assert finding.state == "failed"
    assert "Ray: 1.0.0" in finding.found
    assert finding.advice.startswith("Install the same Python")
