"""Models of stored result documents. They are sent as stored bytes; the models describe them in the OpenAPI document.

Documents of earlier releases lack some fields, and later ones add some: a field that may be absent has a default.
"""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from coin_api.schemas import TaskStatus


class StoredModel(BaseModel):
    """Base of parts of a stored document, which may have further fields."""

    model_config = ConfigDict(extra="allow")


class Signal(StoredModel):
    """A signal that can be filled, with the outcome that it would have by itself."""

    symbol: str
    type: str
    timestamp: Annotated[str, Field(description="Open time of its candle.")]
    entry_price: float
    exit_price: float
    return_pct: Annotated[float, Field(description="Fraction, net of costs.")]
    traded: Annotated[bool | None, Field(description="Whether the account took it.")] = None


class UnfilledSignal(StoredModel):
    """A signal that cannot be filled."""

    symbol: str
    type: str
    timestamp: str
    reason: str


class Trade(StoredModel):
    """A round trip of the account."""

    symbol: str
    entry_time: str
    exit_time: str
    entry_price: float
    exit_price: float
    return_pct: Annotated[float, Field(description="Fraction, net of costs.")]
    bars_held: int
    exit_reason: str
    open_at_end: Annotated[bool, Field(description="Valued at the last close, because the data ended.")]
    spent: Annotated[float | None, Field(description="In the quote currency; null without an account.")] = None


class CurvePoint(StoredModel):
    """Equity at the close of a bar."""

    timestamp: str
    equity: Annotated[float, Field(description="Growth factor, 1.0 at the start.")]
    drawdown: Annotated[float | None, Field(description="Fraction of the peak.")] = None


class Figures(StoredModel):
    """Statistics of an account; returns, shares and drawdowns are fractions, and null means undefined."""

    total_return: float
    cagr: Annotated[float | None, Field(description="Null if the growth of a year overflows.")]
    volatility: Annotated[float | None, Field(description="Annualized; null for fewer than two bars.")]
    sharpe: Annotated[float | None, Field(description="Null if the volatility is null or 0.")]
    sortino: Annotated[float | None, Field(description="Null without a losing bar.")]
    max_drawdown: float
    exposure: float | None
    buy_and_hold: float | None
    signals: int
    trades: int
    ignored: int
    win_rate: Annotated[float | None, Field(description="Null without trades.")]
    avg_return: Annotated[float | None, Field(description="Null without trades.")]
    expectancy: Annotated[float | None, Field(description="Null without trades.")]
    profit_factor: Annotated[float | None, Field(description="Null without a losing trade.")]
    avg_hold_bars: Annotated[float | None, Field(description="Null without trades.")]


class CostFigures(StoredModel):
    """Total returns of the same trades at other costs."""

    gross_return: Annotated[float | None, Field(description="Without costs; null on overflow.")] = None
    net_return: float | None = None
    stress: Annotated[
        dict[str, float | None], Field(description="By multiple of the costs, such as 2x; null on overflow.")
    ] = {}
    break_even_rate: Annotated[
        float | None, Field(description="Cost of a leg at which the return is 0; null without trades or if all lose.")
    ] = None


class WarningCode(StoredModel):
    """A warning as its code and values, independent of the wording."""

    code: str
    values: dict[str, Any]


class SymbolResult(StoredModel):
    """Result of one symbol."""

    symbol: str
    signals: Annotated[
        list[Signal] | int, Field(description="Each signal that can be filled; a count in early documents.")
    ]
    unfilled_signals: list[UnfilledSignal] | None = None
    trades: Annotated[list[Trade] | None, Field(description="Trades of the account.")] = None
    win_rate: Annotated[float, Field(description="Fraction, 0 to 1; 0 without trades.")]
    avg_return: Annotated[float, Field(description="Percent per trade, net of costs; 0 without trades.")]
    max_drawdown: Annotated[float, Field(description="Percent of the equity curve's peak.")]
    avg_hold_bars: float
    performance_curve: list[CurvePoint] | None = None
    metrics: Figures | None = None
    costs: CostFigures | None = None


class BacktestResult(StoredModel):
    """Stored result document, schema 1.2.0; earlier versions lack some fields."""

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
    metrics: Annotated[Figures | None, Field(description="Figures over all symbols.")] = None
    costs: CostFigures | None = None
    account: Annotated[dict[str, Any] | None, Field(description="Account that all symbols share, if they do.")] = None
    warnings: Annotated[list[str] | None, Field(description="Sentences in English.")] = None
    warning_codes: Annotated[
        list[WarningCode] | None, Field(description="Code and values of each of the warnings, in the same order.")
    ] = None


class RunResult(BacktestResult):
    """Result of a run."""

    reused_from: Annotated[str | None, Field(description="Run that computed a reused result; null if computed now.")]


class SweepResult(StoredModel):
    """Stored result document of a sweep."""

    version: str
    run_id: str
    strategy: str
    params: Annotated[dict[str, Any], Field(description="Parameters that are not swept.")]
    symbols: list[dict[str, Any]]
    start_date: date
    end_date: date
    timeframe: str
    search: str
    objective: str
    points: Annotated[int, Field(description="Points that were evaluated.")]
    skipped: Annotated[int, Field(description="Points that the strategy rejects.")]
    duplicates: int
    best: Annotated[dict[str, Any] | None, Field(description="Null if the objective is undefined at every point.")]
    plateau: Annotated[dict[str, Any] | None, Field(description="Point whose neighbours are best, of a grid.")]
    top: list[dict[str, Any]]
    warnings: Annotated[list[str], Field(description="Sentences in English.")]
    warning_codes: Annotated[
        list[WarningCode] | None, Field(description="Code and values of each of the warnings, in the same order.")
    ] = None
    trials: Annotated[dict[str, Any], Field(description="Rows, digest and file of the table of trials.")]
    execution_time: Annotated[float, Field(description="Seconds.")]


class BacktestStatus(TaskStatus):
    """Current state of a backtest."""

    result: Annotated[RunResult | None, Field(description="Null until the task is completed.")]


class SweepStatus(TaskStatus):
    """Current state of a sweep."""

    result: Annotated[SweepResult | None, Field(description="Null until the task is completed.")]
    points: Annotated[int, Field(description="Points to evaluate; an upper limit if the search is optuna.")]
    points_done: int
    points_per_second: Annotated[float | None, Field(description="Rate over the last 30 seconds with reports.")]
    eta_seconds: Annotated[float | None, Field(description="Seconds left at this rate.")]
