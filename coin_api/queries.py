"""What the query of a list may say."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from coin_pipeline.candles import fields
from coin_pipeline.results.filters import Filters

Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Day = Annotated[fields.Day, Field(description="YYYY-MM-DD in Asia/Seoul, included.")]
Percent = Annotated[float, Field(allow_inf_nan=False, description="Of avg_return, percent per trade.")]
Signals = Annotated[int, Field(ge=0, description="Of total_signals.")]


class CandleQuery(fields.Request):
    """Which candles of a market, and which page of them."""

    timeframe: fields.TimeframeName = "1d"
    start: Day | None = None
    end: Day | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000
    cursor: Annotated[str | None, Field(description="next_cursor of the page before.", pattern=r"^-?[0-9]{1,19}$")] = (
        None
    )

    @property
    def at(self) -> int | None:
        """Open of the candle with which the page begins, ns UTC."""
        return None if self.cursor is None else int(self.cursor)


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
