"""Sweep report as a self-contained HTML file."""

from functools import partial

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.labels import FIGURES, format_figure, sweep_columns
from coin_pipeline.report.page import SYMBOLS_NAMED, template_environment
from coin_pipeline.report.sweep_map import heat_map_figure
from coin_pipeline.sweeps.trials import objectives_of

_NEUTRAL = {"win_rate": 0.5, "profit_factor": 1.0}  # objectives whose value without gain or loss is not 0
_BEST_FIGURES = ("buy_and_hold", "max_drawdown", "sharpe", "profit_factor", "win_rate", "trades")


def render_sweep_report(document: Json, trials: pa.Table) -> str:
    """Return the report of a sweep as HTML.

    Args:
        document: Result document from `sweeps.result.assemble`.
        trials: Table of trials of the sweep.
    """
    objectives = objectives_of(trials, len(document["symbols"]))
    known = objectives[~np.isnan(objectives)]
    figures = [Markup(figure) for figure in heat_map_figures(document).values()]  # noqa: S704 - escaped by the figure
    values = {
        "document": document,
        "best_names": ["cagr" if document["objective"] == "total_return" else "total_return", *_BEST_FIGURES],
        "row_names": sweep_columns(document["objective"]),
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
    objective = document["objective"]
    label, neutral = FIGURES[objective].label.lower(), _NEUTRAL.get(objective, 0.0)
    formatter = partial(format_figure, objective, percent="%")
    return {
        which: heat_map_figure(heat_map, which, f"{name} {label} in each cell", neutral, formatter)
        for which, name in names.items()
    }


def _quartiles(values: np.ndarray) -> list[float | None]:
    return np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist() if len(values) else [None] * 5
