"""Reports of stored results, built when they are asked for."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jinja2 import UndefinedError

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.document import SCHEMA
from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.portfolio import SHARED, Curve, curve_of
from coin_pipeline.backtest.tables import TABLE_SCHEMAS, TIME_TYPE, Tables, stack
from coin_pipeline.engine.account import drawdown
from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.errors import NoReport, NoSymbolReport, ObjectNotFound
from coin_pipeline.languages import Language
from coin_pipeline.report.analysis import account_curve, analyse
from coin_pipeline.report.backtest_page import content_security_policy, render_backtest_page
from coin_pipeline.report.chart import NO_INPUTS, ChartInputs
from coin_pipeline.report.data import limits_for_share, report_data
from coin_pipeline.report.encoding import encode_data
from coin_pipeline.report.strategy_lines import LinesOf, no_lines, strategy_lines
from coin_pipeline.report.sweep_page import render_sweep_report
from coin_pipeline.results.legacy import symbol_name
from coin_pipeline.results.store import load_result, report_key, require_structure, result_key, stored_document
from coin_pipeline.results.tables import ResultTable, open_table, read_indicators
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.plan import FORMAT
from coin_pipeline.sweeps.stored_points import read_objectives

MAX_EQUITY_ROWS = 2_000_000
"""Rows of equity that are read at once; of a result with more, only the account is kept in memory."""
MAX_BYTES = 1_500_000
"""Size of a report; one that exceeds it is built again with less data."""
_MARGIN, _MIN_SHARE = 1.2, 0.05
STYLES_ONLY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Content security policy of reports without scripts."""


class Report(NamedTuple):
    """A report: its HTML and the content security policy to serve it with."""

    html: str
    policy: str


def read_report(
    store: ObjectStore,
    candles: CandleSource,
    run_id: str,
    language: Language = "en",
    strategies: Callable[[], StrategyRegistry] | None = None,
    *,
    user_code: bool = False,
    symbol: str | None = None,
    max_equity_rows: int = MAX_EQUITY_ROWS,
) -> Report:
    """Return the report of a stored result.

    It is built from the document and the tables. Those of the first schemas of backtests were stored with the result.

    Args:
        store: Object store of the results.
        candles: Where the candles of backtests are stored.
        run_id: The run.
        language: Language of the report, unless it was stored with the result.
        strategies: Returns the registered strategies, of which that of a backtest plots its lines; None to plot none.
        user_code: As for `strategy_lines`.
        symbol: The only symbol whose price and trades are shown, in either spelling; None for all. Figures are always
            those of the whole result.
        max_equity_rows: As for `read_equity`.

    Raises:
        InvalidRunId: `run_id` cannot be the ID of a run.
        ResultNotFound: No complete result is stored under it.
        NoReport: The result of an earlier schema was stored without a report.
        NoSymbolReport: The result has no report of the symbol.
        ObjectCorrupt: The document or a table is missing, does not match its digests, or lacks keys of its schema.
    """
    document = load_result(store, run_id)
    if document.get("version") != SCHEMA:
        if symbol is not None:
            raise NoSymbolReport(run_id, symbol, ())
        if document.get("version") == FORMAT:
            return _sweep_report(store, run_id, document, language)
        return _stored_report(store, run_id, document)
    indicators = read_indicators(store, run_id)
    with require_structure(result_key(stored_document(store, run_id).shelf, run_id), UndefinedError):
        plot: LinesOf = no_lines
        if strategies:
            plot = strategy_lines(document, candles, strategies, language, user_code=user_code)
        only = None if symbol is None else _symbol_of(document, symbol)
        inputs = ChartInputs(candles, indicators, language, plot, only)
        html = render_report(document, _read_tables(store, run_id, document, max_equity_rows), inputs)
    return Report(html, content_security_policy())


def render_report(document: Json, tables: Tables, inputs: ChartInputs = NO_INPUTS, max_bytes: int = MAX_BYTES) -> str:
    """Return the report of a backtest as HTML.

    Args:
        document: Result document of schema 1.2.0.
        tables: Its trades and its equity.
        inputs: Candles, indicators and the language.
        max_bytes: Maximum size, unless the tables of very many symbols alone exceed it.
    """
    account = account_curve(tables)
    analysis = analyse(document, tables, account)
    data = report_data(document, tables, inputs, account)
    html = render_backtest_page(document, tables, data, analysis, inputs.language, symbol=inputs.symbol)
    excess = len(html.encode()) - max_bytes
    if excess <= 0:
        return html
    share = max(1 - _MARGIN * excess / len(encode_data(data)), _MIN_SHARE)
    data = report_data(document, tables, inputs, account, limits_for_share(data, share))
    return render_backtest_page(document, tables, data, analysis, inputs.language, symbol=inputs.symbol)


def _symbol_of(document: Json, symbol: str) -> str:
    """Return a symbol of a result as the result spells it."""
    known, name = [part["symbol"] for part in document["symbols"]], symbol_name({"symbol": symbol})
    if name not in known:
        raise NoSymbolReport(document["run_id"], symbol, known)
    return name


def _sweep_report(store: ObjectStore, run_id: str, document: Json, language: Language) -> Report:
    with require_structure(result_key("tasks", run_id), UndefinedError):
        html = render_sweep_report(document, read_objectives(store, document), language)
    return Report(html, STYLES_ONLY)


def _stored_report(store: ObjectStore, run_id: str, document: Json) -> Report:
    try:
        html = store.get(report_key(stored_document(store, run_id).shelf, run_id))
    except ObjectNotFound:
        raise NoReport(run_id, str(document.get("version", "1.0"))) from None
    return Report(html.decode(errors="replace"), STYLES_ONLY)


def _read_tables(store: ObjectStore, run_id: str, document: Json, max_equity_rows: int) -> Tables:
    """Return the tables that a report needs; the signals are empty, and large equity is that of the account only."""
    with open_table(store, run_id, "trades", document) as table:
        trades = pa.Table.from_batches(table.batches(), table.schema)
    equity = read_equity(store, run_id, document, max_equity_rows)
    return {"signals": TABLE_SCHEMAS["signals"].empty_table(), "trades": trades, "equity": equity}


def read_equity(store: ObjectStore, run_id: str, document: Json, max_rows: int = MAX_EQUITY_ROWS) -> pa.Table:
    """Return the equity of a result; of a large one that of the account only.

    Args:
        store: Object store of the results.
        run_id: The run.
        document: Its document.
        max_rows: Rows of equity that are kept in memory; of a result with more, only the account is.

    Raises:
        InvalidRunId: `run_id` cannot be the ID of a run.
        ResultNotFound: No complete result is stored under it.
        TableNotStored: The result has no equity.
        ObjectCorrupt: The document or the table is missing or does not match its digests.
    """
    with open_table(store, run_id, "equity", document) as table:
        if table.rows > max_rows:
            return _account_only(table)
        return pa.Table.from_batches(table.batches(), table.schema)


def _account_only(equity: ResultTable) -> pa.Table:
    """Return the equity of the whole account, as that of a single symbol, from one symbol at a time."""
    curves = _curves(equity)
    first = next(curves)
    account = first if first.name == SHARED else _mean_account(chain([first], curves))
    columns = {
        "timestamp": pa.array(account.time, TIME_TYPE),
        "equity": account.equity,
        "drawdown": account.drawdown,
        "buy_and_hold": account.buy_and_hold,
    }
    return stack("equity", [(account.name, pa.table(columns))])


def _curves(equity: ResultTable) -> Iterator[Curve]:
    for symbol, batches in groupby(_blocks(equity), key=lambda block: block[0]):
        yield curve_of(symbol, pa.Table.from_batches([rows for _, rows in batches]))


def _blocks(equity: ResultTable) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield each symbol with consecutive rows of it."""
    for batch in equity.batches():
        codes = batch["symbol"].indices.to_numpy()
        starts = np.flatnonzero(np.diff(codes, prepend=-1)).tolist()
        for start, end in zip(starts, [*starts[1:], len(codes)], strict=True):
            yield batch["symbol"][start].as_py(), batch.slice(start, end - start)


def _mean_account(curves: Iterable[Curve]) -> Curve:
    """Return `portfolio.equal_shares`, up to rounding, while only one curve is in memory."""
    count, time = 0, np.array([], np.int64)
    equity = held = np.array([])
    for curve in curves:
        merged = time if np.array_equal(time, curve.time) else np.union1d(time, curve.time)
        equity = _steps(merged, time, equity, count) + _steps(merged, curve.time, curve.equity, 1)
        held = _steps(merged, time, held, count) + _steps(merged, curve.time, curve.buy_and_hold, 1)
        count, time = count + 1, merged
    equity, held = equity / count, held / count
    return Curve(f"mean of {count} symbols", time, equity, drawdown(equity), held)


def _steps(time: Ints, own: Ints, values: Floats, before: float) -> Floats:
    """Return values at other times: each holds until the next one, and `before` until the first."""
    return np.append(before, values)[np.searchsorted(own, time, side="right")]
