"""Models of responses; `queries` has those of query parameters, coin_pipeline those of request bodies."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from coin_pipeline.candles.series_progress import SeriesProgress

Status = Literal["queued", "running", "completed", "failed", "cancelled"]
Instant = Annotated[
    datetime, PlainSerializer(lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), return_type=str, when_used="json")
]
NextCursor = Annotated[str | None, Field(description="`cursor` of the next page; null on the last page.")]


class Accepted(BaseModel):
    """A submission that is stored and will run."""

    task_id: str
    status: Status
    created_at: Instant


class TaskStatus(BaseModel):
    """Current state of a task."""

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

    points: Annotated[int, Field(description="Points of the search space, before those that the strategy rejects.")]


class SweepStatus(TaskStatus):
    """Current state of a sweep."""

    points: Annotated[int, Field(description="Points to evaluate; an upper limit if the search is optuna.")]
    points_done: int
    points_per_second: Annotated[float | None, Field(description="Rate over the last 30 seconds with reports.")]
    eta_seconds: Annotated[float | None, Field(description="Seconds left at this rate.")]


class CandleRow(BaseModel):
    """One candle."""

    timestamp: Annotated[Instant, Field(description="Open time.")]
    open: float
    high: float
    low: float
    close: float
    volume: float


class RefreshAccepted(Accepted):
    """A candle refresh that is stored and will run."""

    series: Annotated[int, Field(description="Number of series to refresh: each market in each timeframe.")]
    status_url: str


class RefreshStatus(TaskStatus):
    """Current state of a candle refresh."""

    series: Annotated[list[SeriesProgress], Field(description="Empty before the run has started.")]


class CandleSeries(BaseModel):
    """Stored candles of one market in one timeframe."""

    symbol: str
    timeframe: str
    first: Annotated[Instant, Field(description="Open time of the first candle.")]
    last: Annotated[Instant, Field(description="Open time of the last candle.")]
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


class UploadReport(BaseModel):
    """Outcome of an upload."""

    symbol: str
    timeframe: str
    added: int
    replaced: Annotated[int, Field(description="Candles that were stored with different values.")]
    unchanged: int
    removed: Annotated[int, Field(description="Stored candles that were misplaced by another time zone, and removed.")]
    first: Annotated[Instant | None, Field(description="Open time of the first candle in the file.")]
    last: Annotated[Instant | None, Field(description="Open time of the last candle in the file.")]
    layout: Annotated[str, Field(description="Recognized layout of the file.")]
    zone: Annotated[str, Field(description="Time zone of its times, and how it is known.")]
    left_out: Annotated[dict[str, int], Field(description="Number of rows that were not stored, by reason.")]
    notes: Annotated[list[str], Field(description="Sentences on what a user should know.")]
    dry_run: Annotated[bool, Field(description="Whether nothing was stored.")]
    quality: Annotated[dict[str, Any], Field(description="Audit of the stored series after the upload.")]


class Strategies(BaseModel):
    """Registered strategies, with the schema of each one's parameters."""

    strategies: list[str]
    count: int
    details: dict[str, dict[str, Any]]


class SymbolResult(BaseModel):
    """Result of one symbol; documents before 1.2.0 lack some fields."""

    model_config = ConfigDict(extra="allow")

    symbol: str
    signals: Annotated[
        list[dict[str, Any]] | int,
        Field(description="Each signal that can be filled, with its own outcome; a count in early documents."),
    ]
    unfilled_signals: Annotated[
        list[dict[str, Any]] | None, Field(description="Signals that cannot be filled, each with the reason.")
    ] = None
    trades: Annotated[list[dict[str, Any]] | None, Field(description="Trades of the account.")] = None
    win_rate: Annotated[float, Field(description="Fraction, 0 to 1.")]
    avg_return: Annotated[float, Field(description="Percent per trade, net of costs.")]
    max_drawdown: Annotated[float, Field(description="Percent of the equity curve's peak.")]
    avg_hold_bars: float
    performance_curve: list[dict[str, Any]] | None = None
    metrics: dict[str, Any] | None = None


class BacktestResult(BaseModel):
    """Stored result document, schema 1.2.0; earlier versions lack some fields."""

    model_config = ConfigDict(extra="allow")

    version: str | None = None
    run_id: str
    strategy: str
    params: dict[str, Any]
    symbols: list[SymbolResult]
    start_date: date
    end_date: date
    timezone: Annotated[str | None, Field(description="Zone of the days; Asia/Seoul if absent.")] = None
    timeframe: str
    quote_currency: Annotated[
        str | None, Field(description="Currency of all amounts of money; null if the symbols have several.")
    ] = None
    total_signals: int
    execution_time: Annotated[float, Field(description="Seconds.")]
    metadata: dict[str, Any] | None = None
    description: str | None = None
    metrics: Annotated[dict[str, Any] | None, Field(description="Figures over all symbols, as fractions.")] = None
    costs: dict[str, Any] | None = None
    account: dict[str, Any] | None = None
    warnings: list[str] | None = None


class RunResult(BacktestResult):
    """Result of a synchronous run."""

    reused_from: Annotated[str | None, Field(description="Run that computed a reused result; null if computed now.")]


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
    execution_time: Annotated[float | None, Field(description="Seconds.")]
    timestamp: Annotated[Instant, Field(description="When it finished; for a reused result, when it was returned.")]
    version: Annotated[str, Field(description="Schema version of the document.")]
    reused_from: Annotated[
        str | None,
        Field(description="Run that computed a result that answered an identical submission; null for the run itself."),
    ]


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
