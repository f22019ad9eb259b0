"""Errors as a browser shows them: in the language of the page, with advice for its user."""

import ast
import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path
from string import Formatter
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from coin_api.page_messages import HEADER
from coin_pipeline import errors, presets
from coin_pipeline.backtest import markets, preflight, request
from coin_pipeline.candles import fields, imports, local_time, refresh_spec, symbol, timeframe, timezones, validation
from coin_pipeline.candles.year_files import arrow, parquet_limits, writer
from coin_pipeline.database import pages
from coin_pipeline.errors import conflicts, invalid_input, not_found, runs, services, storage
from coin_pipeline.errors.texts import ERRORS
from coin_pipeline.forward import spec as forward_spec
from coin_pipeline.ledger import numbers, requests
from coin_pipeline.sweeps import request as sweep_request
from coin_pipeline.sweeps import resolve, search_space, stored_points, warm_up
from tests.browser import requires_chromium
from tests.fakes import FakeOrchestrator
from tests.pages.served import watched_page
from tests.pages.test_tasks import submitted

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
    "InvalidCandles": 2,
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


@pytest.mark.parametrize("module", [*FORM_MODULES, *upload_modules()], ids=lambda module: module.__name__)
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
