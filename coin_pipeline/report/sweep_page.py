"""Sweep report as a self-contained HTML file."""

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.report.page import SYMBOLS_NAMED, template_environment
from coin_pipeline.report.sweep_map import heat_map_figure
from coin_pipeline.sweeps.trials import objectives_of

# The filter that formats each objective, and its value without gain or loss.
_FORMATS = {
    "total_return": ("change", 0.0),
    "return_over_drawdown": ("ratio", 0.0),
    "win_rate": ("percent", 0.5),
    "avg_return": ("change", 0.0),
    "profit_factor": ("ratio", 1.0),
}


def render_sweep_report(document: Json, trials: pa.Table) -> str:
    """Return the report of a sweep as HTML.

    Args:
        document: Result document from `sweeps.result.assemble`.
        trials: Table of trials of the sweep.
    """
    number_filter, _ = _FORMATS[document["objective"]]
    objectives = objectives_of(trials, len(document["symbols"]))
    known = objectives[~np.isnan(objectives)]
    figures = [Markup(figure) for figure in heat_map_figures(document).values()]  # noqa: S704 - escaped by the figure
    values = {
        "document": document,
        "number_filter": number_filter,
        "figures_svg": figures,
        "quantiles": dict(zip(("lowest", "25%", "median", "75%", "highest"), _quartiles(known), strict=True)),
        "undefined": len(objectives) - len(known),
        "symbols_named": SYMBOLS_NAMED,
    }
    return template_environment().get_template("sweep.html.j2").render(values)


def heat_map_figures(document: Json) -> dict[str, str]:
    """Return the heat maps of a sweep as SVG: `best` and, if it differs, `median`; none without a numeric dimension.

    Args:
        document: Result document of the sweep.
    """
    heat_map = document["heat_map"]
    if not heat_map:
        return {}
    names = {"best": "Highest", "median": "Median"}
    if heat_map["median"] == heat_map["best"]:
        del names["median"]
    number_filter, neutral = _FORMATS[document["objective"]]
    formatter, objective = template_environment().filters[number_filter], document["objective"].replace("_", " ")
    return {
        which: heat_map_figure(heat_map, which, f"{name} {objective} in each cell", neutral, formatter)
        for which, name in names.items()
    }


def _quartiles(values: np.ndarray) -> list[float | None]:
    return np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist() if len(values) else [None] * 5
