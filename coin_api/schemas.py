"""Models of responses; `queries` has those of query parameters, coin_pipeline those of request bodies."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainSerializer, computed_field

from coin_pipeline.candles.series_progress import SeriesProgress
from coin_pipeline.results.store import report_path

Status = Literal["queued", "running", "completed", "failed", "cancelled"]
Instant = Annotated[
    datetime, PlainSerializer(lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), return_type=str, when_used="json")
]
NextCursor = Annotated[str | None, Field(description="`cursor` of the next page; null on the last page.")]


class _Task(BaseModel):
    task_id: str

    @computed_field(description="Path of the report, once the task has a result; null for a refresh of candles.")  # type: ignore[prop-decorator]
    @property
    def report_url(self) -> str | None:
        return report_path(self.task_id)


class _Refresh(_Task):
    @computed_field(description="A refresh of candles has no report.")  # type: ignore[prop-decorator]
    @property
    def report_url(self) -> None:
        return None


class Accepted(_Task):
    """A submission that is stored and will run."""

    status: Status
    created_at: Instant


class TaskStatus(_Task):
    """Current state of a task."""

    status: Status
    progress: Annotated[float, Field(ge=0, le=1)]
    result: Any
    error: str | None
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    dagster_url: str


class TaskSummary(BaseModel):
    """A task in a list."""

    task_id: str
    job: Literal["backtest", "sweep", "refresh_candles"]
    status: Status
    progress: Annotated[float, Field(ge=0, le=1)]
    error: str | None
    strategy: Annotated[str | None, Field(description="Null for a refresh of candles.")]
    symbols: Annotated[str | None, Field(description="Markets, shortened if there are many; null if unknown.")]
    timeframe: str | None
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    dagster_url: str


class TaskList(BaseModel):
    """The newest tasks, those that have not ended first."""

    count: int
    items: list[TaskSummary]


class SweepAccepted(Accepted):
    """A sweep that is stored and will run."""

    points: Annotated[int, Field(description="Points of the search space, before those that the strategy rejects.")]


class SweepPreview(BaseModel):
    """What a sweep would be, had it been submitted."""

    points: Annotated[int, Field(description="Points of the search space, before those that the strategy rejects.")]
    needs_confirmation: Annotated[bool, Field(description="Whether so large a sweep is accepted only with `confirm`.")]


class CandleRow(BaseModel):
    """One candle."""

    timestamp: Annotated[Instant, Field(description="Open time.")]
    open: float
    high: float
    low: float
    close: float
    volume: float


class RefreshAccepted(_Refresh, Accepted):
    """A candle refresh that is stored and will run."""

    series: Annotated[int, Field(description="Number of series to refresh: each market in each timeframe.")]
    status_url: str


class RefreshStatus(_Refresh, TaskStatus):
    """Current state of a candle refresh."""

    result: None
    series: Annotated[list[SeriesProgress], Field(description="Empty before the run has started.")]


class CandleSeries(BaseModel):
    """Stored candles of one market in one timeframe."""

    symbol: str
    timeframe: str
    first: Annotated[Instant, Field(description="Open time of the first candle.")]
    last: Annotated[Instant, Field(description="Open time of the last candle.")]
    end: Annotated[Instant, Field(description="Close time of the last candle.")]
    rows: int
    bytes: int
    source: Annotated[str | None, Field(description="Exchange they were fetched from; null if imported.")]
    fetched_until: Annotated[Instant | None, Field(description="Where the next refresh resumes.")]
    present: Annotated[float, Field(description="Candles as a fraction of the slots from the first to the last.")]
    fetched: Annotated[
        float,
        Field(description="Fraction of that time that was fetched completely; candles missing there had no trades."),
    ]


class CandleInventory(BaseModel):
    """Stored series, and errors of series that cannot be read."""

    count: int
    series: list[CandleSeries]
    broken: list[str]


class CandlePage(BaseModel):
    """Candles of one series, oldest first."""

    symbol: str
    timeframe: str
    candles: list[CandleRow]
    next_cursor: NextCursor


class UploadedColumn(BaseModel):
    """A column of an uploaded file."""

    key: Annotated[str, Field(description="Its name in the query parameter `columns`, or its position.")]
    text: Annotated[str, Field(description="Its name in the file; its first cell in a file without a header.")]
    field: Annotated[str | None, Field(description="The field of the candles that is read from it.")]


class UploadReport(BaseModel):
    """Outcome of an upload."""

    symbol: str
    timeframe: str
    added: int
    replaced: Annotated[int, Field(description="Candles that were stored with different values.")]
    unchanged: int
    removed: Annotated[int, Field(description="Stored candles that were misplaced by another time zone, and removed.")]
    overwritten_first: Annotated[
        Instant | None, Field(description="Open time of the first stored candle that is replaced or removed.")
    ]
    overwritten_last: Annotated[
        Instant | None, Field(description="Open time of the last stored candle that is replaced or removed.")
    ]
    overwritten_sha256: Annotated[
        str | None, Field(description="SHA-256 of the stored candles that are replaced or removed, with their values.")
    ]
    first: Annotated[Instant | None, Field(description="Open time of the first candle in the file.")]
    last: Annotated[Instant | None, Field(description="Open time of the last candle in the file.")]
    layout: Annotated[str, Field(description="Recognized layout of the file.")]
    zone: Annotated[str, Field(description="Time zone of its times, and how it is known.")]
    columns: Annotated[list[UploadedColumn], Field(description="Columns of the file: up to 200.")]
    left_out: Annotated[dict[str, int], Field(description="Number of rows that were not stored, by reason.")]
    notes: Annotated[list[str], Field(description="Sentences on what a user should know.")]
    dry_run: Annotated[bool, Field(description="Whether nothing was stored.")]
    quality: Annotated[dict[str, Any], Field(description="Audit of the stored series after the upload.")]


class StrategyDetails(BaseModel):
    """One strategy."""

    name: str
    description: str
    params: Annotated[dict[str, Any], Field(description="JSON schema of the parameters.")]
    warm_up_bars: Annotated[int | None, Field(description="Candles before its first decision by default.")]


class Strategies(BaseModel):
    """Registered strategies, with the schema of each one's parameters."""

    strategies: list[str]
    count: int
    details: dict[str, StrategyDetails]


class PresetDocument(BaseModel):
    """Parameters of a strategy under a name."""

    name: str
    strategy: str
    params: Annotated[dict[str, Any], Field(description="Omitted ones take the strategy's defaults.")]
    description: str
    built_in: Annotated[bool, Field(description="Provided by the platform; deleting a changed one restores it.")]
    updated_at: Annotated[Instant | None, Field(description="Null for a built-in one that was not changed.")]


class Presets(BaseModel):
    """All presets by name."""

    presets: list[PresetDocument]
    count: int


class HistoryItem(BaseModel):
    """List entry of a result; fields that an old document lacks are null."""

    run_id: str
    strategy: str | None
    symbols: Annotated[list[str], Field(description="Names.")]
    start_date: date | None
    end_date: date | None
    timeframe: str | None
    total_signals: int | None
    avg_return: Annotated[float | None, Field(description="Percent per trade, mean over the symbols.")]
    total_return: Annotated[float | None, Field(description="Return of the account, a fraction.")]
    sharpe: Annotated[float | None, Field(description="Annualized Sharpe ratio of the account.")]
    trades: Annotated[int | None, Field(description="Trades of the account.")]
    params: Annotated[str | None, Field(description="Parameters as `name=value, name=value`.")]
    execution_time: Annotated[float | None, Field(description="Seconds.")]
    timestamp: Annotated[Instant, Field(description="When it finished; for a reused result, when it was returned.")]
    version: Annotated[str, Field(description="Schema version of the document.")]
    reused_from: Annotated[
        str | None,
        Field(description="Run that computed a result that answered an identical submission; null for the run itself."),
    ]

    @computed_field(description="Path of the report.")  # type: ignore[prop-decorator]
    @property
    def report_url(self) -> str:
        """Path of the report."""
        return report_path(self.run_id)


class History(BaseModel):
    """A page of results, newest first."""

    total: Annotated[int, Field(description="Number of matching items.")]
    limit: int
    offset: int
    items: list[HistoryItem]
    next_cursor: NextCursor


class SignalRow(BaseModel):
    """A signal that can be filled, with the outcome that it would have by itself; null is unknown."""

    symbol: str
    type: Literal["buy"]
    timestamp: Annotated[Instant | None, Field(description="Open time of its candle.")]
    entry_price: float | None
    exit_price: float | None
    return_pct: Annotated[float | None, Field(description="Fraction, net of costs.")]
    traded: Annotated[bool | None, Field(description="Whether the account took it; null in legacy results.")]


class TradeRow(BaseModel):
    """A round trip of the account."""

    symbol: str
    entry_time: Instant | None
    exit_time: Instant | None
    entry_price: float | None
    exit_price: float | None
    return_pct: Annotated[float | None, Field(description="Fraction, net of costs.")]
    bars_held: int | None
    exit_reason: str | None
    open_at_end: bool | None
    spent: Annotated[float | None, Field(description="In the quote currency; null without an account.")]


class EquityRow(BaseModel):
    """Equity at the close of one bar."""

    symbol: str
    timestamp: Annotated[Instant | None, Field(description="Open time of the bar.")]
    equity: Annotated[float | None, Field(description="Growth factor, 1.0 at the start.")]
    drawdown: Annotated[float | None, Field(description="Fraction of the peak.")]
    buy_and_hold: Annotated[float | None, Field(description="Growth factor; null in older results.")]


class TablePage(BaseModel):
    """A page of a result's table, in the order of the symbols and of time."""

    total: Annotated[int, Field(description="Number of matching rows.")]
    limit: int
    offset: int
    next_cursor: NextCursor


class SignalPage(TablePage):
    """A page of signals."""

    items: list[SignalRow]


class TradePage(TablePage):
    """A page of trades."""

    items: list[TradeRow]


class EquityPage(TablePage):
    """A page of equity per bar."""

    items: list[EquityRow]


class FieldProblem(BaseModel):
    """Problem with one field."""

    field: Annotated[str, Field(description="Path of the field, such as `params.volume_window`.")]
    message: str


class ProblemDetails(BaseModel):
    """An error as RFC 9457 problem details."""

    type: str = "about:blank"
    title: Annotated[str, Field(description="Phrase of the status code.")]
    status: int
    detail: Annotated[str, Field(description="What is wrong, with which value, and what to do.")]
    errors: Annotated[list[FieldProblem] | None, Field(description="Invalid fields; absent otherwise.")] = None
    columns: Annotated[
        list[UploadedColumn] | None,
        Field(description="Columns of an uploaded file, if `columns` has to name them; absent otherwise."),
    ] = None
    task_id: Annotated[str | None, Field(description="Task to poll or inspect; absent otherwise.")] = None
    error_id: Annotated[str | None, Field(description="Entry of the API's log; absent otherwise.")] = None
    request_id: Annotated[str | None, Field(description="X-Request-ID of the response.")] = None


class ServiceInfo(BaseModel):
    """The service and its endpoints."""

    message: str
    version: str
    endpoints: Annotated[dict[str, str], Field(description="Method and path of each endpoint, with its description.")]


class Readiness(BaseModel):
    """Whether a backtest could run now."""

    status: Literal["ready", "not ready"]
    unhealthy: Annotated[list[str], Field(description="Components that prevent it, as GET /health describes them.")]


class Liveness(BaseModel):
    """The API process responds."""

    status: Literal["alive"] = "alive"


class Component(BaseModel):
    """State of one component that backtests need."""

    healthy: bool
    detail: str


class Health(BaseModel):
    """Whether backtests can run, and the state of each component."""

    status: Literal["healthy", "unhealthy"]
    timestamp: Instant
    data_root: str
    results_dir: str
    components: dict[str, Component]
