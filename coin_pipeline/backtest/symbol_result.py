"""One symbol's entry in `symbols` of a result, and the tables that carry it between steps."""

import json
from dataclasses import asdict, fields

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.formatting import Json, iso_seconds, pluralize
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.engine.bars import Bars, Floats, Ints
from coin_pipeline.engine.execution import Costs, Fill
from coin_pipeline.engine.lookahead import LookAheadReport
from coin_pipeline.engine.metrics import compute_metrics
from coin_pipeline.engine.outcomes import UNFILLED, ExitReason, Samples
from coin_pipeline.engine.simulate import Simulation
from coin_pipeline.engine.stress import break_even_rate, growth_at, total_return_at

STRESS = (0, 1, 2, 5)
"""Multiples of the costs at which every result is reported."""
NEVER_FILLED = "the candles end before the next open, which would fill it"
"""Reason of a signal on the last candle."""
_PART = b"coin.part"
_REASONS = {reason.value: reason.name.lower() for reason in ExitReason}


def symbol_json(symbol: str, bars: Bars, simulation: Simulation, spec: BacktestSpec, spent: Floats | None) -> Json:
    """Return one entry of `symbols`: the keys of schema 1.1.0 first, then those that 1.2.0 adds.

    Keys of 1.1.0 keep their types: win_rate is a fraction, avg_return and max_drawdown are percentages, and all three
    are 0 without trades; every item of `signals` has prices. A signal that cannot be filled has none, so it is an item
    of `unfilled_signals`.

    Args:
        symbol: Name of the market.
        bars: n candles.
        simulation: The signals' simulation on these bars.
        spec: The backtest.
        spent: Money spent by each trade, in multiples of the initial cash, shape (trades,); None without an account.
    """
    trades = simulation.trades
    costs = spec.costs_of(symbol)
    metrics = compute_metrics(simulation, bars, spec.candle_length.bars_per_year, costs)
    return {
        "symbol": symbol,
        "is_active": True,
        "signals": _signals(symbol, bars, simulation),
        "win_rate": metrics.win_rate or 0.0,
        "avg_return": 100 * (metrics.avg_return or 0.0),
        "max_drawdown": 100 * metrics.max_drawdown,
        "avg_hold_bars": metrics.avg_hold_bars or 0.0,
        "performance_curve": None,
        "unfilled_signals": _unfilled_signals(symbol, bars, simulation.samples),
        "trades": _trades(symbol, bars, trades, spec, spent),
        "metrics": asdict(metrics),
        "no_slot": simulation.no_slot,
        "too_small": simulation.too_small,
        "costs": costs_json(trades, bars.time, costs, spec.sizing.fraction, metrics.total_return),
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
        {"name": "candles", "passed": True, "detail": f"{covered['present']} candles in order, prices consistent"},
        {"name": "no_look_ahead", "passed": ahead.is_conclusive, "detail": _compared(ahead)},
    ]


def _compared(ahead: LookAheadReport) -> str:
    rounded = f"{pluralize(ahead.rounding, 'decision')} changed only by rounding errors of later candles"
    if not ahead.is_complete:
        return f"not checked: {rounded}, which is too many; round indicators before comparing them"
    if not ahead.is_conclusive:
        reason = ahead.failure or "the strategy looks back too far for that"
        return f"not checked, no decision came out again from fewer candles: {reason}"
    among = f"{ahead.decisions} of {ahead.total_decisions} decisions among them"
    parts = [
        f"signals unchanged with other later candles at {ahead.cuts} points, {among}",
        f"screened after {pluralize(ahead.screened, 'candle')}" if ahead.screened else "",
        rounded if ahead.rounding else "",
    ]
    return "; ".join(filter(None, parts))


def to_table(bars: Bars, simulation: Simulation, costs: Costs, part: Json) -> pa.Table:
    """Return timestamp, equity, drawdown and buy_and_hold per bar, with `part` as JSON in the schema's metadata."""
    return _attach(
        pa.table(
            {
                "timestamp": pa.array(bars.time, pa.timestamp("ns", tz="UTC")),
                "equity": simulation.equity,
                "drawdown": simulation.drawdown,
                "buy_and_hold": bars.close / costs.paid(bars.open[:1], bars.time, np.array([0])),
            }
        ),
        part,
    )


def samples_table(samples: Samples, part: Json) -> pa.Table:
    """Return samples as a table, with `part` as JSON in the schema's metadata."""
    return _attach(pa.table({field.name: getattr(samples, field.name) for field in fields(samples)}), part)


def from_samples_table(table: pa.Table) -> Samples:
    """Return the samples of a table from `samples_table`."""
    return Samples(*(table[field.name].to_numpy() for field in fields(Samples)))


def table_metadata(table: pa.Table) -> Json:
    """Return the part in a table's metadata."""
    part: Json = json.loads(table.schema.metadata[_PART])
    return part


def _attach(table: pa.Table, part: Json) -> pa.Table:
    return table.replace_schema_metadata({_PART: json.dumps(part, allow_nan=False)})


def _signals(symbol: str, bars: Bars, simulation: Simulation) -> list[Json]:
    """Return every signal that can be filled, with its outcome as a separate trade."""
    filled = simulation.samples.entry_bar != UNFILLED
    samples = simulation.samples.where(filled)
    rows = zip(
        iso_seconds(bars.time[samples.signal_bar]),
        samples.entry_price.tolist(),
        samples.exit_price.tolist(),
        samples.net_return.tolist(),
        simulation.taken[filled].tolist(),
        strict=True,
    )
    return [
        {
            "symbol": symbol,
            "type": "buy",
            "timestamp": stamp,
            "entry_price": entry,
            "exit_price": exit_price,
            "return_pct": net,
            "traded": traded,
        }
        for stamp, entry, exit_price, net, traded in rows
    ]


def _unfilled_signals(symbol: str, bars: Bars, samples: Samples) -> list[Json]:
    """Return the signals that cannot be filled, each with the reason."""
    stamps = iso_seconds(bars.time[samples.signal_bar[samples.entry_bar == UNFILLED]])
    return [{"symbol": symbol, "type": "buy", "timestamp": stamp, "reason": NEVER_FILLED} for stamp in stamps]


def _trades(symbol: str, bars: Bars, trades: Samples, spec: BacktestSpec, spent: Floats | None) -> list[Json]:
    """Return every round trip of the account.

    A fill at an open is stamped with that open, a fill at a close with the end of the candle. An exit at a price is
    stamped with the open of its candle: when the price was reached within the candle is unknown.
    """
    at_close = spec.fill is Fill.SIGNAL_CLOSE
    length = spec.candle_length.ns
    planned = (trades.exit_reason == ExitReason.SIGNAL) | (trades.exit_reason == ExitReason.HOLD)
    rows = zip(
        iso_seconds(bars.time[trades.entry_bar] + length * at_close),
        iso_seconds(bars.time[trades.exit_bar] + length * ((at_close & planned) | trades.open_at_end)),
        trades.entry_price.tolist(),
        trades.exit_price.tolist(),
        trades.net_return.tolist(),
        trades.bars_held.tolist(),
        [_REASONS[code] for code in trades.exit_reason.tolist()],
        trades.open_at_end.tolist(),
        [None] * len(trades) if spent is None else (spent * spec.sizing_of(symbol).initial_cash).tolist(),
        strict=True,
    )
    names = (
        "entry_time",
        "exit_time",
        "entry_price",
        "exit_price",
        "return_pct",
        "bars_held",
        "exit_reason",
        "open_at_end",
        "spent",
    )
    return [{"symbol": symbol, **dict(zip(names, row, strict=True))} for row in rows]
