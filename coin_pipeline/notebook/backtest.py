"""One backtest from Python, and its result as pandas objects."""

from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.labels import FIGURES, format_figure
from coin_pipeline.backtest.preflight import coverage_of, require_coverage
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.backtest.tables import Tables
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import SEOUL
from coin_pipeline.candles.timezones import parse_timezone
from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.notebook.candles import CandleInput, Candles, Day, resolve_candles
from coin_pipeline.notebook.figure import SvgFigure
from coin_pipeline.notebook.strategy import StrategyLike, resolve_strategy
from coin_pipeline.report.figures import equity_figure
from coin_pipeline.results.legacy import parts_of
from coin_pipeline.results.tables import document_tables

_SHOWN = ("total_return", "buy_and_hold", "cagr", "max_drawdown", "win_rate", "exposure", "sharpe", "sortino",
          "profit_factor", "trades")  # fmt: skip
_UNFILLED_TYPES = {"symbol": "category", "type": "category", "timestamp": "datetime64[ns, UTC]", "reason": "object"}
_OWN_ARGUMENTS = {"strategy": "strategy", "symbols": "candles", "start_date": "start", "end_date": "end"}


class BacktestRun:
    """The result of a backtest.

    A notebook displays it as a table of figures with the equity curve.

    Attributes:
        document: The result document, schema 1.2.0: what the API returns as JSON, with at most 10,000 signals and
            trades. `signals`, `trades` and `equity` have every row.
    """

    def __init__(self, document: Json, tables: Tables | None = None) -> None:
        self.document = document
        self._tables = document_tables(document) if tables is None else tables

    @property
    def run_id(self) -> str:
        """ID of the stored run; empty if the run is not stored."""
        return str(self.document["run_id"])

    @property
    def result_sha256(self) -> str | None:
        """Digest of the result, equal for equal backtests wherever they ran; None for legacy results."""
        return self.document.get("result_sha256")

    @property
    def metrics(self) -> "pd.Series[float]":
        """Statistics of all symbols together: returns and drawdown as fractions; NaN if undefined."""
        metrics: dict[str, float] = self.document.get("metrics", {})
        return pd.Series(metrics, dtype=np.dtype("float64"), name=self.document["strategy"])

    @property
    def trades(self) -> pd.DataFrame:
        """One row per round trip: prices, `return_pct` (a fraction, after costs) and `spent`, in the quote currency."""
        return _frame(self._tables["trades"])

    @property
    def signals(self) -> pd.DataFrame:
        """One row per signal that can be filled, with its outcome as a separate trade; `traded` if the account took it.

        Legacy results have no account, so all their signals count as traded; an early one has only their number, and
        the table is empty.
        """
        signals = self._tables["signals"]
        traded = signals["traded"].fill_null(True)
        frame = _frame(signals.set_column(signals.column_names.index("traded"), "traded", traded))
        frame.insert(1, "type", pd.Series("buy", frame.index, "category"))
        return frame

    @property
    def unfilled_signals(self) -> pd.DataFrame:
        """One row per signal that cannot be filled, with the reason."""
        lists = [part.get("unfilled_signals", []) for part in parts_of(self.document)]
        rows = [item for items in lists for item in items]
        frame = pd.DataFrame(rows, columns=list(_UNFILLED_TYPES))
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True)
        return frame.astype(_UNFILLED_TYPES)

    @property
    def equity(self) -> pd.DataFrame:
        """Equity per bar: index `timestamp` (UTC); columns symbol, equity (1.0 at the start), drawdown, buy_and_hold.

        A shared account comes first, as a symbol of its own. A result of an earlier release has at most 10,000 points
        per symbol and no buy_and_hold.
        """
        return _frame(self._equity_table()).set_index("timestamp")

    @property
    def warnings(self) -> list[str]:
        """Sentences to read before the figures."""
        return list(self.document.get("warnings", ()))

    def plot(self) -> SvgFigure:
        """Return growth against buy and hold, with the drawdown below.

        Raises:
            InvalidInput: The result contains no equity curve, as most of the legacy platform.
        """
        if not len(self._equity_table()):
            raise InvalidInput([Problem("plot", "the result contains no equity curve, so there is nothing to draw")])
        title = f"{self.document['strategy']} {self.document['timeframe']}"
        return SvgFigure(equity_figure(self._equity_table(), title, zone=self.document.get("timezone", SEOUL)))

    def _equity_table(self) -> pa.Table:
        equity = self._tables["equity"]
        return _with_drawdown(equity) if equity["drawdown"].null_count else equity

    def _repr_html_(self) -> str:
        symbols = ", ".join(part["symbol"] for part in parts_of(self.document)[:12])
        rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in self._summary())
        warnings = "".join(f"<li>{escape(warning)}</li>" for warning in self.warnings)
        picture = self.plot().svg if len(self._equity_table()) else ""
        return (
            f"<p><b>{escape(self.document['strategy'])}</b> on {escape(symbols)}, {self.document['start_date']} to"
            f" {self.document['end_date']}</p><table>{rows}</table><ul>{warnings}</ul>{picture}"
        )

    def _summary(self) -> Iterator[tuple[str, str]]:
        metrics = self.document.get("metrics", {})
        for name in _SHOWN:
            yield FIGURES[name].label, format_figure(name, metrics.get(name))

    def __repr__(self) -> str:
        figures = ", ".join(f"{name} {text}" for name, text in self._summary() if name in {"Total return", "Trades"})
        return f"<BacktestRun {self.document['strategy']}: {figures}>"


def run_backtest(
    strategy: StrategyLike,
    candles: Candles,
    *,
    start: Day | None = None,
    end: Day | None = None,
    timeframe: str | None = None,
    tz: str | None = None,
    symbol: str | None = None,
    catalog: CandleCatalog | None = None,
    timezone: str = SEOUL,
    **fields: Any,  # noqa: ANN401 -- validated as the fields of a request
) -> BacktestRun:
    """Run a backtest in this process. Nothing is stored; no database and no Dagster is involved.

    The look-ahead check, the coverage check (`min_coverage`), the warnings and `result_sha256` are those of a recorded
    run of the same backtest.

    Args:
        strategy: A registered name, the path of a strategy file, a subclass of `Strategy` or an instance of one.
        candles: A DataFrame with open, high, low, close and volume and a DatetimeIndex or a time column; a dict of such
            frames by symbol; or the names of stored symbols.
        start: First day, inclusive; by default the first that all symbols have. Candles before it warm
            the strategy up.
        end: Last day, inclusive; by default the last that all symbols have.
        timeframe: Length of a candle, such as `1h`. By default that of the frames; `1d` for stored symbols.
        tz: IANA name of the time zone of times without one.
        symbol: Name of the market of a single frame; `DATA_KRW` by default.
        catalog: Stored candles; by default those under DATA_ROOT.
        timezone: IANA name of the time zone in which `start` and `end` are calendar days.
        **fields: Further fields of a backtest request: params, fill, fee_rate, slippage_rate, stop_loss, take_profit,
            trailing_stop, position_size, max_positions, initial_cash, min_order, tick_sizes, warm_up,
            min_coverage.

    Raises:
        InvalidInput: An argument is invalid; each is named.
        CandlesNotFound: A symbol has no candle in the range.
        InsufficientCoverage: Too many candles are missing; a lower `min_coverage` accepts them.
        InvalidCandles: Candles break a market's rules.
        StrategyFailed: The strategy raised an exception or returned no signals.
        LookAhead: The strategy uses later bars.

    >>> import coin_pipeline as cp
    >>> run = cp.run_backtest("volume_zone_breakout", cp.example_candles(), stop_loss=0.1)
    >>> str(run.equity.index.dtype)
    'datetime64[ns, UTC]'
    >>> int(run.metrics["trades"]) == len(run.trades)
    True
    """
    started_at = datetime.now(UTC)
    name, registry = resolve_strategy(strategy)
    given = resolve_candles(
        candles,
        start=start,
        end=end,
        timeframe=timeframe,
        tz=tz,
        symbol=symbol,
        catalog=catalog,
        timezone=parse_timezone(timezone),
    )
    fields["timezone"] = timezone
    spec = resolve(parse_request(request_fields(name, given, fields)), registry)
    slices = runner.find_candles(given.source, spec, "results")
    require_coverage(spec, coverage_of(slices))
    result = runner.run_backtest(
        spec, given.source, registry, environment="notebook", started_at=started_at, slices=slices
    )
    return BacktestRun(result.document, result.tables)


def request_fields(strategy: str, given: CandleInput, fields: Json) -> Json:
    """Return the fields of a request.

    Raises:
        InvalidInput: A field has an argument of another name.
    """
    problems = [Problem(name, f"pass {_OWN_ARGUMENTS[name]}= instead") for name in fields if name in _OWN_ARGUMENTS]
    if problems:
        raise InvalidInput(problems)
    return {
        "strategy": strategy,
        "symbols": list(given.symbols),
        "start_date": given.start,
        "end_date": given.end,
        "timeframe": given.timeframe,
        **fields,
    }


def _frame(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame; the categories of a text are those that occur, in alphabetical order."""
    frame: pd.DataFrame = table.to_pandas()
    for name in frame.select_dtypes("category"):
        used = frame[name].cat.remove_unused_categories()
        frame[name] = used.cat.reorder_categories(sorted(used.cat.categories))
    return frame


def _with_drawdown(equity: pa.Table) -> pa.Table:
    """Return equity points with their drawdown from the points before, which schema 1.1.0 lacks."""
    frame = equity.to_pandas()
    peaks = frame.groupby("symbol", observed=True)["equity"].cummax().clip(lower=1.0)
    frame["drawdown"] = frame["drawdown"].fillna(1 - frame["equity"] / peaks)
    return pa.Table.from_pandas(frame, equity.schema, preserve_index=False)
