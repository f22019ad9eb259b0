"""The list of the warnings of a result, in which many of one kind are folded."""

from collections.abc import Iterator
from itertools import groupby

from markupsafe import Markup

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.messages import warning_sentences
from coin_pipeline.candles.timeframe import SEOUL
from coin_pipeline.languages import Language, Sentence, Text
from coin_pipeline.report.page import template_environment

SHOWN_OF_A_KIND = 3
"""Most warnings of one kind that are listed; of more, only the first is, and the others unfold below it."""
_MORE = Text("{count} more of this kind", "같은 종류의 경고 {count}건 더 보기")


def warning_list(document: Json, language: Language) -> Markup | None:
    """Return the warnings of a document as an HTML list; None if there are none.

    Args:
        document: Document of a result of any release, or the part of a sweep's best point.
        language: The preferred language.
    """
    groups = list(_folded(document, language))
    if not groups:
        return None
    zone = document.get("timezone") or SEOUL
    values = {"groups": groups, "zone": zone, "language": language, "more": _MORE}
    return Markup(template_environment().get_template("warnings.html.j2").render(values))  # noqa: S704 -- escapes


def _folded(document: Json, language: Language) -> Iterator[list[Sentence]]:
    """Yield the warnings that are listed, each with those that unfold below it; a warning without a code is alone."""
    sentences = warning_sentences(document, language)
    codes = document.get("warning_codes") or [None] * len(sentences)
    kinds = [stated["code"] if stated and "code" in stated else number for number, stated in enumerate(codes)]
    order = sorted(range(len(kinds)), key=lambda row: kinds.index(kinds[row]))
    for _, rows in groupby(order, key=kinds.__getitem__):
        group = [sentences[row] for row in rows]
        yield from [group] if len(group) > SHOWN_OF_A_KIND else [[sentence] for sentence in group]
