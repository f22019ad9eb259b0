"""Metadata of a backtest's run page in Dagster: figures, tables and the equity curve."""

import base64
from collections.abc import Mapping, Sequence

import dagster as dg
import pyarrow as pa
from dagster import MetadataValue

from coin_pipeline.backtest.labels import FIGURES, break_even_text, format_figure
from coin_pipeline.backtest.runner import BacktestResult, CandleSlice
from coin_pipeline.defs.excerpts import bullet_list
from coin_pipeline.defs.run_requests import subject_tags
from coin_pipeline.orchestration.run_tags import RETURN_TAG
from coin_pipeline.report.figures import equity_figure
from coin_pipeline.results.store import Json, report_path, result_key

_TABLE = (
    "total_return",
    "buy_and_hold",
    "cagr",
    "sharpe",
    "sortino",
    "max_drawdown",
    "profit_factor",
    "win_rate",
    "trades",
)


def candle_metadata(group: Sequence[CandleSlice]) -> Mapping[str, MetadataValue]:
    """Return the range, coverage and digest of the candles of one symbol, or the sums of several."""
    if len(group) > 1:
        names, candles = [piece.symbol for piece in group], sum(piece.rows for piece in group)
        return {"symbols": MetadataValue.md(bullet_list(names)), "candles": MetadataValue.int(candles)}
    (piece,) = group
    return {
        "candles": MetadataValue.int(piece.rows),
        "coverage": MetadataValue.float(piece.coverage["ratio"]),
        "known": MetadataValue.float(piece.coverage["known"]),
        "verdict": MetadataValue.text(piece.coverage["verdict"]),
        "from": MetadataValue.text(piece.coverage["first"]),
        "to": MetadataValue.text(piece.coverage["last"]),
        "sha256": MetadataValue.text(piece.sha256),
    }


def simulation_metadata(parts: Sequence[Json]) -> Mapping[str, MetadataValue]:
    """Return one symbol's figures, or only the time that several took; in a shared account it has no figures yet."""
    seconds = {"seconds": MetadataValue.float(sum(part["facts"]["execution_time"] for part in parts))}
    if len(parts) > 1:
        return seconds
    (part,) = parts
    own = _figures(part["symbol"]) if "symbol" in part else {}
    if warm_up := part["facts"]["candles"]["warm_up"]:
        own |= {f"warm-up candles {name}": MetadataValue.int(warm_up[name]) for name in ("used", "missing")}
    return {**own, **seconds}


def result_metadata(result: BacktestResult, api_url: str) -> Mapping[str, MetadataValue]:
    """Return the whole result: the equity curve, figures, the report, a table of the symbols, and warnings.

    Args:
        result: The result.
        api_url: Public URL of the API, which serves the report.
    """
    document = result.document
    return {
        "equity": MetadataValue.md(_equity_image(result.tables["equity"], document)),
        "report": MetadataValue.url(api_url.rstrip("/") + report_path(document["run_id"])),
        **_figures(document),
        "symbols": MetadataValue.table([_row(part) for part in document["symbols"]]),
        "warnings": MetadataValue.md(bullet_list(document["warnings"])),
        "result": MetadataValue.text(result_key(result.shelf, document["run_id"])),
    }


def result_tags(document: Json) -> dict[str, str]:
    """Return tags of a finished run: its subject, which a run from the Launchpad lacks, and its return."""
    symbols = [part["symbol"] for part in document["symbols"]]
    tags = subject_tags(document["strategy"], symbols, document["timeframe"])
    total_return = document["metrics"]["total_return"]
    return tags if total_return is None else {**tags, RETURN_TAG: format_figure("total_return", total_return, 0)}


def _figures(part: Json) -> dict[str, MetadataValue]:
    """Return the defined figures and the break-even cost, with the labels and units of the terminal."""
    metrics = part["metrics"]
    known = {name: metrics[name] for name in FIGURES if metrics.get(name) is not None}
    figures = {FIGURES[name].label: MetadataValue.text(format_figure(name, value)) for name, value in known.items()}
    return {**figures, "Break-even cost": MetadataValue.text(break_even_text(part["costs"], metrics["trades"]))}


def _row(part: Json) -> dg.TableRecord:
    figures = {FIGURES[name].label: format_figure(name, part["metrics"][name]) for name in _TABLE}
    return dg.TableRecord({"Symbol": part["symbol"], **figures})


def _equity_image(equity: pa.Table, document: Json) -> str:
    svg = equity_figure(equity, f"{document['strategy']} {document['timeframe']}", zone=document["timezone"])
    return f"![equity](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
