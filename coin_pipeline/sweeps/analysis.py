"""Analysis of the trials: the best points, the plateau, the heat map, and warnings for the reader."""

import numpy as np

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.messages import Message
from coin_pipeline.backtest.warnings import FEW_TRADES
from coin_pipeline.sweeps import sensitivity
from coin_pipeline.sweeps.trial_points import TrialPoints

TOP = 20
"""Number of best points in the document."""
ISOLATED = 0.5
"""The best point is isolated if the median of its neighbourhood is below this share of its objective."""
PLATEAU = (
    "the point whose neighbourhood has the highest median objective; a neighbourhood is a point and all those that"
    " differ from it by at most one step in every numeric dimension"
)


def analyze(points: TrialPoints, schema: Json) -> Json:
    """Analyze the trials of a sweep.

    Args:
        points: The trials.
        schema: JSON schema of the strategy's parameters.

    Returns:
        `best`, `checked` (empty), `plateau`, `top` and `heat_map` of the sweep document, and its warnings as
        `messages`.
    """
    spec, neighbourhoods = points.spec, None
    if spec.search == "grid" and len(points.ranking):
        neighbourhoods = sensitivity.neighbourhoods(spec.space, points.numbers, points.objectives)
    best = None
    if len(points.ranking):
        first = int(points.ranking[0])
        best = {**points.summary(first), "neighbourhood": neighbourhoods and _neighbourhood(neighbourhoods, first)}
    plateau = neighbourhoods and _plateau(points, neighbourhoods)
    del neighbourhoods  # as large as the objectives
    return {
        "best": best,
        "checked": [],
        "plateau": plateau,
        "top": [points.summary(index) for index in points.ranking[:TOP].tolist()],
        "heat_map": sensitivity.heat_map(spec.space, points.column, points.numbers, points.objectives),
        "messages": _warnings(points, best, schema),
    }


def _neighbourhood(neighbourhoods: sensitivity.Neighbourhoods, index: int) -> Json:
    median = float(neighbourhoods.median[index])
    return {"median": median if np.isfinite(median) else None, "size": int(neighbourhoods.size[index])}


def _plateau(points: TrialPoints, neighbourhoods: sensitivity.Neighbourhoods) -> Json | None:
    index = int(np.argmax(neighbourhoods.median))
    if np.isneginf(neighbourhoods.median[index]):
        return None
    return {**points.summary(index), **_neighbourhood(neighbourhoods, index), "definition": PLATEAU}


def _warnings(points: TrialPoints, best: Json | None, schema: Json) -> list[Message]:
    """Return what a reader must know before trusting the best point."""
    objective, count = points.spec.objective, len(points.numbers)
    if best is None:
        return [Message("no_best_point", {"objective": objective})]
    warnings = sensitivity.edge_warnings(points.spec.space, best["values"], schema)
    if count > 1:
        warnings.insert(0, Message("biased", {"points": count, "objective": objective}))
    if best["figures"]["total_return"] <= 0:
        warnings.append(Message("no_profit", {}))
    if points.spec.search == "grid" and best["neighbourhood"] is None:
        warnings.append(Message("too_many_neighbours", {}))
    trades = best["figures"]["trades"]
    if trades < FEW_TRADES:
        warnings.append(Message("few_trades_at_best", {"trades": trades, "limit": FEW_TRADES}))
    return warnings + _isolation_warnings(objective, best)


def _isolation_warnings(objective: str, best: Json) -> list[Message]:
    reached, neighbourhood = best["figures"]["objective"], best["neighbourhood"]
    if not neighbourhood or neighbourhood["size"] <= 1 or reached <= 0:
        return []
    median = neighbourhood["median"]
    if median is not None and median >= ISOLATED * reached:
        return []
    values = {"objective": objective, "reached": reached, **neighbourhood}
    return [Message("isolated_undefined" if median is None else "isolated", values)]
