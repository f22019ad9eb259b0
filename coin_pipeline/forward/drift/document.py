"""The drift report as a JSON document, the source of the page, the API and the Dagster metadata."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from coin_pipeline.backtest.formatting import Json, iso_microseconds, iso_seconds
from coin_pipeline.backtest.messages import Message
from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.forward.drift.causes import Cause
from coin_pipeline.forward.drift.decisions import describe
from coin_pipeline.forward.drift.edge import Edge, TradeReturns
from coin_pipeline.forward.drift.report import DriftReport, MarketDrift, residual_bound
from coin_pipeline.ledger.amounts import plain

LISTED = 50
"""Differing decisions and late orders listed in the document; all are counted."""
CANDLES_LISTED = 10
"""Candles listed per cause."""
CURVE_POINTS = 2000
"""Points of a curve, about two per pixel of the figure."""


def drift_json(report: DriftReport) -> Json:
    """Return a drift report as JSON: times as ISO 8601 UTC, amounts as numbers in the quote currency."""
    spec, markets = report.test.spec, report.markets
    problems = [*report.unexplained, *([] if report.edge.holds else [report.edge.verdict])]
    first, last = (pick(pick(market.time) for market in markets) for pick in (min, max))
    return {
        "test_id": str(report.test.test_id),
        "strategy": spec.strategy,
        "params": spec.params,
        "symbols": [market.symbol for market in markets],
        "timeframe": spec.timeframe,
        "fee_rate": spec.fee_rate,
        "slippage_rate": spec.slippage_rate,
        "start": iso_seconds(first - spec.candle_length.ns),
        "end": iso_seconds(last),
        "unexplained": [problem.write() for problem in report.unexplained],
        "problems": [problem.write() for problem in problems],
        "problem_codes": [problem.to_json() for problem in problems],
        "decisions": _decisions(markets),
        "accounts": [_account(quote, own) for quote, own in report.by_quote().items()],
        "edge": _edge(report.edge),
    }


def _decisions(markets: Sequence[MarketDrift]) -> Json:
    total = sum(len(market.decisions) for market in markets)
    differing = sorted(
        (d for market in markets for d in market.compared.differences),
        key=lambda d: (d.recorded.bar_time, d.recorded.symbol),
    )
    late = sorted(((fill, market) for market in markets for fill in market.late_fills), key=lambda own: own[0].bar_time)
    return {
        "total": total,
        "equal": total - len(differing),
        "late": sum(decision.late for market in markets for decision in market.decisions),
        "without_cause": sum(difference.cause is None for difference in differing),
        "differing": [
            {
                "symbol": d.recorded.symbol,
                "candle": iso_seconds(d.recorded.bar_time),
                **_stated("forward", describe(d.recorded.choice)),
                **_stated("today", describe(d.today)),
                "cause": d.cause,
                "label": d.cause and d.cause.label.en,
            }
            for d in differing[:LISTED]
        ],
        "late_orders": len(late),
        "late_fills": [
            {
                "symbol": market.symbol,
                "candle": iso_seconds(fill.bar_time),
                "side": fill.leg.side,
                "decided_at": iso_microseconds(fill.decided_at),
                "booked": float(fill.leg.price),
                "first_open": fill.first_open,
                "amount": float(fill.amount),
                "quote": market.quote,
            }
            for fill, market in late[:LISTED]
        ],
    }


def _account(quote: str, markets: Sequence[MarketDrift]) -> Json:
    forward, backtest = (sum(float(getattr(m, f"{name}_profit")) for m in markets) for name in ("forward", "backtest"))
    residual = sum(market.residual for market in markets)
    bound = residual_bound(markets)
    return {
        "quote": quote,
        "initial_cash": sum(market.initial_cash for market in markets),
        "forward_pnl": forward,
        "backtest_pnl": backtest,
        "difference": forward - backtest,
        "causes": _causes(markets, backtest),
        "residual": residual,
        "bound": bound,
        "explained": abs(residual) <= bound,
        "late_amount": sum(float(fill.amount) for market in markets for fill in market.late_fills),
        "by_symbol": [
            {
                "symbol": market.symbol,
                "forward_pnl": float(market.forward_profit),
                "forward_pnl_exact": plain(market.forward_profit),
                "backtest_pnl": market.backtest_profit,
                "difference": market.difference,
                "residual": market.residual,
            }
            for market in markets
        ],
        "curve": _curve(markets),
    }


def _causes(markets: Sequence[MarketDrift], backtest: float) -> list[Json]:
    """Return each cause with its amount, and the profit once it and those before it are substituted."""
    rows, profit = [], backtest
    for number, cause in enumerate(Cause):
        own = [(market.symbol, market.amounts[number]) for market in markets]
        amount = float(sum((found.amount for _, found in own), Decimal(0)))
        profit += amount
        places = sorted((time, symbol) for symbol, found in own for time in found.times)
        listed = [{"symbol": symbol, "candle": iso_seconds(time)} for time, symbol in places[:CANDLES_LISTED]]
        rows.append(
            {
                "cause": cause,
                "label": cause.label.en,
                "meaning": cause.meaning.en,
                "count": len(places),
                "amount": amount,
                "sum": profit,
                "candles": listed,
            }
        )
    return rows


def _curve(markets: Sequence[MarketDrift]) -> Json:
    time = np.unique(np.concatenate([market.time for market in markets]))
    rows = np.unique(np.linspace(0, len(time) - 1, CURVE_POINTS).astype(np.int64))
    curves = {
        name: sum((_at(time, market.time, getattr(market, f"{name}_curve")) for market in markets), np.zeros(len(time)))
        for name in ("forward", "backtest")
    }
    return {"time": iso_seconds(time[rows]), **{name: curve[rows].tolist() for name, curve in curves.items()}}


def _at(time: Ints, known: Ints, curve: Floats) -> Floats:
    """Return the latest value of a curve at each time, 0 before its first."""
    values: Floats = np.append(0.0, curve)[np.searchsorted(known, time, side="right")]
    return values


def _edge(edge: Edge) -> Json:
    return {
        **_stated("verdict", edge.verdict),
        "holds": edge.holds,
        "decay": edge.decay,
        "max_decay": edge.max_decay,
        "min_trades": edge.min_trades,
        "forward": _trades(edge.forward),
        "reference": _trades(edge.reference),
    }


def _trades(trades: TradeReturns) -> Json:
    return {
        "trades": len(trades.returns),
        "mean_return": trades.mean,
        "start": trades.start and iso_microseconds(trades.start),
        "end": trades.end and iso_microseconds(trades.end),
    }


def _stated(name: str, message: Message) -> Json:
    """Return a sentence in English, and its code and values, from which pages write it in Korean too."""
    return {name: message.write(), f"{name}_code": message.to_json()}
