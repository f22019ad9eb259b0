"""The positions endpoints: exact figures, prices, repeated orders and refused input."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.ledger.ledger import Ledger
from tests.api.conftest import client_of
from tests.fakes import FakeOrchestrator

Json = dict[str, Any]
CHECKLIST = """{
    "symbol": "BTC_KRW",
    "quantity": 1.0,
    "entry_price": 50000,
    "side": "BUY"
  }"""
"""Body of the first call of the migration checklist, as it is written there."""
JSON = {"Content-Type": "application/json"}
UNKNOWN = "11111111-1111-4111-8111-111111111111"


@pytest.fixture(scope="module")
def api(ledger_engine: Engine, candles: CandleCatalog) -> Iterator[TestClient]:
    """A client of the application on the database of the ledger."""
    assert candles
    url = ledger_engine.url.render_as_string(hide_password=False)
    with client_of(FakeOrchestrator(), database=url) as client:
        yield client


@pytest.fixture
def client(api: TestClient, ledger: Ledger) -> TestClient:
    """A client with an empty ledger."""
    assert ledger.open_positions() == []
    return api


def enter(client: TestClient, body: str = CHECKLIST, key: str | None = None) -> Json:
    """Send an order to enter; return its answer."""
    headers = JSON if key is None else {**JSON, "Idempotency-Key": key}
    response = client.post("/api/positions/enter", content=body, headers=headers)
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


def order(**fields: object) -> str:
    """Return the checklist's body with other fields; text is not quoted, so that it can be any JSON."""
    parts = {"symbol": '"BTC_KRW"', "quantity": "1.0", "entry_price": "50000", "side": '"BUY"', **fields}
    return "{" + ", ".join(f'"{name}": {value}' for name, value in parts.items() if value is not None) + "}"


def test_the_calls_of_the_checklist(client: TestClient) -> None:
    """Enter, open and summary as the checklist has them, then an exit: 878.8002 to the last digit."""
    entered = enter(client)
    expected = {
        "symbol": "BTC_KRW", "side": "BUY", "kind": "ENTER", "quantity": 1.0, "entry_price": 50000.0,
        "effective_entry_price": 50010.0, "effective_entry_price_exact": "50010", "fee": 50.01, "fee_exact": "50.01",
        "slippage": 10.0, "slippage_exact": "10", "fee_rate_exact": "0.001", "slippage_rate_exact": "0.0002",
        "status": "OPEN", "book": "paper", "price_source": "request",
    }  # fmt: skip
    assert {name: entered[name] for name in expected} == expected
    assert datetime.fromisoformat(entered["opened_at"]).tzinfo == UTC
    opened = client.get("/api/positions/open").json()
    assert opened["count"] == 1
    assert opened["positions"][0]["position_id"] == entered["position_id"]
    assert opened["positions"][0]["unrealized_pnl_exact"] == "-60.01"
    assert opened["positions"][0]["mark_source"] == "entry_price"
    summary = client.get("/api/positions/summary").json()
    assert (summary["open_count"], summary["closed_count"], summary["win_rate"]) == (1, 0, None)
    assert (summary["totals"][0]["fees_exact"], summary["totals"][0]["exposure_exact"]) == ("50.01", "50000")
    left = client.post(f"/api/positions/{entered['position_id']}/exit", json={"exit_price": 51000}).json()
    assert (left["status"], left["realized_pnl"], left["realized_pnl_exact"]) == ("CLOSED", 878.8002, "878.8002")
    summary = client.get("/api/positions/summary").json()
    assert (summary["open_count"], summary["closed_count"], summary["win_rate"]) == (0, 1, 1.0)
    assert summary["by_symbol"][0]["realized_pnl_exact"] == summary["totals"][0]["net_pnl_exact"] == "878.8002"


def test_adding_and_leaving_in_parts(client: TestClient) -> None:
    """The same side adds at average cost, the other one reduces; after the last unit, another position opens."""
    first = enter(client)
    second = enter(client, order(entry_price="52000", symbol='"KRW-BTC"', side='"buy"'))
    assert second["position_id"] == first["position_id"]
    assert (second["position"]["entry_price_exact"], second["position"]["quantity_exact"]) == ("51000", "2")
    reduced = enter(client, order(quantity='"0.5"', entry_price="53000", side='"SELL"'))
    assert (reduced["kind"], reduced["status"], reduced["position"]["quantity_exact"]) == ("EXIT", "OPEN", "1.5")
    left = client.post(f"/api/positions/{first['position_id']}/exit", json={"exit_price": 53000}).json()
    assert (left["status"], left["quantity_exact"]) == ("CLOSED", "1.5")
    assert left["position"]["realized_gross_exact"] == "4000"
    assert enter(client)["position_id"] != first["position_id"]


def test_a_position_has_its_journal(client: TestClient) -> None:
    """Postings of each entry add up to zero."""
    position_id = enter(client, order(note='"first"'))["position_id"]
    client.post(f"/api/positions/{position_id}/exit", json={"exit_price": 51000, "quantity": "0.25"})
    position = client.get(f"/api/positions/{position_id}").json()
    assert [(entry["kind"], entry["note"]) for entry in position["journal"]] == [("ENTER", "first"), ("EXIT", None)]
    for entry in position["journal"]:
        texts = [text for name, text in entry["postings"].items() if name.endswith("_exact")]
        assert len(texts) == 7
        assert sum(map(Decimal, texts)) == 0


def test_numbers_keep_every_digit(client: TestClient) -> None:
    """A JSON number with 20 digits is not rounded to a float, in the request or in the texts of the answer."""
    answer = enter(client, order(quantity="0.123456789012345678", entry_price="98765432109876.12345"))
    assert answer["quantity_exact"] == "0.123456789012345678"
    assert answer["entry_price_exact"] == "98765432109876.12345"


def test_currencies_are_never_added(client: TestClient) -> None:
    """Each quote currency has its own totals."""
    enter(client)
    enter(client, order(symbol='"ETH_BTC"', entry_price="0.05"))
    totals = client.get("/api/positions/summary").json()["totals"]
    assert [(total["quote"], total["exposure_exact"]) for total in totals] == [("BTC", "0.05"), ("KRW", "50000")]


def test_books_are_accounts_of_their_own(client: TestClient) -> None:
    """Lists have the book of the query; by default that of orders that name none."""
    enter(client, order(book='"other"'))
    assert client.get("/api/positions/open").json()["count"] == 0
    assert client.get("/api/positions/open?book=other").json()["count"] == 1
    enter(client)
    assert client.get("/api/positions/summary?book=*").json()["open_count"] == 2


def test_the_history_has_pages_and_filters(client: TestClient) -> None:
    """Closed positions by default, newest first; a cursor leads to the next page."""
    for symbol, price in (("BTC_KRW", 51000), ("BTC_KRW", 40000), ("ETH_KRW", 51000)):
        position_id = enter(client, order(symbol=f'"{symbol}"'))["position_id"]
        client.post(f"/api/positions/{position_id}/exit", json={"exit_price": price})
    enter(client)

    def history(query: str = "") -> Json:
        page: Json = client.get(f"/api/positions/history?{query}").json()
        return page

    first = history("limit=2")
    second = history(f"limit=2&cursor={first['next_cursor']}")
    assert [item["symbol"] for item in first["items"] + second["items"]] == ["ETH_KRW", "BTC_KRW", "BTC_KRW"]
    assert (first["total"], second["next_cursor"]) == (3, None)
    assert history("symbol=KRW-BTC&min_net=0")["items"][0]["realized_pnl_exact"] == "878.8002"
    assert [history(f"status={status}")["total"] for status in ("open", "all")] == [1, 4]
    assert [history(query)["total"] for query in ("side=sell", "book=other", "date_from=2261-12-31")] == [0, 0, 0]


def test_prices_of_the_call_come_first(client: TestClient) -> None:
    """Then the newest stored close, which the answer dates."""
    enter(client, order(symbol='"AAA_KRW"'))
    enter(client, order(symbol='"BBB_KRW"'))
    opened = client.get("/api/positions/open", params={"price": ["KRW-AAA:51000.5"]}).json()
    aaa, bbb = opened["positions"]
    assert (aaa["mark_source"], aaa["mark_price_exact"], aaa["mark_time"]) == ("request", "51000.5", None)
    assert (bbb["mark_source"], bbb["mark_time"]) == ("candle", "2025-01-01T00:00:00.000000Z")
    assert client.get("/api/positions/summary?price=AAA_KRW:51000.5").json()["totals"][0]["open_count"] == 2


def test_an_order_without_a_price_takes_the_newest_close(client: TestClient) -> None:
    """The answer names the candle."""
    entered = enter(client, order(symbol='"AAA_KRW"', entry_price=None))
    left = client.post(f"/api/positions/{entered['position_id']}/exit", json={}).json()
    assert entered["price_source"] == left["price_source"] == "candle"
    assert entered["price_time"] == left["price_time"] == "2025-01-01T00:00:00.000000Z"
    assert entered["entry_price_exact"] == left["exit_price_exact"]


def test_a_repeated_order_is_booked_once(client: TestClient) -> None:
    """It gets the same answer, with a header; another order with the key is refused."""
    request: Json = {"content": CHECKLIST, "headers": {**JSON, "Idempotency-Key": "k1"}}
    first, again = (client.post("/api/positions/enter", **request) for _ in range(2))
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    request["content"] = order(quantity="2")
    assert client.post("/api/positions/enter", **request).status_code == 409
    url, headers = f"/api/positions/{first.json()['position_id']}/exit", {"Idempotency-Key": "k2"}
    left, repeated = (client.post(url, json={"exit_price": 1}, headers=headers) for _ in range(2))
    assert (left.status_code, repeated.content) == (200, left.content)
    assert client.get("/api/positions/open").json()["count"] == 0


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"quantity": "0"}, "quantity", "0 is not above 0"),
        ({"quantity": "-1"}, "quantity", "-1 is not above 0"),
        ({"quantity": "NaN"}, "quantity", "not a finite decimal number"),
        ({"quantity": "Infinity"}, "quantity", "not a finite decimal number"),
        ({"quantity": "1e400"}, "quantity", "1E+400 is not in the range"),
        ({"quantity": "1e999999999"}, "quantity", "1E+999999999 is not in the range"),
        ({"quantity": "1e-999999999"}, "quantity", "1E-999999999 is not in the range"),
        ({"quantity": "1" + "0" * 500_000}, "quantity", "is not in the range"),
        ({"quantity": f"1e{'9' * 400}"}, "quantity", "not a finite decimal number"),
        ({"quantity": f"0.{'1' * 40}"}, "quantity", "has more than 18 decimals"),
        ({"quantity": '"1e5000"'}, "quantity", "is not in the range"),
        ({"quantity": r'"\uff11"'}, "quantity", "not a finite decimal number"),
        ({"quantity": "true"}, "quantity", "true is not a number"),
        ({"quantity": "null"}, "quantity", "null is not a number"),
        ({"quantity": "[1]"}, "quantity", "a list is not a number"),
        ({"quantity": None}, "quantity", "required"),
        ({"entry_price": "-0.0"}, "entry_price", "is not above 0"),
        ({"entry_price": '"abc"'}, "entry_price", "not a finite decimal number"),
        ({"entry_price": None}, "entry_price", "no finished candle of BTC_KRW is stored"),
        ({"symbol": '"AAB_KRW"', "entry_price": None}, "entry_price", "did you mean 'AAA_KRW'?"),
        ({"side": '"HOLD"'}, "side", "'HOLD' is not a side; send BUY or SELL"),
        ({"side": "1"}, "side", "send BUY or SELL"),
        ({"side": "{}"}, "side", "an object is not a side"),
        ({"symbol": '"../etc"'}, "symbol", "is not a market"),
        ({"symbol": "1.5"}, "symbol", "valid string"),
        ({"fee_rate": "0.2"}, "fee_rate", "0.2 is not between 0 and 0.1"),
        ({"slippage_rate": "0.00000000001"}, "slippage_rate", "more than 10 decimals"),
        ({"book": '"a b"'}, "book", "is not a book"),
        ({"note": r'"a\u0000b"'}, "note", "NUL"),
        ({"note": r'"\ud800"'}, "note", "valid string"),
        ({"quantty": "1"}, "quantty", "did you mean 'quantity'?"),
    ],
)
def test_refused_orders(client: TestClient, fields: dict[str, str | None], field: str, message: str) -> None:
    """422 with the field and a sentence; the ledger is unchanged."""
    response = client.post("/api/positions/enter", content=order(**fields), headers=JSON)
    assert response.status_code == 422, response.text
    problems = {problem["field"]: problem["message"] for problem in response.json()["errors"]}
    assert message in problems[field]
    assert len(response.content) < 1000
    assert client.get("/api/positions/summary?book=*").json()["by_symbol"] == []


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"BTC_KRW"', b"{", b'{"side": "BUY", "side": "SELL"}', b"\xff"])
def test_refused_bodies(client: TestClient, body: bytes) -> None:
    """422 with a sentence, also for a key that is sent twice."""
    for path in ("enter", f"{UNKNOWN}/exit"):
        response = client.post(f"/api/positions/{path}", content=body, headers=JSON)
        assert response.status_code == 422, response.text
        assert len(response.json()["detail"]) > 20


def test_orders_that_do_not_fit(client: TestClient) -> None:
    """404 for an unknown position; 409 for a SELL without a holding, more units than held, and a closed position."""
    assert client.post("/api/positions/enter", content=order(side='"SELL"'), headers=JSON).status_code == 409
    for unknown in (UNKNOWN, "abc", "%00"):
        assert client.post(f"/api/positions/{unknown}/exit", json={"exit_price": 1}).status_code in {404, 400}
        assert client.get(f"/api/positions/{unknown}").status_code in {404, 400}
    url = f"/api/positions/{enter(client)['position_id']}/exit"
    too_many = client.post(url, json={"exit_price": 1, "quantity": 2})
    assert (too_many.status_code, "holds 1 units" in too_many.json()["detail"]) == (409, True)
    assert client.post(url, json={"exit_price": 1}).status_code == 200
    closed = client.post(url, json={"exit_price": 1})
    assert (closed.status_code, "already closed" in closed.json()["detail"]) == (409, True)
    assert client.post("/api/positions/enter", content=order(side='"SELL"'), headers=JSON).status_code == 409


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("price=BTC_KRW", "price"),
        ("price=BTC_KRW:0", "price"),
        ("price=BTC_KRW:1&price=KRW-BTC:2", "price"),
        ("book=a%20b", "book"),
        ("boook=paper", "boook"),
    ],
)
def test_refused_queries(client: TestClient, query: str, field: str) -> None:
    """422 with the field."""
    for path in ("open", "summary"):
        response = client.get(f"/api/positions/{path}?{query}")
        assert response.status_code == 422, response.text
        assert field in response.json()["errors"][0]["field"]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("min_net=2&max_net=1", 400, "min_net"),
        ("min_net=1e999999999", 422, "min_net"),
        ("max_net=nan", 422, "max_net"),
        ("cursor=x", 422, "cursor"),
        ("limit=0", 422, "limit"),
        ("status=lost", 422, "status"),
        ("side=hold", 422, "side"),
        ("symbol=btc", 422, "symbol"),
        ("date_from=2024-02-30", 422, "date_from"),
    ],
)
def test_refused_filters_of_the_history(client: TestClient, query: str, status: int, field: str) -> None:
    """The status and the field."""
    response = client.get(f"/api/positions/history?{query}")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (status, field)
