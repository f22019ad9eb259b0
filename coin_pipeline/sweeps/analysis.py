"""Analysis of the trials: the best points, the plateau, the heat map, and warnings for the reader."""

import numpy as np

from coin_pipeline.backtest.formatting import Json, pluralize
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
        `best`, `checked` (empty), `plateau`, `top`, `heat_map` and `warnings` of the sweep document.
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
        "heat_map": sensitivity.heat_map(spec.space, points.column, points.objectives),
        "warnings": _warnings(points, best, schema),
    }


def _neighbourhood(neighbourhoods: sensitivity.Neighbourhoods, index: int) -> Json:
    median = float(neighbourhoods.median[index])
    return {"median": median if np.isfinite(median) else None, "size": int(neighbourhoods.size[index])}


def _plateau(points: TrialPoints, neighbourhoods: sensitivity.Neighbourhoods) -> Json | None:
    index = int(np.argmax(neighbourhoods.median))
    if np.isneginf(neighbourhoods.median[index]):
        return None
    return {**points.summary(index), **_neighbourhood(neighbourhoods, index), "definition": PLATEAU}


def _warnings(points: TrialPoints, best: Json | None, schema: Json) -> list[str]:
    """Return what a reader must know before trusting the best point, one sentence each."""
    objective, count = points.spec.objective, len(points.numbers)
    if best is None:
        return [f"the {objective} is undefined at every point, so there is no best one"]
    warnings = sensitivity.edge_warnings(points.spec.space, best["values"], schema)
    if count > 1:
        bias = f"the best of {count:,} points is biased upwards: part of its {objective} is luck, so expect less"
        warnings.insert(0, bias)
    if best["figures"]["total_return"] <= 0:
        warnings.append("even the best point made no profit")
    if points.spec.search == "grid" and best["neighbourhood"] is None:
        warnings.append("the grid has too many neighbours to look for a plateau; sweep fewer dimensions at once")
    trades = best["figures"]["trades"]
    if trades < FEW_TRADES:
        warnings.append(f"only {pluralize(trades, 'trade')} at the best point: fewer than {FEW_TRADES} may be luck")
    return warnings + _isolation_warnings(objective, best)


def _isolation_warnings(objective: str, best: Json) -> list[str]:
    reached, neighbourhood = best["figures"]["objective"], best["neighbourhood"]
    if not neighbourhood or neighbourhood["size"] <= 1 or reached <= 0:
        return []
    median = neighbourhood["median"]
    if median is not None and median >= ISOLATED * reached:
        return []
    around = "undefined" if median is None else f"{median:.4g}"
    warning = (
        f"the best point is isolated: its {objective} is {reached:.4g}, but the median of the {neighbourhood['size']}"
        f" points around it is {around}; a small change loses most of it"
    )
    return [warning]
