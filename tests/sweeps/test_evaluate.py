"""Chunk evaluation: equal to single backtests, stored, resumed, and rejected after changes."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.engine.sweep import Trials
from coin_pipeline.errors import CandlesChanged, CodeChanged, LookAhead, StrategyFailed
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.sweeps import evaluate as module
from coin_pipeline.sweeps.evaluate import evaluate
from coin_pipeline.sweeps.plan import split_into_chunks
from coin_pipeline.sweeps.search_space import PointColumns
from coin_pipeline.sweeps.trials import read_metadata, trials_digest, trials_table
from tests.conftest import store_candles
from tests.sweeps.parts import Crossing, point_at, registry, spec_of, tables_of

SPACE = {"fast": "1:12:1", "slow": "8:12:1", "stop_loss": "0.05,none"}


def digest_of(tables: list[pa.Table]) -> str:
    """Return the digest of all trials together."""
    return trials_digest(pa.concat_tables([table.replace_schema_metadata(None) for table in tables]))


@pytest.mark.parametrize("strategy", ["crossing", "volume_zone_breakout"])
@pytest.mark.parametrize("fill", ["next_open", "signal_close"])
def test_every_trial_equals_its_own_backtest(candles: CandleCatalog, tmp_path: Path, strategy: str, fill: str) -> None:
    """Each point and symbol matches to the last bit, for a custom and a built-in strategy."""
    known = registry()
    space = (
        {"hold": "1,3", "fast": "2,4"}
        if strategy == "crossing"
        else {"volume_window": "5,8", "top_percentile": "0.1,0.3"}
    )
    symbols = ["BBB_KRW", "AAA_KRW"]
    fields = {"strategy": strategy, "fill": fill, "symbols": symbols, "trailing_stop": 0.2, "warm_up": "none"}
    spec = spec_of(known, {**space, "take_profit": "0.02,none"}, **fields)
    (table,) = tables_of(candles, known, tmp_path, spec)
    assert len(table) == 8 * 2
    for number in range(8):
        point = point_at(spec.points(), number)
        run = spec.backtest_at(point)
        params = known.resolve(run.strategy, run.params)
        trials, counts = [], []
        for symbol in symbols:
            bars = candles.read(symbol, run.candle_length, run.start_date, run.end_date)
            signals = known.get(strategy).signals(bars, params)
            trials.append(
                Trials.from_simulation(simulate(bars, signals, run.costs_of(symbol), run.fill, run.stops, run.sizing))
            )
            counts.append(len(bars))
        alone = trials_table(spec, PointColumns.of(spec.space, [number], [point]), counts, trials)
        assert alone.equals(table.slice(2 * number, 2))


def test_trials_do_not_depend_on_threads_or_chunks(candles: CandleCatalog, tmp_path: Path) -> None:
    """The digest is the same with 1 or 8 workers, in one chunk or many, for either kind of strategy."""
    known = registry()
    for number, spec in enumerate(
        [
            spec_of(known, SPACE),
            spec_of(known, {"volume_window": "5:20:1", "num_bins": "5:12:1"}, strategy="volume_zone_breakout"),
        ]
    ):
        ways = [(1, None), (8, None), (1, 7), (8, 33)]
        roots = [tmp_path / f"{number}-{workers}-{size}" for workers, size in ways]
        digests = {
            digest_of(tables_of(candles, known, root, spec, workers, size))
            for root, (workers, size) in zip(roots, ways, strict=True)
        }
        assert len(digests) == 1


def test_trials_do_not_depend_on_batches(candles: CandleCatalog, tmp_path: Path) -> None:
    """A chunk may have more points than fit in memory at once."""
    known = registry()
    spec = spec_of(known, {"hold": f"1:{module.BATCH + 10}:1"})
    whole = tables_of(candles, known, tmp_path / "a", spec, chunk_points=1000)
    assert len(whole[0]) == module.BATCH + 10
    assert digest_of(whole) == digest_of(tables_of(candles, known, tmp_path / "b", spec, chunk_points=60))


def test_only_missing_chunks_are_computed_again(candles: CandleCatalog, tmp_path: Path) -> None:
    """An interrupted sweep loses only the chunk in progress."""
    known, store = registry(), LocalStore(tmp_path)
    crossing = known.get("crossing")
    assert isinstance(crossing, Crossing)
    spec = spec_of(known, SPACE)
    chunks = split_into_chunks(candles, known, spec, 10).chunks
    first = [evaluate(candles, known, store, chunk) for chunk in chunks]
    assert len(crossing.calls()) > 100
    again = [evaluate(candles, known, store, chunk) for chunk in chunks]
    assert crossing.calls() == []
    assert [table.schema.metadata for table in again] == [table.schema.metadata for table in first]
    lost = chunks[4]
    store.delete(lost.key)
    resumed = [evaluate(candles, known, store, chunk) for chunk in chunks]
    points = (lost.points().point(k) for k in range(10))
    expected = {(point["fast"], point["slow"]) for point in points if point["fast"] < point["slow"]}
    assert set(crossing.calls()) == expected
    assert digest_of(first) == digest_of(again) == digest_of(resumed)


def test_kill_keeps_finished_chunks(candles: CandleCatalog, tmp_path: Path) -> None:
    """A chunk that is interrupted has no stored trials; earlier chunks keep theirs."""

    class Killed(BaseException):
        """Stands for a signal."""

    def kill(_: int) -> None:
        raise Killed

    known, store = registry(), LocalStore(tmp_path)
    chunks = split_into_chunks(candles, known, spec_of(known, SPACE, symbols=["AAA_KRW", "BBB_KRW"]), 40).chunks
    evaluate(candles, known, store, chunks[0])
    with pytest.raises(Killed):
        evaluate(candles, known, store, chunks[1], progress=kill)
    assert list(store.keys("sweeps")) == [chunks[0].key]


def test_fresh_ignores_stored_trials(candles: CandleCatalog, tmp_path: Path) -> None:
    """The trials are computed again, and are the same."""
    known, store = registry(), LocalStore(tmp_path)
    crossing = known.get("crossing")
    assert isinstance(crossing, Crossing)
    (chunk,) = split_into_chunks(candles, known, spec_of(known, {"fast": "1,2"})).chunks
    stored = evaluate(candles, known, store, chunk)
    crossing.calls()
    assert evaluate(candles, known, store, chunk, fresh=True).equals(stored)
    assert crossing.calls()


@pytest.mark.parametrize("position", [0, 0.3, 0.5, 0.7, 1])
def test_a_flipped_bit_in_stored_trials(
    candles: CandleCatalog, tmp_path: Path, caplog: pytest.LogCaptureFixture, position: float
) -> None:
    """The chunk is computed again, stored intact, and the log names it."""
    known, store = registry(), LocalStore(tmp_path)
    (chunk,) = split_into_chunks(candles, known, spec_of(known, {"fast": "1,2"})).chunks
    stored = evaluate(candles, known, store, chunk)
    content = store.get(chunk.key)
    flip_bit(tmp_path / chunk.key, position)
    assert evaluate(candles, known, store, chunk).equals(stored)
    assert store.get(chunk.key) == content
    assert f"stored chunk {chunk.key} is damaged and will be computed again" in caplog.text


def flip_bit(path: Path, position: float) -> None:
    """Flip a bit of a file in place, at a fraction of its length, as a failing disk does."""
    data = bytearray(path.read_bytes())
    data[int(position * (len(data) - 1))] ^= 0x10
    with path.open("r+b") as file:  # replacing the file would lose its stored digest
        file.write(data)


def test_damaged_trials_are_computed_again(candles: CandleCatalog, tmp_path: Path) -> None:
    """Damaged trials are never returned."""
    known, store = registry(), LocalStore(tmp_path)
    (chunk,) = split_into_chunks(candles, known, spec_of(known, {"fast": "1,2"})).chunks
    stored = evaluate(candles, known, store, chunk)
    store.put(chunk.key, store.get(chunk.key)[:-9], overwrite=True)
    assert evaluate(candles, known, store, chunk).equals(stored)


def test_omitted_points_are_counted(candles: CandleCatalog, tmp_path: Path) -> None:
    """The counts are stored with each chunk, even with one that has no trials."""
    known = registry()
    tables = tables_of(candles, known, tmp_path, spec_of(known, {"fast": "9:14:1", "slow": [12]}), chunk_points=3)
    assert [(len(table), read_metadata(table)["skipped"]) for table in tables] == [(3, 0), (0, 3)]
    assert tables[0].schema.equals(tables[1].schema, check_metadata=False)
    drawn = tables_of(
        candles, known, tmp_path, spec_of(known, {"fast": "9,14", "slow": [12]}, search="random", trials=30)
    )
    assert [(len(table), read_metadata(table)["skipped"], read_metadata(table)["duplicates"]) for table in drawn] == [
        (1, 1, 28)
    ]


def test_progress_sums_to_all_rows(candles: CandleCatalog, tmp_path: Path) -> None:
    """This holds for computed and for stored trials."""
    known, store = registry(), LocalStore(tmp_path)
    spec = spec_of(known, {"fast": "1:5:1"}, symbols=["AAA_KRW", "BBB_KRW"])
    (chunk,) = split_into_chunks(candles, known, spec).chunks
    computed: list[int] = []
    evaluate(candles, known, store, chunk, progress=computed.append)
    read: list[int] = []
    evaluate(candles, known, store, chunk, progress=read.append)
    assert (computed, read) == ([5, 5], [10])


def test_changed_candles_are_rejected(tmp_path: Path) -> None:
    """A sweep never mixes two versions of candles."""
    known, catalog = registry(), store_candles(tmp_path)
    (chunk,) = split_into_chunks(catalog, known, spec_of(known, {"fast": "1,2"})).chunks
    daily = parse_timeframe("1d")
    catalog.merge("AAA_KRW", daily, synthetic_candles(9, daily, date(2023, 1, 1), 731))
    with pytest.raises(CandlesChanged, match="AAA_KRW"):
        evaluate(catalog, known, LocalStore(tmp_path), chunk)


def test_changed_code_is_rejected(candles: CandleCatalog, tmp_path: Path) -> None:
    """Trials of other code are never stored under the planned key."""
    file = tmp_path / "mine.py"
    source = """
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams

class Params(StrategyParams):
    every: int = Field(2, ge=1)

class Mine(Strategy[Params]):
    name = "mine"
    Params = Params

    def signals(self, bars: Bars, params: Params) -> Signals:
        return Signals(bars.close > bars.open, hold=params.every)
"""
    file.write_text(source)
    known, store = load_registry([file]), LocalStore(tmp_path)
    spec = spec_of(known, {"every": "1:4:1"}, strategy="mine")
    (chunk,) = split_into_chunks(candles, known, spec).chunks
    assert len(evaluate(candles, known, store, chunk)) == 4
    file.write_text(source.replace("bars.close >", "bars.close <"))
    with pytest.raises(CodeChanged, match="mine"):
        evaluate(candles, known, store, chunk, fresh=True)
    (edited,) = split_into_chunks(candles, known, spec).chunks
    assert edited.key != chunk.key
    with pytest.raises(CodeChanged, match="mine"):
        evaluate(candles, known, store, edited.model_copy(update={"versions": {**edited.versions, "numpy": "1.0"}}))


def test_failing_point_is_named(candles: CandleCatalog, tmp_path: Path) -> None:
    """The message contains the line and the symbol."""
    known = registry()
    spec = spec_of(known, {"slow": "8:10:1", "stop_loss": "none"}, strategy="failing")
    where = r"'failing' failed on AAA_KRW with slow=9, stop_loss=none: line \d+ of parts.py: ZeroDivisionError"
    with pytest.raises(StrategyFailed, match=where):
        tables_of(candles, known, tmp_path, spec)


def test_look_ahead_is_detected(candles: CandleCatalog, tmp_path: Path) -> None:
    """It is detected during evaluation, not only when the best point is run."""
    known = registry()
    with pytest.raises(LookAhead, match="its entries at bar"):
        tables_of(candles, known, tmp_path, spec_of(known, {"hold": "1,2"}, strategy="peeking"))


def test_look_ahead_is_checked_once_in_many_points(candles: CandleCatalog, tmp_path: Path) -> None:
    """A check takes as long as dozens of points; chunks and batches of proposals in between have none."""
    known = registry()
    crossing = known.get("crossing")
    assert isinstance(crossing, Crossing)
    spec = spec_of(known, {"hold": "1:300:1"}, warm_up="none")
    calls = []
    for chunk in split_into_chunks(candles, known, spec, 50).chunks:
        evaluate(candles, known, LocalStore(tmp_path), chunk)
        calls.append(len(crossing.calls()))
    assert [count > 50 for count in calls] == [True, False, False, False, False, True]


def test_optuna_is_imported_only_for_its_searches() -> None:
    """Importing it takes longer than evaluating a grid."""
    program = "import sys, coin_pipeline.sweeps.evaluate, coin_pipeline.sweeps.result; print('optuna' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
