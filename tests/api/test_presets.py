"""Presets over HTTP, in a real database."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from coin_pipeline.database.session import Session
from coin_pipeline.results.index import ResultIndex
from tests.api.conftest import client_of
from tests.fakes import FakeOrchestrator

PRESETS = "/api/strategies/presets"
WEEKLY: dict[str, Any] = {
    "name": "weekly",
    "strategy": "volume_zone_breakout",
    "params": {"volume_window": 7, "top_percentile": 0.25},
    "description": "A <b>week</b>",
}


@pytest.fixture
def client(index: ResultIndex, index_url: str, orchestrator: FakeOrchestrator) -> Iterator[TestClient]:
    """A client of the application, with the built-in presets only."""
    assert index
    with closing(Session(index_url)) as session:
        session.run(lambda cursor: cursor.execute("truncate coin.preset"))
    with client_of(orchestrator, database=index_url) as client:
        yield client


def test_three_presets_are_built_in(client: TestClient) -> None:
    """Their strategies and parameters are those that clients of the legacy platform know."""
    answer = client.get(PRESETS).json()
    assert answer["count"] == len(answer["presets"]) == 3
    assert {preset["name"]: (preset["strategy"], list(preset["params"].values())) for preset in answer["presets"]} == {
        "aggressive": ("volume_zone_breakout", [10, 0.3, 0.0]),
        "balanced": ("volume_zone_breakout", [20, 0.2, 0.0]),
        "conservative": ("volume_long_candle", [20, 1.5, 0.01]),
    }
    assert all(preset["built_in"] and preset["updated_at"] is None for preset in answer["presets"])


def test_built_in_presets_suit_their_strategies(client: TestClient) -> None:
    """Each can be saved as it is, so its strategy accepts its parameters."""
    for preset in client.get(PRESETS).json()["presets"]:
        body = {key: preset[key] for key in ("name", "strategy", "params", "description")}
        assert client.post(PRESETS, json=body).status_code == 201


def test_save_read_replace_and_delete(client: TestClient) -> None:
    """POST is an upsert, PUT changes, DELETE removes; the preset is returned as it was saved."""
    created = client.post(PRESETS, json=WEEKLY)
    assert (created.status_code, created.headers["Location"]) == (201, f"{PRESETS}/weekly")
    assert created.json().items() >= {**WEEKLY, "built_in": False}.items()
    assert client.get(f"{PRESETS}/weekly").json() == created.json()
    assert client.post(PRESETS, json={**WEEKLY, "params": {}}).json()["params"] == {}
    changed = client.put(f"{PRESETS}/weekly", json={"strategy": "volume_long_candle"})
    assert changed.status_code == 200
    assert changed.json().items() >= {"strategy": "volume_long_candle", "params": {}, "description": ""}.items()
    deleted = client.delete(f"{PRESETS}/weekly")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get(f"{PRESETS}/weekly").status_code == 404


def test_changed_built_in_preset_is_restored_by_deleting_it(client: TestClient) -> None:
    """The name always exists."""
    original = client.get(f"{PRESETS}/balanced").json()
    client.put(f"{PRESETS}/balanced", json={"strategy": "volume_zone_breakout", "params": {"volume_window": 5}})
    assert client.get(f"{PRESETS}/balanced").json()["params"] == {"volume_window": 5}
    assert client.get(PRESETS).json()["count"] == 3
    assert client.delete(f"{PRESETS}/balanced").status_code == 204
    assert client.get(f"{PRESETS}/balanced").json() == original


def test_unchanged_built_in_preset_cannot_be_deleted(client: TestClient) -> None:
    """The answer states what to do instead."""
    refused = client.delete(f"{PRESETS}/balanced")
    assert refused.status_code == 409
    assert "save one of this name" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"params": {"volume_window": 0}}, "params.volume_window"),
        ({"params": {"windw": 1}}, "params.windw"),
        ({"strategy": "volume_zone"}, "strategy"),
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": ".."}, "name"),
        ({"name": "<script>"}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"description": "two\nlines"}, "description"),
        ({"descripton": ""}, "descripton"),
    ],
)
def test_invalid_preset_is_rejected(client: TestClient, change: dict[str, Any], field: str) -> None:
    """The problem names the field, and nothing is stored."""
    refused = client.post(PRESETS, json={**WEEKLY, **change})
    assert refused.status_code == 422
    assert [problem["field"] for problem in refused.json()["errors"]] == [field]
    assert client.get(PRESETS).json()["count"] == 3


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("name", "a/b", "use letters, digits, spaces and _ . + -"), ("description", "two\nlines", "write one line")],
)
def test_problem_of_a_text_is_in_words(client: TestClient, field: str, value: str, words: str) -> None:
    """Not the pattern that it fails to match."""
    (problem,) = client.post(PRESETS, json={**WEEKLY, field: value}).json()["errors"]
    assert words in problem["message"]


def test_all_problems_are_reported_at_once(client: TestClient) -> None:
    """Those of the name and those of the parameters."""
    refused = client.post(PRESETS, json={**WEEKLY, "name": "a/b", "params": {"volume_window": 0}})
    assert {problem["field"] for problem in refused.json()["errors"]} == {"name", "params.volume_window"}


def test_preset_is_renamed(client: TestClient) -> None:
    """Everything else stays; its own name is accepted."""
    created = client.post(PRESETS, json=WEEKLY).json()
    renamed = client.patch(f"{PRESETS}/weekly", json={"name": "주간"})
    assert (renamed.status_code, renamed.json()) == (200, {**created, "name": "주간"})
    assert client.get(f"{PRESETS}/weekly").status_code == 404
    assert client.patch(f"{PRESETS}/{quote('주간')}", json={"name": "주간"}).json() == renamed.json()


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("weekly", "other", 409),
        ("weekly", "balanced", 409),
        ("balanced", "mine", 409),
        ("weekly", "a/b", 422),
        ("ballanced", "mine", 404),
    ],
)
def test_name_that_a_preset_cannot_get(client: TestClient, old: str, new: str, status: int) -> None:
    """Both presets stay as they are."""
    for name in ("weekly", "other"):
        client.post(PRESETS, json={**WEEKLY, "name": name})
    before = client.get(PRESETS).json()
    assert client.patch(f"{PRESETS}/{old}", json={"name": new}).status_code == status
    assert client.get(PRESETS).json() == before


@pytest.mark.parametrize("name", ["ballanced", "\0", "a" * 200, "%2e%2e"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_unknown_name_is_not_found(client: TestClient, method: str, name: str) -> None:
    """Whatever the path contains."""
    bodies = {"PUT": {"strategy": "volume_long_candle"}, "PATCH": {"name": "new"}}
    assert client.request(method, f"{PRESETS}/{quote(name)}", json=bodies.get(method)).status_code == 404


def test_name_may_be_korean(client: TestClient) -> None:
    """The Location of the preset is a valid header and leads to it."""
    created = client.post(PRESETS, json={**WEEKLY, "name": "주간 돌파"})
    assert client.get(created.headers["Location"]).json()["name"] == "주간 돌파"
