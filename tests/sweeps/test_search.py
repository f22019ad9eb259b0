"""Optuna's proposals: determined by the seed, resumed from stored batches, and guided by results."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.sweeps.evaluate import evaluate
from coin_pipeline.sweeps.plan import split_into_chunks
from coin_pipeline.sweeps.search import BATCH, search
from coin_pipeline.sweeps.search_space import Point
from coin_pipeline.sweeps.spec import ValidPoints
from coin_pipeline.sweeps.trials import objectives_of, read_metadata, trials_digest
from tests.sweeps.parts import Crossing, registry, spec_of, tables_of

SPACE = {"fast": "1:35", "slow": "15:25:1", "edge": "0:0.2", "side": "above,below", "stop_loss": "none,0.05,0.1"}


def test_trials_follow_from_the_seed(candles: CandleCatalog, tmp_path: Path) -> None:
    """They do not depend on the number of threads; another seed proposes other points."""
    known = registry()
    spec = spec_of(known, SPACE, search="optuna", trials=40, seed=3)
    (first,) = tables_of(candles, known, tmp_path / "1", spec, 1)
    (two,) = tables_of(candles, known, tmp_path / "2", spec, 2)
    (other,) = tables_of(candles, known, tmp_path / "3", spec_of(known, SPACE, search="optuna", trials=40, seed=4))
    assert trials_digest(first) == trials_digest(two) != trials_digest(other)
    facts = read_metadata(first)
    assert len(first) + facts["skipped"] + facts["duplicates"] == 40
    assert facts["skipped"] > 0
    for point in first.to_pylist():
        assert point["fast"] < point["slow"]
        assert 0 <= point["edge"] <= 0.2


def test_search_resumes_from_stored_batches(candles: CandleCatalog, tmp_path: Path) -> None:
    """After a kill only unfinished batches are computed, and the trials are the same."""
    known, store = registry(), LocalStore(tmp_path)
    crossing = known.get("crossing")
    assert isinstance(crossing, Crossing)
    spec = spec_of(known, SPACE, search="optuna", trials=4 * BATCH, seed=1)
    (chunk,) = split_into_chunks(candles, known, spec).chunks

    class Killed(BaseException):
        """Stands for a signal."""

    reports = iter(range(100))

    def kill_in_the_third_batch(_: int) -> None:
        if next(reports) == 2:
            raise Killed

    with pytest.raises(Killed):
        evaluate(candles, known, store, chunk, progress=kill_in_the_third_batch)
    assert len(list(store.keys("sweeps"))) == 2
    finished = set(crossing.calls())
    resumed = evaluate(candles, known, store, chunk)
    calls = crossing.calls()
    assert 0 < len(calls) < 5 * BATCH * 4
    (whole,) = tables_of(candles, registry(), tmp_path / "whole", spec)
    assert trials_digest(resumed) == trials_digest(whole)
    first = {(row["fast"], row["slow"]) for row in whole.to_pylist() if row["point"] < 2 * BATCH}
    assert first <= finished
    later = {(row["fast"], row["slow"]) for row in whole.to_pylist() if row["point"] >= 2 * BATCH}
    assert set(calls) == later


def test_longer_search_extends_the_shorter_one(candles: CandleCatalog, tmp_path: Path) -> None:
    """Batches are stored under their content, so they are reused."""
    known = registry()
    (short,) = tables_of(candles, known, tmp_path, spec_of(known, SPACE, search="optuna", trials=2 * BATCH))
    (long,) = tables_of(candles, known, tmp_path, spec_of(known, SPACE, search="optuna", trials=3 * BATCH))
    assert long.slice(0, len(short)).equals(short)


def rows_by(value: Callable[[Point], float | None]) -> Callable[[ValidPoints], pa.Table]:
    """Return a substitute for evaluation whose objective is a function of the point."""

    def rows_of(taken: ValidPoints) -> pa.Table:
        return pa.table(
            {"objective": pa.array([value(taken.points.point(k)) for k in range(len(taken))], pa.float64())}
        )

    return rows_of


def test_proposals_improve(candles: CandleCatalog) -> None:
    """Reported results matter: later points are nearer to the maximum than the first, random ones."""
    assert candles
    known = registry()
    spec = spec_of(known, {"hold": "1:100", "edge": "0:1"}, search="optuna", trials=10 * BATCH)
    tables, skipped, duplicates = search(
        spec, known, rows_by(lambda point: -abs(point["hold"] - 70) / 100 - abs(point["edge"] - 0.3))
    )
    means = [objectives_of(table, 1).mean() for table in tables]
    assert means[-1] > means[0] / 4
    assert (skipped, sum(map(len, tables)) + duplicates) == (0, 10 * BATCH)


def test_duplicate_and_skipped_points_have_no_trials(candles: CandleCatalog) -> None:
    """In a small space each point is evaluated once, and undefined objectives do not end the search."""
    assert candles
    known = registry()
    spec = spec_of(known, {"fast": "5,9,12", "slow": [10], "side": "above,below"}, search="optuna", trials=50)
    evaluated: list[tuple[object, ...]] = []

    def value(point: Point) -> float | None:
        evaluated.append(tuple(point.values()))
        return None if point["side"] == "below" else 1.0

    tables, skipped, duplicates = search(spec, known, rows_by(value))
    assert sorted(evaluated) == [(5, 10, "above"), (5, 10, "below"), (9, 10, "above"), (9, 10, "below")]
    assert skipped == 2
    assert duplicates == 50 - 6
    assert sum(map(len, tables)) == 4
