"""Shapes of responses; the request's shape is coin_pipeline.backtest.spec.BacktestRequest itself."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from coin_pipeline.candles import fields
from coin_pipeline.candles.series_progress import SeriesProgress
from coin_pipeline.results.index import Filters

Status = Literal["queued", "running", "completed", "failed", "cancelled"]
Instant = Annotated[
    datetime, PlainSerializer(lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), return_type=str, when_used="json")
]


class Accepted(BaseModel):
    """A submission that is stored and will run."""

    task_id: str
    status: Status
    created_at: Instant


class TaskStatus(BaseModel):
    """Where a task stands."""

    task_id: str
    status: Status
    progress: Annotated[float, Field(ge=0, le=1)]
    result: dict[str, Any] | None
    error: str | None
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    dagster_url: str


class SweepAccepted(Accepted):
    """A sweep that is stored and will run."""

    points: Annotated[int, Field(description="Before those are taken away that the strategy refuses.")]


class SweepStatus(TaskStatus):
    """Where a sweep stands."""

    points: Annotated[int, Field(description="To evaluate; for optuna the most there can be.")]
    points_done: int
    points_per_second: Annotated[float | None, Field(description="Over the last half minute that was heard of.")]
    eta_seconds: Annotated[float | None, Field(description="Until all points are evaluated, at this rate.")]


class CandleRow(BaseModel):
    """One candle."""

    timestamp: Annotated[Instant, Field(description="When it opens.")]
    open: float
    high: float
    low: float
    close: float
    volume: float


class RefreshAccepted(Accepted):
    """A refresh of candles that is stored and will run."""

    series: Annotated[int, Field(description="How many series are collected: each market in each timeframe.")]
    status_url: str


class RefreshStatus(TaskStatus):
    """Where a refresh of candles stands."""

    series: Annotated[list[SeriesProgress], Field(description="Empty before its run has begun.")]


class CandleSeries(BaseModel):
    """What is stored of one market in one timeframe."""

    symbol: str
    timeframe: str
    first: Annotated[Instant, Field(description="Open of the first candle.")]
    last: Annotated[Instant, Field(description="Open of the last candle.")]
    rows: int
    bytes: int
    source: Annotated[str | None, Field(description="The exchange that they were fetched from; null if imported.")]
    fetched_until: Annotated[Instant | None, Field(description="Where a refresh goes on.")]
    present: Annotated[float, Field(description="Candles as a fraction of the places from the first to the last.")]
    fetched: Annotated[
        float,
        Field(
            description="Share of that time of which every candle was asked for: what is missing there had no trade."
        ),
    ]


class CandleInventory(BaseModel):
    """What is stored, and what is wrong with series that cannot be read."""

    count: int
    series: list[CandleSeries]
    broken: list[str]


class CandlePage(BaseModel):
    """Candles of one series, oldest first."""

    symbol: str
    timeframe: str
    candles: list[CandleRow]
    next_cursor: Annotated[str | None, Field(description="Give it as `cursor` for what follows; null at the end.")]


class UploadReport(BaseModel):
    """What became of an uploaded file."""

    symbol: str
    timeframe: str
    added: int
    replaced: Annotated[int, Field(description="Candles that were stored with other figures.")]
    unchanged: int
    first: Annotated[Instant | None, Field(description="Open of the first candle of the file.")]
    last: Annotated[Instant | None, Field(description="Open of its last one.")]
    quality: Annotated[dict[str, Any], Field(description="What is there of the series now, and what is wrong with it.")]


class Strategies(BaseModel):
    """Registered strategies, with the schema of each one's params."""

    strategies: list[str]
    count: int
    details: dict[str, dict[str, Any]]


class HistoryItem(BaseModel):
    """What a list tells of a result; null is what an old document does not tell."""

    run_id: str
    strategy: str | None
    symbols: Annotated[list[str], Field(description="Names.")]
    start_date: date | None
    end_date: date | None
    timeframe: str | None
    total_signals: int | None
    avg_return: Annotated[float | None, Field(description="Percent per trade, mean over the symbols.")]
    total_return: Annotated[float | None, Field(description="Of the account, a fraction.")]
    execution_time: Annotated[float | None, Field(description="Seconds.")]
    timestamp: Annotated[Instant, Field(description="When it finished.")]
    version: Annotated[str, Field(description="Schema of the document.")]


class History(BaseModel):
    """A page of results, newest first."""

    total: Annotated[int, Field(description="How many match.")]
    limit: int
    offset: int
    items: list[HistoryItem]
    next_cursor: Annotated[str | None, Field(description="Give it as `cursor` for what follows; null at the end.")]


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class ProblemDetails(BaseModel):
    """An error as RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] | None = None
    task_id: str | None = None


class Component(BaseModel):
    """One part that a backtest needs."""

    healthy: bool
    detail: str


class Health(BaseModel):
    """Whether backtests can run, and if not, what is missing."""

    status: Literal["healthy", "unhealthy"]
    timestamp: Instant
    data_root: str
    results_dir: str
    components: dict[str, Component]


Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Day = Annotated[fields.Day, Field(description="YYYY-MM-DD in Asia/Seoul, included.")]
Percent = Annotated[float, Field(allow_inf_nan=False, description="Of avg_return, percent per trade.")]
Signals = Annotated[int, Field(ge=0, description="Of total_signals.")]


class CandleQuery(fields.RequestModel):
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
