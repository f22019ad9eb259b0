"""Drift report of a forward test as a self-contained HTML file."""

import numpy as np
from markupsafe import Markup

from coin_pipeline.backtest.formatting import Json, format_signed_amount
from coin_pipeline.report.figures import BLUE, Line, profit_figure
from coin_pipeline.report.page import SYMBOLS_NAMED, template_environment
from coin_pipeline.report.svg import MUTED

_DASHES = "9 7"


def render_drift_report(document: Json) -> str:
    """Return the drift report of a forward test as HTML.

    Args:
        document: Document from `forward.drift.document.drift_json`.
    """
    figures = [Markup(drift_figure(account)) for account in document["accounts"]]  # noqa: S704 - escaped by the figure
    values = {
        "document": document,
        "figures_svg": figures,
        "symbols_named": SYMBOLS_NAMED,
        "signed": format_signed_amount,
    }
    return template_environment().get_template("forward.html.j2").render(values)


def drift_figure(account: Json) -> str:
    """Draw the profit and loss of the forward test and of its backtest in one quote currency as SVG.

    Args:
        account: An item of `accounts` of the document.
    """
    curve, quote = account["curve"], account["quote"]
    time = np.array([stamp.rstrip("Z") for stamp in curve["time"]], "datetime64[ns]").astype(np.int64)
    lines = [
        Line("backtest of the same period", time, np.array(curve["backtest"]), MUTED, 2.5, _DASHES),
        Line("forward test", time, np.array(curve["forward"]), BLUE, 3),
    ]
    return profit_figure(lines, f"Forward test and backtest in {quote}", quote)
