"""Drift report of a forward test as a self-contained HTML file."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from markupsafe import Markup

from coin_pipeline.backtest.formatting import Json, format_signed_amount
from coin_pipeline.backtest.messages import stated_sentence
from coin_pipeline.candles.timeframe import SEOUL
from coin_pipeline.forward.drift.causes import Cause
from coin_pipeline.languages import Language, Sentence
from coin_pipeline.report.drift_texts import DRIFT
from coin_pipeline.report.figures import BLUE, Line, profit_pictures
from coin_pipeline.report.page import SYMBOLS_NAMED, template_environment
from coin_pipeline.report.svg import MUTED
from coin_pipeline.report.texts import Writer

_DASHES = "9 7"


def render_drift_report(document: Json, language: Language = "en") -> str:
    """Return the drift report of a forward test as HTML.

    Sentences of documents that earlier releases stored are in English.

    Args:
        document: Document from `forward.drift.document.drift_json`.
        language: Language of its texts.
    """
    values = {
        "document": document,
        "language": language,
        "zone": SEOUL,
        "_": Writer(language, DRIFT),
        "problems": _problems(document, language),
        "sentence": lambda part, name: stated_sentence(part[name], part.get(f"{name}_code"), language),
        "cause_texts": lambda cause: _cause_texts(cause, language),
        "pictures": [drift_pictures(account, language) for account in document["accounts"]],
        "symbols_named": SYMBOLS_NAMED,
        "signed": format_signed_amount,
    }
    return template_environment(language).get_template("forward.html.j2").render(values)


def drift_pictures(account: Json, language: Language = "en") -> Markup:
    """Draw the profit and loss of the forward test and of its backtest in one quote currency, as HTML.

    Args:
        account: An item of `accounts` of the document.
        language: Language of the texts.
    """
    curve, quote = account["curve"], account["quote"]
    write = Writer(language, DRIFT)
    time = np.array([stamp.rstrip("Z") for stamp in curve["time"]], "datetime64[ns]").astype(np.int64)
    lines = [
        Line(write("backtest_line"), time, np.array(curve["backtest"]), MUTED, 2.5, _DASHES),
        Line(write("forward_line"), time, np.array(curve["forward"]), BLUE, 3),
    ]
    return Markup(profit_pictures(lines, write("picture", quote=quote), quote, language))  # noqa: S704 -- the figure escapes its texts


def _problems(document: Json, language: Language) -> Sequence[Sentence]:
    """Return the sentences of the failed checks."""
    problems = document["problems"]
    codes = document.get("problem_codes") or [None] * len(problems)
    return [stated_sentence(text, stated, language) for text, stated in zip(problems, codes, strict=True)]


def _cause_texts(cause: Json, language: Language) -> tuple[str, str]:
    """Return label and meaning of a cause; those of the document if a later release stored it."""
    with suppress(ValueError):
        known = Cause(cause["cause"])
        return known.label.write(language), known.meaning.write(language)
    return cause["label"], cause.get("meaning", "")
