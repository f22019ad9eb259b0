"""The pages that every page links to."""

from collections.abc import Sequence
from typing import NamedTuple

from coin_api.pages import texts, texts_candles, texts_trading
from coin_pipeline.languages import Text


class NavigationItem(NamedTuple):
    """A link of the navigation."""

    path: str
    text: Text


_HISTORY = NavigationItem("/app/history", texts.HISTORY)
_SUBMIT = NavigationItem("/app/submit", texts.SUBMIT)
_TASKS = NavigationItem("/app/tasks", texts.TASKS)
_CANDLES = NavigationItem("/app/candles", texts_candles.TITLE)
NAVIGATION = (
    _HISTORY,
    _SUBMIT,
    NavigationItem("/app/sweeps", texts.SWEEPS),
    _TASKS,
    _CANDLES,
    NavigationItem("/app/positions", texts_trading.POSITIONS),
    NavigationItem("/app/forward-tests", texts_trading.FORWARD),
)
"""The links in order; the page below whose path a page is, is marked as the current one."""


def ways_on(path: str) -> Sequence[NavigationItem]:
    """Return the pages that an error page offers: the one below which it is, then those that most users want.

    >>> [item.path for item in ways_on("/app/sweeps/x")]
    ['/app/sweeps', '/app/history', '/app/submit', '/app/candles', '/app/tasks']
    """
    own = [item for item in NAVIGATION if f"{path}/".startswith(f"{item.path}/")]
    return list(dict.fromkeys([*own, _HISTORY, _SUBMIT, _CANDLES, _TASKS]))
