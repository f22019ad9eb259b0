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
from pathlib import Path

import psycopg2
from rich.console import Console
from rich.table import Table

from benchmarks.report import MET, format_facts, machine
from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.database.pages import parse_cursor
from coin_pipeline.database.session import Session
from coin_pipeline.orchestration.storage import set_up
from coin_pipeline.results.index import Filters, ResultIndex
from coin_pipeline.results.index_entry import IndexEntry
from coin_pipeline.results.legacy import SEOUL
from coin_pipeline.results.store import is_run_id

ENTRIES, LIMIT, ROUNDS, TARGET_MS = 100_000, 10, 21, 50
START = datetime(2024, 1, 1, tzinfo=UTC)
STRATEGIES = ("volume_long_candle", "volume_zone_breakout")
MARKETS = [f"COIN{number}_KRW" for number in range(100)]
SCHEMA = """
create table result (
    run_id text primary key, kind text, strategy text, start_date text, end_date text, timeframe text,
    total_signals integer, avg_return real, total_return real, execution_time real, timestamp real, version text
);
create table symbol (run_id text, symbol text);
create index result_order on result (timestamp desc, run_id desc);
create index result_return on result (avg_return);
create index result_signals on result (total_signals);
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
            timeframe="1d",
            total_signals=draw.randrange(1000),
            avg_return=draw.gauss(0, 1),
            total_return=draw.gauss(0, 1),
            execution_time=draw.random(),
            timestamp=START + timedelta(seconds=draw.randrange(10**7)),
            version="1.2.0",
            size=88_000,
            modified=START,
        )


def filters_by_row(count: int, cursor: str) -> dict[str, tuple[Filters, int, str | None]]:
    """Return filters, offset and cursor of each row of the table."""
    some_days = {"date_from": date(2024, 2, 1), "date_to": date(2024, 2, 3)}
    return {
        "first page": (Filters(), 0, None),
        "half the offset": (Filters(), count // 2, None),
        f"offset {count * 94 // 100:,}, near the end": (Filters(), count * 94 // 100, None),
        "cursor halfway": (Filters(), 0, cursor),
        "including sweeps, last page": (Filters(kind=None), count - 100, None),
        "strategy": (Filters(strategy=STRATEGIES[0]), 0, None),
        "symbol": (Filters(symbol="KRW-COIN7"), 0, None),
        "symbol without results": (Filters(symbol="KRW-NONE"), 0, None),
        "min_return": (Filters(min_return=1), 0, None),
        "max_return": (Filters(max_return=-3.5), 0, None),
        "min_signals": (Filters(min_signals=990), 0, None),
        "max_signals": (Filters(max_signals=500), 0, None),
        "date_from": (Filters(date_from=date(2024, 1, 3)), 0, None),
        "date_to": (Filters(date_to=date(2024, 1, 3)), 0, None),
        "two days": (Filters(**some_days), 0, None),  # type: ignore[arg-type]  # mypy matches them with every field
        "all filters": (
            Filters("backtest", STRATEGIES[1], MARKETS[5], 0, 1, 10, 500, date(2024, 1, 5), date(2024, 3, 1)),
            0,
            None,
        ),
    }


def populate(index: ResultIndex, peer: sqlite3.Connection, entries: Sequence[IndexEntry]) -> None:
    """Write the same rows to both databases, and update their statistics."""
    for start in range(0, len(entries), 1000):
        index.add(entries[start : start + 1000])
    index.analyze()
    peer.executescript(SCHEMA)
    rows = [
        (e.run_id, e.kind, e.strategy, str(e.start_date), str(e.end_date), *e[7:12], e.timestamp.timestamp(), e.version)
        for e in entries
    ]
    peer.executemany("insert into result values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    peer.executemany("insert into symbol values (?, ?)", ((e.run_id, symbol) for e in entries for symbol in e.symbols))
    peer.executescript("analyze")


def midnight(day: date) -> float:
    """Return the start of a day in Seoul, seconds since the Unix epoch."""
    return datetime(day.year, day.month, day.day, tzinfo=SEOUL).timestamp()


def query_sqlite(peer: sqlite3.Connection, filters: Filters, offset: int, after: str | None) -> tuple[int, list[str]]:
    """Return the total and the run IDs of the same page from SQLite, using only the necessary conditions."""
    conditions: list[tuple[str, object]] = [
        ("kind = ?", filters.kind),
        ("strategy = ?", filters.strategy),
        ("run_id in (select run_id from symbol where symbol = ?)", filters.symbol),
        ("avg_return >= ?", filters.min_return),
        ("avg_return <= ?", filters.max_return),
        ("total_signals >= ?", filters.min_signals),
        ("total_signals <= ?", filters.max_signals),
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
    rows = peer.execute(
        f"select * from result where {where} order by timestamp desc, run_id desc limit ? offset ?",  # noqa: S608 -- same
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
    for name, (filters, offset, after) in filters_by_row(count, cursor).items():
        page = index.page(filters, LIMIT, offset, after)
        equal = (page.total, [e.run_id for e in page.entries]) == query_sqlite(peer, filters, offset, after)
        ours = measure_ms(lambda f=filters, o=offset, a=after: index.page(f, LIMIT, o, a))  # type: ignore[misc]  # bound now
        theirs = measure_ms(lambda f=filters, o=offset, a=after: query_sqlite(peer, f, o, a))  # type: ignore[misc]  # same
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
