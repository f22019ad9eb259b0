"""The result of a sweep as one HTML file that needs nothing else, as that of a backtest."""

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.report.page import template_environment
from coin_pipeline.report.sweep_map import heat_map_figure
from coin_pipeline.sweeps.trials import objectives_of

# How each objective is written, and where its gains and losses are even.
_WRITTEN = {
    "total_return": ("change", 0.0),
    "return_over_drawdown": ("ratio", 0.0),
    "win_rate": ("percent", 0.5),
    "avg_return": ("change", 0.0),
    "profit_factor": ("ratio", 1.0),
}


def render_sweep_report(document: Json, trials: pa.Table) -> str:
    """Return the report of a sweep as HTML.

    Args:
        document: What `sweeps.result.assemble` made of it.
        trials: Its table of trials.
    """
    found = template_environment()
    how, balance = _WRITTEN[document["objective"]]
    objectives = objectives_of(trials, len(document["symbols"]))
    known = objectives[~np.isnan(objectives)]
    drawn = document["heat_map"]
    kinds = {"best": "Highest", "median": "Median"} if drawn else {}
    if drawn and drawn["median"] == drawn["best"]:
        del kinds["median"]
    named = document["objective"].replace("_", " ")
    pictures = [
        Markup(heat_map_figure(drawn, which, f"{kind} {named} in each cell", balance, found.filters[how]))  # noqa: S704 - the figure escapes its texts
        for which, kind in kinds.items()
    ]
    values = {
        "document": document,
        "how": how,
        "pictures": pictures,
        "shares": dict(zip(("lowest", "25%", "median", "75%", "highest"), _quartiles(known), strict=True)),
        "undefined": len(objectives) - len(known),
        "symbols_named": 12,
    }
    return found.get_template("sweep.html.j2").render(values)


def _quartiles(values: np.ndarray) -> list[float | None]:
    return np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist() if len(values) else [None] * 5
