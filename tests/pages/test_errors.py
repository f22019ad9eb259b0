"""Errors as a browser shows them: in the language of the page, with advice for its user."""

import ast
import importlib
import inspect
import json
import pkgutil
import re
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from string import Formatter
from types import ModuleType
from typing import Any, Literal

import httpx2
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from coin_api.page_messages import HEADER
from coin_api.pages.texts_submit import FIELDS
from coin_pipeline import errors, presets
from coin_pipeline.backtest import markets, preflight, request
from coin_pipeline.candles import (
    collect,
    fields,
    imports,
    local_time,
    refresh_spec,
    symbol,
    timeframe,
    timezones,
    validation,
)
from coin_pipeline.candles.exchanges import base, ccxt, http, upbit
from coin_pipeline.candles.year_files import arrow, parquet_limits, writer
from coin_pipeline.database import pages
from coin_pipeline.errors import conflicts, invalid_input, not_found, runs, services, storage
from coin_pipeline.errors.texts import ERRORS
from coin_pipeline.forward import spec as forward_spec
from coin_pipeline.languages import LANGUAGES, Language
from coin_pipeline.ledger import numbers, requests
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps import request as sweep_request
from coin_pipeline.sweeps import resolve, search_space, stored_points, warm_up
from tests.browser import requires_chromium
from tests.fakes import FakeOrchestrator
from tests.pages.served import watched_page
from tests.pages.test_tasks import submitted
from tests.upbit_server import Clock

HANGUL = re.compile("[가-힣]")
FORM_MODULES = (
    request, markets, preflight, presets, fields, refresh_spec, symbol, timeframe, timezones, pages, forward_spec,
    numbers, requests, sweep_request, resolve, search_space, stored_points, warm_up,
)  # fmt: skip
"""Modules that check what the forms and the addresses of pages send."""
BACKTEST = {
    "strategy": "volume_long_candle",
    "symbols": ["AAA_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-02-01",
    "timeframe": "1d",
}
SWEEP = {**BACKTEST, "space": {"body_pct": "0.01:0.05:0.01"}}
ORDER = {"symbol": "AAA_KRW", "side": "BUY", "quantity": "1", "price": "100"}
REFRESH = {"symbols": ["AAA_KRW"], "timeframes": ["1d"]}
INVALID: dict[str, tuple[str, Any]] = {
    "strategy": ("/api/backtests/run-async", {**BACKTEST, "strategy": "volume_long_candel"}),
    "parameter and fee": (
        "/api/backtests/run-async",
        {**BACKTEST, "fee_rate": 5, "params": {"body_pct": "x"}},
    ),
    "no symbols": ("/api/backtests/run-async", {**BACKTEST, "symbols": []}),
    "symbol": ("/api/backtests/run-async", {**BACKTEST, "symbols": ["krw/aaa"]}),
    "symbol twice": ("/api/backtests/run-async", {**BACKTEST, "symbols": ["AAA_KRW", "KRW-AAA"]}),
    "order of days": ("/api/backtests/run-async", {**BACKTEST, "end_date": "2023-01-01"}),
    "day": ("/api/backtests/run-async", {**BACKTEST, "end_date": "2024-02-31"}),
    "no day": ("/api/backtests/run-async", {**BACKTEST, "end_date": None}),
    "early day": ("/api/backtests/run-async", {**BACKTEST, "start_date": "1960-01-01"}),
    "timeframe": ("/api/backtests/run-async", {**BACKTEST, "timeframe": "1mo"}),
    "time zone": ("/api/backtests/run-async", {**BACKTEST, "timezone": "KST9"}),
    "below its limit": ("/api/backtests/run-async", {**BACKTEST, "fee_rate": -1}),
    "above its limit": ("/api/backtests/run-async", {**BACKTEST, "min_coverage": 2}),
    "choice": ("/api/backtests/run-async", {**BACKTEST, "fill": "close"}),
    "whole number": ("/api/backtests/run-async", {**BACKTEST, "max_positions": 1.5}),
    "number": ("/api/backtests/run-async", {**BACKTEST, "fee_rate": "much"}),
    "account": ("/api/backtests/run-async", {**BACKTEST, "fill": "signal_close", "position_size": 0.5}),
    "field": ("/api/backtests/run-async", {**BACKTEST, "fee": 1}),
    "parameter": ("/api/backtests/run-async", {**BACKTEST, "params": {"body": 1}}),
    "value of a parameter": ("/api/backtests/run-async", {**BACKTEST, "params": {"vol_ma_window": 0}}),
    "kind of a parameter": ("/api/backtests/run-async", {**BACKTEST, "params": {"vol_ma_window": "many"}}),
    "parameters": ("/api/backtests/run-async", {**BACKTEST, "params": [1]}),
    "missing fields": ("/api/backtests/run-async", {}),
    "nothing swept": ("/api/sweeps/preview", {**SWEEP, "space": {}}),
    "swept name": ("/api/sweeps/preview", {**SWEEP, "space": {"body": "1:2:1"}}),
    "swept text": ("/api/sweeps/preview", {**SWEEP, "space": {"body_pct": "1:2:3:4"}}),
    "swept backwards": ("/api/sweeps/preview", {**SWEEP, "space": {"body_pct": "2:1:1"}}),
    "no step": ("/api/sweeps/preview", {**SWEEP, "space": {"body_pct": "1:2"}}),
    "step": ("/api/sweeps/preview", {**SWEEP, "space": {"body_pct": "1:2:0"}}),
    "swept word": ("/api/sweeps/preview", {**SWEEP, "space": {"body_pct": "a:b:c"}}),
    "swept value": ("/api/sweeps/preview", {**SWEEP, "space": {"body_pct": "-1,0.1"}}),
    "swept twice": ("/api/sweeps/preview", {**SWEEP, "space": {"body_pct": "0.1,0.1"}}),
    "swept and fixed": ("/api/sweeps/preview", {**SWEEP, "params": {"body_pct": 0.1}}),
    "many values": ("/api/sweeps/preview", {**SWEEP, "space": {"body_pct": "0.0000001:1:0.0000001"}}),
    "trials of a grid": ("/api/sweeps/preview", {**SWEEP, "trials": 5}),
    "no trials": ("/api/sweeps/preview", {**SWEEP, "search": "random"}),
    "shared account": ("/api/sweeps/preview", {**SWEEP, "max_positions": 1}),
    "name of a preset": ("/api/strategies/presets", {"name": "-", "strategy": "volume_long_candle", "params": {}}),
    "long name": ("/api/strategies/presets", {"name": "a" * 101, "strategy": "volume_long_candle", "params": {}}),
    "preset": ("/api/strategies/presets", {"name": "mine", "strategy": "none", "params": {}}),
    "quantity": ("/api/positions/enter", {**ORDER, "quantity": "0"}),
    "not a quantity": ("/api/positions/enter", {**ORDER, "quantity": "many"}),
    "decimals": ("/api/positions/enter", {**ORDER, "quantity": "1.0000000000000000001"}),
    "range": ("/api/positions/enter", {**ORDER, "price": "1e30"}),
    "rate": ("/api/positions/enter", {**ORDER, "fee_rate": "2"}),
    "side": ("/api/positions/enter", {**ORDER, "side": "HOLD"}),
    "book": ("/api/positions/enter", {**ORDER, "book": "a b"}),
    "nothing to sell": ("/api/positions/enter", {**ORDER, "symbol": "ZZY_KRW", "side": "SELL"}),
    "no price": ("/api/positions/enter", {"symbol": "ZZY_KRW", "side": "BUY", "quantity": "1"}),
    "fetched symbols": ("/api/candles/refresh", {**REFRESH, "symbols": ["aaa"]}),
    "fetched timeframes": ("/api/candles/refresh", {**REFRESH, "timeframes": []}),
    "fetched range": ("/api/candles/refresh", {**REFRESH, "start": "2024-02-01", "end": "2024-01-01"}),
    "fetch of the future": ("/api/candles/refresh", {**REFRESH, "start": "2200-01-01"}),
    "end only": ("/api/candles/refresh", {**REFRESH, "end": "2024-01-01"}),
    "unknown task": ("/api/backtests/aaaaaaaa-1111-4111-8111-111111111111/cancel", None),
}
"""Requests as the forms send them, with one thing wrong."""


def messages_of(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the messages that a page shows of an error, with their languages."""
    problems = body.get("errors") or [{"message": body["detail"], "lang": body["lang"]}]
    return [(problem["message"], problem["lang"]) for problem in problems]


@pytest.mark.parametrize("name", INVALID)
def test_forms_show_errors_in_korean(app: TestClient, name: str) -> None:
    """Every message is Korean, and marked as such."""
    path, body = INVALID[name]
    response = app.post(path, json=body, headers={HEADER: "ko"})
    assert response.status_code >= 400, response.text
    for message, language in messages_of(response.json()):
        assert language == "ko", message
        assert HANGUL.search(message), message


@pytest.mark.parametrize(("language", "advice"), [("en", "enter 0 or choose next_open"), ("ko", "0을 입력하거나")])
def test_minimum_order_without_an_account_is_advised_to_be_0(app: TestClient, language: str, advice: str) -> None:
    """Its field has a default and must not be emptied."""
    body = {**BACKTEST, "fill": "signal_close", "min_order": 5000}
    response = app.post("/api/backtests/run-async", json=body, headers={HEADER: language})
    ((message, _),) = messages_of(response.json())
    assert advice in message


@pytest.mark.parametrize(("language", "reason"), [("en", "future"), ("ko", "미래")])
def test_rejected_start_is_the_only_error_of_a_range(app: TestClient, language: str, reason: str) -> None:
    """The end does not ask for the start, which is there."""
    body = {**REFRESH, "start": "2200-01-01", "end": "2200-02-01"}
    reported = app.post("/api/candles/refresh", json=body, headers={HEADER: language}).json()["errors"]
    assert [error["field"] for error in reported] == ["start"]
    assert reason in reported[0]["message"]


class Side(Enum):
    """A value that JSON cannot have."""

    BUY = "buy"


class EveryKind(StrategyParams):
    """Parameters of every kind that a form can send."""

    count: int = Field(2, ge=1, lt=5)
    factor: float = Field(1.5, gt=0, le=2, multiple_of=0.5)
    trend: Literal["up", "down"] = "up"
    side: Side = Side.BUY
    short: bool = False
    label: str = Field("ab", min_length=2, max_length=3, pattern="^a")
    stop: int | None = Field(None, ge=1)
    levels: tuple[int, int] = (1, 2)
    wait: timedelta = timedelta(0)


class EveryKindStrategy(Strategy[EveryKind]):
    """Never signals."""

    name = "every_kind"
    Params = EveryKind

    def signals(self, bars: Bars, params: EveryKind) -> Signals:  # noqa: ARG002 -- the interface
        """Signal nothing."""
        return Signals(entries=bars.close < 0, hold=1)


REJECTED: dict[str, list[Any]] = {
    "count": ["2", 1.5, 0, 5, None],
    "factor": ["1", 0, 2.5, 0.7],
    "trend": ["flat", 1],
    "side": ["buy"],
    "short": ["yes", 1],
    "label": [1, "a", "aaaa", "bb"],
    "stop": ["1", 0],
    "levels": ["ab", [1], [1, "x"], [1, 2, 3]],
    "wait": ["soon", 1],
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejected_parameters_are_explained_in_korean(name: str) -> None:
    """In Korean words only: whatever pydantic finds, and the values that the parameter takes."""
    for value in REJECTED[name]:
        with pytest.raises(errors.InvalidParams) as raised:
            StrategyRegistry([EveryKindStrategy()]).resolve("every_kind", {name: value})
        for problem in raised.value.problems:
            text, language = errors.page_sentence(problem.message, "ko")
            assert language == "ko", problem.message
            assert not re.search(r"\b(and|input|should|valid|must|expected)\b", text), text
            assert HANGUL.search(text)


def test_parameter_is_explained_next_to_other_errors(app: TestClient) -> None:
    """All that is wrong is reported at once, each with what is accepted."""
    path, body = INVALID["parameter and fee"]
    reported = app.post(path, json=body, headers={HEADER: "ko"}).json()["errors"]
    assert [error["field"] for error in reported] == ["fee_rate", "params.body_pct"]
    assert reported[1]["message"] == "숫자를 입력하십시오 (입력값: 'x'). 허용 값: 숫자 0 초과 1 이하(기본값 0.02)"


def test_bounds_of_a_parameter_are_written_in_each_language(app: TestClient) -> None:
    """The API keeps its signs."""
    rejected = {**BACKTEST, "params": {"volume_window": 1.5}, "strategy": "volume_zone_breakout"}
    korean, english = (
        app.post("/api/backtests/run-async", json=rejected, headers=headers).json()["errors"][0]["message"]
        for headers in ({HEADER: "ko"}, {})
    )
    assert korean == "정수를 입력하십시오 (입력값: 1.5). 허용 값: 정수 1 이상 500 이하(기본값 10)"
    assert english.endswith("not 1.5; expected an integer >= 1 and <= 500 (default 10)")


def test_api_answers_in_english_without_the_header(app: TestClient) -> None:
    """Whatever language a client prefers: its messages are part of the contract, and so are the members of the body."""
    path, body = INVALID["no price"]
    answer = app.post(path, json=body, headers={"Accept-Language": "ko"}).json()
    assert "fetch candles with 'coin candles get ZZY_KRW --timeframe 1d'" in answer["detail"]
    assert "lang" not in answer


def test_english_page_advises_what_a_browser_can_do(app: TestClient) -> None:
    """Not the command that the API names."""
    path, body = INVALID["no price"]
    answer = app.post(path, json=body, headers={HEADER: "en"}).json()
    assert "fetch candles on the page of candles" in answer["detail"]
    assert "coin candles" not in answer["detail"]


def test_small_numbers_have_no_exponent(app: TestClient) -> None:
    """In the error of a field, and next to it."""
    low = {**BACKTEST, "initial_cash": 1e-09}
    answer = app.post("/api/backtests/run-async", json=low, headers={HEADER: "ko"}).json()
    assert answer["errors"][0]["message"] == "0.00000001 이상이어야 합니다 (입력값: 0.000000001)"
    assert "0.00000001" in app.get("/app/submit").text
    assert ">= 1e-" not in app.get("/app/submit").text


@pytest.mark.parametrize("path", ["/app/nothing", "/app/submit?preset=missing", "/app/compare?run=a"])
def test_pages_of_errors_are_in_korean(app: TestClient, path: str) -> None:
    """The reason is marked as Korean."""
    text = app.get(path, params={"lang": "ko"} if "?" not in path else None, headers={"Accept-Language": "ko"}).text
    reason = re.search('<(?:p|span) lang="ko">([^<]+)<', text)
    assert reason
    assert HANGUL.search(reason[1])


@pytest.mark.parametrize("query", ["", "?start=2024-01-01", "?end=2024-01-01"])
def test_candles_that_are_not_stored_are_explained_in_korean(app: TestClient, query: str) -> None:
    """Also the open ends of a range; the API keeps its words."""
    path = f"/api/candles/NOPE_KRW{query}"
    korean = app.get(path, headers={HEADER: "ko"}).json()["detail"]
    assert not re.search("beginning|the end", korean)
    assert re.search("from .* to .* for NOPE_KRW", app.get(path).json()["detail"])


def test_page_of_a_series_that_is_not_stored_is_in_korean(app: TestClient) -> None:
    """It names the market and the timeframe, not the open ends of a range."""
    text = app.get("/app/candles/NOPE_KRW/1h?lang=ko").text
    assert "저장된 1h 캔들이 없습니다: NOPE_KRW" in text
    assert "the beginning" not in text


def test_filter_of_the_history_is_explained_in_korean(app: TestClient) -> None:
    """Next to its field."""
    text = app.get("/app/history?min_return=5&max_return=1&lang=ko").text
    assert 'id="field-min_return-error" lang="ko">하한' in text


def test_failure_of_a_task_is_in_the_language_of_its_page(app: TestClient, orchestrator: FakeOrchestrator) -> None:
    """If it has a code; the text of an earlier release is marked as English."""
    new = submitted(orchestrator, status="failed", error=errors.CandlesChanged("AAA_KRW").message)
    old = submitted(orchestrator, status="failed", error=str(errors.CandlesChanged("AAA_KRW")))
    assert '<p lang="ko">실행 중에 AAA_KRW의' in app.get(f"/app/tasks/{new.task_id}?lang=ko").text
    assert '<p lang="en">the stored candles of' in app.get(f"/app/tasks/{old.task_id}?lang=ko").text


def test_failed_fetch_is_explained_in_korean() -> None:
    """With the reason, which is not what the network library states."""

    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused", request=request)

    clock = Clock(datetime(2024, 1, 1, tzinfo=UTC))
    with (
        closing(upbit.UpbitClient(httpx2.MockTransport(refuse), timer=clock)) as client,
        pytest.raises(errors.ExchangeUnavailable) as raised,
    ):
        client.fetch("BTC_KRW", timeframe.parse_timeframe("1d"), 0, 10**18)
    text = errors.page_sentence(raised.value.message, "ko").text
    assert text.startswith("거래소 upbit에 연결할 수 없습니다(응답 없음: 연결 실패, 6회 시도).")


@requires_chromium
def test_form_shows_korean_reasons_at_their_fields(url: str) -> None:
    """With the language of each message in the page, so that a screen reader pronounces it."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit?lang=ko")
        page.locator('[name="symbols"]').first.check()
        page.locator("#field-start_date").fill("2024-03-01")
        page.locator("#field-end_date").fill("2024-02-01")
        page.locator('#submit [type="submit"]').click()
        reason = page.locator("#field-end_date-error span")
        expect(reason).to_contain_text("종료일 2024-02-01")
        expect(reason).to_have_attribute("lang", "ko")


MESSAGES = {
    "ValueError": -1, "Problem": -1, "UnclearLocalTime": 1, "InvalidCandleFile": 1, "UnclearColumns": 1,
    "InvalidCandles": 2, "ExchangeAnswer": 2, "ExchangeUnavailable": 1, "MarketUnknown": 2, "_InvalidRow": 0,
}  # fmt: skip
"""Which argument of errors is their message."""
LITERALS = (ast.Constant, ast.JoinedStr, ast.BinOp)


def literal_messages(module: ModuleType) -> list[str]:
    """Return the statements of a module that make a message of an error without a code."""
    nodes = list(ast.walk(ast.parse(inspect.getsource(module))))
    texts = [node for node in nodes if isinstance(node, ast.Assign) and isinstance(node.value, LITERALS)]
    named = {target.id for node in texts for target in node.targets if isinstance(target, ast.Name)}
    found = []
    for node in nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in MESSAGES:
            continue
        message = node.args[MESSAGES[node.func.id]]
        if isinstance(message, LITERALS) or (isinstance(message, ast.Name) and message.id in named):
            found.append(f"{Path(module.__file__ or '').name}:{node.lineno}")
    return found


def upload_modules() -> list[ModuleType]:
    """Return the modules that check an uploaded file, without those that compare several files of a command."""
    found = pkgutil.walk_packages(imports.__path__, f"{imports.__name__}.")
    names = [module.name for module in found if module.name.rpartition(".")[2] not in {"batch", "series", "__main__"}]
    return [*map(importlib.import_module, names), arrow, parquet_limits, writer, validation, local_time]


FETCH_MODULES = (base, ccxt, http, upbit, collect)
"""Modules that fetch candles: a task shows why they fail."""


@pytest.mark.parametrize(
    "module", [*FORM_MODULES, *FETCH_MODULES, *upload_modules()], ids=lambda module: module.__name__
)
def test_what_forms_can_provoke_has_a_code(module: ModuleType) -> None:
    """A message that is written where it is raised has no Korean text: `coded` takes one from `ERRORS`."""
    assert literal_messages(module) == []


UNREACHABLE = {
    "InvalidResample", "InvalidStrategyFile", "InvalidSettings", "TokenExists", "TokenNotFound", "ObjectExists",
    "TableNotStored", "NoResults", "NotPinned", "TaskExpiring", "ApiUnreachable", "Superseded", "SweepDisagrees",
    "NotReplayable", "ClusterMismatch", "ObjectStoreFull", "ChunkStalled", "ChunkLost", "ForwardTestsFailed",
    "RunFailed", "UnclearColumns", "UnknownExchange",
}  # fmt: skip
"""Errors of the command line, of operators and of machines, and three that get their messages."""


@pytest.mark.parametrize("module", [conflicts, invalid_input, not_found, runs, services, storage])
def test_error_classes_have_codes(module: ModuleType) -> None:
    """Each class that writes its own message and that a page can show."""
    classes = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__]
    own = [kind for kind in classes if "__init__" in vars(kind) and kind.__name__ not in UNREACHABLE]
    without = [kind.__name__ for kind in own if not kind.client_message and "coded(" not in inspect.getsource(kind)]
    assert without == []


def placeholders(text: str) -> set[str]:
    """Return the names of the placeholders of a text."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("code", ERRORS)
def test_texts_are_for_a_browser(code: str) -> None:
    """They name neither commands nor their options, and need no value that the English text does not have."""
    text = ERRORS[code]
    shown = [text.ko, text.page or text.en]
    assert not [form for form in shown if re.search(r"'coin |(?<![\w-])--[a-z]|pip install", form)]
    assert HANGUL.search(text.ko) or not re.search("[a-z]", re.sub(r"\{[^}]*\}", "", text.ko))


def placeholders_of_times(text: str) -> set[str]:
    """Return the names of the placeholders that pages fill with times in Seoul."""
    return {name for _, name, form, _ in Formatter().parse(text) if name and form == "time"}


@pytest.mark.parametrize("code", ERRORS)
def test_the_same_placeholders_are_times_in_each_form(code: str) -> None:
    """So that none of them is shown in UTC on a page."""
    text = ERRORS[code]
    forms = [placeholders_of_times(form) for form in (text.en, text.ko, text.page or text.en)]
    assert forms == forms[:1] * 3


TOO_FEW = errors.InsufficientCoverage(
    {
        "A_KRW": errors.coded(
            "coverage",
            counted="24 candles",
            expected=24,
            present=1,
            not_fetched=23,
            start="2024-01-01T00:00:00Z",
            end="2024-01-01T23:00:00Z",
        )
    },
    *("1h", date(2024, 1, 1), date(2024, 1, 1), 0.95, 0.04),
    fetched_as="1h",
).message


@pytest.mark.parametrize("language", LANGUAGES)
def test_too_few_candles_name_the_field_of_the_form(language: Language) -> None:
    """Not the parameter of the API."""
    text = errors.page_sentence(TOO_FEW, language).text
    assert FIELDS["min_coverage"].label.pick(language) in text
    assert "min_coverage" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_times_of_pages_are_in_seoul(language: Language) -> None:
    """With their zone; the text of the API stays in UTC."""
    text = errors.page_sentence(TOO_FEW, language).text
    assert re.findall("2024-01-0[12] [0-9:]+ [A-Z]+", text) == ["2024-01-01 09:00 KST", "2024-01-02 08:00 KST"]
    assert "from 2024-01-01T00:00:00Z to 2024-01-01T23:00:00Z" in str(TOO_FEW)


def test_message_survives_storage() -> None:
    """Also the messages among its values; the text is that of the release that stored it."""
    message = errors.CandlesNotFound({"A_KRW": errors.coded("no_candles_stored", hint="")}, "1d", "a", "b").message
    assert isinstance(message, errors.Coded)
    stored = errors.read_coded(json.loads(json.dumps(message.to_json())))
    assert (stored, stored.write("ko")) == (message, message.write("ko"))
    assert "저장된 캔들 없음" in stored.write("ko")


def test_message_of_a_later_release_is_shown_in_english() -> None:
    """Its code, or one of its values, is not known here."""
    unknown = errors.Coded("it fell over", "fell_over", {})
    lacking = errors.Coded("it is late", "overdue", {})
    assert [errors.page_sentence(message, "ko").language for message in (unknown, lacking)] == ["en", "en"]
