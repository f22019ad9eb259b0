"""What a report shows: `ReportData` goes to its script as JSON, `Analysis` to its template.

Times are seconds since 1970 in UTC; returns, drawdowns and shares are fractions. A drawdown is positive.
"""

from typing import Literal, NotRequired, TypedDict

CalendarPeriod = Literal["day", "week", "month", "year"]
Period = Literal["hour", "day", "week", "month", "year"]


class Column(TypedDict):
    """Numbers as the differences of integers, which compress well.

    Value i is the sum of `deltas` up to i, without the nulls, divided by `divisor`. A null is a value that is not
    defined. Columns whose range is too large for that have `values` in place of `deltas`, as they are.
    """

    divisor: NotRequired[int]
    deltas: NotRequired[list[int | None]]
    values: NotRequired[list[float | None]]


class Thinned(TypedDict):
    """How rows were downsampled: `rows` were left of `total`, each bucket with its extremes."""

    rows: int
    total: int


class Curves(TypedDict):
    """Equity of the whole account as growth factors, with the drawdown from its peak and buying and holding."""

    name: str
    time: Column
    equity: Column
    drawdown: Column
    buy_and_hold: Column | None
    thinned: Thinned | None


class MatchedEquity(TypedDict):
    """Equity of the account as growth factors if its daily returns were `factor` times as large.

    The factor gives it the volatility of buying and holding.
    """

    factor: float
    equity: Column


class Rolling(TypedDict):
    """Figures of the daily returns of the last `window_days`, annualized, null until the window is full.

    `beta` is against buying and holding, and null if that is unknown.
    """

    window_days: int
    sharpe: Column
    sortino: Column
    volatility: Column
    beta: Column | None


class DailyCurves(TypedDict):
    """Curves with a value for each day that has a bar.

    Attributes:
        time: Open of the last bar of the day.
        matched: Null if buying and holding is unknown, or one of the two never moved.
        rolling: Null if the range is shorter than twice the shortest window.
    """

    time: Column
    matched: MatchedEquity | None
    rolling: Rolling | None


class PeriodTable(TypedDict):
    """Trades and returns by calendar period of the range's time zone, oldest first.

    Attributes:
        period: Length of the periods.
        left_out: Number of earlier periods without a row, for lack of space.
        first_day: First day of each period, in days since 1970; it may be before the range.
        trades: Trades that exited in the period.
        wins: Those of them with a net gain.
        losses: Those of them with a net loss.
        profit: Sum of their gains and losses in the quote currency; null if the money spent is unknown, or the symbols
            have several quote currencies.
        net_return: Return of the account.
    """

    period: CalendarPeriod
    left_out: int
    first_day: Column
    trades: Column
    wins: Column
    losses: Column
    profit: Column | None
    net_return: Column


class Candles(TypedDict):
    """Candles by open time; thinned ones span several bars: first open, extremes, last close, sum of volumes."""

    time: Column
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column | None
    bar_seconds: int
    thinned: Thinned | None


class LongerCandles(TypedDict):
    """Candles that combine those of a calendar period, each from its first bar to the first one of the next."""

    period: Period
    time: Column
    open: Column
    high: Column
    low: Column
    close: Column


class ChartLine(TypedDict):
    """A line over the candles of a symbol, one value per candle; null where there is none.

    Attributes:
        label: Name of the line, from the strategy; any printable text.
        kind: An indicator of the strategy, or the level of a stop while a position is open.
        pane: On the price, on its volume, or in a pane of its own below.
        values: One per candle of the chart.
    """

    label: str
    kind: Literal["indicator", "stop_loss", "take_profit", "trailing_stop"]
    pane: Literal["price", "volume", "own"]
    values: Column


class SymbolData(TypedDict):
    """A symbol, its candles and lines.

    `longer` are candles of those periods that combine several of `candles`. `no_candles` is why candles, and `no_lines`
    why lines of the strategy are missing, in the language of the report.
    """

    name: str
    trades: int
    candles: Candles | None
    longer: list[LongerCandles]
    no_candles: str | None
    lines: list[ChartLine]
    no_lines: str | None


class Trades(TypedDict):
    """Trades in order of entry, by column. Prices, returns and amounts are exact, as in the table of the result.

    Attributes:
        total: Number of trades in the symbols that are shown; more than the rows if not all fit, then the last ones are
            missing.
        symbol: Index in `ReportData.names`.
        entry_time: Time of the entry.
        exit_time: Time of the exit.
        entry_price: Market price.
        exit_price: Market price.
        net_return: Return net of the costs of both legs.
        spent: Money spent on the entry, in the quote currency; null if it is unknown.
        bars_held: Bars between entry and exit.
        reason: Index in `reasons`.
        reasons: Keys of the exit reasons, such as "stop_loss".
        open_at_end: 1 if the position was still open at the end of the range.
    """

    total: int
    symbol: Column
    entry_time: Column
    exit_time: Column
    entry_price: Column
    exit_price: Column
    net_return: Column
    spent: Column | None
    bars_held: Column
    reason: Column
    reasons: list[str]
    open_at_end: Column


class ReportData(TypedDict):
    """Data of the charts and of the table of trades.

    Attributes:
        run_id: ID of the run, for names of downloads.
        bar_seconds: Length of a bar of the backtest.
        quote: Quote currency of the prices; null if the symbols have several.
        names: Every symbol of the run, or the only one that is shown; `Trades.symbol` are indices of it.
        curves: Equity of the whole account.
        daily: Curves per day.
        periods: Trades and returns by period, the shortest first; no days if bars are longer.
        symbols: The symbols with a price chart or the reason why not: those with most trades first.
        symbols_left_out: Names without an entry in `symbols`, for lack of space.
        csv_columns: Columns of the trades as a file, the same as those of the API.
        trades: The trades.
    """

    run_id: str
    bar_seconds: int
    quote: str | None
    names: list[str]
    curves: Curves
    daily: DailyCurves
    periods: list[PeriodTable]
    symbols: list[SymbolData]
    symbols_left_out: list[str]
    csv_columns: list[str]
    trades: Trades


class YearReturns(TypedDict):
    """Returns of a year: of its 12 months, null outside of the range, and of the whole year.

    `buy_and_hold` is null if it is unknown.
    """

    year: int
    months: list[float | None]
    total: float
    buy_and_hold: float | None


class Histogram(TypedDict):
    """Distribution of returns: `counts[i]` of them are from `edges[i]` to `edges[i + 1]`; percentiles 5, 50 and 95."""

    edges: list[float]
    counts: list[int]
    mean: float
    percentiles: list[float]


class Drawdown(TypedDict):
    """A fall from a peak: its depth, when it began, was deepest and was recovered (null: not yet), its days."""

    start: int
    trough: int
    recovery: int | None
    depth: float
    days: float
    days_to_trough: float


class TradeFact(TypedDict):
    """A trade that a report names."""

    symbol: str
    entry_time: int
    exit_time: int
    net_return: float
    bars_held: int


class ExitFact(TypedDict):
    """The trades with the same exit reason: their number, the share with a net gain, and their net returns."""

    reason: str
    trades: int
    win_rate: float
    mean_return: float
    worst: float
    best: float


class CoverageGap(TypedDict):
    """Candles missing from `start` up to `end`, and whether there was no trade or they were not fetched."""

    start: int
    end: int
    missing: int
    kind: Literal["no_trade", "not_fetched", "unknown"]


class SymbolCoverage(TypedDict):
    """Coverage of the candles of a symbol over the range of the backtest, with its longest gaps."""

    symbol: str
    start: int
    end: int
    gaps: list[CoverageGap]
    gaps_left_out: int


class Analysis(TypedDict):
    """Figures and tables that the report computes from the tables of a result.

    Attributes:
        figures: Values of further figures, by their key in `labels.FIGURES`.
        years: One entry per calendar year of the range's time zone, oldest first.
        daily_returns: Distribution of the returns per day; null below two days, and if all are 0.
        monthly_returns: Distribution of the returns per calendar month; null below two months, and if all are 0.
        trade_returns: Distribution of the net returns of the trades; null below two trades, and if all are 0.
        drawdowns: The deepest ones, deepest first.
        best_trade: Trade with the highest net return; null without trades.
        worst_trade: Trade with the lowest net return; null without trades.
        exits: One entry per exit reason, the most frequent first.
        coverage: One entry per symbol, in the order of the spec.
        replay_command: Command that runs this backtest again and compares the result.
    """

    figures: dict[str, float | None]
    years: list[YearReturns]
    daily_returns: Histogram | None
    monthly_returns: Histogram | None
    trade_returns: Histogram | None
    drawdowns: list[Drawdown]
    best_trade: TradeFact | None
    worst_trade: TradeFact | None
    exits: list[ExitFact]
    coverage: list[SymbolCoverage]
    replay_command: str
