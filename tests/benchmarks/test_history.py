"""The history benchmark compares every page with the one from SQLite."""

import io
import sqlite3
from contextlib import closing

from rich.console import Console

from benchmarks.history import populate, print_comparison, synthetic_entries
from coin_pipeline.results.index import ResultIndex


def test_every_page_equals_that_of_sqlite(index: ResultIndex) -> None:
    """Pages are equal for all filters; an entry missing from one database is detected."""
    output = io.StringIO()
    console = Console(file=output, width=120)
    entries = list(synthetic_entries(400))
    with closing(sqlite3.connect(":memory:")) as peer:
        populate(index, peer, entries)
        print_comparison(index, peer, len(entries), console)
        assert output.getvalue().count("\n") > 16
        assert "DIFFERS" not in output.getvalue()
        peer.execute("delete from result where run_id = ?", (entries[1].run_id,))
        assert not print_comparison(index, peer, len(entries), console)
        assert "DIFFERS" in output.getvalue()
