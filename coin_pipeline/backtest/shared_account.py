"""Several symbols traded from one cash account, with a limit on the positions held at once."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.formats import Json
from coin_pipeline.backtest.portfolio import SHARED, BestTrade, Curve, Whole, curve_of, equal_shares, statistics
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.backtest.symbols import STRESS, symbol_json, to_table
from coin_pipeline.engine.account import Sizing, walk
from coin_pipeline.engine.bars import Bars, Bools
from coin_pipeline.engine.fills import Costs
from coin_pipeline.engine.outcomes import Samples
from coin_pipeline.engine.shared import Book, SharedAccount, SharedRules, share
from coin_pipeline.engine.simulate import Simulation
from coin_pipeline.engine.stress import highest_rate

_PRECISION = 1e-6  # each step towards the break-even rate trades the whole account again


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
    books = [Book.of(symbol, bars_of(symbol), own) for symbol, own in found]
    account = share(books, rules, spec.costs)
    parts = []
    for number, (symbol, own) in enumerate(found):
        bars = bars_of(symbol)
        simulation = _own_trades(bars, own, account, number, spec)
        part = symbol_json(symbol, bars, simulation, spec, account.spent[number][simulation.taken])
        parts.append((part, to_table(bars, simulation, spec.costs, {})))
    by_name = sorted(parts, key=lambda part: str(part[0]["symbol"]))  # sums do not hang on the order of the spec
    held = equal_shares([curve_of(part["symbol"], table) for part, table in by_name]).buy_and_hold
    curve = Curve(SHARED, account.time, account.equity, account.drawdown, held)
    told = statistics(curve, account.exposure, [part for part, _ in by_name], spec.candle_length.bars_per_year)
    made = [_chosen(book, taken) for book, taken in zip(books, account.taken, strict=True)]
    best = _best_trade([part for part, _ in parts], made, account, rules, spec.costs)
    return parts, Whole(curve, told, _costs(spec, rules, made, told), best, _account_json(rules, account))


def _own_trades(bars: Bars, samples: Samples, account: SharedAccount, number: int, spec: BacktestSpec) -> Simulation:
    taken = account.taken[number]
    trades = samples.where(taken)
    alone = Sizing(spec.sizing.fraction)
    paid = spec.costs.paid(trades.entry_price)
    _, _, equity, max_drawdown = walk(
        bars.close, trades.signal_bar, trades.entry_bar, trades.exit_bar, paid, trades.growth, alone
    )
    too_small, no_slot = int(account.too_small[number]), int(account.no_slot[number])
    return Simulation(samples, taken, too_small, equity, max_drawdown, no_slot)


def _chosen(book: Book, chosen: Bools) -> Book:
    return replace(book, samples=book.samples.where(chosen))


def _total_return(chosen: Sequence[Book], rules: SharedRules, costs: Costs) -> float:
    """Return what an account returns that makes these trades and no others, however small their orders."""
    return float(share(chosen, replace(rules, min_order=0.0), costs).equity[-1]) - 1


def _best_trade(
    parts: Sequence[Json], made: Sequence[Book], account: SharedAccount, rules: SharedRules, costs: Costs
) -> BestTrade | None:
    """Return the trade that gained the largest share of the equity of its time."""
    gains = []
    for book, spent in zip(made, account.spent, strict=True):
        equity = account.equity[np.searchsorted(account.time, book.time[book.samples.entry_bar])]
        gains.append(spent[spent > 0] * book.samples.net_return / equity)
    if not any(map(len, gains)):
        return None
    number = max(range(len(made)), key=lambda number: gains[number].max(initial=-np.inf))
    row = int(np.argmax(gains[number]))
    others = [
        _chosen(book, np.arange(len(book.samples)) != row) if n == number else book for n, book in enumerate(made)
    ]
    return BestTrade(parts[number]["trades"][row], _total_return(others, rules, costs))


def _costs(spec: BacktestSpec, rules: SharedRules, made: Sequence[Book], told: Json) -> Json:
    """Return what the account would have returned at other costs with the trades that were made.

    As in single accounts these stay the same: were orders below the minimum left out anew at each cost, the account
    could return more at higher costs, and no rate would be the one that it breaks even at.
    """

    def total_return_at(costs: Costs) -> float:
        return _total_return(made, rules, costs)

    def loses(rate: float) -> bool:
        return total_return_at(Costs(rate, 0.0)) < 0

    stress = {f"{k}x": total_return_at(spec.costs.times(k)) for k in STRESS if k != 1}
    return {
        "gross_return": total_return_at(Costs(0.0, 0.0)),
        "net_return": told["total_return"],
        "stress": {f"{k}x": stress.get(f"{k}x", told["total_return"]) for k in STRESS},
        "break_even_rate": highest_rate(loses, _PRECISION) if told["trades"] else None,
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
