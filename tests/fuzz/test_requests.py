"""No request is answered with a server error, or with a body that is not strict JSON."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, note
from hypothesis import strategies as st

from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.refresh_spec import RefreshRequest
from coin_pipeline.ledger.requests import (
    ENTER_EXAMPLE,
    EXIT_EXAMPLE,
    EnterRequest,
    ExitRequest,
    HistoryQuery,
    OpenQuery,
    SummaryQuery,
)
from coin_pipeline.sweeps.request import SweepRequest
from tests.api.conftest import client_of
from tests.fakes import FakeOrchestrator
from tests.fuzz.junk import JUNK, SPECIAL_TEXTS, altered, encoded
from tests.fuzz.settings import FUZZ
from tests.platforms import BACKTEST

STRATEGY_PARAMS = {
    "volume_zone_breakout": {
        "volume_window": 5, "top_percentile": 0.2, "breakout_buffer": 0.0, "hold_period_bars": 1, "num_bins": 20,
        "include_wicks": True,
    },
    "volume_long_candle": {"vol_ma_window": 5, "vol_multiplier": 1.5, "body_pct": 0.01, "hold_period_bars": 1},
}  # fmt: skip
TASK_ID = "11111111-1111-4111-8111-111111111111"
BODIES = [
    (f"/api/{path}", {**BACKTEST, "strategy": name, "params": params, **more}, list(model.model_fields))
    for path, model, more in (
        ("backtests/run-async", BacktestRequest, {}),
        ("sweeps", SweepRequest, {"space": {"stop_loss": [0.1, 0.2]}, "search": "random", "trials": 2}),
        ("sweeps", SweepRequest, {"space": {"take_profit": "0.1:0.3:0.1"}}),
    )
    for name, params in STRATEGY_PARAMS.items()
] + [
    ("/api/candles/refresh", {"symbols": ["AAA_KRW"], "timeframes": ["1d"]}, list(RefreshRequest.model_fields)),
    ("/api/positions/enter", ENTER_EXAMPLE, list(EnterRequest.model_fields)),
    (f"/api/positions/{TASK_ID}/exit", EXIT_EXAMPLE, list(ExitRequest.model_fields)),
]
PATHS = [
    ("/api/backtests/history", ("limit", "offset", "cursor", "strategy", "symbol", "min_return", "max_return",
                                "min_signals", "max_signals", "date_from", "date_to")),
    ("/api/candles/{}", ("timeframe", "start", "end", "limit", "cursor")),
    ("/api/backtests/{}", ()), ("/api/backtests/{}/download", ()), ("/api/backtests/status/{}", ()),
    ("/api/backtests/{}/signals", ("format", "limit", "offset", "cursor", "symbol", "start", "end", "traded")),
    ("/api/backtests/{}/trades", ("format", "limit", "offset", "cursor", "symbol")),
    ("/api/backtests/{}/equity", ("format", "limit", "offset", "cursor", "symbol")),
    ("/api/sweeps/{}", ()), ("/api/sweeps/{}/trials", ()), ("/api/candles/refresh/{}", ()),
    ("/api/positions/open", tuple(OpenQuery.model_fields)), ("/api/positions/{}", ()),
    ("/api/positions/summary", tuple(SummaryQuery.model_fields)),
    ("/api/positions/history", tuple(HistoryQuery.model_fields)),
    ("/api/backtests/latest", ()), ("/api/candles", ()), ("/api/strategies", ()), ("/", ()),
]  # fmt: skip
SENDABLE = [text for text in SPECIAL_TEXTS if not any("\ud800" <= character <= "\udfff" for character in text)]
TEXTS = st.sampled_from(SENDABLE) | st.integers().map(str)
LATIN_1 = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=20).map(
    lambda text: text.encode("latin-1")
)
HEADERS = ("Accept", "Last-Event-ID", "If-None-Match", "Idempotency-Key", "Range", "Cookie")


@pytest.fixture(scope="module")
def client(candles: CandleCatalog, index_url: str) -> Iterator[TestClient]:
    """A client of the application over the session's candles and an index in a real database."""
    assert candles
    with client_of(FakeOrchestrator(max_queued=10**9), database=index_url) as client:
        yield client


def check(response: Any) -> None:  # noqa: ANN401 -- the type of the test client's responses
    """Check status and body of an answer."""
    assert response.status_code < 500, response.text
    if "json" in response.headers["Content-Type"]:
        json.loads(response.content.decode(), parse_constant=lambda name: pytest.fail(f"{name} in a body"))


@FUZZ
@given(st.data(), st.sampled_from(BODIES))
def test_bodies(client: TestClient, data: st.DataObject, target: tuple[str, dict[str, Any], list[str]]) -> None:
    """Any value in any place of a body."""
    path, valid, known = target
    body = encoded(data.draw(altered(valid, known) | JUNK))
    note(f"{path} {body!r}")
    check(client.post(path, content=body, headers={"Content-Type": "application/json"}))


@FUZZ
@given(st.data(), st.sampled_from(PATHS))
def test_queries(client: TestClient, data: st.DataObject, target: tuple[str, tuple[str, ...]]) -> None:
    """Any text in a path, in a query and in headers."""
    path, names = target
    names_drawn = data.draw(st.lists(st.sampled_from((*names, "x")), max_size=3))
    query = [(name, data.draw(TEXTS)) for name in names_drawn]
    headers = data.draw(st.dictionaries(st.sampled_from(HEADERS), LATIN_1, max_size=2))
    part = data.draw(st.just(TASK_ID) | TEXTS)
    note(f"{path} {part!r} {query} {headers}")
    check(client.get(path.format(quote(part, safe="")), params=query, headers=headers))
