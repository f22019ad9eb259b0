"""Results of several symbols traded from one cash account."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.portfolio import SHARED
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.skipped_signals import skipped_signals
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.stored_series import LoadedCandles
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.errors import CandlesChanged
from coin_pipeline.strategies.registry import load_registry

REGISTRY = load_registry()
SYMBOLS = ("AAA_KRW", "BBB_KRW", "CCC_KRW")
DAY = parse_timeframe("1d")


@pytest.fixture
def catalog(tmp_path: Path) -> CandleCatalog:
    """A year of daily candles of three symbols."""
    found = CandleCatalog(tmp_path)
    for seed, symbol in enumerate(SYMBOLS):
        found.merge(symbol, DAY, synthetic_candles(seed, DAY, date(2024, 1, 1), 366))
    return found


class RecordingCatalog(CandleCatalog):
    """Records the symbol of each read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.loaded: list[str] = []

    def load(self, symbol: str, *arguments: Any, **options: Any) -> LoadedCandles:  # noqa: ANN401 -- those of any read
        """Record and read."""
        self.loaded.append(symbol)
        return super().load(symbol, *arguments, **options)


def result(catalog: CandleCatalog, **fields: object) -> runner.BacktestResult:
    """Run the zone breakout on all symbols."""
    asked = {
        "strategy": "volume_zone_breakout",
        "params": {"hold_period_bars": 5},
        "symbols": SYMBOLS,
        "start_date": "2024-01-01",
        "end_date": "2024-12-30",
        "max_positions": 2,
    }
    spec = resolve(parse_request({**asked, **fields}), REGISTRY)
    tables = [runner.simulate_symbol(catalog, REGISTRY, p) for p in runner.find_candles(catalog, spec, "tasks")]
    return runner.assemble_result("run-1", tables, catalog, REGISTRY, "test", datetime.now(UTC))


def of_symbols(document: dict[str, Any]) -> dict[str, Any]:
    """Return each symbol's trades."""
    return {part["symbol"]: part["trades"] for part in document["symbols"]}


def test_the_document_contains_the_account_and_its_limits(catalog: CandleCatalog) -> None:
    """Each of two positions takes half of the money; the third symbol has to wait."""
    document = result(catalog).document
    account = document["account"]
    assert (account["max_positions"], account["position_size"]) == (2, 0.5)
    assert account["no_slot"] > 0
    assert account["final_value"] == pytest.approx(1e7 * (1 + document["metrics"]["total_return"]))
    assert account["performance_curve"][-1]["equity"] == pytest.approx(1 + document["metrics"]["total_return"])
    trades = sorted((trade for own in of_symbols(document).values() for trade in own), key=lambda t: t["entry_time"])
    assert document["metrics"]["trades"] == len(trades) > 30
    assert trades[0]["spent"] == 5_000_000.0
    held = [sum(t["entry_time"] <= now["entry_time"] < t["exit_time"] for t in trades) for now in trades]
    assert max(held) == 2
    gained = sum(trade["spent"] * trade["return_pct"] for trade in trades)
    assert gained / 1e7 == pytest.approx(document["metrics"]["total_return"])


def test_its_costs_are_those_of_the_same_account_at_other_rates(catalog: CandleCatalog) -> None:
    """The return at twice the costs equals that of a run at twice the costs; at the break-even rate it is zero."""
    held = {"params": {"hold_period_bars": 15}}
    document = result(catalog, **held, fee_rate=0.0005).document
    costs = document["costs"]
    assert costs["stress"]["1x"] == costs["net_return"] == document["metrics"]["total_return"]
    assert costs["stress"]["0x"] == costs["gross_return"]
    twice = result(catalog, **held, fee_rate=0.001, slippage_rate=0.0004).document
    assert costs["stress"]["2x"] == twice["metrics"]["total_return"]
    even = result(catalog, **held, fee_rate=costs["break_even_rate"], slippage_rate=0.0).document
    assert even["metrics"]["total_return"] == pytest.approx(0, abs=1e-7)


def test_a_minimum_order_does_not_choose_other_trades_at_other_costs(catalog: CandleCatalog) -> None:
    """The same trades are repriced at other costs, so higher costs return less, as in a single account."""
    fields = {"min_order": 9_500, "initial_cash": 10_000, "max_positions": 1, "params": {"hold_period_bars": 15}}
    document = result(catalog, **fields).document
    costs, account = document["costs"], document["account"]
    assert account["too_small"] > 50
    returns = [costs["stress"][multiple] for multiple in ("0x", "1x", "2x", "5x")]
    assert returns == sorted(returns, reverse=True)
    growth = [1 + trade["return_pct"] for own in of_symbols(document).values() for trade in own]
    assert costs["stress"]["1x"] == pytest.approx(np.prod(growth) - 1)
    kept = [(1.001 * 1.0002) / (0.999 * 0.9998) * (0.998 * 0.9996) / (1.002 * 1.0004) * one for one in growth]
    assert costs["stress"]["2x"] == pytest.approx(np.prod(kept) - 1)


def test_counts_of_signals_agree(catalog: CandleCatalog) -> None:
    """The account, the metrics and the symbols have the same counts, and skipped orders cause a warning."""
    document = result(catalog, min_order=9_500, initial_cash=10_000, max_positions=1).document
    account, parts = document["account"], document["symbols"]
    assert min(account["ignored"], account["no_slot"], account["too_small"]) > 10
    assert account["ignored"] == document["metrics"]["ignored"] == sum(part["metrics"]["ignored"] for part in parts)
    for count in ("no_slot", "too_small"):
        assert account[count] == sum(part[count] for part in parts)
    skipped = skipped_signals(document)
    assert skipped is not None
    assert document["metrics"]["signals"] == document["metrics"]["trades"] + sum(skipped.values())
    for part in parts:
        left_out = part["metrics"]["ignored"] + part["no_slot"] + part["too_small"]
        assert len(part["signals"]) == len(part["trades"]) + left_out
        sentence = f"{part['symbol']}: {part['too_small']} signals not traded, for lack of cash or below the minimum"
        assert any(warning.startswith(sentence) for warning in document["warnings"])


def test_a_profit_that_one_trade_made(catalog: CandleCatalog) -> None:
    """The account is simulated again without the trade, so the other trades have the money that it would have spent."""
    days = {"start_date": "2024-06-01", "end_date": "2024-08-31"}
    fields = {"params": {"hold_period_bars": 40}, "warm_up": "none", **days}
    document = result(catalog, **fields).document
    trades = [trade for own in of_symbols(document).values() for trade in own]
    best = max(trades, key=lambda trade: trade["return_pct"])
    total = document["metrics"]["total_return"]
    assert total > 0
    (warning,) = (text for text in document["warnings"] if text.startswith("all of the profit comes from one trade"))
    assert f"AAA_KRW, entered {best['entry_time']}, returned {best['return_pct']:+.2%}" in warning
    without = float(warning.split()[-1].removesuffix("%")) / 100
    assert without == pytest.approx(total - best["spent"] * best["return_pct"] / 1e7, abs=0.01)


def test_the_order_of_symbols_changes_nothing(catalog: CandleCatalog) -> None:
    """Symbols buy in alphabetical order."""
    document, turned = (result(catalog, symbols=order).document for order in (SYMBOLS, SYMBOLS[::-1]))
    assert document["metrics"] == turned["metrics"]
    assert of_symbols(document) == of_symbols(turned)
    assert document["costs"] == turned["costs"]


def test_one_symbol_in_one_position_is_its_own_account(catalog: CandleCatalog) -> None:
    """With one symbol and one position there is nothing to share."""
    fields = {"symbols": ["AAA_KRW"], "stop_loss": 0.02}
    alone = result(catalog, **fields, max_positions=None).document
    shared = result(catalog, **fields, max_positions=1).document
    assert alone["account"] is None
    assert shared["symbols"][0]["trades"] == [
        {**trade, "spent": pytest.approx(trade["spent"])} for trade in alone["symbols"][0]["trades"]
    ]
    assert shared["metrics"]["total_return"] == pytest.approx(alone["metrics"]["total_return"])
    assert shared["metrics"]["max_drawdown"] == pytest.approx(alone["metrics"]["max_drawdown"])


def test_the_account_comes_first_in_the_table(catalog: CandleCatalog) -> None:
    """Its curve comes first, under its own name."""
    names = result(catalog).tables["equity"]["symbol"].unique().to_pylist()
    assert names == [SHARED, *SYMBOLS]


def test_the_account_reads_the_candles_of_each_symbol_once(catalog: CandleCatalog) -> None:
    """The closes that it trades at are those of the symbols' own figures."""
    spec = result(catalog).spec
    outputs = [runner.simulate_symbol(catalog, REGISTRY, p) for p in runner.find_candles(catalog, spec, "tasks")]
    recording = RecordingCatalog(catalog.root)
    runner.assemble_result("run-1", outputs, recording, REGISTRY, "test", datetime.now(UTC))
    assert recording.loaded == list(SYMBOLS)


def test_candles_that_change_before_the_account_trades_are_noticed(catalog: CandleCatalog) -> None:
    """They are read again when the symbols are combined."""
    spec = resolve(
        parse_request(
            {
                "strategy": "volume_zone_breakout",
                "symbols": SYMBOLS,
                "start_date": "2024-01-01",
                "end_date": "2024-12-30",
                "max_positions": 1,
            }
        ),
        REGISTRY,
    )
    tables = [runner.simulate_symbol(catalog, REGISTRY, p) for p in runner.find_candles(catalog, spec, "tasks")]
    catalog.merge("BBB_KRW", DAY, synthetic_candles(9, DAY, date(2024, 3, 1), 2))
    with pytest.raises(CandlesChanged, match="BBB_KRW"):
        runner.assemble_result("run-1", tables, catalog, REGISTRY, "test", datetime.now(UTC))
