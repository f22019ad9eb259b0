"""Damaged objects over HTTP: a documented answer that names the object, and never a path of this machine."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from coin_api.deps import Timeouts
from coin_pipeline.results.publish import publish_result
from coin_pipeline.storage.local import LocalStore
from tests.api.conftest import client_of
from tests.conftest import store_candles
from tests.fakes import NOW, QUEUED, FakeOrchestrator
from tests.fuzz.results import files_of
from tests.platforms import BACKTEST

TASK_ID, SWEEP_ID = "aaaaaaaa-1111-4111-8111-111111111111", "bbbbbbbb-1111-4111-8111-111111111111"
COMPLETED = replace(QUEUED, status="completed", progress=1.0, finished_at=NOW)
ROUTES = [
    *(f"/api/backtests/{TASK_ID}{part}" for part in ("", "/download", "?full=true", "/signals", "/trades", "/equity")),
    f"/api/backtests/status/{TASK_ID}",
    f"/api/sweeps/{SWEEP_ID}",
    f"/api/sweeps/{SWEEP_ID}/trials",
    "/api/backtests/history",
    "/api/candles",
    "/api/candles/AAA_KRW",
]
OBJECTS = {
    **{f"tasks/{TASK_ID}/{name}": TASK_ID for name in ("result.json", "manifest.json", "equity.parquet")},
    **{f"tasks/{SWEEP_ID}/{name}": SWEEP_ID for name in ("result.json", "manifest.json", "trials.parquet")},
    "AAA_KRW/1D/2024.parquet": "AAA_KRW",
}
"""Keys of objects, and what every route that reads one has in its path."""


def flip(content: bytes) -> bytes:
    """Change one bit."""
    position = len(content) // 3
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "empty": lambda _: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "flipped": flip,
    "not JSON": lambda _: b"\xff\xfe",
    "another type": lambda _: b"[1]",
    "without keys": lambda _: b"{}",
    "other types": lambda _: b'{"result_files":[7],"result_sha256":1,"symbols":3,"run_id":[],"fingerprint":null}',
    "NaN": lambda _: b'{"result_files":NaN,"result_sha256":NaN,"symbols":[NaN]}',
    "nested": lambda _: b"[" * 100_000,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, candles: object) -> Path:
    """A DATA_ROOT with a result of each kind, complete and intact."""
    assert candles
    folder = tmp_path_factory.mktemp("damage")
    store_candles(folder)
    for job, task_id in (("backtest", TASK_ID), ("sweep", SWEEP_ID)):
        publish_result(LocalStore(folder), files_of(job, task_id))  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="module")
def orchestrator() -> FakeOrchestrator:
    """An orchestrator whose tasks have these results."""
    tasks = {TASK_ID: COMPLETED, SWEEP_ID: replace(COMPLETED, job="sweep")}
    return FakeOrchestrator(tasks_by_id={task_id: replace(task, task_id=task_id) for task_id, task in tasks.items()})


@pytest.fixture(scope="module")
def client(root: Path, orchestrator: FakeOrchestrator, index_url: str) -> Iterator[TestClient]:
    """A client of an application over these objects."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_ROOT", str(root))
        with client_of(orchestrator, Timeouts(queued_s=0), index_url) as client:
            yield client


@pytest.fixture(params=["in place", "as a new file"])
def rewrite(request: pytest.FixtureRequest) -> Iterator[Callable[[Path, bytes], None]]:
    """Replaces the content of a file, with or without the checksum that the store keeps with it; restored on exit."""
    originals: dict[Path, Path] = {}

    def write(path: Path, content: bytes) -> None:
        originals[path] = path.with_name(f"{path.name}.original")
        if request.param == "in place":
            shutil.copy2(path, originals[path])
        else:
            path.rename(originals[path])
        path.write_bytes(content)

    yield write
    for path, original in originals.items():
        path.unlink(missing_ok=True)
        original.rename(path)


def check(response: Any, root: Path) -> None:  # noqa: ANN401 -- of the test client
    """Check an answer to a request that may have met a damaged object."""
    assert response.status_code in {200, 404, 422, 502}, (response.request.url, response.text)
    assert str(root) not in response.text
    if response.status_code == 502:
        assert response.json()["detail"]
        assert "Retry-After" not in response.headers


def test_intact_objects_are_found(client: TestClient) -> None:
    """Each of the routes reads what is stored."""
    assert {client.get(route).status_code for route in ROUTES} == {200}


@pytest.mark.parametrize("key", OBJECTS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_object_is_named(
    client: TestClient, root: Path, rewrite: Callable[[Path, bytes], None], key: str, damage: str
) -> None:
    """On every route; the others answer as before."""
    rewrite(root / key, DAMAGES[damage]((root / key).read_bytes()))
    statuses = set()
    for route in ROUTES:
        response = client.get(route)
        check(response, root)
        if OBJECTS[key] in route:
            statuses.add(response.status_code)
        else:
            assert response.status_code == 200, route
    if key.endswith("manifest.json") and damage in {"flipped", "without keys"}:
        return  # no digest covers a copied manifest, and those of the legacy platform list no files
    assert statuses & {422, 502}


def test_a_damaged_entry_of_the_fingerprint_index_is_ignored(
    client: TestClient, orchestrator: FakeOrchestrator, root: Path
) -> None:
    """A submission is computed, as if there were no entry."""
    (entry,) = (root / "fingerprints").glob("*.json")
    for content in (
        b"",
        b"[1]",
        b"{}",
        b'{"run_id":7,"sha256":[]}',
        b'{"run_id":"../x","sha256":"0"}',
    ):
        entry.write_bytes(content)
        submitted = len(orchestrator.submitted)
        assert (
            client.post("/api/backtests/run", json=BACKTEST).status_code == 503
        )  # the fake orchestrator never runs it
        assert len(orchestrator.submitted) == submitted + 1
