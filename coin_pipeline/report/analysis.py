"""Figures and tables of a report that are computed from the tables of a result."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.portfolio import Curve, account_of, curve_of
from coin_pipeline.backtest.tables import Tables, unstack
from coin_pipeline.candles.coverage import Gap, coverage
from coin_pipeline.candles.timeframe import DAY_NS, SECOND_NS, SEOUL, Timeframe, day_range, parse_timeframe
from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.engine.metrics import bar_returns
from coin_pipeline.report import statistics
from coin_pipeline.report.payload import Analysis, CoverageGap, Drawdown, ExitFact, SymbolCoverage, TradeFact
from coin_pipeline.report.statistics import Daily, Falls, alpha_beta, falls, histogram, returns_by_year, returns_of

DRAWDOWNS_SHOWN = 10
GAPS_SHOWN = 200
"""Gaps drawn per symbol, the longest ones."""
_GAPS_OF_ALL = 2_000


def account_curve(tables: Tables) -> Curve:
    """Return the equity of the whole account; see `portfolio.account_of`."""
    return account_of_equity(tables["equity"])


def account_of_equity(equity: pa.Table) -> Curve:
    """Return the equity of the whole account from the table of the equity, which has at least one row."""
    return account_of([curve_of(symbol, rows) for symbol, rows in unstack(equity)])


def analyse(document: Json, tables: Tables, account: Curve | None = None) -> Analysis:
    """Return what a report shows beyond the figures of a result.

    Args:
        document: Result document of schema 1.2.0.
        tables: Tables of the same result; the equity has at least one row.
        account: `account_curve` of the tables, if the caller has it.
    """
    account = account_curve(tables) if account is None else account
    daily = Daily.of(account.time, account.equity, account.buy_and_hold, document.get("timezone", SEOUL))
    has_days = parse_timeframe(document["timeframe"]).ns <= DAY_NS
    fallen, trades = falls(account.time, account.drawdown), tables["trades"]
    returns = _numbers(trades, "return_pct")
    return {
        "figures": {
            **_account_figures(document["metrics"], daily, fallen, has_days=has_days),
            **_trade_figures(returns, _numbers(trades, "bars_held")),
        },
        "years": returns_by_year(daily),
        "daily_returns": histogram(daily.returns) if has_days else None,
        "monthly_returns": histogram(returns_of(daily.month, daily.equity)[1]),
        "trade_returns": histogram(returns),
        "drawdowns": _worst(fallen),
        "best_trade": _trade(trades, int(np.argmax(returns))) if len(returns) else None,
        "worst_trade": _trade(trades, int(np.argmin(returns))) if len(returns) else None,
        "exits": _exits(trades),
        "coverage": list(_coverage(document, tables["equity"])),
        "replay_command": f"coin replay {document['run_id']}",
    }


def _numbers(table: pa.Table, name: str) -> Floats:
    """Return a column as floats, shape (rows,), NaN for nulls."""
    values: Floats = table[name].to_numpy().astype(float)
    return values


def _account_figures(known: Json, daily: Daily, fallen: Falls, *, has_days: bool) -> dict[str, float | None]:
    """Return the figures of the account; those of days only if bars are not longer."""
    returns, held = daily.returns, daily.buy_and_hold
    alpha, beta = (None, None) if held is None else alpha_beta(returns, bar_returns(held))
    cagr, deepest = known.get("cagr"), known["max_drawdown"]
    return {
        "calmar": cagr / deepest if cagr is not None and deepest else None,
        "alpha": alpha,
        "beta": beta,
        "best_day": float(returns.max()) if has_days else None,
        "worst_day": float(returns.min()) if has_days else None,
        "avg_drawdown": _mean(fallen.depth),
        "max_drawdown_days": float(fallen.days.max()) if len(fallen.days) else None,
        "avg_drawdown_days": _mean(fallen.days),
    }


def _trade_figures(returns: Floats, bars_held: Floats) -> dict[str, float | None]:
    some = len(returns) > 0
    return {
        "sqn": statistics.system_quality_number(returns),
        "kelly": statistics.kelly_fraction(returns),
        "best_trade": float(returns.max()) if some else None,
        "worst_trade": float(returns.min()) if some else None,
        "max_hold_bars": float(bars_held.max()) if some else None,
    }


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _worst(fallen: Falls) -> list[Drawdown]:
    """Return the deepest drawdowns, of equal ones the earlier first."""
    rows = np.argsort(-fallen.depth, kind="stable")[:DRAWDOWNS_SHOWN]
    return [
        {
            "start": int(fallen.start[row]) // SECOND_NS,
            "trough": int(fallen.trough[row]) // SECOND_NS,
            "recovery": int(fallen.end[row]) // SECOND_NS if fallen.recovered[row] else None,
            "depth": float(fallen.depth[row]),
            "days": float(fallen.days[row]),
            "days_to_trough": float(fallen.trough[row] - fallen.start[row]) / DAY_NS,
        }
        for row in rows
    ]


def _trade(trades: pa.Table, row: int) -> TradeFact:
    entry, exit_ = (trades[name][row].value // SECOND_NS for name in ("entry_time", "exit_time"))
    return {
        "symbol": trades["symbol"][row].as_py(),
        "entry_time": entry,
        "exit_time": exit_,
        "net_return": trades["return_pct"][row].as_py(),
        "bars_held": trades["bars_held"][row].as_py(),
    }


def _exits(trades: pa.Table) -> list[ExitFact]:
    wins = pa.table([trades["exit_reason"].cast(pa.string()), trades["return_pct"]], ["reason", "net"])
    wins = wins.append_column("won", pc.cast(pc.greater(wins["net"], 0.0), pa.float64()))
    figures = ("won", "mean"), ("net", "mean"), ("net", "min"), ("net", "max")
    grouped = wins.group_by("reason").aggregate([("net", "count"), *figures])
    exits: list[ExitFact] = [
        {
            "reason": row["reason"],
            "trades": row["net_count"],
            "win_rate": row["won_mean"],
            "mean_return": row["net_mean"],
            "worst": row["net_min"],
            "best": row["net_max"],
        }
        for row in grouped.to_pylist()
    ]
    return sorted(exits, key=lambda facts: (-facts["trades"], facts["reason"]))


def _coverage(document: Json, equity: pa.Table) -> Iterator[SymbolCoverage]:
    """Yield the coverage of each symbol: all gaps if its equity has every bar, else those that the document lists."""
    stamps = {symbol: rows["timestamp"].cast(pa.int64()).to_numpy() for symbol, rows in unstack(equity)}
    timeframe, days = parse_timeframe(document["timeframe"]), _days(document)
    most = max(1, min(GAPS_SHOWN, _GAPS_OF_ALL // len(document["symbols"])))
    for part in document["symbols"]:
        known, time = part["candles"], stamps.get(part["symbol"])
        if time is not None and len(time) == known["rows"]:
            gaps = _all_gaps(time, timeframe, days, known)
            count = len(gaps)
        else:
            gaps, count = _listed_gaps(known), known["gap_count"]
        shown = sorted(sorted(gaps, key=lambda gap: -gap.missing)[:most])
        first, last = (_ns(known[name]) for name in ("first", "last"))
        yield {
            "symbol": part["symbol"],
            "start": min([first, *(gap.start for gap in shown)]) // SECOND_NS,
            "end": max([last + timeframe.ns, *(gap.end for gap in shown)]) // SECOND_NS,
            "gaps": [_gap(gap, known) for gap in shown],
            "gaps_left_out": count - len(shown),
        }


def _days(document: Json) -> tuple[int, int]:
    start, end = (date.fromisoformat(document[name]) for name in ("start_date", "end_date"))
    return day_range(start, end, document.get("timezone", SEOUL))


def _all_gaps(time: Ints, timeframe: Timeframe, days: tuple[int, int], known: Json) -> tuple[Gap, ...]:
    closed_at = _ns(known["closed_until"]) if known.get("closed_until") else None
    return coverage(time, timeframe, *days, (), closed_at).gaps


def _listed_gaps(known: Json) -> tuple[Gap, ...]:
    return tuple(Gap(_ns(gap["start"]), _ns(gap["end"]), gap["missing"]) for gap in known["gaps"])


def _gap(gap: Gap, known: Json) -> CoverageGap:
    return {
        "start": gap.start // SECOND_NS,
        "end": gap.end // SECOND_NS,
        "missing": gap.missing,
        "kind": _kind(gap, known),
    }


def _kind(gap: Gap, known: Json) -> Literal["no_trade", "not_fetched", "unknown"]:
    """Return why candles are missing, as far as the counts of all gaps and the first unfetched candle show it."""
    unfetched = known["first_unfetched"]
    if unfetched is None or gap.end <= _ns(unfetched["start"]):
        return "no_trade"
    return "unknown" if known["no_trade"] else "not_fetched"


def _ns(timestamp: str) -> int:
    return int(datetime.fromisoformat(timestamp).timestamp()) * SECOND_NS
