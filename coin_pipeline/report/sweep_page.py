"""Sweep report as a self-contained HTML file."""

from collections.abc import Callable
from functools import partial
from typing import get_args

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.labels import FIGURES, format_figure, sweep_columns
from coin_pipeline.backtest.option_labels import option_texts
from coin_pipeline.candles.timeframe import SEOUL
from coin_pipeline.engine.bars import Floats
from coin_pipeline.languages import Language, Text
from coin_pipeline.report.figures import equity_figure
from coin_pipeline.report.page import SYMBOLS_NAMED, template_environment
from coin_pipeline.report.sweep_map import HeatMapStyle, heat_map_figure
from coin_pipeline.report.sweep_texts import SWEEP_PAGE
from coin_pipeline.report.texts import PAGE, Writer
from coin_pipeline.report.warning_list import warning_list

_NEUTRAL = {"win_rate": 0.5, "profit_factor": 1.0}  # objectives whose value without gain or loss is not 0
_TITLES = {
    "best": Text("Highest {figure} in each cell", "셀별 최고 {figure}"),
    "median": Text("Median {figure} in each cell", "셀별 {figure} 중앙값"),
}
_BEST_FIGURES = ("buy_and_hold", "max_drawdown", "sharpe", "profit_factor", "win_rate", "trades")


def render_sweep_report(document: Json, objectives: Floats, language: Language = "en") -> str:
    """Return the report of a sweep as HTML.

    Args:
        document: Result document from `sweeps.result.assemble`.
        objectives: Objective of each point, shape (k,), NaN where it is undefined.
        language: Language of its texts.
    """
    known = objectives[~np.isnan(objectives)]
    objective, best, zone = document["objective"], document["best"], document.get("timezone", SEOUL)
    values = {
        "document": document,
        "language": language,
        "zone": zone,
        "_": Writer(language, SWEEP_PAGE),
        "figure_label": lambda name: FIGURES[name].text.write(language),
        "figure_meaning": lambda name: FIGURES[name].note.write(language),
        "objective_name": _in_sentence(objective, language),
        "best_names": ["cagr" if objective == "total_return" else "total_return", *_BEST_FIGURES],
        "columns": sweep_columns(objective),
        "options": fixed_options(document, language),
        "warnings": warning_list(document, language),
        "best_warnings": best and warning_list({**best, "timezone": zone}, language),
        "heat_maps": [Markup(figure) for figure in heat_map_figures(document, language).values()],  # noqa: S704 - escaped by the figure
        "quantiles": dict(zip(("lowest", "25%", "median", "75%", "highest"), _quartiles(known), strict=True)),
        "undefined": len(objectives) - len(known),
        "symbols_named": SYMBOLS_NAMED,
    }
    return template_environment(language).get_template("sweep.html.j2").render(values)


def fixed_options(document: Json, language: Language) -> dict[str, str]:
    """Return label and value of each option that a sweep does not vary."""
    swept = {dimension["name"] for dimension in document["spec"]["space"]}
    return option_texts({name: value for name, value in document["spec"].items() if name not in swept}, language)


def equity_figures(equity: pa.Table, zone: str) -> dict[Language, bytes]:
    """Return the picture of the best point's equity in each language, SVG.

    Args:
        equity: Equity table of its backtest.
        zone: Time zone of the labels, an IANA name.
    """
    return {
        language: equity_figure(equity, PAGE["picture"].write(language), language, zone).encode()
        for language in get_args(Language)
    }


def heat_map_figures(
    document: Json, language: Language = "en", link: Callable[[int], str] | None = None
) -> dict[str, str]:
    """Return the heat maps of a sweep as SVG: `best` and, if it differs, `median`; none without a numeric dimension.

    Args:
        document: Result document of the sweep.
        language: Language of the texts.
        link: Returns the address that a cell links to, given the number of its best point.
    """
    heat_map = document["heat_map"]
    if not heat_map:
        return {}
    objective = document["objective"]
    name, neutral = _in_sentence(objective, language), _NEUTRAL.get(objective, 0.0)
    formatter = partial(format_figure, objective, percent="%")
    return {
        which: heat_map_figure(
            heat_map, which, HeatMapStyle(title.write(language, figure=name), neutral, formatter, language, link)
        )
        for which, title in _TITLES.items()
        if which == "best" or heat_map["median"] != heat_map["best"]
    }


def _in_sentence(objective: str, language: Language) -> str:
    """Return the label of an objective as it is within a sentence."""
    label = FIGURES[objective].text
    return Text(label.en.lower(), label.ko).write(language)


def _quartiles(values: np.ndarray) -> list[float | None]:
    return np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist() if len(values) else [None] * 5
