"""The pages that every page links to."""

from typing import NamedTuple

from coin_api.pages import texts, texts_candles, texts_trading
from coin_pipeline.languages import Text


class NavigationItem(NamedTuple):
    """A link of the navigation."""

    path: str
    text: Text


NAVIGATION = (
    NavigationItem("/app/history", texts.HISTORY),
    NavigationItem("/app/submit", texts.SUBMIT),
    NavigationItem("/app/sweeps", texts.SWEEPS),
    NavigationItem("/app/tasks", texts.TASKS),
    NavigationItem("/app/candles", texts_candles.TITLE),
    NavigationItem("/app/positions", texts_trading.POSITIONS),
    NavigationItem("/app/forward-tests", texts_trading.FORWARD),
)
"""The links in order; the page below whose path a page is, is marked as the current one."""
