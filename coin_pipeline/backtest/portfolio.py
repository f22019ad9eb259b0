"""Portfolios: several symbols as one result, with its equity curve, statistics and costs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.backtest.symbol_result import STRESS, SymbolResult, symbol_result
from coin_pipeline.engine import metrics
from coin_pipeline.engine.account import MAX_EQUITY, Sizing, drawdown, is_representable, simulate_account
from coin_pipeline.engine.bars import Bars, Bools, Closes, Floats, Ints
from coin_pipeline.engine.decimals import TOLERANCE
from coin_pipeline.engine.execution import Costs
from coin_pipeline.engine.outcomes import Samples
from coin_pipeline.engine.shared_account import SharedAccount, SharedRules, SymbolSamples, simulate_shared_account
from coin_pipeline.engine.simulate import Simulation
from coin_pipeline.engine.stress import break_even_rate, compound_return, interpolate_break_even
from coin_pipeline.errors import EquityOverflow
from coin_pipeline.storage.mapped import release_pages

SHARED = "shared account"
"""Name of the equity curve of an account that several symbols share."""


class Curve(NamedTuple):
    """An account per bar, columns of shape (n,): time in ns UTC, equity as growth factors, drawdown as a fraction."""

    name: str
    time: Ints
    equity: Floats
    drawdown: Floats
    buy_and_hold: Floats


class BestTrade(NamedTuple):
    """The trade that contributed most to a result: its entry in ns UTC and its return, and the result without it."""

    symbol: str
    entered: int
    net_return: float
    return_without: float

    @classmethod
    def of(cls, result: SymbolResult, row: int, return_without: float) -> "BestTrade":
        """Return the trade in a row of a symbol's trades."""
        entered = int(result.trades["entry_time"][row].value)
        return cls(result.symbol, entered, float(result.trade_column("return_pct")[row]), return_without)


class CombinedResult(NamedTuple):
    """All symbols of a result together.

    Attributes:
        curve: Equity curve of the whole account.
        metrics: Statistics of the account.
        costs: Total return at other costs.
        best: Best trade; None without trades.
        account: Facts about a shared account; None if each symbol has its own.
    """

    curve: Curve
    metrics: Json
    costs: Json
    best: BestTrade | None
    account: Json | None


def combine_equal_weight(results: Sequence[SymbolResult], bars_per_year: float, fraction: float) -> CombinedResult:
    """Combine equal, separate accounts of all symbols into one result; a single symbol keeps its own figures.

    A symbol without a candle at some time keeps its last value; before its first candle its share is cash. Sums run in
    the order of names, so that the result is bit-identical for any order in the request. Statistics of trades are over
    the trades of all symbols; exposure is the mean of the symbols' exposures.

    Args:
        results: The symbols' results.
        bars_per_year: Bars in a year, for annualized figures.
        fraction: Share of the equity that an entry spends.
    """
    by_name = sorted(results, key=lambda result: result.symbol)
    best = best_trade(by_name, fraction)
    if len(results) == 1:
        (alone,) = results
        return CombinedResult(
            curve_of(alone.symbol, alone.equity), alone.json["metrics"], alone.json["costs"], best, None
        )
    account = equal_shares([curve_of(result.symbol, result.equity) for result in by_name])
    exposure = float(np.mean([result.json["metrics"]["exposure"] for result in by_name]))
    figures = statistics(account, exposure, by_name, bars_per_year)
    costs = _mean_costs(by_name, figures["total_return"], fraction)
    return CombinedResult(account, figures, costs, best, None)


def statistics(account: Curve, exposure: float | None, results: Sequence[SymbolResult], bars_per_year: float) -> Json:
    """Return the statistics of an account of several symbols; statistics of trades are over the trades of all.

    Args:
        account: Equity curve.
        exposure: Share of the bars on which a position was held; None if undefined.
        results: The symbols' results.
        bars_per_year: Bars in a year, for annualized figures.
    """
    returns = metrics.bar_returns(account.equity)
    own: list[Json] = [result.json["metrics"] for result in results]
    return {
        "total_return": metrics.total_return(account.equity),
        "cagr": metrics.cagr(account.equity, account.time, bars_per_year),
        "volatility": metrics.volatility(returns, bars_per_year),
        "sharpe": metrics.sharpe(returns, bars_per_year),
        "sortino": metrics.sortino(returns, bars_per_year),
        "max_drawdown": float(account.drawdown.max()),
        "exposure": exposure,
        "buy_and_hold": float(np.mean([m["buy_and_hold"] for m in own])),
        **{count: sum(m[count] for m in own) for count in ("signals", "trades", "ignored")},
        **_of_all_trades(_of_all(results, "return_pct")),
        "avg_hold_bars": _mean(_of_all(results, "bars_held")),
    }


def best_trade(results: Sequence[SymbolResult], fraction: float) -> BestTrade | None:
    """Return the trade without which the accounts would have returned least; the other trades compound as they did."""
    growth = [1 + fraction * result.trade_column("return_pct") for result in results]
    totals = [compound_return(factors) for factors in growth]
    candidates = []
    for number, own in enumerate(growth):
        if len(own):
            row = int(np.argmax(own))
            rest = _mean_of_all([*totals[:number], compound_return(np.delete(own, row)), *totals[number + 1 :]])
            if rest is not None:
                candidates.append(BestTrade.of(results[number], row, rest))
    return min(candidates, key=lambda best: best.return_without, default=None)


def equal_shares(curves: Sequence[Curve]) -> Curve:
    """Return one account of equal initial shares, never rebalanced; a share is cash until its first bar."""
    time = reduce(_merge_times, [curve.time for curve in curves])
    equity, buy_and_hold = np.zeros(len(time)), np.zeros(len(time))
    for curve in curves:
        if len(curve.time) == len(time):  # then they are the same times
            equity += curve.equity
            buy_and_hold += curve.buy_and_hold
        else:
            row = np.searchsorted(curve.time, time, side="right")
            equity += np.append(1.0, curve.equity)[row]
            buy_and_hold += np.append(1.0, curve.buy_and_hold)[row]
        release_pages()
    equity, buy_and_hold = equity / len(curves), buy_and_hold / len(curves)
    return Curve(f"mean of {len(curves)} symbols", time, equity, drawdown(equity), buy_and_hold)


def _merge_times(one: Ints, other: Ints) -> Ints:
    """Return the times of two curves in order, each once; without copying them if they are the same."""
    release_pages()
    if np.array_equal(one, other):
        return one
    # A stable sort merges sorted runs; np.unique would hash millions of times.
    merged = np.sort(np.concatenate([one, other]), kind="stable")
    distinct: Ints = merged[np.append(True, np.diff(merged) > 0)]
    return distinct


def account_of(curves: Sequence[Curve]) -> Curve:
    """Return the curve of the whole account: the shared one, which comes first, or that of equal shares."""
    return curves[0] if len(curves) == 1 or curves[0].name == SHARED else equal_shares(curves)


def curve_of(symbol: str, equity: pa.Table) -> Curve:
    """Return a table of equity per bar as a curve with the symbol's name."""
    columns = (equity[name].to_numpy() for name in ("equity", "drawdown", "buy_and_hold"))
    return Curve(symbol, equity["timestamp"].cast(pa.int64()).to_numpy(), *columns)


def _of_all(results: Sequence[SymbolResult], name: str) -> Floats:
    """Return a numeric column of all trades, shape (trades of all symbols,)."""
    return np.concatenate([result.trade_column(name) for result in results])


def _of_all_trades(returns: Floats) -> Json:
    gains, losses = metrics.gains_and_losses(returns)
    mean = (gains - losses) / len(returns) if len(returns) else None
    return {
        "win_rate": _mean(returns > 0),
        "avg_return": mean,
        "expectancy": mean,
        "profit_factor": gains / losses if losses else None,
    }


def _mean_costs(results: Sequence[SymbolResult], net_return: float, fraction: float) -> Json:
    own = [result.json["costs"] for result in results]
    stress = {k: _mean_of_all([costs["stress"][k] for costs in own]) for k in own[0]["stress"]}
    gross = [result.trade_column("exit_price") / result.trade_column("entry_price") for result in results]
    ratios = [
        result.trade_column("quoted") if "quoted" in result.trades.column_names else own
        for result, own in zip(results, gross, strict=True)
    ]
    return {
        "gross_return": stress["0x"],
        "net_return": net_return,
        "stress": {**stress, "1x": net_return},
        "break_even_rate": break_even_rate(gross, fraction, ratios),
    }


def _mean_of_all(values: Sequence[float | None]) -> float | None:
    """Return the mean, or None if any value is None or their sum overflows."""
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known and len(known) == len(values) else None
    return mean if mean is not None and math.isfinite(mean) else None


def _mean(values: Sequence[float] | Floats | Bools) -> float | None:
    return float(np.mean(values)) if len(values) else None


def combine_shared_account(
    spec: BacktestSpec, rules: SharedRules, samples: Sequence[Samples], bars_of: Callable[[str], Bars]
) -> tuple[list[SymbolResult], CombinedResult]:
    """Trade the samples of all symbols from one shared account.

    A symbol's own figures are those of the account's trades in it, one after the other, each with the same share of the
    money. They show what the symbol contributed; they are not a second account.

    Args:
        spec: The backtest.
        rules: Limits of the account.
        samples: Outcome of each signal as a separate trade, one item per symbol, in the order of the spec.
        bars_of: Reads the candles of a symbol. Called once per symbol; only their times and closes are kept.

    Returns:
        Each symbol's result, whose equity is that of its trades; and the whole account.

    Raises:
        EquityOverflow: The account, or the trades of one symbol by themselves, grow beyond `MAX_EQUITY`.
    """
    closes: list[Closes] = []
    for symbol in spec.symbols:
        closes.append(Closes.copy_of(bars_of(symbol), closes[0].time if closes else None))  # most have the same times
    books = [SymbolSamples.from_bars(*book) for book in zip(spec.symbols, closes, samples, strict=True)]
    costs = [spec.costs_of(symbol) for symbol in spec.symbols]
    account = simulate_shared_account(books, rules, costs)
    if not is_representable(account.equity):
        raise EquityOverflow(f"the {SHARED}", MAX_EQUITY)
    results = []
    for number, (symbol, bars) in enumerate(zip(spec.symbols, closes, strict=True)):
        simulation = _own_trades(bars, samples[number], account, number, spec)
        results.append(symbol_result(symbol, bars, simulation, spec, account.spent[number][simulation.taken]))
    by_name = sorted(results, key=lambda result: result.symbol)  # sums must not depend on the order of the spec
    held = equal_shares([curve_of(result.symbol, result.equity) for result in by_name]).buy_and_hold
    curve = Curve(SHARED, account.time, account.equity, account.drawdown, held)
    figures = statistics(curve, account.exposure, by_name, spec.candle_length.bars_per_year)
    made = [_select(book, taken) for book, taken in zip(books, account.taken, strict=True)]
    best = _best_trade(results, made, account, rules, costs)
    return results, CombinedResult(
        curve, figures, _costs(costs, rules, made, figures), best, _account_json(rules, account)
    )


def _own_trades(bars: Closes, samples: Samples, account: SharedAccount, number: int, spec: BacktestSpec) -> Simulation:
    taken = account.taken[number]
    trades = samples.where(taken)
    alone = Sizing(spec.sizing.fraction)
    paid = spec.costs_of(spec.symbols[number]).paid(trades.entry_price, bars.time, trades.entry_bar)
    _, _, equity, max_drawdown = simulate_account(
        bars.close, trades.signal_bar, trades.entry_bar, trades.exit_bar, paid, trades.growth, alone
    )
    if not is_representable(equity):
        raise EquityOverflow(spec.symbols[number], MAX_EQUITY)
    too_small, no_slot = int(account.too_small[number]), int(account.no_slot[number])
    return Simulation(samples, taken, too_small, equity, max_drawdown, no_slot)


def _select(book: SymbolSamples, chosen: Bools) -> SymbolSamples:
    return replace(book, samples=book.samples.where(chosen))


def _total_return(chosen: Sequence[SymbolSamples], rules: SharedRules, costs: Sequence[Costs]) -> float:
    """Return the total return of an account that makes exactly these trades, however small their orders.

    It is infinite if the account grows beyond `MAX_EQUITY`.
    """
    equity = simulate_shared_account(chosen, replace(rules, min_order=0.0), costs).equity
    return float(equity[-1]) - 1 if is_representable(equity) else math.inf


def _best_trade(
    results: Sequence[SymbolResult],
    made: Sequence[SymbolSamples],
    account: SharedAccount,
    rules: SharedRules,
    costs: Sequence[Costs],
) -> BestTrade | None:
    """Return the trade with the largest gain relative to the equity at its entry."""
    gains = []
    for book, spent in zip(made, account.spent, strict=True):
        equity = account.equity[np.searchsorted(account.time, book.time[book.samples.entry_bar])]
        gain = spent[spent > 0] * book.samples.net_return
        gains.append(np.divide(gain, equity, out=np.full(len(gain), -1.0), where=equity > 0))  # a total loss
    if not any(map(len, gains)):
        return None
    number = max(range(len(made)), key=lambda number: gains[number].max(initial=-np.inf))
    row = int(np.argmax(gains[number]))
    others = [
        _select(book, np.arange(len(book.samples)) != row) if n == number else book for n, book in enumerate(made)
    ]
    rest = _total_return(others, rules, costs)
    return BestTrade.of(results[number], row, rest) if math.isfinite(rest) else None


def _costs(costs: Sequence[Costs], rules: SharedRules, made: Sequence[SymbolSamples], figures: Json) -> Json:
    """Return the account's total return at other costs, with the trades that were made.

    As in single accounts the trades stay the same. If orders below the minimum were dropped at each cost, the account
    could return more at higher costs, and the break-even rate would not be unique.
    """

    def return_at(rate: float) -> float:
        return _total_return(made, rules, [Costs(rate, 0.0, own.ticks) for own in costs])

    net = figures["total_return"]
    at = {f"{k}x": net if k == 1 else _total_return(made, rules, [c.scaled(k) for c in costs]) for k in STRESS}
    gains = figures["trades"] and at["0x"] >= -TOLERANCE
    stress = {name: value if math.isfinite(value) else None for name, value in at.items()}
    return {
        "gross_return": stress["0x"],
        "net_return": net,
        "stress": stress,
        "break_even_rate": interpolate_break_even(return_at) if gains else None,
    }


def _account_json(rules: SharedRules, account: SharedAccount) -> Json:
    return {
        "max_positions": rules.max_positions,
        "position_size": rules.fraction,
        "initial_cash": rules.initial_cash,
        "final_value": rules.initial_cash * float(account.equity[-1]),
        "ignored": int(account.ignored.sum()),
        "no_slot": int(account.no_slot.sum()),
        "too_small": int(account.too_small.sum()),
    }
