"""What the query of a list may say."""

import re
from contextlib import suppress
from datetime import date
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from coin_pipeline.backtest.filters import Filters

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _day(value: object) -> object:
    """Read a day; pydantic takes a number for seconds since 1970."""
    with suppress(ValueError):
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    msg = f"{str(value)[:40]!r} is not a day; write YYYY-MM-DD"
    raise ValueError(msg)


Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Day = Annotated[date, BeforeValidator(_day), Field(description="YYYY-MM-DD in Asia/Seoul, included.")]
Percent = Annotated[float, Field(allow_inf_nan=False, description="Of avg_return, percent per trade.")]
Signals = Annotated[int, Field(ge=0, description="Of total_signals.")]


class HistoryQuery(BaseModel):
    """Which results, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    offset: Annotated[int, Field(ge=0, lt=2**63)] = 0
    cursor: Annotated[str | None, Field(description="next_cursor of the page before.", max_length=500)] = None
    strategy: Text | None = None
    symbol: Annotated[Text | None, Field(description="BTC_KRW or KRW-BTC.")] = None
    min_return: Percent | None = None
    max_return: Percent | None = None
    min_signals: Signals | None = None
    max_signals: Signals | None = None
    date_from: Day | None = None
    date_to: Day | None = None

    def filters(self) -> Filters:
        """Return what a result must be like.

        Raises:
            EmptyRange: a lower bound is above its upper one.
            InvalidSymbol: the symbol is no market.
        """
        return Filters(**self.model_dump(exclude={"limit", "offset", "cursor"}))
