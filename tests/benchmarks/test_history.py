"""The benchmark of the history compares every page with that of another database."""

import io
import sqlite3
from contextlib import closing

from rich.console import Console

from benchmarks.history import entries, fill, measured
from coin_pipeline.results.index import ResultIndex


def test_every_page_is_that_of_sqlite(index: ResultIndex) -> None:
    """Whatever the filters; an entry that only one of them has is noticed."""
    shown = io.StringIO()
    console = Console(file=shown, width=120)
    made = list(entries(400))
    with closing(sqlite3.connect(":memory:")) as peer:
        fill(index, peer, made)
        measured(index, peer, len(made), console)
        assert shown.getvalue().count("\n") > 16
        assert "DIFFERS" not in shown.getvalue()
        peer.execute("delete from result where run_id = ?", (made[1].run_id,))
        assert not measured(index, peer, len(made), console)
        assert "DIFFERS" in shown.getvalue()
