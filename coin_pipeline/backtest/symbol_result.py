"""One symbol's result: its entry in `symbols` of the document, and its signals, trades and equity as tables."""

from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.formatting import Json, iso_seconds
from coin_pipeline.backtest.messages import Message, check_json
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.backtest.tables import TEXT_TYPE, TIME_TYPE
from coin_pipeline.engine.bars import Bars, Closes, Floats, Ints
from coin_pipeline.engine.execution import Costs, Fill
from coin_pipeline.engine.lookahead import LookAheadReport
from coin_pipeline.engine.metrics import compute_metrics
from coin_pipeline.engine.outcomes import UNFILLED, ExitReason, Samples
from coin_pipeline.engine.simulate import Simulation
from coin_pipeline.engine.stress import break_even_rate, growth_at, total_return_at

STRESS = (0, 1, 2, 5)
"""Multiples of the costs at which every result is reported."""
NEVER_FILLED = "the range has no further candle, at whose open it would be filled"
"""Reason of a signal on the last candle."""
_REASONS = [reason.name.lower() for reason in sorted(ExitReason)]


class SymbolResult(NamedTuple):
    """One symbol's result.

    Attributes:
        json: Its entry in `symbols` of the document; the lists `signals`, `trades` and `performance_curve` are empty.
        signals: Every signal that can be filled, with its outcome as a separate trade; the columns of
            `TABLE_SCHEMAS["signals"]` but `symbol`.
        trades: Every round trip of the account; the columns of `TABLE_SCHEMAS["trades"]` but `symbol`, and `quoted`,
            the growth factor with ticks as the only costs, if prices are rounded to ticks.
        equity: The account per bar; the columns of `TABLE_SCHEMAS["equity"]` but `symbol`.
    """

    json: Json
    signals: pa.Table
    trades: pa.Table
    equity: pa.Table

    @property
    def symbol(self) -> str:
        """Name of the market."""
        symbol: str = self.json["symbol"]
        return symbol

    def trade_column(self, name: str) -> Floats:
        """Return a numeric column of the trades, shape (trades,)."""
        column: Floats = self.trades[name].to_numpy()
        return column


def symbol_result(
    symbol: str, bars: Bars | Closes, simulation: Simulation, spec: BacktestSpec, spent: Floats | None
) -> SymbolResult:
    """Return one symbol's result.

    Args:
        symbol: Name of the market.
        bars: n candles.
        simulation: The signals' simulation on these bars.
        spec: The backtest.
        spent: Money spent by each trade, in multiples of the initial cash, shape (trades,); None without an account.
    """
    return SymbolResult(
        _json(symbol, bars, simulation, spec),
        _signals(bars, simulation),
        _trades(symbol, bars, simulation.trades, spec, spent),
        _equity(bars, simulation, spec.costs_of(symbol)),
    )


def _json(symbol: str, bars: Bars | Closes, simulation: Simulation, spec: BacktestSpec) -> Json:
    """Return an entry of `symbols`: the keys of schema 1.1.0 first, then those that 1.2.0 adds.

    Keys of 1.1.0 keep their types: win_rate is a fraction, avg_return and max_drawdown are percentages, and all three
    are 0 without trades; every item of `signals` has prices. A signal that cannot be filled has none, so it is an item
    of `unfilled_signals`.
    """
    costs = spec.costs_of(symbol)
    metrics = compute_metrics(simulation, bars, spec.candle_length.bars_per_year, costs)
    return {
        "symbol": symbol,
        "is_active": True,
        "signals": [],
        "win_rate": metrics.win_rate or 0.0,
        "avg_return": 100 * (metrics.avg_return or 0.0),
        "max_drawdown": 100 * metrics.max_drawdown,
        "avg_hold_bars": metrics.avg_hold_bars or 0.0,
        "performance_curve": None,
        "unfilled_signals": _unfilled_signals(symbol, bars, simulation.samples),
        "trades": [],
        "metrics": asdict(metrics),
        "no_slot": simulation.no_slot,
        "too_small": simulation.too_small,
        "costs": costs_json(simulation.trades, bars.time, costs, spec.sizing.fraction, metrics.total_return),
    }


def costs_json(trades: Samples, time: Ints, costs: Costs, fraction: float, net_return: float) -> Json:
    """Return the total return of one account's trades at other costs, and the cost rate at which they break even.

    The gross return is the return at zero times the costs: no fee, no slippage, no ticks.

    Args:
        trades: The trades.
        time: Open times of the bars, ns UTC, shape (n,).
        costs: The costs of the backtest.
        fraction: Share of the equity in each trade.
        net_return: The trades' total return at these costs, a fraction.
    """
    stress = {f"{k}x": total_return_at(trades, time, costs.scaled(k), fraction) for k in STRESS}
    gross, quoted = trades.exit_price / trades.entry_price, quoted_ratios(trades, time, costs)
    return {
        "gross_return": stress["0x"],
        "net_return": net_return,
        "stress": {**stress, "1x": net_return},
        "break_even_rate": break_even_rate([gross], fraction, None if quoted is None else [quoted]),
    }


def quoted_ratios(trades: Samples, time: Ints, costs: Costs) -> Floats | None:
    """Return each trade's growth factor with ticks as the only costs, shape (trades,); None without ticks."""
    return None if costs.ticks is None else growth_at(trades, time, Costs(0.0, 0.0, costs.ticks))


def money_spent(trades: Samples, spec: BacktestSpec) -> Floats | None:
    """Return the money spent by each trade of a single account, in multiples of the initial cash, shape (trades,)."""
    if spec.fill is Fill.SIGNAL_CLOSE:
        return None
    fraction = spec.sizing.fraction
    value = np.cumprod(1 - fraction + fraction * trades.growth)
    return fraction * np.append(1.0, value)[: len(value)]


def checks_json(covered: Json, ahead: LookAheadReport) -> list[Json]:
    """Return the checks of one symbol's run. A violation ends the run instead; a check without data has not passed.

    The details are part of the result's digest.

    Args:
        covered: Coverage of the symbol's candles.
        ahead: Report of the look-ahead check.
    """
    return [
        check_json("candles", Message("candles_valid", {"present": covered["present"]}), passed=True),
        check_json("no_look_ahead", _compared(ahead), passed=ahead.is_conclusive),
    ]


def _compared(ahead: LookAheadReport) -> Message:
    rounding = {"rounding": ahead.rounding}
    if not ahead.is_complete:
        return Message("look_ahead_rounding", rounding)
    if not ahead.is_conclusive:
        failure = Message("look_ahead_failure", {"failure": ahead.failure})
        return failure if ahead.failure else Message("look_ahead_too_far", {})
    counts = {"cuts": ahead.cuts, "decisions": ahead.decisions, "total": ahead.total_decisions}
    code = "look_ahead_unchanged" + "_screened" * bool(ahead.screened) + "_rounded" * bool(ahead.rounding)
    return Message(code, {**counts, "screened": ahead.screened, **rounding})


def _signals(bars: Bars | Closes, simulation: Simulation) -> pa.Table:
    filled = simulation.samples.entry_bar != UNFILLED
    samples = simulation.samples.where(filled)
    return pa.table(
        {
            "timestamp": _times(bars.time[samples.signal_bar]),
            "entry_price": samples.entry_price,
            "exit_price": samples.exit_price,
            "return_pct": samples.net_return,
            "traded": simulation.taken[filled],
        }
    )


def _unfilled_signals(symbol: str, bars: Bars | Closes, samples: Samples) -> list[Json]:
    """Return the signals that cannot be filled, each with the reason; only the last candle can have one."""
    stamps = iso_seconds(bars.time[samples.signal_bar[samples.entry_bar == UNFILLED]])
    return [{"symbol": symbol, "type": "buy", "timestamp": stamp, "reason": NEVER_FILLED} for stamp in stamps]


def _trades(symbol: str, bars: Bars | Closes, trades: Samples, spec: BacktestSpec, spent: Floats | None) -> pa.Table:
    """Return every round trip of the account.

    A fill at an open is stamped with that open, a fill at a close with the end of the candle. An exit at a price is
    stamped with the open of its candle: when the price was reached within the candle is unknown.
    """
    at_close = spec.fill is Fill.SIGNAL_CLOSE
    length = spec.candle_length.ns
    planned = (trades.exit_reason == ExitReason.SIGNAL) | (trades.exit_reason == ExitReason.HOLD)
    no_money = pa.nulls(len(trades), pa.float64())
    quoted = quoted_ratios(trades, bars.time, spec.costs_of(symbol))
    reasons = pa.DictionaryArray.from_arrays(trades.exit_reason.astype(np.int32), pa.array(_REASONS))
    return pa.table(
        {
            "entry_time": _times(bars.time[trades.entry_bar] + length * at_close),
            "exit_time": _times(bars.time[trades.exit_bar] + length * ((at_close & planned) | trades.open_at_end)),
            "entry_price": trades.entry_price,
            "exit_price": trades.exit_price,
            "return_pct": trades.net_return,
            "bars_held": trades.bars_held,
            "exit_reason": reasons.cast(TEXT_TYPE),
            "open_at_end": trades.open_at_end,
            "spent": no_money if spent is None else spent * spec.sizing_of(symbol).initial_cash,
            **({} if quoted is None else {"quoted": quoted}),
        }
    )


def _equity(bars: Bars | Closes, simulation: Simulation, costs: Costs) -> pa.Table:
    return pa.table(
        {
            "timestamp": _times(bars.time),
            "equity": simulation.equity,
            "drawdown": simulation.drawdown,
            "buy_and_hold": bars.close / costs.paid(bars.open[:1], bars.time, np.array([0])),
        }
    )


def _times(ns: Ints) -> pa.Array:
    return pa.array(ns, TIME_TYPE)
