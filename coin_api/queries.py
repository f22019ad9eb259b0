"""Models of query parameters."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from coin_pipeline.candles import fields
from coin_pipeline.candles.imports.stamps import Stamps
from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.results.index import Filters
from coin_pipeline.results.table_filter import RowFilter
from coin_pipeline.results.table_formats import FormatName


def _is_decoded(text: str) -> str:
    """Reject what the server decoded with replacement characters, which would match nothing without a word."""
    if "\ufffd" in text:
        raise ValueError(f"{text!r} has bytes that are not UTF-8; percent-encode the query as UTF-8")
    return text


Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$"), AfterValidator(_is_decoded)]
Day = Annotated[fields.Day, Field(description="YYYY-MM-DD in Asia/Seoul, inclusive.")]
Percent = Annotated[float, Field(allow_inf_nan=False, description="Bound of avg_return, percent per trade.")]
Fraction = Annotated[float, Field(allow_inf_nan=False, description="Bound of total_return, a fraction.")]
Ratio = Annotated[float, Field(allow_inf_nan=False, description="Bound of sharpe.")]
Signals = Annotated[int, Field(ge=0, description="Bound of total_signals.")]


class UploadQuery(fields.RequestModel):
    """How to read an uploaded file."""

    timeframe: fields.TimeframeName
    tz: Annotated[str | None, Field(description="Time zone of timestamps without one, such as UTC or Asia/Seoul.")] = (
        None
    )
    columns: Annotated[
        str | None, Field(max_length=2000, description="Columns of unknown names: time=NAME,open=NAME,...")
    ] = None
    stamps: Annotated[Stamps, Field(description="Whether candles open or close at their timestamps.")] = "auto"
    dry_run: Annotated[bool, Field(description="Store nothing; only report what the file contains.")] = False
    replace: Annotated[
        bool,
        Field(description="false: if stored candles would be replaced or removed, store nothing, as with dry_run."),
    ] = True
    overwrite: Annotated[
        str | None,
        Field(
            pattern="^[0-9a-f]{64}$",
            description="overwritten_sha256 of a report: allows to replace and remove these candles in their reported"
            " state, and no others; if it would be others, store nothing, as with dry_run. Used instead of replace.",
        ),
    ] = None


class InventoryQuery(fields.RequestModel):
    """Which series to list."""

    timeframe: Annotated[
        fields.TimeframeName | None,
        Field(description="List what can be read in it: stored candles, or else bars resampled from shorter ones."),
    ] = None


class CandleQuery(fields.RequestModel):
    """Range and page of candles."""

    timeframe: fields.TimeframeName = "1d"
    start: Day | None = None
    end: Day | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000
    cursor: Annotated[
        str | None, Field(description="next_cursor of the previous page.", pattern=r"^-?[0-9]{1,19}$")
    ] = None

    @property
    def start_ns(self) -> int | None:
        """Open of the first candle of the page, ns UTC; None for the first page."""
        return None if self.cursor is None else int(self.cursor)


class HistoryQuery(BaseModel):
    """Filters and page of a list of results."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    offset: Annotated[int, Field(ge=0, lt=2**63)] = 0
    cursor: Annotated[str | None, Field(description="next_cursor of the previous page.", max_length=500)] = None
    strategy: Text | None = None
    symbol: Annotated[Text | None, Field(description="BTC_KRW or KRW-BTC.")] = None
    min_return: Percent | None = None
    max_return: Percent | None = None
    min_signals: Signals | None = None
    max_signals: Signals | None = None
    date_from: Day | None = None
    date_to: Day | None = None
    timeframe: Annotated[Text | None, Field(description="Length of a candle, such as 1h.")] = None
    params: Annotated[Text | None, Field(description="Part of `params` of the items, such as window=20.")] = None
    min_total_return: Fraction | None = None
    max_total_return: Fraction | None = None
    min_sharpe: Ratio | None = None
    max_sharpe: Ratio | None = None

    def filters(self) -> Filters:
        """Return the filters.

        Raises:
            EmptyRange: A lower bound exceeds its upper bound.
            InvalidSymbol: The symbol is not a market.
        """
        return Filters(**self.model_dump(exclude={"limit", "offset", "cursor"}))


class TableQuery(fields.RequestModel):
    """Format, page and filters of a result's table."""

    format: Annotated[FormatName | None, Field(description="Overrides the Accept header; json is the default.")] = None
    limit: Annotated[int, Field(ge=1, le=10_000, description="Rows of a page; JSON only.")] = 1000
    offset: Annotated[int, Field(ge=0, lt=2**63, description="Rows to skip; JSON only.")] = 0
    cursor: Annotated[str | None, Field(description="next_cursor of the previous page; JSON only.", max_length=500)] = (
        None
    )
    symbol: Annotated[Text | None, Field(description="BTC_KRW or KRW-BTC.")] = None
    timezone: Annotated[
        fields.TimezoneName | None,
        Field(description="Time zone of the times in CSV, which then have its offset, such as Asia/Seoul."),
    ] = None

    def filters(self) -> RowFilter:
        """Return the filters."""
        return RowFilter(self.symbol)

    def require_page(self, chosen: FormatName) -> None:
        """Reject contradictory paging, paging of a format that is always the whole table, and a time zone of UTC times.

        Raises:
            InvalidInput: Names the field.
        """
        paging = sorted({"limit", "offset", "cursor"} & self.model_fields_set)
        if chosen != "json" and paging:
            message = f"applies to JSON only; {chosen} contains all rows, so leave it out"
            raise InvalidInput([Problem(name, message) for name in paging])
        if chosen != "csv" and self.timezone is not None:
            raise InvalidInput(
                [Problem("timezone", f"applies to CSV only; times of {chosen} are UTC, so leave it out")]
            )
        if self.cursor is not None and self.offset:
            raise InvalidInput([Problem("offset", "cannot be combined with a cursor, which determines the page")])


class SignalQuery(TableQuery):
    """Format, page and filters of the signals."""

    traded: Annotated[bool | None, Field(description="Whether the account took the signal.")] = None

    def filters(self) -> RowFilter:
        """Return the filters."""
        return RowFilter(self.symbol, self.traded)
