"""Division of a sweep into chunks, and what the key of a chunk depends on."""

from pathlib import Path

import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.errors import CandlesNotFound
from coin_pipeline.sweeps.plan import SweepChunk, SweepPlan, split_into_chunks
from tests.conftest import store_candles
from tests.sweeps.parts import registry, spec_of

KNOWN = registry()
SPACE = {"fast": "1:30:1", "slow": "11:20:1"}


def make_plan(
    candles: CandleCatalog, space: dict[str, object], chunk_points: int | None = None, **fields: object
) -> SweepPlan:
    """Return the plan of a sweep."""
    return split_into_chunks(candles, KNOWN, spec_of(KNOWN, space, **fields), chunk_points)


@pytest.mark.parametrize(
    ("space", "chunk_points", "sizes"),
    [
        ({"hold": "1:7:1"}, None, [7]),
        ({"hold": "1:300:1"}, None, [250, 50]),
        ({"hold": "1:1250:1"}, None, [250] * 5),
        ({"hold": "1:40000:1"}, None, [2000] * 20),
        pytest.param({"hold": "1:60000:1", "slow": "11:20:1"}, None, [1200] * 500, marks=pytest.mark.long),
        ({"hold": "1:7:1"}, 3, [3, 3, 1]),
    ],
)
def test_chunk_size_is_a_twentieth_within_limits(
    candles: CandleCatalog, space: dict[str, object], chunk_points: int | None, sizes: list[int]
) -> None:
    """There are enough chunks to show progress, and few enough that they cost less than their points."""
    made = make_plan(candles, space, chunk_points, confirm=True)
    assert [chunk.stop - chunk.first for chunk in made.chunks] == sizes
    assert [chunk.number for chunk in made.chunks] == list(range(len(sizes)))
    assert {chunk.chunks for chunk in made.chunks} == {len(sizes)}
    assert (made.points, made.skipped, made.duplicates) == (sum(sizes), 0, 0)


def test_vectorized_strategies_get_larger_chunks(candles: CandleCatalog) -> None:
    """Fast points are not worth dividing into small chunks."""
    spec = spec_of(KNOWN, {"hold_period_bars": "1:900:1", "vol_ma_window": "1:3:1"}, strategy="volume_long_candle")
    assert [chunk.stop - chunk.first for chunk in split_into_chunks(candles, KNOWN, spec).chunks] == [2500, 200]


def test_skipped_points_are_counted(candles: CandleCatalog) -> None:
    """The fast average must be shorter than the slow one."""
    made = make_plan(candles, SPACE)
    valid = sum(fast < slow for fast in range(1, 31) for slow in range(11, 21))
    assert (made.points, made.skipped, made.duplicates) == (valid, 300 - valid, 0)


def test_duplicate_draws_are_counted(candles: CandleCatalog) -> None:
    """Of 100 draws from 2 x 2 points four are new, and one of those violates the constraint."""
    made = make_plan(candles, {"fast": "5,12", "slow": "11,20"}, search="random", trials=100)
    assert (made.points, made.skipped, made.duplicates) == (3, 1, 96)


def test_adaptive_search_is_one_chunk(candles: CandleCatalog) -> None:
    """Its later points depend on the earlier ones."""
    made = make_plan(candles, {"fast": "1:9"}, search="optuna", trials=300)
    assert [(chunk.first, chunk.stop) for chunk in made.chunks] == [(0, 300)]
    assert (made.points, made.skipped, made.duplicates) == (300, 0, 0)


def test_chunks_survive_json(candles: CandleCatalog) -> None:
    """A chunk restored from JSON has the same key."""
    chunk = make_plan(candles, SPACE, 100).chunks[2]
    there = SweepChunk.model_validate_json(chunk.model_dump_json())
    assert there == chunk
    assert there.key == chunk.key
    assert chunk.key.startswith("sweeps/chunks/")


def test_key_depends_on_points_spec_candles_and_code(candles: CandleCatalog, tmp_path: Path) -> None:
    """Everything that determines the trials changes the key, and nothing else does."""
    chunk = make_plan(candles, SPACE, 50).chunks[0]
    longer = make_plan(candles, {"fast": "1:40:1", "slow": "11:20:1"}, 50).chunks[0]
    assert longer.number == chunk.number
    assert longer.spec != chunk.spec
    assert longer.key == chunk.key  # the same points of a larger grid
    others = {
        "points": make_plan(candles, SPACE, 50).chunks[1],
        "size": make_plan(candles, SPACE, 40).chunks[0],
        "fixed": make_plan(candles, SPACE, 50, params={"hold": 3}).chunks[0],
        "costs": make_plan(candles, SPACE, 50, fee_rate=0.0).chunks[0],
        "objective": make_plan(candles, SPACE, 50, objective="win_rate").chunks[0],
        "candles": chunk.model_copy(update={"candles": (chunk.candles[0].model_copy(update={"sha256": "0" * 64}),)}),
        "code": chunk.model_copy(update={"code": "0" * 64}),
        "versions": chunk.model_copy(update={"versions": {**chunk.versions, "numpy": "0"}}),
    }
    keys = {name: SweepChunk.model_validate(other.model_dump()).key for name, other in others.items()}
    assert len({chunk.key, *keys.values()}) == len(keys) + 1
    store_candles(tmp_path)
    assert split_into_chunks(CandleCatalog(tmp_path), KNOWN, chunk.spec, 50).chunks[0].key == chunk.key


def test_key_depends_on_column_types(candles: CandleCatalog) -> None:
    """The same points of a dimension that otherwise contains numbers have another key."""
    only, also = (make_plan(candles, {"stop_loss": space}, 1).chunks[-1] for space in ("none", "0.05,none"))
    assert only.key_for("the same") != also.key_for("the same")


def test_key_of_a_search_depends_on_space_and_seed(candles: CandleCatalog) -> None:
    """Its points are not known in advance."""
    keys = {
        make_plan(candles, {"fast": space}, search="optuna", trials=trials, seed=seed).chunks[0].key
        for space, trials, seed in (("1:9", 20, 0), ("1:8", 20, 0), ("1:9", 21, 0), ("1:9", 20, 1))
    }
    assert len(keys) == 4


def test_missing_candles_are_reported(candles: CandleCatalog) -> None:
    """The error is that of a backtest."""
    with pytest.raises(CandlesNotFound, match="ZZZ_KRW"):
        make_plan(candles, SPACE, symbols=["AAA_KRW", "ZZZ_KRW"])
