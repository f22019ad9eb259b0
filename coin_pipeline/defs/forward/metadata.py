"""Metadata of the job `forward_test`: what was collected, decided and booked."""

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster import MetadataValue

from coin_pipeline.candles.timeframe import format_utc
from coin_pipeline.defs.excerpts import first_lines
from coin_pipeline.forward.advance import Advance
from coin_pipeline.forward.collect import Collected

MAX_ROWS = 100
"""Rows of the table of a run: those with something to report come first."""
_COLUMNS = ("test", "symbol", "decisions", "late", "fills", "last_candle", "failure")


def collected_metadata(collected: Sequence[Collected]) -> Mapping[str, MetadataValue]:
    """Return the number of series and of new candles, and why series failed."""
    failures = [f"{own.series.symbol} {own.series.timeframe}: {own.failure}" for own in collected if own.failure]
    return {
        "series": MetadataValue.int(len(collected)),
        "new_candles": MetadataValue.int(sum(own.added for own in collected)),
        "not_collected": MetadataValue.json(first_lines(failures)),
    }


def advance_metadata(advanced: Sequence[Advance]) -> Mapping[str, MetadataValue]:
    """Return the numbers of decisions and fills, and a table of the symbols."""
    by_interest = sorted(advanced, key=lambda own: (own.failure is None, -own.fills, -own.decisions))
    records = [dg.TableRecord(dict(zip(_COLUMNS, _row(own), strict=True))) for own in by_interest[:MAX_ROWS]]
    return {
        "decisions": MetadataValue.int(sum(own.decisions for own in advanced)),
        "late": MetadataValue.int(sum(own.late for own in advanced)),
        "fills": MetadataValue.int(sum(own.fills for own in advanced)),
        "failing": MetadataValue.int(sum(own.failure is not None for own in advanced)),
        "symbols": MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name) for name in _COLUMNS])),
    }


def _row(own: Advance) -> tuple[str | int, ...]:
    last = "" if own.last_bar is None else format_utc(own.last_bar)
    return str(own.test.test_id), own.symbol, own.decisions, own.late, own.fills, last, own.failure or ""
