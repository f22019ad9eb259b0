"""Query times of history pages from an index of many results, compared with SQLite on the same rows.

python -m benchmarks.history [--entries N]
"""

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psycopg2
from rich.console import Console
from rich.table import Table

from benchmarks.report import MET, format_facts, machine
from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.database.pages import parse_cursor
from coin_pipeline.database.session import Session
from coin_pipeline.orchestration.storage import set_up
from coin_pipeline.results.index import Filters, Page, ResultIndex
from coin_pipeline.results.index_entry import IndexEntry, Order
from coin_pipeline.results.legacy import SEOUL
from coin_pipeline.results.store import is_run_id

ENTRIES, LIMIT, ROUNDS, TARGET_MS = 100_000, 10, 21, 100
START = datetime(2024, 1, 1, tzinfo=UTC)
STRATEGIES = ("volume_long_candle", "volume_zone_breakout")
TIMEFRAMES = ("1d", "4h", "1h")
MARKETS = [f"COIN{number}_KRW" for number in range(100)]
SCHEMA = """
create table result (
    run_id text primary key, kind text, strategy text, start_date text, end_date text, timeframe text,
    total_signals integer, avg_return real, total_return real, execution_time real, timestamp real, version text,
    params text, sharpe real, trades integer
);
create table symbol (run_id text, symbol text);
create index result_order on result (timestamp desc, run_id desc);
create index result_return on result (avg_return);
create index result_signals on result (total_signals);
create index result_total_return on result (total_return);
create index result_sharpe on result (sharpe);
create index symbol_of on symbol (symbol, run_id);
"""


def synthetic_entries(count: int) -> Iterator[IndexEntry]:
    """Yield reproducible synthetic entries, one in twenty of them from a sweep."""
    draw = random.Random(20)  # noqa: S311 -- not for secrets
    for number in range(count):
        yield IndexEntry(
            run_id=f"{draw.getrandbits(128):032x}",
            shelf="results",
            kind="sweep" if number % 20 == 0 else "backtest",
            strategy=draw.choice(STRATEGIES),
            symbols=draw.sample(MARKETS, draw.randint(1, 5)),
            start_date=date(2023, 1, 1),
            end_date=date(2023, 12, 31),
            timeframe=draw.choice(TIMEFRAMES),
            total_signals=draw.randrange(1000),
            avg_return=draw.gauss(0, 1),
            total_return=draw.gauss(0, 1),
            execution_time=draw.random(),
            timestamp=START + timedelta(seconds=draw.randrange(10**7)),
            version="1.2.0",
            size=88_000,
            modified=START,
            params=f"window={draw.randrange(5, 60)}, factor={draw.random():.2f}, long_only=true",
            sharpe=draw.gauss(0, 1),
            trades=draw.randrange(500),
        )


class PageOf(NamedTuple):
    """A page that is measured: filters, offset, cursor, and its order if that is not by time."""

    filters: Filters
    offset: int = 0
    after: str | None = None
    order: Order | None = None

    def read(self, index: ResultIndex) -> Page:
        """Read the page."""
        if self.order:
            return index.ranked(self.filters, self.order, LIMIT, self.offset)
        return index.page(self.filters, LIMIT, self.offset, self.after)


def pages_by_row(count: int, cursor: str) -> dict[str, PageOf]:
    """Return the page of each row of the table."""
    some_days = {"date_from": date(2024, 2, 1), "date_to": date(2024, 2, 3)}
    return {
        "first page": PageOf(Filters()),
        "half the offset": PageOf(Filters(), count // 2),
        f"offset {count * 94 // 100:,}, near the end": PageOf(Filters(), count * 94 // 100),
        "cursor halfway": PageOf(Filters(), 0, cursor),
        "including sweeps, last page": PageOf(Filters(kind=None), count - 100),
        "strategy": PageOf(Filters(strategy=STRATEGIES[0])),
        "symbol": PageOf(Filters(symbol="KRW-COIN7")),
        "symbol without results": PageOf(Filters(symbol="KRW-NONE")),
        "min_return": PageOf(Filters(min_return=1)),
        "max_return": PageOf(Filters(max_return=-3.5)),
        "min_signals": PageOf(Filters(min_signals=990)),
        "max_signals": PageOf(Filters(max_signals=500)),
        "date_from": PageOf(Filters(date_from=date(2024, 1, 3))),
        "date_to": PageOf(Filters(date_to=date(2024, 1, 3))),
        "two days": PageOf(Filters(**some_days)),  # type: ignore[arg-type]  # mypy matches them with every field
        "timeframe": PageOf(Filters(timeframe="1h")),
        "params": PageOf(Filters(params="Window=7,")),
        "min_total_return": PageOf(Filters(min_total_return=2.5)),
        "min_sharpe": PageOf(Filters(min_sharpe=1)),
        "max_sharpe": PageOf(Filters(max_sharpe=-3.5)),
        "all filters": PageOf(
            Filters("backtest", STRATEGIES[1], MARKETS[5], 0, 1, 10, 500, date(2024, 1, 5), date(2024, 3, 1)),
        ),
        "by sharpe": PageOf(Filters(), order=Order("sharpe", descending=True)),
        "by total_return, half the offset": PageOf(
            Filters(), count // 2, order=Order("total_return", descending=False)
        ),
        "by trades, one symbol": PageOf(Filters(symbol=MARKETS[7]), order=Order("trades", descending=True)),
    }


def populate(index: ResultIndex, peer: sqlite3.Connection, entries: Sequence[IndexEntry]) -> None:
    """Write the same rows to both databases, and update their statistics."""
    for start in range(0, len(entries), 1000):
        index.add(entries[start : start + 1000])
    index.analyze()
    peer.executescript(SCHEMA)
    rows = [
        (*e[:1], *e[2:4], str(e.start_date), str(e.end_date), *e[7:12], e.timestamp.timestamp(), e.version, *e[16:19])
        for e in entries
    ]
    peer.executemany("insert into result values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    peer.executemany("insert into symbol values (?, ?)", ((e.run_id, symbol) for e in entries for symbol in e.symbols))
    peer.executescript("analyze")


def midnight(day: date) -> float:
    """Return the start of a day in Seoul, seconds since the Unix epoch."""
    return datetime(day.year, day.month, day.day, tzinfo=SEOUL).timestamp()


def query_sqlite(peer: sqlite3.Connection, wanted: PageOf) -> tuple[int, list[str]]:
    """Return the total and the run IDs of the same page from SQLite, using only the necessary conditions."""
    filters, offset, after, order = wanted
    conditions: list[tuple[str, object]] = [
        ("kind = ?", filters.kind),
        ("strategy = ?", filters.strategy),
        ("run_id in (select run_id from symbol where symbol = ?)", filters.symbol),
        ("avg_return >= ?", filters.min_return),
        ("avg_return <= ?", filters.max_return),
        ("total_signals >= ?", filters.min_signals),
        ("total_signals <= ?", filters.max_signals),
        ("timeframe = ?", filters.timeframe),
        ("instr(lower(params), lower(?)) > 0", filters.params),
        ("total_return >= ?", filters.min_total_return),
        ("total_return <= ?", filters.max_total_return),
        ("sharpe >= ?", filters.min_sharpe),
        ("sharpe <= ?", filters.max_sharpe),
        ("timestamp >= ?", filters.date_from and midnight(filters.date_from)),
        ("timestamp < ?", filters.date_to and midnight(filters.date_to + timedelta(days=1))),
    ]
    active = [(text, value) for text, value in conditions if value is not None]
    where, values = " and ".join(text for text, _ in active) or "true", [value for _, value in active]
    total = peer.execute(f"select count(*) from result where {where}", values).fetchone()[0]  # noqa: S608 -- see above
    if after:
        begin = parse_cursor(after, is_run_id)
        where += " and (timestamp, run_id) < (?, ?)"
        values += [begin.time.timestamp(), begin.row_id]
    key = f"{order.column} {'desc' if order.descending else 'asc'} nulls last," if order else ""
    rows = peer.execute(
        f"select * from result where {where} order by {key} timestamp desc, run_id desc limit ? offset ?",  # noqa: S608 -- same
        [*values, LIMIT, offset],
    ).fetchall()
    return total, [row[0] for row in rows]


def measure_ms(query: Callable[[], object]) -> list[float]:
    """Return the duration of each round in ms, ascending."""
    durations = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        query()
        durations.append((time.perf_counter() - began) * 1e3)
    return sorted(durations)


def print_comparison(index: ResultIndex, peer: sqlite3.Connection, count: int, console: Console) -> bool:
    """Print the table; return whether every page equals the peer's and met the target."""
    table = Table("page of 10", "total", "p50 ms", "max ms", "SQLite p50 ms", f"max <= {TARGET_MS} ms", box=None)
    passed = True
    cursor = index.page(Filters(), LIMIT, count // 2).next_cursor or ""
    for name, wanted in pages_by_row(count, cursor).items():
        page = wanted.read(index)
        equal = (page.total, [e.run_id for e in page.entries]) == query_sqlite(peer, wanted)
        ours, theirs = measure_ms(partial(wanted.read, index)), measure_ms(partial(query_sqlite, peer, wanted))
        met = equal and ours[-1] <= TARGET_MS
        passed = passed and met
        figures = [f"{statistics.median(ours):.1f}", f"{ours[-1]:.1f}", f"{statistics.median(theirs):.1f}"]
        table.add_row(name, f"{page.total:,}", *figures, MET[met] if equal else "DIFFERS")
    console.print(table)
    return passed


def main(arguments: Sequence[str]) -> int:
    """Fill the databases, measure and print; return 0 if every page was equal and met the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    count, console = parser.parse_args(arguments).entries, Console(width=120, highlight=False)
    entries = list(synthetic_entries(count))
    with tempfile.TemporaryDirectory() as folder:
        lease = EmbeddedPostgres(Path(folder) / "postgres").lease()
        try:
            set_up(lease.url)
            with closing(Session(lease.url)) as session, closing(sqlite3.connect(Path(folder) / "peer.db")) as peer:
                index = ResultIndex(session)
                populate(index, peer, entries)
                versions = f"psycopg2 {psycopg2.__version__.split()[0]}, SQLite {sqlite3.sqlite_version}"
                console.print(f"{format_facts(machine())}; {versions}")
                return 0 if print_comparison(index, peer, count, console) else 1
        finally:
            lease.close()
            EmbeddedPostgres(Path(folder) / "postgres").wait_until_stopped(10)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
