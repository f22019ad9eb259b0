"""Forward tests over HTTP."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

from coin_api.app import create_app
from coin_pipeline.settings import load_settings
from tests.fakes import FakeOrchestrator
from tests.forward.conftest import SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.forward.conftest import Workbench

REQUEST: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "params": {"volume_window": 5, "hold_period_bars": 3},
    "symbols": list(SYMBOLS),
    "timeframe": "1h",
}


@pytest.fixture
def client(workbench: Workbench) -> Iterator[TestClient]:
    """A client of the API on the database of the workbench."""
    app = create_app(load_settings(), lambda _: FakeOrchestrator(), None, lambda _: workbench.url)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_start_read_and_stop(client: TestClient) -> None:
    """A started test is active and listed; once stopped it stays so."""
    started = client.post("/api/forward-tests", json=REQUEST)
    test = started.json()
    assert started.status_code == 201
    assert started.headers["Location"] == f"/api/forward-tests/{test['test_id']}"
    assert (test["status"], test["book"], test["decisions"]) == ("active", f"forward:{test['test_id']}", 0)
    assert test["spec"]["params"]["num_bins"] == 20
    read = client.get(started.headers["Location"]).json()
    accounts = [(own["symbol"], own["cash_exact"], own["equity"], own["failure"]) for own in read["accounts"]]
    assert accounts == [(symbol, "10000000", 10_000_000.0, None) for symbol in SYMBOLS]
    assert (read["items"], read["next_cursor"]) == ([], None)
    assert client.get("/api/forward-tests").json() == {"count": 1, "items": [test]}
    stopped = client.post(f"{started.headers['Location']}/stop?close=true").json()
    assert stopped["status"] == "stopped"
    assert client.post(f"{started.headers['Location']}/stop").json() == stopped


def test_repeated_start_returns_the_existing_test(client: TestClient) -> None:
    """Also after a lost response: a key starts one test, and belongs to its spec."""
    key = {"Idempotency-Key": "only-once"}
    first, again = (client.post("/api/forward-tests", json=REQUEST, headers=key) for _ in range(2))
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    other = client.post("/api/forward-tests", json={**REQUEST, "fee_rate": 0.002}, headers=key)
    assert other.status_code == 409
    assert f"'only-once' already belongs to another request (forward test {first.json()['test_id']})" in other.text
    assert client.get("/api/forward-tests").json() == {"count": 1, "items": [first.json()]}


def test_starts_without_a_key_are_independent(client: TestClient) -> None:
    """Two equal requests start two tests."""
    first, second = (client.post("/api/forward-tests", json=REQUEST).json()["test_id"] for _ in range(2))
    assert first != second


def test_decisions_come_in_pages(client: TestClient, workbench: Workbench) -> None:
    """Each is on one page, newest first, with the candle that was decided."""
    test = workbench.start(params=REQUEST["params"], symbols=SYMBOLS)
    workbench.advance(5, at_once=True)
    url, pages, cursor = f"/api/forward-tests/{test.test_id}", [], ""
    while cursor is not None:
        page = client.get(f"{url}?limit=4{cursor and f'&cursor={cursor}'}").json()
        pages.append(page["items"])
        cursor = page["next_cursor"]
    items = [item for page in pages for item in page]
    own = [item["candle"] for item in items if item["symbol"] == SYMBOLS[0]]
    assert len(own) == 5
    assert own == sorted(own, reverse=True)
    assert len({(item["symbol"], item["candle"]) for item in items}) == len(items) == page["decisions"]
    assert [len(page) for page in pages[:-1]] == [4] * (len(pages) - 1)
    one = client.get(f"{url}?symbol={SYMBOLS[1]}&limit=1").json()["items"]
    assert [item["symbol"] for item in one] == [SYMBOLS[1]]


@pytest.mark.parametrize(
    ("change", "field", "sentence"),
    [
        ({"strategy": "volume_zone_breakut"}, "strategy", "did you mean 'volume_zone_breakout'"),
        ({"params": {"volume_windw": 5}}, "params.volume_windw", "did you mean 'volume_window'"),
        ({"symbols": ["../etc"]}, "symbols", "not a market"),
        ({"timeframe": "2h", "exchange": "upbit", "fill": "next_open"}, "fill", "is not a field of this request"),
        ({"position_size": 0}, "position_size", "greater than or equal to 0.000001"),
        ({"initial_cash": 1e16}, "initial_cash", "less than or equal to"),
        ({"fee_rate": 0.2}, "fee_rate", "less than or equal to 0.1"),
        ({"start_date": "2024-02-30"}, "start_date", "is not a day"),
        ({"collect": "yes"}, "collect", "valid boolean"),
    ],
)
def test_invalid_requests_start_nothing(client: TestClient, change: dict[str, Any], field: str, sentence: str) -> None:
    """The answer is 422 and names the field."""
    answer = client.post("/api/forward-tests", json={**REQUEST, **change})
    assert answer.status_code == 422
    assert field in str(answer.json()["errors"])
    assert sentence in str(answer.json())
    assert client.get("/api/forward-tests").json()["count"] == 0


@pytest.mark.parametrize("query", ["symbol=AAA%00KRW", "symbol=../etc", "cursor=9999999999999999999:AAA_KRW"])
def test_invalid_filters_of_decisions_are_rejected(client: TestClient, workbench: Workbench, query: str) -> None:
    """The answer is 422, before PostgreSQL would refuse the value."""
    test = workbench.start(params=REQUEST["params"], symbols=SYMBOLS)
    answer = client.get(f"/api/forward-tests/{test.test_id}?{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in str(answer.json()["errors"])


def test_candles_that_are_not_collected_must_be_stored(client: TestClient) -> None:
    """Otherwise the test could never decide: 404 names the market."""
    answer = client.post("/api/forward-tests", json={**REQUEST, "symbols": ["ZZZ_KRW"], "collect": False})
    assert answer.status_code == 404
    assert "ZZZ_KRW (nothing stored" in answer.json()["detail"]


@pytest.mark.parametrize("test_id", [str(uuid.UUID(int=0)), "no-id", "x" * 500])
def test_unknown_test_is_not_found(client: TestClient, test_id: str) -> None:
    """Also for an id that is none."""
    for answer in (client.get(f"/api/forward-tests/{test_id}"), client.post(f"/api/forward-tests/{test_id}/stop")):
        assert answer.status_code == 404
        assert "no forward test has the id" in answer.json()["detail"]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "cursor=x", "unknown=1"])
def test_invalid_page_is_refused(client: TestClient, workbench: Workbench, query: str) -> None:
    """With 422."""
    test = workbench.start()
    assert client.get(f"/api/forward-tests/{test.test_id}?{query}").status_code == 422
