"""Several symbols traded from one cash account, with a limit on the positions held at once."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.formats import Json
from coin_pipeline.backtest.portfolio import SHARED, Curve, Whole, curve_of, equal_shares, statistics
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.backtest.symbols import STRESS, ratios, symbol_json, to_table
from coin_pipeline.engine.account import Sizing, walk
from coin_pipeline.engine.bars import Bars, Bools, Floats
from coin_pipeline.engine.outcomes import Samples
from coin_pipeline.engine.shared import Book, SharedAccount, SharedRules, share
from coin_pipeline.engine.simulate import Simulation


def trade_together(
    spec: BacktestSpec, rules: SharedRules, samples: Sequence[Samples], bars_of: Callable[[str], Bars]
) -> tuple[list[tuple[Json, pa.Table]], Whole]:
    """Trade the samples of the spec's symbols, given in its order, from one account.

    A symbol's own figures are those of the trades that the account made in it, one after the other, each with the same
    share of the money: what the symbol contributed, not a second account.

    Args:
        spec: What was asked for.
        rules: Limits of the account.
        samples: What each signal of each symbol would do by itself.
        bars_of: Reads the candles of a symbol; called twice for each, so that one symbol's report is made at a time.

    Returns:
        For each symbol its JSON part and the table of its trades' equity per bar; and the account.
    """
    found = list(zip(spec.symbols, samples, strict=True))
    account = share([Book.of(symbol, bars_of(symbol), own, spec.costs) for symbol, own in found], rules)
    parts = []
    for (symbol, own), taken, spent in zip(found, account.taken, account.spent, strict=True):
        bars = bars_of(symbol)
        simulation = _own_trades(bars, own, taken, spec)
        part = symbol_json(symbol, bars, simulation, spec, spent[taken])
        parts.append((part, to_table(bars, simulation, spec.costs, {})))
    by_name = sorted(parts, key=lambda part: str(part[0]["symbol"]))  # sums do not hang on the order of the spec
    held = equal_shares([curve_of(part["symbol"], table) for part, table in by_name]).buy_and_hold
    curve = Curve(SHARED, account.time, account.equity, account.drawdown, held)
    told = statistics(curve, account.exposure, [part for part, _ in by_name], spec.candle_length.bars_per_year)
    return parts, Whole(
        curve, told, _costs(spec, samples, account, told["total_return"]), _account_json(rules, account)
    )


def _own_trades(bars: Bars, samples: Samples, taken: Bools, spec: BacktestSpec) -> Simulation:
    trades = samples.where(taken)
    alone = Sizing(spec.sizing.fraction)
    paid = spec.costs.paid(trades.entry_price)
    _, _, equity, drawdown = walk(
        bars.close, trades.signal_bar, trades.entry_bar, trades.exit_bar, paid, trades.growth, alone
    )
    return Simulation(samples, taken, 0, equity, drawdown)


def _costs(spec: BacktestSpec, samples: Sequence[Samples], account: SharedAccount, net_return: float) -> Json:
    """Return what the same trades, each with the money that it spent, return at other costs."""
    by_name = sorted(zip(spec.symbols, samples, account.taken, account.spent, strict=True), key=lambda one: one[0])
    pairs = [(own.where(taken), money[taken]) for _, own, taken, money in by_name]
    spent = np.concatenate([money for _, money in pairs])
    ratio = np.concatenate([ratios(trades) for trades, _ in pairs])
    stress = {}
    for k in STRESS:
        costs = spec.costs.times(k)
        growth = [costs.received(trades.exit_price) / costs.paid(trades.entry_price) for trades, _ in pairs]
        stress[f"{k}x"] = float(spent @ (np.concatenate(growth) - 1))
    return {
        "gross_return": float(spent @ (ratio - 1)),
        "net_return": net_return,
        "stress": {**stress, "1x": net_return},
        "break_even_rate": _break_even_rate(spent, ratio),
    }


def _break_even_rate(spent: Floats, ratio: Floats) -> float | None:
    """Solve spent @ (ratio * (1 - c) / (1 + c) - 1) = 0 for the cost c of a leg; 0 where there is no gain to lose."""
    if not len(spent):
        return None
    kept = float(spent.sum() / (spent @ ratio))
    return max((1 - kept) / (1 + kept), 0.0)


def _account_json(rules: SharedRules, account: SharedAccount) -> Json:
    return {
        "max_positions": rules.max_positions,
        "position_size": rules.fraction,
        "initial_cash": rules.initial_cash,
        "final_value": rules.initial_cash * float(account.equity[-1]),
        "ignored": account.ignored,
        "no_slot": account.no_slot,
        "too_small": account.too_small,
    }
