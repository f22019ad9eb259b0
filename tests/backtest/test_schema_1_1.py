"""Contract with clients of schema 1.1.0: every old key keeps its type, whatever the result contains."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import NoneType
from typing import Any

import numpy as np
import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import DAY_NS, parse_timeframe
from coin_pipeline.engine.signals import Signals
from coin_pipeline.results.publish import UnfinishedStatus, completed_manifest, unfinished_manifest
from coin_pipeline.results.store import to_bytes
from coin_pipeline.strategies import Bars, Field, Strategy, StrategyParams
from coin_pipeline.strategies.registry import StrategyRegistry

DAYS = 6
DAYS_OF_2024 = {"start_date": "2024-01-01", "end_date": "2024-01-06"}
CLOSES = {"BTC_KRW": (10, 12, 13, 19, 16, 15), "ETH_KRW": (50, 40, 40, 40, 30, 60)}
POINT = {"timestamp": str, "equity": float, "drawdown": float}
SIGNAL = {
    "symbol": str,
    "type": str,
    "timestamp": str,
    "entry_price": float,
    "exit_price": float,
    "return_pct": float,
}
SYMBOL = {
    "symbol": str,
    "is_active": bool,
    "signals": [SIGNAL],
    "win_rate": float,
    "avg_return": float,
    "max_drawdown": float,
    "avg_hold_bars": float,
    "performance_curve": [POINT],
}
DOCUMENT = {
    "version": str,
    "run_id": str,
    "strategy": str,
    "params": dict,
    "start_date": str,
    "end_date": str,
    "timeframe": str,
    "symbols": [SYMBOL],
    "total_signals": int,
    "execution_time": float,
    "metadata": {"execution_date": str, "environment": str, "execution_host": str},
    "description": (str, NoneType),
}
FILE = {"name": str, "path": str, "size_bytes": int, "checksum": str, "sha256": str}
MANIFEST = {
    "task_id": str,
    "status": str,
    "strategy": str,
    "params": dict,
    "symbols": [str],
    "start_date": str,
    "end_date": str,
    "timeframe": str,
    "result_files": [FILE],
    "metadata": {
        "started_at": str,
        "finished_at": str,
        "duration_ms": float,
        "execution_host": str,
        "environment": str,
    },
    "summary": {
        "total_signals": int,
        "symbols_processed": int,
        "symbols_failed": int,
        "average_execution_time_per_symbol_ms": float,
    },
    "error": {"occurred": bool, "message": (str, NoneType)},
}
CASES: dict[str, dict[str, Any]] = {
    "no trade": {"params": {"first": 99}},
    "one trade": {"params": {"first": 1, "step": 99}},
    "many trades": {"params": {"first": 0, "step": 1}},
    "open at the end": {"params": {"first": 3, "step": 99, "hold": 9}},
    "signal on the last candle": {"params": {"first": 5}},
    "signals at the end and before": {"params": {"first": 2, "step": 3}},
    "only winning trades": {"params": {"first": 1, "step": 99}, "fee_rate": 0, "slippage_rate": 0},
    "undefined statistics": {"params": {"first": 0}, "end_date": "2024-01-01"},
    "event study": {"params": {"first": 0, "step": 1, "hold": 3}, "fill": "signal_close"},
    "several symbols": {"params": {"first": 2, "step": 3}, "symbols": ["BTC_KRW", "ETH_KRW"]},
    "shared account": {"params": {"first": 0, "step": 1}, "symbols": ["BTC_KRW", "ETH_KRW"], "max_positions": 1},
    "orders below the minimum": {"params": {"step": 1}, "initial_cash": 4000, "min_order": 5000},
}


class At(StrategyParams):
    """On which bars to buy, and for how long."""

    first: int = Field(0, ge=0)
    step: int = Field(99, ge=1)
    hold: int = Field(1, ge=1)


class BuyAt(Strategy[At]):
    """Buys at the first bar and every few bars after it."""

    name = "buy_at"
    Params = At

    def signals(self, bars: Bars, params: At) -> Signals:
        """Mark the bars."""
        after = np.arange(len(bars)) - params.first
        return Signals(entries=(after >= 0) & (after % params.step == 0), hold=params.hold)


REGISTRY = StrategyRegistry([BuyAt()])


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> CandleCatalog:
    """Six daily candles of two markets."""
    stored = CandleCatalog(tmp_path_factory.mktemp("candles"))
    time = np.datetime64("2024-01-01", "ns").astype(np.int64) + DAY_NS * np.arange(DAYS)
    for symbol, closes in CLOSES.items():
        price = np.array(closes, np.float64)
        stored.merge(symbol, parse_timeframe("1d"), OHLCV(time, price, price, price, price, volume=np.ones(DAYS)))
    return stored


def run(catalog: CandleCatalog, **fields: object) -> runner.BacktestResult:
    """Run a backtest, by default over all days of one market."""
    request = {"strategy": "buy_at", "symbols": ["BTC_KRW"], **DAYS_OF_2024}
    return runner.run_backtest(resolve(parse_request({**request, **fields}), REGISTRY), catalog, REGISTRY, run_id="r")


def mismatches(value: object, expected: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 -- a nested description
    """Yield the path of each value whose type differs; `int` and `float`, and `bool` and `int`, are different types."""
    if isinstance(expected, dict) and isinstance(value, dict):
        for key, inner in expected.items():
            if key in value:
                yield from mismatches(value[key], inner, f"{path}.{key}")
            else:
                yield f"{path}.{key} is missing"
    elif isinstance(expected, list) and isinstance(value, list):
        for number, item in enumerate(value):
            yield from mismatches(item, expected[0], f"{path}[{number}]")
    elif type(value) not in (expected if isinstance(expected, tuple) else (expected,)):
        yield f"{path} is {value!r}"


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES)
def test_every_key_of_1_1_has_its_type(catalog: CandleCatalog, fields: dict[str, object]) -> None:
    """No old key is missing, null or of another type in the JSON that clients receive."""
    document = json.loads(to_bytes(run(catalog, **fields).document))
    assert list(mismatches(document, DOCUMENT)) == []


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES)
def test_every_key_of_the_manifest_has_its_type(catalog: CandleCatalog, fields: dict[str, object]) -> None:
    """The manifest of a completed task keeps its types as well."""
    times = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    manifest = completed_manifest(run(catalog, **fields).document, times)
    assert list(mismatches(json.loads(to_bytes(manifest)), MANIFEST)) == []
    assert manifest["report_url"] == "/reports/r"


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_the_manifest_of_a_task_without_a_result_has_the_same_types(status: UnfinishedStatus) -> None:
    """Its lists are empty and its counts 0, not null."""
    request = parse_request({"strategy": "buy_at", "symbols": ["BTC_KRW"], **DAYS_OF_2024})
    times = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    manifest = unfinished_manifest("t", status, request, times, "test", "no candles")
    assert list(mismatches(json.loads(to_bytes(manifest)), MANIFEST)) == []
    assert manifest["report_url"] is None


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES)
def test_the_total_counts_the_listed_signals(catalog: CandleCatalog, fields: dict[str, object]) -> None:
    """`total_signals` is the number of items of all `signals`; those that cannot be filled are not among them."""
    document = run(catalog, **fields).document
    assert document["total_signals"] == sum(len(part["signals"]) for part in document["symbols"])
    unfilled = sum(len(part["unfilled_signals"]) for part in document["symbols"])
    assert document["metrics"]["signals"] == document["total_signals"] + unfilled


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES)
def test_every_time_has_one_format(catalog: CandleCatalog, fields: dict[str, object]) -> None:
    """Times of signals and curves are UTC, to the second, with Z."""
    document = run(catalog, **fields).document
    times = [item["timestamp"] for part in document["symbols"] for key in ("signals", "unfilled_signals",
             "performance_curve") for item in part[key]]  # fmt: skip
    assert [time for time in times if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", time)] == []


def test_a_signal_on_the_last_candle_is_listed_apart(catalog: CandleCatalog) -> None:
    """It has a reason instead of prices, and a warning repeats it."""
    document = run(catalog, params={"first": 5}).document
    (part,) = document["symbols"]
    assert part["signals"] == []
    (signal,) = part["unfilled_signals"]
    assert signal == {
        "symbol": "BTC_KRW",
        "type": "buy",
        "timestamp": "2024-01-06T00:00:00Z",
        "reason": "the range has no further candle, at whose open it would be filled",
    }
    expected = f"BTC_KRW: the signal of {signal['timestamp']} cannot be filled: {signal['reason']}"
    assert expected in document["warnings"]


def test_a_signal_at_the_last_close_is_filled_by_an_event_study(catalog: CandleCatalog) -> None:
    """With `signal_close` it is entered and left at that close, as in the legacy platform."""
    (part,) = run(catalog, params={"first": 5}, fill="signal_close", fee_rate=0, slippage_rate=0).document["symbols"]
    assert part["unfilled_signals"] == []
    (signal,) = part["signals"]
    assert (signal["entry_price"], signal["exit_price"], signal["return_pct"]) == (15.0, 15.0, 0.0)
